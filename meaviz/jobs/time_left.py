"""How long a job still takes, judged by how it went so far."""

from __future__ import annotations

from collections import deque

FIRST = 3.0, 0.03  # s and fraction done before anything is said
RECENT = 10.0, 1 / 3  # s and share of the time so far that the present speed is taken from, the longer of both


class TimeLeft:
    """Follows one job; ``now`` is a time in seconds that only goes forward."""

    def __init__(self) -> None:
        self._past: deque[tuple[float, float]] = deque()

    def restart(self, now: float) -> None:
        """A job begins."""
        self._past.clear()
        self._past.append((now, 0.0))
        self._began = now

    def report(self, fraction: float, now: float) -> float | None:
        """Seconds left once ``fraction`` in [0, 1] is done; None while that cannot be said.

        The speed is that of the recent past, for the stages of a job differ in theirs.
        """
        if not self._past:
            self.restart(now)
        if fraction > self._past[-1][1]:
            self._past.append((now, fraction))
        elapsed = now - self._began
        window = max(RECENT[0], RECENT[1] * elapsed)
        while len(self._past) > 2 and now - self._past[1][0] > window:
            self._past.popleft()
        since, before = self._past[0]
        if elapsed < FIRST[0] or fraction < FIRST[1] or fraction <= before:
            return None
        return (1.0 - fraction) * (now - since) / (fraction - before)


def in_words(seconds: float | None) -> str:
    """``about 40 s left``, in steps that do not flicker; empty for None."""
    if seconds is None:
        return ""
    if seconds < 7.5:
        return "a few seconds left"
    if seconds < 90:
        step = 5 if seconds < 30 else 10
        return f"about {step * round(seconds / step)} s left"
    if seconds < 90 * 60:
        return f"about {round(seconds / 60)} min left"
    return f"about {seconds / 3600:.1f} h left"

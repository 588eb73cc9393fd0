"""How long work reports, and how it is cancelled: one callable, passed down."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[int, int, str], None]
"""``progress(done, total, message)``; it may raise :class:`meagraph.errors.Cancelled` to stop the work."""


def silent(done: int, total: int, message: str) -> None:
    """Report nothing."""


def part(progress: Progress, first: float, last: float, scale: int = 1000) -> Progress:
    """Map a stage's own progress onto the span ``first`` to ``last`` (fractions) of a longer job."""

    def report(done: int, total: int, message: str) -> None:
        share = done / total if total else 1.0
        progress(round(scale * (first + (last - first) * min(share, 1.0))), scale, message)

    return report

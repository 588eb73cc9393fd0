"""The memory that a server's jobs may take: a job says what it needs before it takes it, and may be refused."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from meagraph.errors import MEAGraphError
from meagraph.memory import free

LEFT = 1e9  # bytes that a job must find free, or the whole server may be killed for what it takes


class Budget:
    """``limit`` is how many bytes the server may hold; None: what the machine has. One is shared by all its jobs."""

    def __init__(self, limit: float | None = None) -> None:
        self.limit = limit
        self._lock = threading.Lock()
        self._promised: dict[int, tuple[float, float]] = {}  # by thread: bytes, and what the server held then

    @contextmanager
    def job(self) -> Iterator[None]:
        """A job in this thread, which needs little unless it says so. Raises what :meth:`promise` does."""
        self.promise(0.0, "a job")
        try:
            yield
        finally:
            with self._lock:
                self._promised.pop(threading.get_ident(), None)

    def promise(self, needs: float, what: str) -> None:
        """Promise ``needs`` bytes to the job in this thread, for ``what``.

        Raises MEAGraphError where they are not there: what is promised to others and not taken yet is not, either.
        """
        with self._lock:
            held = resident()
            left = free() if self.limit is None else min(free(), self.limit - held)
            mine = threading.get_ident()
            others = [promise for thread, promise in self._promised.items() if thread != mine]
            if others:
                taken = max(0.0, held - min(before for _, before in others))
                left -= max(0.0, sum(size for size, _ in others) - taken)
            if left < max(needs, LEFT):
                limit = "this machine" if self.limit is None else f"its budget of {self.limit / 1e9:.1f} GB"
                beside = f" beside the {len(others)} at work" if others else ""
                raise MEAGraphError(
                    f"The server holds {held / 1e9:.1f} GB, and of {limit} only {max(left, 0) / 1e9:.1f} GB are free"
                    f"{beside}: {what} needs about {max(needs, LEFT) / 1e9:.1f} GB. Wait until others have ended or "
                    "closed their pages, give fewer structures, or ask for a larger budget (--memory)."
                )
            self._promised[mine] = (needs, held)


def resident() -> float:
    """Bytes that this process holds; 0 where the system does not say."""
    try:
        with open("/proc/self/statm", encoding="ascii") as stream:
            pages = int(stream.read().split()[1])
        import resource

        return float(pages * resource.getpagesize())
    except (OSError, ValueError, ImportError):
        return 0.0

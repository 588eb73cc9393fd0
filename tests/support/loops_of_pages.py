"""A page's loop that a test turns by hand."""

from __future__ import annotations

import time
from collections.abc import Callable


class Loop:
    """What is to be called later waits here."""

    def __init__(self) -> None:
        self.waiting: list[Callable[[], object]] = []

    def later(self, act: Callable[[], object], seconds: float) -> None:
        """Have ``act`` called at the next turn; what would come after seconds, as another try, never."""
        if seconds < 1.0:
            self.waiting.append(act)

    def turn(self) -> None:
        """Call what waits, and what comes of it, until nothing does."""
        deadline = time.monotonic() + 30
        while self.waiting and time.monotonic() < deadline:
            waiting, self.waiting = self.waiting, []
            for act in waiting:
                act()
            time.sleep(0.005)

"""What follows the end of a session: its memory goes back to the system."""

from __future__ import annotations

import threading

from meagraph.memory import hand_back

AFTER = 5.0  # s: what the session computed has heard of its end, and sessions that end together are one piece of work

_planned = threading.Lock()


def hand_back_soon() -> None:
    """Hand back what the sessions held that end about now, once for all of them."""
    if _planned.acquire(blocking=False):
        timer = threading.Timer(AFTER, _hand_back)
        timer.daemon = True
        timer.start()


def _hand_back() -> None:
    _planned.release()  # before the work: a session that ends meanwhile is another's
    hand_back()

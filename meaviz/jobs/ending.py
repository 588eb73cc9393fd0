"""What follows the end of a session: its memory goes back to the system."""

from __future__ import annotations

import threading

from meagraph.memory import hand_back
from meaviz.jobs.runner import jobs_at_work

AFTER = 5.0  # s: by then Bokeh has let the session go, and those that end together are one piece of work
PATIENCE = 60.0  # s for a job that was cancelled: it holds its session until its next report

_planned = threading.Lock()


def hand_back_soon() -> None:
    """Hand back what the sessions held that end about now, once for all of them."""
    if _planned.acquire(blocking=False):
        timer = threading.Timer(AFTER, _hand_back)
        timer.daemon = True
        timer.start()


def _hand_back() -> None:
    _planned.release()  # before the work: a session that ends meanwhile is another's
    for job in jobs_at_work():
        if job.cancelled:
            job.join(PATIENCE)
    hand_back()

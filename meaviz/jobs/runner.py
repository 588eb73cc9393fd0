"""Long work off the event loop: one job at a time, with progress and cancelling.

A job runs a pure function in a thread and never touches a widget. The session's own loop polls it, and hands progress
and result over there.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import threading
import time
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import panel as pn
from panel.io import hold

from meagraph.errors import Cancelled, MEAGraphError
from meagraph.logs import log_in_use
from meagraph.memory import ran_out, shortage
from meagraph.progress import Progress
from meaviz.session.queue import Turn

POLL = 150  # ms
DETAILS = "The log has the details"
LAST = 1_000_000  # bytes of a log that are offered

log = logging.getLogger(__name__)


def held(update: Callable[..., object]) -> Callable[..., None]:
    """Let ``update`` change Bokeh models wherever it is called from.

    Panel calls the watchers of its widgets without the document's lock, which Bokeh demands; changes that are held back
    and then dispatched by Panel need none.
    """

    @functools.wraps(update)
    def run(*arguments: Any) -> None:
        with hold():
            update(*arguments)

    return run


class Job(threading.Thread):
    """One piece of work in a thread of its own."""

    def __init__(self, work: Callable[[Progress], Any], turn: Turn | None = None) -> None:
        super().__init__(name="job", daemon=True)
        self._work, self._turn = work, turn
        self.fraction = 0.0
        self.message = ""
        self.result: Any = None
        self.error: BaseException | None = None
        self._cancelled = threading.Event()

    def cancel(self) -> None:
        """Ask the work to stop at its next report of progress."""
        self._cancelled.set()

    @property
    def cancelled(self) -> bool:
        """It was asked to stop."""
        return self._cancelled.is_set()

    def run(self) -> None:
        """Do the work; what it returns or raises is kept."""
        try:
            with contextlib.nullcontext() if self._turn is None else self._turn(partial(self._report, 0, 1)):
                self.result = self._work(self._report)
            if self.cancelled:
                raise Cancelled
        except BaseException as error:
            self.error = error

    def _report(self, done: int, total: int, message: str) -> None:
        if self.cancelled:
            raise Cancelled
        self.fraction, self.message = done / max(total, 1), message


def jobs_at_work() -> list[Job]:
    """The jobs of this process that have not ended, of all its sessions."""
    return [thread for thread in threading.enumerate() if isinstance(thread, Job)]


def end_jobs(seconds: float) -> None:
    """Cancel all jobs of this process and wait for them, ``seconds`` at most in all.

    A thread that still computes in a library's own code while Python ends would abort the process.
    """
    jobs = jobs_at_work()
    for job in jobs:
        job.cancel()
    deadline = time.monotonic() + seconds
    for job in jobs:
        job.join(max(0.0, deadline - time.monotonic()))


class JobRunner:
    """Runs the jobs of one session, one after the other.

    ``on_progress(fraction, message)`` and the callbacks of :meth:`start` are called on the session's loop. Where jobs
    have to wait for their ``turn``, that is called in the job's thread with what tells of the place.
    """

    def __init__(self, on_progress: Callable[[float, str], None], turn: Turn | None = None) -> None:
        self._on_progress, self._turn = on_progress, turn
        self._job: Job | None = None
        self._poller: Any = None

    @property
    def busy(self) -> bool:
        """A job is at work."""
        return self._job is not None

    def start(
        self,
        work: Callable[[Progress], Any],
        on_done: Callable[[Any], None],
        on_failed: Callable[[str], None],
    ) -> None:
        """Run ``work`` in a thread; then call ``on_done(result)``, or ``on_failed(message)``.

        Work that begins before the page has loaded is looked after from then on: a change to a widget before that
        would keep Panel's loop spinning.
        """
        if self._job is not None:
            raise MEAGraphError("Another step is being computed. Wait for it, or cancel it.")
        self._job = job = Job(work, self._turn)
        job.start()

        def watch() -> None:
            self._poller = pn.state.add_periodic_callback(lambda: self._poll(job, on_done, on_failed), period=POLL)

        pn.state.onload(watch)

    def cancel(self) -> None:
        """Cancel the job at work, if any; its result will not be taken."""
        if self._job is not None:
            self._job.cancel()

    def _poll(self, job: Job, on_done: Callable[[Any], None], on_failed: Callable[[str], None]) -> None:
        if job is not self._job:
            return
        if job.is_alive():
            self._on_progress(job.fraction, job.message)
            return
        self._poller.stop()
        self._job = None
        if job.error is None:
            on_done(job.result)
        else:
            on_failed(explain(job.error, job.message))


def explain(error: BaseException, step: str = "") -> str:
    """The message for the user; what nobody foresaw goes to the log with its traceback.

    ``step`` is what the work reported last.
    """
    if isinstance(error, MEAGraphError):
        return str(error)
    if ran_out(error):
        log.error("a job ran out of memory at the step %r: %s", step, error)
        return shortage(step)
    log.error("a job failed\n%s", "".join(traceback.format_exception(error)))
    path = log_to_show()
    where = f"{DETAILS} ({path})" if path else DETAILS
    return f"This should not have happened: {type(error).__name__}: {error}. {where}."


def log_to_show() -> Path | None:
    """The log that who looks at the page may read: that of a server for many holds what others did."""
    return None if of_a_group() else log_in_use()


def of_a_group() -> bool:
    """Whether the page is one of a server for several users."""
    context = pn.state.curdoc and pn.state.curdoc.session_context
    return bool(context) and bool(getattr(context.request, "meaviz_user", ""))


def end_of_log(most: int = LAST) -> bytes:
    """The last ``most`` bytes of the log, of whole lines; empty where there is none."""
    path = log_to_show()
    if path is None or not path.is_file():
        return b""
    with open(path, "rb") as stream:
        size = stream.seek(0, 2)
        stream.seek(max(0, size - most))
        text = stream.read()
    return text if size <= most else text.partition(b"\n")[2]

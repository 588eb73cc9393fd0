"""The one long job of a session, and what the session says of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from meagraph.errors import MEAGraphError
from meagraph.progress import Progress
from meaviz.jobs.runner import JobRunner, explain
from meaviz.session import Session

T = TypeVar("T")


class MainJob:
    """Runs the steps of one session one after the other; ``session.activity`` tells how the running one goes."""

    def __init__(self, session: Session) -> None:
        self._activity = session.activity
        self._runner, self._turns = JobRunner(self._report), session.turns
        self._also: Callable[[], object] = lambda: None
        self._refused = ""  # why the session did not take a part of the running step's result

    @property
    def busy(self) -> bool:
        """A step is being computed."""
        return self._runner.busy

    def start(
        self,
        step: str,
        work: Callable[[Progress], T],
        take: Callable[[T], object],
        *,
        meanwhile: Callable[[], object] = lambda: None,
        waits: bool = True,
    ) -> None:
        """Compute ``step``: ``work`` in a thread, then ``take(result)``, which may be refused, on the session's loop.

        ``work`` must look at nothing that the session may change: it is given what it needs before. ``meanwhile`` is
        called on the loop with each report of progress, and before it is said that the work failed; what it refuses
        ends the work. It ``waits`` for a turn among the jobs of minutes, unless the work itself waits for its turns.
        """

        def in_turn(progress: Progress) -> T:
            with self._turns.hold(progress):
                return work(progress)

        def done(result: T) -> None:
            try:
                take(result)  # what it says of steps that have begun is over, too
            except MEAGraphError as error:
                self.fail(self._activity.running, str(error))
            finally:
                if not self.busy:
                    self._activity.param.update(running="", progress=(0.0, ""))

        def failed(message: str) -> None:
            self._hand_over()
            now, refused = self._activity.running, self._refused
            self._activity.param.update(running="", progress=(0.0, ""), problem=(now, refused or message))

        try:
            self._runner.start(in_turn if waits else work, done, failed)
        except MEAGraphError as error:
            self.fail(step, explain(error))
            return
        self._also, self._refused = meanwhile, ""
        self._activity.param.update(running=step, progress=(0.0, ""), problem=("", ""))

    def now(self, step: str) -> None:
        """The running job goes on to another step."""
        self._activity.param.update(running=step, progress=(0.0, ""))

    def cancel(self) -> None:
        """Stop the running step; results that were there stay."""
        self._runner.cancel()

    def fail(self, step: str, message: str) -> None:
        """Say why ``step`` did not come about."""
        self._activity.problem = (step, message)

    def _report(self, fraction: float, message: str) -> None:
        self._activity.progress = (fraction, message)
        self._hand_over()

    def _hand_over(self) -> None:
        """Let the session take what there is; what it refuses ends the job."""
        try:
            self._also()
        except MEAGraphError as error:
            self._refused = self._refused or str(error)
            self._runner.cancel()

"""Jobs of the app without threads: at once, or when the test says so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from meagraph.errors import Cancelled, MEAGraphError
from meagraph.progress import Progress, silent
from meaviz.jobs.main_job import MainJob
from meaviz.jobs.runner import JobRunner


def end(job: MainJob) -> None:
    """Nothing runs any more."""
    if job._activity.running:
        job._activity.running = ""


class AtOnce(MainJob):
    """Runs each job where it is started; ``progress`` may cancel them."""

    progress: Progress = staticmethod(silent)

    def start(
        self,
        step: str,
        work: Callable[[Progress], Any],
        take: Callable[[Any], object],
        *,
        meanwhile: Callable[[], object] = lambda: None,
        waits: bool = True,
    ) -> None:
        try:
            take(work(self.progress))
        except MEAGraphError as error:
            meanwhile()
            self.fail(self._activity.running or step, str(error))
        end(self)


class Held(MainJob):
    """Holds the job that was started last until the test lets it work, and then lets the session take its result."""

    held: tuple[str, Callable[[Progress], Any], Callable[[Any], object]] | None = None

    @property
    def busy(self) -> bool:
        return self.held is not None

    def start(
        self,
        step: str,
        work: Callable[[Progress], Any],
        take: Callable[[Any], object],
        *,
        meanwhile: Callable[[], object] = lambda: None,
        waits: bool = True,
    ) -> None:
        if self.busy:
            self.fail(step, "Another step is being computed. Wait for it, or cancel it.")
        else:
            self.held = step, work, take

    def finish(self) -> Any:
        """Let it work; the session takes what came of it, which is returned."""
        assert self.held is not None
        _, work, take = self.held
        result = work(silent)
        self.held = None
        take(result)
        end(self)
        return result

    def cancel(self) -> None:
        """Stop it: nothing comes of it."""
        if self.held is not None:
            step, self.held = self.held[0], None
            self.fail(step, str(Cancelled()))


class RunsAtOnce(JobRunner):
    """Runs each job where it is started."""

    def start(
        self, work: Callable[[Progress], Any], on_done: Callable[[Any], None], on_failed: Callable[[str], None]
    ) -> None:
        try:
            result = work(silent)
        except MEAGraphError as error:
            on_failed(str(error))
        else:
            on_done(result)


class RunsWhenTold(JobRunner):
    """Holds the job that was started until the test lets it work."""

    held: tuple[Callable[[Progress], Any], Callable[[Any], None], Callable[[str], None]] | None = None
    cancelled = False

    @property
    def busy(self) -> bool:
        return self.held is not None

    def start(
        self, work: Callable[[Progress], Any], on_done: Callable[[Any], None], on_failed: Callable[[str], None]
    ) -> None:
        assert self.held is None
        self.held, self.cancelled = (work, on_done, on_failed), False

    def cancel(self) -> None:
        self.cancelled = True

    def finish(self) -> None:
        """Let it work, and tell what came of it."""
        assert self.held is not None
        (work, on_done, on_failed), self.held = self.held, None
        if self.cancelled:
            on_failed(str(Cancelled()))
        else:
            on_done(work(silent))

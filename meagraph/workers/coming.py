"""The result of a chunk that is on its way: tried again where that is not the fault of the chunk."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future
from concurrent.futures import TimeoutError as NotYet
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from meagraph.cache import read_cached
from meagraph.errors import MEAGraphError
from meagraph.memory import ran_out
from meagraph.workers.tasks import InFile, Task, deaths, read_result, read_when_seen

RETRIES = 3  # of a task that fails by more than what it was given
DEATHS = 6  # workers that died while a chunk was all that they worked on, for it to be the cause
ELSEWHERE = 2  # such deaths more for each of another chunk: who kills at random hits others too
AT_MOST = 30  # deaths of workers while they worked on a chunk, beside others or not
LOST = "CommClosedError"  # of Dask
DIED = ("KilledWorker", "BrokenProcessPool")  # errors of Dask and of pools of processes
PATIENCE = 0.25  # seconds between two looks at whether the work was cancelled

C = TypeVar("C")
T = TypeVar("T")


class ChunkError(MEAGraphError, Generic[C]):
    """A chunk failed, not by what it holds but with those who worked on it; the message names it."""

    def __init__(self, message: str, chunk: C) -> None:
        super().__init__(message)
        self.chunk = chunk


@dataclass(eq=False)
class Coming(Generic[C, T]):
    """What becomes of one chunk."""

    executor: Executor
    chunk: C
    task: Task[C, T]
    told: Callable[[C], str]
    future: Future[T | InFile] | None = None
    failed: int = 0  # times

    def submit(self) -> None:
        """Begin. Raises MEAGraphError where the workers are gone."""
        try:
            self.future = self.executor.submit(self.task, self.chunk)
        except BrokenExecutor as error:  # a pool does not get over the death of a process
            raise (self._named(error) if self._deaths()[-1] else lost(error)) from error
        except (OSError, RuntimeError) as error:  # it was shut down
            raise lost(error) from error

    def cancel(self) -> None:
        """Do not wait for it any more."""
        if self.future is not None:
            with contextlib.suppress(OSError, RuntimeError):  # of a cluster that is gone
                self.future.cancel()

    def result(self, beat: Callable[[], None]) -> Any:
        """Wait for it; ``beat`` is called meanwhile.

        Raises the MEAGraphError of the task, :class:`ChunkError` for what fails or kills again and again, and
        MEAGraphError where the workers are gone.
        """
        while True:
            if self.future is None:  # a run before this one has left it
                known: Any = read_cached(self.task.place, read_result)
                if known is not None:
                    return known
                self.submit()
            try:
                found = self._outcome(beat)
            except MEAGraphError:
                raise
            except CancelledError as error:  # nobody here cancelled it
                raise lost(error) from error
            except Exception as error:
                if type(error).__name__ == LOST:
                    raise lost(error) from error
                self._judge(error)
                self.submit()
            else:
                return read_when_seen(self.task.place) if isinstance(found, InFile) else found

    def _outcome(self, beat: Callable[[], None]) -> T | InFile:
        assert self.future is not None
        while True:
            try:
                return self.future.result(timeout=PATIENCE)
            except NotYet:
                if self.future.done() and self.future.exception() is not None:  # the task's own error of this kind
                    raise
                if self.task.place.is_file():  # its worker may have died since, and who coordinates does it again
                    return InFile()
                beat()

    def _judge(self, error: Exception) -> None:
        """Raise what is to be said of a chunk that has failed, unless it may be tried again."""
        if type(error).__name__ in DIED:
            alone, others, all_of_it = self._deaths()
            if alone >= DEATHS + ELSEWHERE * others or all_of_it >= AT_MOST:
                raise self._named(error) from error
            return
        self.failed += 1
        if self.failed > RETRIES:
            raise self._named(error) from error

    def _deaths(self) -> tuple[int, int, int]:
        return deaths(self.task.place.parent, self.task.mark)

    def _named(self, error: BaseException) -> ChunkError[C]:
        if ran_out(error):
            what = "its worker ran out of memory"
        elif type(error).__name__ in DIED:
            what = "the workers that tried it died, as they do where memory runs out"
        else:
            what = f"{type(error).__name__}: {error}"
        return ChunkError(
            f"{self.told(self.chunk)}: expected the work on these to end, but it failed each time it was tried "
            f"({what}). Leave them out (--on-error quarantine), give each worker more memory, or look for what is "
            "unusual in them.",
            self.chunk,
        )


def lost(error: BaseException) -> MEAGraphError:
    """What is said where no worker can be reached."""
    return MEAGraphError(
        f"The workers are gone ({type(error).__name__}). Start them again, and give the same command: it goes on where "
        "it stopped."
    )

"""One way through a dataset, chunk by chunk: in this process, or as tasks of workers.

Chunks are cut by the data alone and their results come in the order of the chunks, so that the figures are the same for
any number of workers. A task gets small things by message and large arrays by their place in a folder that all workers
see; what it returns may be kept there, so that a run that lost its workers goes on where it stopped.
"""

from __future__ import annotations

import contextlib
import itertools
import shutil
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import CancelledError, Executor, Future
from concurrent.futures import TimeoutError as NotYet
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

from numpy.typing import NDArray

from meagraph.cache import cache_directory, content_key, read_cached
from meagraph.errors import MEAGraphError
from meagraph.files import read_arrays, write_arrays
from meagraph.memory import ran_out
from meagraph.progress import Progress, silent
from meagraph.workers.sharing import Array, InMemory, on_disk, stored

AHEAD = 3  # chunks a worker that are on their way, so that none waits and few results do
LOST = "CommClosedError"  # of Dask
DIED = ("KilledWorker", "BrokenProcessPool")  # errors of Dask and of pools of processes
VERSION = 1  # of how chunks are cut and what their tasks give: results that were kept serve the same one alone
PATIENCE = 0.25  # seconds between two looks at whether the work was cancelled

C = TypeVar("C")
T = TypeVar("T")


class ChunkError(MEAGraphError, Generic[C]):
    """A chunk failed, not by what it holds but with those who worked on it; the message names it."""

    def __init__(self, message: str, chunk: C) -> None:
        super().__init__(message)
        self.chunk = chunk


@dataclass(frozen=True, eq=False)
class Workers:
    """Who works on chunks. Without an ``executor`` this process does, one chunk after the other."""

    executor: Executor | None = None
    count: Callable[[], int] = lambda: 1  # workers at present
    folder: Path | None = None  # that all workers see; what is in it serves this dataset alone

    @property
    def elsewhere(self) -> bool:
        """Whether chunks are tasks of other processes or machines: there must be a folder to share."""
        return self.executor is not None and self.folder is not None

    @contextlib.contextmanager
    def within(self, stage: str, depends: Mapping[str, Any]) -> Iterator[Workers]:
        """The same for one ``stage`` that ``depends`` on these (JSON-like), with a folder of the cache to share.

        What is in it stays when the stage does not end, for the run that takes it up again. In this process nothing is
        shared.
        """
        if self.executor is None:
            yield self
            return
        key = content_key({**depends, "tasks": VERSION})
        folder = cache_directory("tasks", f"{stage}-{key}")
        yield replace(self, folder=folder)
        shutil.rmtree(folder, ignore_errors=True)

    def share(self, name: str, array: NDArray[Any]) -> Array:
        """A place of ``array`` that a task can be told: its own file where it is mapped from one, else one made."""
        if self.folder is None:
            return InMemory(array)
        return on_disk(array) or stored(array, self.folder / f"{name}.npy")


HERE = Workers()


def map_chunks(
    function: Callable[[C], T],
    chunks: Iterable[C],
    workers: Workers = HERE,
    *,
    total: int = 0,
    message: str = "",
    told: Callable[[C], str] = str,
    kept: str = "",
    progress: Progress = silent,
) -> Iterator[T]:
    """What ``function`` makes of each of the ``chunks``, in their order; it is pure, and can be sent to workers.

    ``progress`` is told of ``total`` chunks with a ``message``, also while nothing comes, so that it may cancel: then,
    as at an error, what is on its way is cancelled. With ``kept``, a name, results are tuples of arrays and stay in the
    folder of the workers: a later run with the same folder finds them. Raises what ``function`` raises of
    MEAGraphErrors, and :class:`ChunkError` with what ``told`` says of the chunk where a worker died of it or failed in
    another way.
    """
    numbered = enumerate(chunks)
    if workers.executor is None or workers.folder is None:
        for number, chunk in numbered:
            yield function(chunk)
            progress(number + 1, max(total, number + 1), message)
        return
    waiting: deque[tuple[int, C, Future[T] | Path]] = deque()
    try:
        while True:
            for number, chunk in itertools.islice(numbered, max(_ahead(workers) - len(waiting), 0)):
                place = None if not kept else workers.folder / f"{kept}-{number}.npz"
                known = place if place is not None and place.is_file() else None
                waiting.append((number, chunk, known or _submitted(workers.executor, function, chunk)))
            if not waiting:
                return
            number, chunk, coming = waiting[0]

            def beat(number: int = number) -> None:
                progress(number, max(total, number), message)

            result: Any = read_cached(coming, _read) if isinstance(coming, Path) else None
            if result is None:
                if isinstance(coming, Path):
                    coming = _submitted(workers.executor, function, chunk)
                result = _outcome(coming, chunk, told, beat)
                if kept:
                    write_arrays(workers.folder / f"{kept}-{number}.npz", {str(at): a for at, a in enumerate(result)})
            waiting.popleft()
            yield result
            progress(number + 1, max(total, number + 1), message)
    finally:
        for _, _, coming in waiting:
            if isinstance(coming, Future):
                with contextlib.suppress(OSError, RuntimeError):  # of a cluster that is gone
                    coming.cancel()


def _read(path: Path) -> tuple[NDArray[Any], ...]:
    arrays = read_arrays(path)
    return tuple(arrays[str(at)] for at in range(len(arrays)))


def _ahead(workers: Workers) -> int:
    """How many chunks may be on their way."""
    try:
        return AHEAD * workers.count()
    except (OSError, RuntimeError) as error:  # Dask's own errors of a lost connection are OSErrors
        raise _lost(error) from error


def _submitted(executor: Executor, function: Callable[[C], T], chunk: C) -> Future[T]:
    try:
        return executor.submit(function, chunk)
    except (OSError, RuntimeError) as error:  # it was shut down, or its processes are broken
        raise _lost(error) from error


def _outcome(future: Future[T], chunk: C, told: Callable[[C], str], beat: Callable[[], None]) -> T:
    """What comes of a task; ``beat`` is called while it does not."""
    while True:
        try:
            return future.result(timeout=PATIENCE)
        except NotYet:
            if future.done() and (error := future.exception()) is not None:  # the task's own error of this kind
                raise _failed(chunk, told, error) from error
            beat()
        except MEAGraphError:
            raise
        except CancelledError as error:  # nobody here cancelled it
            raise _lost(error) from error
        except Exception as error:
            if type(error).__name__ == LOST:
                raise _lost(error) from error
            raise _failed(chunk, told, error) from error


def _lost(error: BaseException) -> MEAGraphError:
    return MEAGraphError(
        f"The workers are gone ({type(error).__name__}). Start them again, and give the same command: it goes on where "
        "it stopped."
    )


def _failed(chunk: C, told: Callable[[C], str], error: BaseException) -> ChunkError[C]:
    if ran_out(error):
        what = "its worker ran out of memory"
    elif type(error).__name__ in DIED:
        what = "the workers that tried it died, as they do where memory runs out"
    else:
        what = f"{type(error).__name__}: {error}"
    return ChunkError(
        f"{told(chunk)}: expected the work on these to end, but it failed each time it was tried ({what}). Leave them "
        "out (--on-error quarantine), give each worker more memory, or look for what is unusual in them.",
        chunk,
    )

"""One way through a dataset, chunk by chunk: in this process, or as tasks of workers.

Chunks are cut by the data alone and their results come in the order of the chunks, so that the figures are the same for
any number of workers. A task gets small things by message and large arrays by their place in a folder that all workers
see, and leaves its own arrays there; they may be kept, so that a run that lost its workers goes on where it stopped.
"""

from __future__ import annotations

import contextlib
import itertools
import shutil
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from numpy.typing import NDArray

from meagraph.cache import cache_directory, content_key
from meagraph.progress import Progress, silent
from meagraph.workers.beside import in_threads
from meagraph.workers.coming import Coming, lost
from meagraph.workers.sharing import Array, InMemory, on_disk, stored
from meagraph.workers.tasks import Task

AHEAD = 3  # chunks a worker that are on their way, so that none waits and few results do
VERSION = 3  # of how chunks are cut and what their tasks give: results that were kept serve the same one alone
NOBODY = "waiting for workers"

C = TypeVar("C")
T = TypeVar("T")


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
        folder = cache_directory("tasks", f"{stage}-{key}").absolute()
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
    threads: int = 1,
    progress: Progress = silent,
) -> Iterator[T]:
    """What ``function`` makes of each of the ``chunks``, in their order; it is pure, and can be sent to workers.

    Without workers elsewhere so many ``threads`` of this process do it, which pays where it is done without the
    interpreter. ``progress`` is told of ``total`` chunks with a ``message``, also while nothing comes, so that it may
    cancel: then, as at an error, what is on its way is cancelled. With ``kept``, a name, results, which are then arrays
    or tuples of them, stay in the folder of the workers: a later run with the same folder finds them. A chunk whose
    worker died is given to another. Raises what ``function`` raises of MEAGraphErrors, MEAGraphError where the workers
    are gone, and :class:`meagraph.workers.coming.ChunkError` with what ``told`` says of the chunk where one worker
    after the other died while it worked on it, or where it fails in another way again and again.
    """
    executor, folder = workers.executor, workers.folder
    if executor is None or folder is None:
        with contextlib.closing(in_threads(function, chunks, threads)) as results:
            for number, found in enumerate(results):
                yield found
                progress(number + 1, max(total, number + 1), message)
        return
    numbered, run = enumerate(chunks), uuid.uuid4().hex
    waiting: deque[Coming[C, T]] = deque()
    done = 0

    def beat() -> None:
        progress(done, max(total, done), message if _count(workers) else NOBODY)

    try:
        while True:
            for number, chunk in itertools.islice(numbered, max(AHEAD * max(_count(workers), 1) - len(waiting), 0)):
                task = Task(function, folder / f"{kept or run}-{number}.npz", f"{run}-{number}")
                waiting.append(Coming(executor, chunk, task, told))
                if not (kept and task.place.is_file()):
                    waiting[-1].submit()
            if not waiting:
                return
            result = waiting[0].result(beat)
            if not kept:
                waiting[0].task.place.unlink(missing_ok=True)
            waiting.popleft()
            done += 1
            yield result
            progress(done, max(total, done), message)
    finally:
        for coming in waiting:
            coming.cancel()


def _count(workers: Workers) -> int:
    """How many workers there are. Raises MEAGraphError where nobody knows."""
    try:
        return workers.count()
    except (OSError, RuntimeError) as error:  # Dask's own errors of a lost connection are OSErrors
        raise lost(error) from error

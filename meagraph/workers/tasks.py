"""What is sent to a worker: a function, where its arrays go, and a mark as long as it works.

Arrays go into a file of the folder that all workers see, not by message: a worker that dies later takes none with it,
and the command reads them as it needs them. A mark that stays tells that the process died while it worked on the chunk;
one that merely waited for its turn there leaves none.
"""

from __future__ import annotations

import os
import socket
import time
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from meagraph.errors import MEAGraphError
from meagraph.files import read_arrays, write_arrays

SUFFIX = ".begun"
SEEN = 30.0  # seconds within which a network file system shows one machine what another has written
ONE = "array"  # name in the file of a result that is an array by itself

C = TypeVar("C")
T = TypeVar("T")


@dataclass(frozen=True)
class InFile:
    """A result that lies in its file."""


@dataclass(frozen=True, eq=False)
class Task(Generic[C, T]):
    """Work on one chunk."""

    function: Callable[[C], T]
    place: Path  # of the result, where that is an array or a tuple of them
    mark: str  # of the work on this chunk in this run, in the folder of the place

    def __call__(self, chunk: C) -> T | InFile:
        """Work on ``chunk``; arrays are in the file afterwards, anything else is returned.

        Raises what the function raises, and MEAGraphError where the folder is not there.
        """
        began = self.place.with_name(f"{self.mark}.{socket.gethostname()}-{os.getpid()}.{uuid.uuid4().hex}{SUFFIX}")
        try:
            began.touch()
        except OSError as error:
            raise _not_shared(self.place, error.strerror or str(error)) from error
        try:
            result = self.function(chunk)
            named = _named(result)
            if named is None:
                return result
            write_arrays(self.place, named)
            return InFile()
        finally:
            began.unlink(missing_ok=True)


def _named(result: Any) -> dict[str, NDArray[Any]] | None:
    """The arrays of a result under names; None where it holds anything else."""
    if isinstance(result, np.ndarray):
        return {ONE: result}
    if type(result) is tuple and result and all(isinstance(array, np.ndarray) for array in result):
        return {str(at): array for at, array in enumerate(result)}
    return None


def read_result(path: Path) -> Any:
    """The array, or the tuple of arrays, in the file of a task. Raises as :func:`meagraph.files.read_arrays`."""
    arrays = read_arrays(path)
    return arrays[ONE] if ONE in arrays else tuple(arrays[str(at)] for at in range(len(arrays)))


def read_when_seen(path: Path) -> Any:
    """The same for a file that a worker has just written. Raises MEAGraphError where it does not show."""
    until = time.monotonic() + SEEN
    while path.name not in os.listdir(path.parent):  # which asks the server anew
        if time.monotonic() > until:
            raise _not_shared(path, "a worker wrote a file there that does not show here")
        time.sleep(0.1)
    return read_result(path)


def deaths(folder: Path, mark: str) -> tuple[int, int, int]:
    """How many processes died while all they worked on was the chunk of ``mark``; another one; while it was among it.

    Of a process that worked on several chunks, in threads, nobody knows which it died of.
    """
    run = mark.rpartition("-")[0]
    work: dict[str, list[str]] = {}
    for path in folder.glob(f"{run}-*{SUFFIX}"):
        chunk, *process, _, _ = path.name.split(".")
        work.setdefault(".".join(process), []).append(chunk)
    alone = Counter(chunks[0] for chunks in work.values() if len(chunks) == 1)
    return alone[mark], alone.total() - alone[mark], sum(mark in chunks for chunks in work.values())


def _not_shared(path: Path, why: str) -> MEAGraphError:
    return MEAGraphError(
        f"{path.parent}: expected a folder of the cache that this command and all workers see at the same path, but "
        f"{why}. Name one in the variable MEAVIZ_CACHE, for the workers too; see docs/cluster.md."
    )

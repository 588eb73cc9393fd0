"""Arrays that workers reach by their place on a file system that all see."""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from meagraph.cache import read_cached
from meagraph.files import atomic_path, read_array, write_array


class Array(Protocol):
    """An array that is at hand, or a place from which to map it."""

    def load(self) -> NDArray[Any]:
        """The array."""
        ...


@dataclass(frozen=True, eq=False)
class InMemory:
    """An array of this process."""

    array: NDArray[Any]

    def load(self) -> NDArray[Any]:
        """The array."""
        return self.array


@dataclass(frozen=True)
class OnDisk:
    """Columns ``first`` to ``last`` of the array in a .npy file, all of it where ``last`` is None."""

    path: str
    first: int = 0
    last: int | None = None

    def load(self) -> NDArray[Any]:
        """The array, memory-mapped once in each process."""
        array = _mapped(self.path, os.stat(self.path).st_mtime_ns)
        return array if self.last is None else array[:, self.first : self.last]


@functools.lru_cache(maxsize=16)
def _mapped(path: str, changed: int) -> NDArray[Any]:
    return read_array(path)


def on_disk(array: NDArray[Any]) -> OnDisk | None:
    """The place of an array that is mapped from a .npy file, or of some of its columns; None for another."""
    whole: Any = array
    while isinstance(whole.base, np.ndarray):
        whole = whole.base
    if not isinstance(whole, np.memmap) or whole.filename is None or Path(whole.filename).suffix != ".npy":
        return None
    path = str(whole.filename)
    if array.shape == whole.shape and array.strides == whole.strides:
        return OnDisk(path)
    if whole.ndim != 2 or array.ndim != 2 or len(array) != len(whole) or array.strides != whole.strides:
        return None
    first = (array.ctypes.data - whole.ctypes.data) // whole.itemsize
    return OnDisk(path, first, first + array.shape[1]) if 0 <= first <= whole.shape[1] - array.shape[1] else None


def stored(array: NDArray[Any], path: Path) -> OnDisk:
    """The place of a copy of ``array`` at ``path``, made unless one of its shape and type is there."""
    known = read_cached(path, read_array)
    if known is None or known.shape != array.shape or known.dtype != array.dtype or not np.array_equal(known, array):
        with atomic_path(path) as temporary:
            write_array(temporary, array)
    return OnDisk(str(path.absolute()))

"""Describe a dataset chunk by chunk: equal structures once, and a killed run goes on where it stopped."""

from __future__ import annotations

import contextlib
import functools
import json
import math
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from ase import Atoms
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from meagraph.cache import read_cached
from meagraph.datasets import AtomicDataset
from meagraph.datasets.chunks import by_processes
from meagraph.datasets.shared import Found, frames_in_words, shared
from meagraph.descriptors.settings import Maker
from meagraph.errors import Cancelled, MEAGraphError
from meagraph.files import write_json
from meagraph.memory import ran_out, shortage
from meagraph.progress import Progress, silent
from meagraph.workers import HERE, Workers, map_chunks

CHUNK = 2048  # environments between two reports of progress; a kill loses those chunks that are worked on
TOGETHER = 4  # chunks of a task: a second of work, a few megabytes of result
SILENCE = 2.0  # seconds after which a slow descriptor reports within a chunk
STALE = 7 * 86_400  # seconds after which what a killed run has left is thrown away


class Made(Protocol):
    """How descriptors are made, as a task can be told it."""

    def maker(self) -> Maker:
        """What computes them."""
        ...


class Sendable(Made, Protocol):
    """The same, before it is sent."""

    def shared(self, workers: Workers) -> Made:
        """Itself, with its arrays where ``workers`` find them."""
        ...


@dataclass(frozen=True, eq=False)
class Partial:
    """Descriptors on the way to ``target``: an array file beside it, and how many structures of it are there."""

    target: Path

    @property
    def values(self) -> Path:
        """The array, of full size from the beginning."""
        return self.target.with_suffix(".partial")

    @property
    def record(self) -> Path:
        """How far the array is filled; written after the array has reached the disk."""
        return self.target.with_suffix(".partial.json")

    def resume(self, size: int) -> tuple[NDArray[np.float32] | None, int]:
        """The array with ``size`` rows and the number of distinct structures in it; (None, 0) where there is none."""
        done = read_cached(self.record, lambda path: int(json.loads(path.read_text("utf-8"))["structures"]))
        values = read_cached(self.values, functools.partial(np.lib.format.open_memmap, mode="r"))
        if done is None or values is None or values.shape[0] != size or values.dtype != np.float32:
            return None, 0
        return np.lib.format.open_memmap(self.values, mode="r+"), done  # this alone would lengthen a file cut short

    def create(self, shape: tuple[int, int]) -> NDArray[np.float32]:
        """An empty array; raises MEAGraphError where the disk has no room for it."""
        self.record.unlink(missing_ok=True)
        values = np.lib.format.open_memmap(self.values, mode="w+", dtype=np.float32, shape=shape)
        if hasattr(os, "posix_fallocate"):  # else a full disk would end the whole process later
            try:
                with open(self.values, "r+b") as stream:
                    os.posix_fallocate(stream.fileno(), 0, self.values.stat().st_size)
            except OSError as error:
                raise MEAGraphError(
                    f"{self.values}: expected room for {values.nbytes / 1e9:.1f} GB of descriptors, but it cannot be "
                    f"had ({error.strerror}). Free some, or name another place in the variable MEAVIZ_CACHE."
                ) from error
        return values

    def keep(self, values: NDArray[np.float32], structures: int) -> None:
        """Bring ``values`` to the disk, then say that the first ``structures`` distinct ones are there."""
        assert isinstance(values, np.memmap)
        values.flush()
        write_json(self.record, {"structures": structures})

    def remove(self) -> None:
        """Forget what is there."""
        self.record.unlink(missing_ok=True)
        self.values.unlink(missing_ok=True)


@contextlib.contextmanager
def alone(target: Path, progress: Progress = silent) -> Iterator[None]:
    """Hold the lock of a place in the cache, waiting for a run that holds it; the kernel frees it after a kill."""
    lock = FileLock(target.with_suffix(".lock"))
    while not lock.is_locked:
        try:
            lock.acquire(timeout=0.5)
        except Timeout:
            progress(0, 1, "waiting for another run that computes these descriptors")
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # Windows keeps an open file
            target.with_suffix(".lock").unlink()
        lock.release()


def fill_file(
    target: Path,
    dataset: AtomicDataset,
    made: Sendable,
    progress: Progress,
    *,
    processes: int = 1,
    within: int = 1,
    workers: Workers = HERE,
) -> None:
    """Write the descriptors of ``dataset`` to ``target``, continuing what a killed or cancelled run has left.

    The caller holds the lock of ``target``. An error leaves nothing behind: the frame it names must change.
    """
    _sweep(target.parent)
    partial = Partial(target)
    try:
        fill(dataset, made, progress, partial, processes=processes, within=within, workers=workers)
    except Cancelled:
        raise
    except Exception:
        if not workers.elsewhere:  # there it may be the machines that failed
            partial.remove()
        raise
    partial.values.replace(target)
    partial.remove()


def _sweep(folder: Path) -> None:
    """Remove what runs killed more than STALE seconds ago have left and nobody is filling."""
    for values in folder.glob("*.partial"):
        target = values.with_suffix(".npy")
        with contextlib.suppress(Timeout, OSError):
            if time.time() - values.stat().st_mtime > STALE:
                with FileLock(target.with_suffix(".lock"), timeout=0):
                    Partial(target).remove()
                    target.with_suffix(".lock").unlink(missing_ok=True)


def fill(
    dataset: AtomicDataset,
    made: Sendable,
    progress: Progress,
    partial: Partial | None = None,
    *,
    processes: int = 1,
    within: int = 1,
    workers: Workers = HERE,
) -> NDArray[np.float32]:
    """Descriptors (N, D) of all environments, in memory or in the file of ``partial``.

    Structures of equal content are described once and copied. So many ``processes`` of this machine take a chunk each,
    or the maker shares one out to those ``within``; ``workers`` elsewhere take TOGETHER chunks at a time. Raises
    MEAGraphError naming the frame that fails.
    """
    distinct, origin = np.unique(dataset.first_equal, return_inverse=True)
    rows = [slice(first, last) for first, last in zip(dataset.offsets[:-1], dataset.offsets[1:], strict=True)]
    known = np.cumsum(np.bincount(origin, weights=dataset.sizes)).astype(int)  # environments, copies too
    values, done = (None, 0) if partial is None else partial.resume(dataset.n_environments)
    for chunk, found in _described(dataset, distinct[done:], made, processes, within, workers, progress):
        heard = math.inf
        for index, computed in zip(chunk, found, strict=True):
            if values is None:
                shape = (dataset.n_environments, computed.shape[1])
                values = np.empty(shape, dtype=np.float32) if partial is None else partial.create(shape)
            values[rows[index]] = computed
            done += 1
            heard = min(heard, time.monotonic())  # most makers compute the whole chunk before the first structure
            if index == chunk[-1] or time.monotonic() > heard + SILENCE:
                if partial is not None:
                    partial.keep(values, done)
                progress(int(known[done - 1]), dataset.n_environments, "descriptors")
                heard = time.monotonic()
    assert values is not None  # nor is a dataset
    for index, at in enumerate(origin):
        if distinct[at] != index:
            values[rows[index]] = values[rows[distinct[at]]]
    if isinstance(values, np.memmap):
        values.flush()
    return values


def _described(
    dataset: AtomicDataset,
    indices: NDArray[np.intp],
    made: Sendable,
    processes: int,
    within: int,
    workers: Workers,
    progress: Progress,
) -> Iterator[tuple[NDArray[np.intp], Iterable[NDArray[np.floating]]]]:
    """The structures ``indices`` chunk by chunk, and their descriptors."""
    each = list(_chunks(indices, dataset.sizes))
    if not workers.elsewhere:
        if processes > 1:
            found = by_processes(functools.partial(describe_chunk, made), dataset, each, processes)
            for chunk, rows in zip(each, found, strict=True):
                yield chunk, np.split(rows, np.cumsum(dataset.sizes[chunk])[:-1])
            return
        maker = made.maker()
        for chunk in each:
            yield chunk, compute(dataset, chunk, maker, processes=within)
        return
    together = [each[start : start + TOGETHER] for start in range(0, len(each), TOGETHER)]
    results = map_chunks(
        functools.partial(describe_chunks, shared(dataset, workers), made.shared(workers)),
        together,
        workers,
        told=lambda few: frames_in_words(dataset, np.concatenate(few)),
        progress=lambda done, total, message: progress(0, 1, message or "descriptors"),
    )
    for few, rows in zip(together, results, strict=True):
        chunk = np.concatenate(few)
        yield chunk, np.split(rows, np.cumsum(dataset.sizes[chunk])[:-1])


def describe_chunks(found: Found, made: Made, chunks: Sequence[NDArray[np.intp]]) -> NDArray[np.float32]:
    """A task: descriptors (n, D) of all structures in a few ``chunks``, one after the other."""
    maker = made.maker()
    return np.concatenate(
        [np.asarray(rows, dtype=np.float32) for chunk in chunks for rows in compute(found, chunk, maker)]
    )


def describe_chunk(made: Made, found: Found, structures: NDArray[np.int64]) -> NDArray[np.float32]:
    """The same of one chunk."""
    return describe_chunks(found, made, [structures])


def _chunks(indices: NDArray[np.intp], sizes: NDArray[np.int64]) -> Iterator[NDArray[np.intp]]:
    """Pieces of ``indices``, each of about CHUNK environments and at least one structure."""
    ends = np.cumsum(sizes[indices])
    first = 0
    while first < len(indices):
        before = ends[first - 1] if first else 0
        last = max(int(np.searchsorted(ends, before + CHUNK, side="right")), first + 1)
        yield indices[first:last]
        first = last


def compute(
    dataset: Found, indices: Sequence[int] | NDArray[np.intp], maker: Maker, *, processes: int = 1
) -> Iterator[NDArray[np.floating]]:
    """Descriptors of the structures ``indices``; an error names the frame, and the atom where it can."""
    structures = [dataset.structures.plain(index) for index in indices]
    for index, rows in zip(indices, _together(dataset, indices, structures, maker, processes), strict=True):
        if not np.isfinite(rows).all():
            atom = int(np.flatnonzero(~np.isfinite(rows).all(axis=1))[0])
            raise MEAGraphError(
                f"{dataset.locate(int(index))}, atom {atom}: the descriptor is not finite. "
                "Look for overlapping atoms there."
            )
        yield rows


def _together(
    dataset: Found,
    indices: Sequence[int] | NDArray[np.intp],
    structures: list[Atoms],
    maker: Maker,
    processes: int,
) -> Iterator[NDArray[np.floating]]:
    """What ``maker`` makes of ``structures``; after a failure one by one, to find the frame."""
    done = 0
    try:
        for rows in maker(structures, processes):
            yield rows
            done += 1
    except (ValueError, RuntimeError, MemoryError):
        for index, atoms in zip(indices[done:], structures[done:], strict=True):
            yield _one(dataset, int(index), maker, atoms)


def _one(dataset: Found, index: int, maker: Maker, atoms: Atoms) -> NDArray[np.floating]:
    try:
        return next(iter(maker([atoms], 1)))
    except (ValueError, RuntimeError, MemoryError) as error:
        if ran_out(error):
            raise MEAGraphError(
                f"{dataset.locate(index)}: the descriptor of its {len(atoms):,} atoms failed. {shortage('descriptors')}"
            ) from error
        raise MEAGraphError(
            f"{dataset.locate(index)}: the descriptor failed: {error}. Remove the frame, or repair its cell."
        ) from error

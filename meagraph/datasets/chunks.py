"""Work over the structures of a dataset, a chunk at a time: tasks of workers, processes of this machine, or here."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import BrokenExecutor
from contextlib import closing
from functools import partial
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from meagraph.datasets.dataset import AtomicDataset
from meagraph.datasets.shared import Found, Handed, frames_in_words, handed, shared
from meagraph.progress import Progress, silent
from meagraph.workers import HERE, Workers, map_chunks
from meagraph.workers.beside import beside

T = TypeVar("T")
Work = Callable[[Found, NDArray[np.int64]], T]
"""What is done with structures, which it finds under these numbers; it is pure, and can be sent to another process."""


def cut(structures: NDArray[np.int64], sizes: NDArray[np.int64], most: int) -> list[NDArray[np.int64]]:
    """Pieces of ``structures`` of about ``most`` environments and at least one structure; ``sizes`` are those of all.

    They follow from the data alone.
    """
    place = (np.cumsum(sizes[structures]) - sizes[structures]) // most
    return np.split(structures, np.flatnonzero(np.diff(place)) + 1)


def over_chunks(
    work: Work[T],
    dataset: AtomicDataset,
    chunks: Sequence[NDArray[np.int64]],
    workers: Workers = HERE,
    *,
    processes: int = 1,
    message: str = "",
    kept: str = "",
    progress: Progress = silent,
) -> Iterator[T]:
    """What ``work`` makes of each of the ``chunks`` of structures, in their order.

    Where ``workers`` are elsewhere, as :func:`meagraph.workers.map_chunks` says, with what is ``kept``; else by so many
    ``processes`` of this machine. ``progress`` hears of every chunk and may raise to stop.
    """
    if workers.elsewhere or processes == 1:
        yield from map_chunks(
            partial(work, shared(dataset, workers)),
            chunks,
            workers,
            total=len(chunks),
            message=message,
            told=lambda chunk: frames_in_words(dataset, chunk),
            kept=kept,
            progress=progress,
        )
        return
    with closing(by_processes(work, dataset, chunks, processes)) as results:
        for number, found in enumerate(results):
            yield found
            progress(number + 1, len(chunks), message)


def by_processes(
    work: Work[T], dataset: AtomicDataset, chunks: Sequence[NDArray[np.int64]], processes: int
) -> Generator[T]:
    """The same by ``processes`` beside this one, which are told the few atoms of each chunk."""
    done = 0
    while done < len(chunks):
        few = (handed(dataset, chunk) for chunk in chunks[done:])
        try:
            for found in beside(partial(_of_handed, work), few, processes):
                yield found
                done += 1
        except BrokenExecutor:  # a process died, as where memory runs out: by itself here, a chunk may have enough
            yield work(dataset, chunks[done])
            done += 1


def _of_handed(work: Work[T], few: Handed) -> T:
    return work(few, np.arange(len(few.structures)))

"""Which rows are exact duplicates of each other, told by hashes, chunk by chunk."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from meagraph.errors import MEAGraphError
from meagraph.graph import loops
from meagraph.workers import Workers, map_chunks

BLOCK = 2048  # rows read at a time
CHUNK = 2**18  # rows of a task

Rows = Any  # of shape (N, D), indexed by slices and by arrays of rows: an array, or rows scaled where they are read


class Shared(Protocol):
    """Points that a task can be told."""

    def load(self) -> Rows:
        """The points (N, D)."""
        ...


def blocks(count: int, size: int = 0) -> Iterator[slice]:
    """Slices of ``size``, by default BLOCK, that make up ``count``, the last one shorter."""
    size = size or BLOCK
    return (slice(start, min(start + size, count)) for start in range(0, count, size))


def exact_duplicates(points: Shared, size: int, workers: Workers) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The first row of each distinct one of ``points`` (N, D), in file order (U,), and which of them each is (N,).

    Rows of one hash are compared with the first of them; should two that differ ever share one, both stay. Raises
    MEAGraphError for a row that is not finite.
    """
    chunks = list(blocks(size, CHUNK))
    hashes = np.concatenate(list(map_chunks(partial(hashes_of, points), chunks, workers)))
    _, first, inverse = np.unique(hashes, return_index=True, return_inverse=True)
    origin = first[inverse]
    pieces = ((rows, origin[rows]) for rows in chunks)
    return np.unique(
        np.concatenate(list(map_chunks(partial(told_apart, points), pieces, workers))), return_inverse=True
    )


def hashes_of(shared: Shared, rows: slice) -> NDArray[np.uint64]:
    """A task: the hash of each of some rows. Raises MEAGraphError for one that is not finite."""
    points = shared.load()
    hashes = np.empty(rows.stop - rows.start, dtype=np.uint64)
    for part in blocks(len(hashes)):
        here = np.ascontiguousarray(points[rows.start + part.start : rows.start + part.stop], dtype=np.float64) + 0.0
        finite = np.isfinite(here).all(axis=1)
        if not finite.all():
            raise MEAGraphError(
                f"Descriptors of environment {rows.start + part.start + int(np.flatnonzero(~finite)[0])} hold NaN or "
                "infinity; expected finite numbers. Look for overlapping atoms there, or compute the descriptors anew."
            )
        hashes[part] = loops.row_hashes(here.view(np.uint64))  # -0.0 and 0.0 are one value
    return hashes


def told_apart(shared: Shared, piece: tuple[slice, NDArray[np.int64]]) -> NDArray[np.int64]:
    """A task: the ``origin`` of each of some rows, itself where they are not equal."""
    points, (rows, origin) = shared.load(), piece
    origin = origin.copy()
    for part in blocks(len(origin)):
        own = np.arange(rows.start + part.start, rows.start + part.stop)
        same = (points[own[0] : own[-1] + 1] == points[origin[part]]).all(axis=1)
        origin[part] = np.where(same, origin[part], own)
    return origin

"""An epsilon-net of more rows than one traversal takes: nets of chunks, a net of these, and the nearest for each row.

Rows are cut into chunks of ROWS in their order; each chunk has a net of its own, and a farthest-first traversal of all
that these chose, again by chunks where it is more than MERGED, gives the net of the whole. A row lies within the radius
of the net of its chunk from one of the chosen, and that within the radius of the next net from one of its: so the
distance of a row to its representative is at most the sum of the radii, one a level. An epsilon to be kept is shared
out among the levels: a half, a quarter and so on, what is left to the last. With a budget of M each radius is at most
twice that of the best net of M rows, for M + 1 rows lie that far apart: two levels are within four times the best,
where one traversal of everything is within twice (composable core-sets: Malkomes et al., NIPS 2015). In the end each
row gets the nearest of all representatives, so that what the net reaches is measured, and is never more than that.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from meagraph.graph import loops
from meagraph.graph.distinct import Shared
from meagraph.progress import Progress, part, silent
from meagraph.workers import Workers, map_chunks
from meagraph.workers.sharing import Array
from meagraph.workers.threads import one_thread

ROWS = 2**18  # distinct rows in one net
LATER = 0.1  # of the work of a level, on the next
MERGED = 2**20  # rows chosen by chunks that one traversal takes
KEPT = 256  # nearest other representatives of each that are looked up
BLOCK = 128  # representatives whose distances to all are held at a time
PART = 1024  # representatives of one task
FEWER = 0.9  # of the rows that a level leaves at most, or no further level follows

Found = tuple[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]], float, float]
Traverse = Callable[..., Found]
"""Of points, rows, an epsilon or None, and how many at most: places among the rows, owner and square of each; limit;
span. Its ``relative`` is the epsilon in spans of the rows, where none is given.
"""


@dataclass(frozen=True, eq=False)
class Net:
    """Rows that stand for U others."""

    chosen: NDArray[np.int64]  # (M,) places among the U rows, ascending
    owner: NDArray[np.int64]  # (U,) index into chosen
    distance: NDArray[np.float64]  # (U,)
    limit: float  # that each distance was to keep, unless the budget was spent
    span: float  # the largest distance between two rows, but for twice the radius of the chunks' nets at most


def net_of_chunks(
    points: Shared,
    rows: NDArray[np.int64],
    traverse: Traverse,
    *,
    epsilon: float | None,
    relative: float,
    most: int,
    workers: Workers,
    progress: Progress,
) -> Net:
    """A net of the ``rows`` (U,), ascending, of ``points`` by at most ``most`` of them; see the module.

    Without ``epsilon`` it is ``relative`` times the span.
    """
    level, limit = 0, 1.0
    left: NDArray[np.int64] = np.arange(len(rows))  # places of those left on this level
    start = left  # which of them stands for each row
    while len(left) > (MERGED if level else ROWS):
        limit /= 2.0
        pieces = np.array_split(rows[left], -(-len(left) // ROWS))
        found = map_chunks(
            functools.partial(net_of_chunk, points, traverse, _share(limit, epsilon), limit * relative, most),
            pieces,
            workers,
            total=len(pieces),
            message="chunks with representatives",
            told=in_words,
            kept=f"net-{level}",
            progress=part(progress, 0.6 * (1.0 - LATER**level), 0.6 * (1.0 - LATER ** (level + 1))),
        )
        chosen, owner = list[NDArray[np.int64]](), list[NDArray[np.int64]]()
        count = before = 0
        for piece, (places, each) in zip(pieces, found, strict=True):
            chosen.append(left[before + places])
            owner.append(count + each.astype(np.int64))
            count, before = count + len(places), before + len(piece)
        start, level = np.concatenate(owner)[start], level + 1
        done = count > FEWER * len(left)
        left = np.concatenate(chosen)
        if done:
            break
    (places, of, _), _, span = traverse(
        points.load(), rows[left], _share(limit, epsilon), most, part(progress, 0.6, 0.8), relative=limit * relative
    )
    order = np.argsort(left[places])  # representatives are numbered in file order
    chosen_rows = left[places][order]
    begin = np.argsort(order)[of[start]]
    owner_of, distance = nearest_chosen(points, rows, chosen_rows, begin, workers, part(progress, 0.8, 1.0))
    return Net(chosen_rows, owner_of, distance, relative * span if epsilon is None else epsilon, span)


def _share(limit: float, epsilon: float | None) -> float | None:
    return None if epsilon is None else limit * epsilon


def in_words(rows: NDArray[np.int64]) -> str:
    """What a message says of a chunk."""
    return f"environments {rows[0]:,} to {rows[-1]:,} (counting from 0)"


def net_of_chunk(
    points: Shared, traverse: Traverse, epsilon: float | None, relative: float, most: int, rows: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """A task: which places (m,) of ``rows`` (u,) stand for them, ascending, and which of these for each (u,)."""
    most = len(rows) if epsilon is not None else min(most, len(rows))
    with one_thread():
        (chosen, owner, _), *_ = traverse(points.load(), rows, epsilon, most, silent, relative=relative)
    order = np.argsort(chosen)
    return chosen[order], np.argsort(order)[owner].astype(np.int32)


def nearest_chosen(
    points: Shared,
    rows: NDArray[np.int64],
    chosen: NDArray[np.int64],
    begin: NDArray[np.int64],
    workers: Workers,
    progress: Progress,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The nearest of the ``chosen`` (M,) places to each of ``rows`` (U,), and its distance; ``begin`` (U,) is near.

    What lies farther from ``begin`` than the row's distance to it and to the best so far is no nearer, by the triangle
    inequality: few distances need computing.
    """
    places = workers.share("chosen", points.load()[rows[chosen]])
    parts = [slice(at, min(at + PART, len(chosen))) for at in range(0, len(chosen), PART)]
    found = list(
        map_chunks(
            functools.partial(neighbours_of_chosen, places),
            parts,
            workers,
            total=len(parts),
            message="representatives beside each other",
            kept="beside",
            progress=part(progress, 0.0, 0.2),
        )
    )
    near, gap = (np.concatenate(arrays) for arrays in zip(*found, strict=True))
    lists = (workers.share("chosen-near", near), workers.share("chosen-gap", gap))
    count = -(-len(rows) // ROWS)
    pieces = list(zip(np.array_split(rows, count), np.array_split(begin, count), strict=True))
    results = map_chunks(
        functools.partial(assign, points, places, lists),
        pieces,
        workers,
        total=count,
        message="chunks assigned to representatives",
        told=lambda piece: in_words(piece[0]),
        kept="assigned",
        progress=part(progress, 0.2, 1.0),
    )
    owner, square = (np.concatenate(arrays) for arrays in zip(*results, strict=True))
    return owner, np.sqrt(square)


def neighbours_of_chosen(places: Array, rows: slice) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """A task: the KEPT nearest of all representatives to some of them, nearest first, and their distances."""
    points = places.load()
    count = min(KEPT, len(points))
    square = (points * points).sum(axis=1)
    near, gap = [], []
    for start in range(rows.start, rows.stop, BLOCK):
        block = points[start : min(start + BLOCK, rows.stop)]
        off = square - 2.0 * (block @ points.T)
        found = np.argpartition(off, count - 1, axis=1)[:, :count]
        exact = np.linalg.norm(points[found] - block[:, None, :], axis=2)
        order = np.argsort(exact, axis=1, kind="stable")
        near.append(np.take_along_axis(found, order, axis=1).astype(np.int32))
        gap.append(np.take_along_axis(exact, order, axis=1))
    return np.concatenate(near), np.concatenate(gap)


def assign(
    points: Shared, places: Array, lists: tuple[Array, Array], piece: tuple[NDArray[np.int64], NDArray[np.int64]]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """A task: the nearest representative of each row, and the square of its distance."""
    rows, owner = piece[0], piece[1].copy()
    square = np.empty(len(rows))
    near, gap = (one.load() for one in lists)
    loops.nearest_around(points.load()[rows], places.load(), near, gap, owner, square)
    return owner, square

"""In which order environments are kept: bins, and an order inside each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from meagraph.condensation import Condensed, Points
from meagraph.kernels import farthest_point_order
from meagraph.progress import Progress, silent


@dataclass(frozen=True, eq=False)
class Ranking:
    """In which order each bin gives up its environments: plans of any size are prefixes of it."""

    rank: NDArray[np.int64]  # (N,) 0 for the first to be kept of its bin
    bin: NDArray[np.int64]  # (N,) of the selector: clusters, or one bin for all environments
    sizes: NDArray[np.int64]  # (B,) environments a bin
    within: str
    seed: int
    selector: str = "meagraph"


def rank_bins(
    bins: NDArray[np.int64],
    points: Points,
    condensed: Condensed,
    *,
    within: str,
    seed: int,
    progress: Progress = silent,
) -> NDArray[np.int64]:
    """The rank (N,) of each environment in its bin of ``bins`` (N,), by the order ``within``, a key of WITHIN."""
    sizes = np.bincount(bins)
    rank = np.zeros(len(bins), dtype=np.int64)
    rng = np.random.default_rng(seed)
    order = np.argsort(bins, kind="stable")
    starts = np.concatenate([[0], np.cumsum(sizes)])
    for label in range(len(sizes)):
        rows = order[starts[label] : starts[label + 1]]
        if len(rows):
            rank[WITHIN[within](rows, points, condensed, rng)] = np.arange(len(rows))
        progress(label + 1, len(sizes), "ranking")
    return rank


def _farthest_point(
    rows: NDArray[np.int64], points: Points, condensed: Condensed, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Farthest-point order, starting nearest to the centroid; second and later members of a representative follow."""
    rows, distinct, owner, turn = _members(rows, condensed)
    leading = points[rows[turn == 0]]
    start = int(((leading - leading.mean(axis=0)) ** 2).sum(axis=1).argmin())
    place = np.empty(len(distinct), dtype=np.int64)
    place[farthest_point_order(np.ascontiguousarray(leading, dtype=np.float32), start)] = np.arange(len(distinct))
    ordered: NDArray[np.int64] = rows[np.lexsort((place[owner], turn))]
    return ordered


def rank_members(order: NDArray[np.int64], condensed: Condensed) -> NDArray[np.int64]:
    """The rank (N,) of all environments from the ``order`` (M,) of the representatives.

    First the nearest environment of each representative, in this order, then the second ones, and so on.
    """
    rows, _, owner, turn = _members(np.arange(len(condensed.assignment)), condensed)
    place = np.empty(condensed.size, dtype=np.int64)
    place[order] = np.arange(condensed.size)
    rank = np.empty(len(rows), dtype=np.int64)
    rank[rows[np.lexsort((place[owner], turn))]] = np.arange(len(rows))
    return rank


def _members(
    rows: NDArray[np.int64], condensed: Condensed
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """``rows`` (n,) sorted by representative and distance to it, and three facts of them.

    These are the distinct representatives (u,), which of those each row has (n,), and how many rows of the same come
    before it (n,).
    """
    owner = condensed.assignment[rows]
    by_owner = np.lexsort((condensed.distance[rows], owner))
    distinct, first, place = np.unique(owner[by_owner], return_index=True, return_inverse=True)
    return rows[by_owner], distinct, place, np.arange(len(rows)) - first[place]


def _random(
    rows: NDArray[np.int64], points: Points, condensed: Condensed, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Random order."""
    return rng.permutation(rows)


Order = Callable[[NDArray[np.int64], Points, Condensed, np.random.Generator], NDArray[np.int64]]
WITHIN: dict[str, Order] = {"fps": _farthest_point, "random": _random}

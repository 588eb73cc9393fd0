"""In which order environments are kept: bins, and an order inside each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from meagraph.display.cards import Shown
from meagraph.graph.condensation import Condensed, Points
from meagraph.graph.loops import farthest_point_order
from meagraph.latent.clustering import turns
from meagraph.progress import Progress, silent
from meagraph.pruning.shares import Chosen, Shares

SPREAD = 0.999  # share of the variance in the components whose leverage counts
FARTHEST = 4  # in the order "mixed" one of so many is a farthest point


@dataclass(frozen=True, eq=False, repr=False)
class Ranking(Shown):
    """In which order each bin gives up its environments: plans of any size are prefixes of it."""

    rank: NDArray[np.int64]  # (N,) 0 for the first to be kept of its bin
    bin: NDArray[np.int64]  # (N,) of the selector: clusters, or one bin for all environments
    sizes: NDArray[np.int64]  # (B,) environments a bin
    within: str
    seed: int
    selector: str = "meagraph"
    worth: NDArray[np.float32] | None = None  # (N,) how much each environment adds to its bin's variety; None: all 1
    chosen: Chosen | None = None  # the shares that the dataset asks for, where they were looked for
    known: NDArray[np.bool_] | None = None  # (N,) known already: they fill their bins first, and are never chosen
    error: NDArray[np.float64] | None = None  # (B,) of a model over the usual, by which shares are multiplied

    @property
    def held(self) -> NDArray[np.bool_]:
        """What is known already (N,)."""
        return np.zeros(len(self.rank), dtype=bool) if self.known is None else self.known

    def variety(self, rows: NDArray[np.int64] | NDArray[np.bool_] | slice) -> NDArray[np.float64]:
        """The variety (B,) of what each bin has of ``rows``: numbers, a mask, or a slice of environments."""
        worth = None if self.worth is None else self.worth[rows]
        return np.bincount(self.bin[rows], weights=worth, minlength=len(self.sizes)).astype(np.float64)

    def weights(self, shares: Shares, sizes: NDArray[np.integer], variety: NDArray[np.floating]) -> NDArray[np.float64]:
        """What the shares of bins of ``sizes`` (B,) and ``variety`` (B,) are in proportion to: (B,)."""
        found = shares.weights(sizes, variety)
        return found if self.error is None else found * self.error

    def alike(self, other: Ranking) -> bool:
        """Whether ``other`` was made in the same way, of the same data."""
        return (self.selector, self.within, self.seed) == (other.selector, other.within, other.seed)

    @cached_property
    def chance(self) -> NDArray[np.int64]:
        """The rank (N,) of each environment in its bin where chance alone decides, by the seed."""
        return chance_order(self.bin, self.seed)


def chance_order(bins: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """The rank (N,) of each environment in its bin of ``bins`` (N,), in any order."""
    order = np.random.default_rng(seed).permutation(len(bins))
    return turns(order[np.argsort(bins[order], kind="stable")], np.bincount(bins))


def leverage(rows: NDArray[np.float64], given: NDArray[np.bool_] | None = None) -> NDArray[np.float64]:
    """Statistical leverage (M,) of ``rows`` (M, D) on the principal components that hold SPREAD of the variance.

    How far a row pulls a linear fit: large where few others lie in its direction (Mahoney and Drineas, PNAS 106, 697,
    2009). The sum is the number of components. With rows that are ``given`` (M,) it is that of a fit that has those
    already, u (1 + M G)⁻¹ u of orthonormal components u, G the sum of u uᵀ over the given ones: little is left in the
    directions that they span.
    """
    left, spread, _ = np.linalg.svd(rows - rows.mean(axis=0), full_matrices=False)
    share = np.cumsum(spread**2) / max(float((spread**2).sum()), np.finfo(float).tiny)
    count = int(np.searchsorted(share, SPREAD)) + 1
    pull = left = left[:, :count]
    if given is not None and given.any():
        pull = np.linalg.solve(np.eye(count) + len(rows) * left[given].T @ left[given], left.T).T
    found: NDArray[np.float64] = np.maximum((left * pull).sum(axis=1), 0.0) + np.finfo(float).eps
    return found


def rank_bins(
    bins: NDArray[np.int64],
    points: Points,
    condensed: Condensed,
    *,
    within: str,
    seed: int,
    weights: NDArray[np.float64] | None = None,
    known: NDArray[np.bool_] | None = None,
    progress: Progress = silent,
) -> NDArray[np.int64]:
    """The rank (N,) of each environment in its bin of ``bins`` (N,), by the order ``within``, a key of WITHIN.

    ``weights`` (M,) of the representatives say which are drawn sooner where chance decides; by default none is. The
    order of the others goes on from the environments that are ``known`` (N,).
    """
    known = np.zeros(len(bins), dtype=bool) if known is None else known
    weights = np.ones(condensed.size) if weights is None else weights
    sizes = np.bincount(bins)
    rank = np.zeros(len(bins), dtype=np.int64)
    rng = np.random.default_rng(seed)
    order = np.argsort(bins, kind="stable")
    starts = np.concatenate([[0], np.cumsum(sizes)])
    for label in range(len(sizes)):
        rows = order[starts[label] : starts[label + 1]]
        if len(rows):
            rank[WITHIN[within](rows, points, condensed, weights, known, rng)] = np.arange(len(rows))
        progress(label + 1, len(sizes), "ranking")
    return rank


def _farthest_point(
    rows: NDArray[np.int64],
    points: Points,
    condensed: Condensed,
    weights: NDArray[np.float64],
    known: NDArray[np.bool_],
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """Farthest-point order, starting nearest to the centroid; second and later members of a representative follow."""
    rows, _, owner, turn = _members(rows, condensed, known)
    first = rows[turn == 0]
    place = _farthest_places(points[first], known[first])
    ordered: NDArray[np.int64] = rows[np.lexsort((place[owner], turn))]
    return ordered


def given_first(
    order: Callable[[NDArray[np.floating], int, int], NDArray[np.integer]],
    rows: NDArray[np.float64],
    given: NDArray[np.bool_],
) -> NDArray[np.int64]:
    """All ``rows`` (u, D) as a compiled ``order`` of rows, start and number of given ones puts them: (u,) indices.

    Those ``given`` (u,) come first; without any it starts nearest to the centroid.
    """
    start = int(((rows - rows.mean(axis=0)) ** 2).sum(axis=1).argmin())
    front = np.argsort(~given, kind="stable")
    found = order(np.ascontiguousarray(rows[front], dtype=np.float32), start, int(given.sum()))
    return np.asarray(front[found], dtype=np.int64)


def _farthest_places(leading: NDArray[np.float64], given: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The place (u,) of each of the points ``leading`` (u, D) in their farthest-point order from those ``given``."""
    place = np.empty(len(leading), dtype=np.int64)
    place[given_first(farthest_point_order, leading, given)] = np.arange(len(leading))
    return place


def _mixed(
    rows: NDArray[np.int64],
    points: Points,
    condensed: Condensed,
    weights: NDArray[np.float64],
    known: NDArray[np.bool_],
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """Every FARTHEST-th by farthest-point order, the others drawn by the square root of their weight.

    The first reach the borders of the bin, the second keep its bulk from being forgotten. Second and later members of a
    representative follow. The draw is by exponential keys (Efraimidis and Spirakis, Inf. Process. Lett. 97, 181, 2006).
    """
    rows, distinct, owner, turn = _members(rows, condensed, known)
    given = known[rows[turn == 0]]
    far = _farthest_places(points[rows[turn == 0]], given)
    drawn = np.empty(len(distinct), dtype=np.int64)
    keys = rng.exponential(size=len(distinct)) / np.sqrt(weights[distinct])
    drawn[np.argsort(np.where(given, -1.0, keys), kind="stable")] = np.arange(len(distinct))
    far, drawn = far - given.sum(), drawn - given.sum()
    place = np.minimum((far + 0.5) * FARTHEST, (drawn + 0.5) * FARTHEST / (FARTHEST - 1))
    ordered: NDArray[np.int64] = rows[np.lexsort((drawn[owner], place[owner], turn))]
    return ordered


def _medoid(
    rows: NDArray[np.int64],
    points: Points,
    condensed: Condensed,
    weights: NDArray[np.float64],
    known: NDArray[np.bool_],
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """What is nearest to the centroid of the bin's representatives first; later members of each follow."""
    rows, _, owner, turn = _members(rows, condensed, known)
    leading = points[rows[turn == 0]]
    away = ((leading - leading.mean(axis=0)) ** 2).sum(axis=1)
    ordered: NDArray[np.int64] = rows[np.lexsort((owner, away[owner], turn))]
    return ordered


def rank_members(
    order: NDArray[np.int64], condensed: Condensed, known: NDArray[np.bool_] | None = None
) -> NDArray[np.int64]:
    """The rank (N,) of all environments from the ``order`` (M,) of the representatives.

    First the nearest environment of each representative, in this order, then the second ones, and so on; those
    ``known`` (N,) come before all others of theirs.
    """
    known = np.zeros(len(condensed.assignment), dtype=bool) if known is None else known
    rows, _, owner, turn = _members(np.arange(len(condensed.assignment)), condensed, known)
    place = np.empty(condensed.size, dtype=np.int64)
    place[order] = np.arange(condensed.size)
    rank = np.empty(len(rows), dtype=np.int64)
    rank[rows[np.lexsort((place[owner], turn))]] = np.arange(len(rows))
    return rank


def _members(
    rows: NDArray[np.int64], condensed: Condensed, known: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """``rows`` (n,) sorted by representative, the ``known`` (N,) first, and distance to it, and three facts of them.

    These are the distinct representatives (u,), which of those each row has (n,), and how many rows of the same come
    before it (n,).
    """
    owner = condensed.assignment[rows]
    by_owner = np.lexsort((condensed.distance[rows], ~known[rows], owner))
    distinct, first, place = np.unique(owner[by_owner], return_index=True, return_inverse=True)
    return rows[by_owner], distinct, place, np.arange(len(rows)) - first[place]


def _random(
    rows: NDArray[np.int64],
    points: Points,
    condensed: Condensed,
    weights: NDArray[np.float64],
    known: NDArray[np.bool_],
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """Random order; weights and what is known have no say."""
    return rng.permutation(rows)


Order = Callable[
    [NDArray[np.int64], Points, Condensed, NDArray[np.float64], NDArray[np.bool_], np.random.Generator],
    NDArray[np.int64],
]
WITHIN: dict[str, Order] = {"mixed": _mixed, "fps": _farthest_point, "random": _random, "medoid": _medoid}

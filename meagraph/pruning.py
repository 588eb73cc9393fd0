"""Clusters to a pruning plan: which environments and structures to keep."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from meagraph.clustering import NOISE, Clusters
from meagraph.condensation import Condensed, Points
from meagraph.datasets import AtomicDataset
from meagraph.errors import MEAGraphError
from meagraph.kernels import farthest_point_order
from meagraph.progress import Progress, silent

RULES = ("at-least", "any", "all")


@dataclass(frozen=True)
class PruningConfig:
    """How much to keep, and how to choose.

    ``keep`` is the fraction of all environments; a cluster's share grows like size^``alpha`` (1: faithful to the
    distribution, 0: the same from each); ``within`` names the order inside a cluster. A structure stays if
    ``any`` or ``all`` of its environments are kept, or ``at-least`` ``percent`` of them (None: as many as
    the keep fraction, so that structures which hold more than the average stay). Structures of ``protected``
    groups always stay.
    """

    keep: float = 0.2
    alpha: float = 0.75
    within: str = "fps"
    rule: str = "at-least"
    percent: float | None = None
    protected: tuple[str, ...] = ("IsolatedAtom", "isolated_atom")
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0.0 < self.keep <= 1.0:
            raise MEAGraphError(f"The keep fraction must be above 0 and at most 1, got {self.keep}.")
        if not 0.0 <= self.alpha <= 1.0:
            raise MEAGraphError(f"The allocation exponent alpha must lie between 0 and 1, got {self.alpha}.")
        if self.within not in WITHIN:
            raise MEAGraphError(f"Unknown order inside a cluster {self.within!r}; choose from {', '.join(WITHIN)}.")
        if self.rule not in RULES:
            raise MEAGraphError(f"Unknown rule {self.rule!r}; choose from {', '.join(RULES)}.")
        if self.percent is not None and not 0.0 < self.percent <= 100.0:
            raise MEAGraphError(f"A structure's percentage must be above 0 and at most 100, got {self.percent}.")
        if not 0 <= self.seed < 2**32:
            raise MEAGraphError(f"The seed must lie between 0 and {2**32 - 1}, got {self.seed}.")

    @property
    def least_share(self) -> float:
        """The share of kept environments from which a structure stays under the rule ``at-least``."""
        return self.keep if self.percent is None else self.percent / 100.0


@dataclass(frozen=True, eq=False)
class Ranking:
    """In which order each cluster gives up its environments: plans of any size are prefixes of it."""

    rank: NDArray[np.int64]  # (N,) 0 for the first to be kept of its cluster
    bin: NDArray[np.int64]  # (N,) cluster label; one more for all unclustered environments
    sizes: NDArray[np.int64]  # (B,) environments a bin
    within: str
    seed: int


@dataclass(frozen=True, eq=False)
class PruningPlan:
    """What stays."""

    keep: NDArray[np.bool_]  # (N,) environments chosen; all of them in protected structures
    structures: NDArray[np.bool_]  # (S,) structures that stay under the rule
    protected: NDArray[np.bool_]  # (S,) structures of protected groups
    config: PruningConfig
    per_cluster: NDArray[np.int64]  # (C + 1,) kept environments of each cluster, unclustered ones last

    @property
    def n_environments(self) -> int:
        """Environments chosen."""
        return int(self.keep.sum())

    @property
    def n_structures(self) -> int:
        """Structures that stay."""
        return int(self.structures.sum())


def rank_environments(
    clusters: Clusters,
    points: Points,
    condensed: Condensed,
    *,
    within: str = "fps",
    seed: int = 0,
    progress: Progress = silent,
) -> Ranking:
    """Order the environments of each cluster once; :func:`prune` then answers for any fraction at once.

    ``points`` (N, D) are the descriptors with columns of unit norm. The environments in no cluster share one bin
    more: with a bin each they would take half of the budget from the clusters.
    """
    count = clusters.n_clusters + 1
    bins = np.where(clusters.labels == NOISE, clusters.n_clusters, clusters.labels)
    sizes = np.bincount(bins, minlength=count)
    rank = np.zeros(len(bins), dtype=np.int64)
    rng = np.random.default_rng(seed)
    order = np.argsort(bins, kind="stable")
    starts = np.concatenate([[0], np.cumsum(sizes)])
    for label in range(count):
        rows = order[starts[label] : starts[label + 1]]
        if len(rows):
            rank[WITHIN[within](rows, points, condensed, rng)] = np.arange(len(rows))
        progress(label + 1, count, "ranking")
    return Ranking(rank, bins, sizes, within, seed)


def _farthest_point(
    rows: NDArray[np.int64], points: Points, condensed: Condensed, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Farthest-point order, starting nearest to the centroid; second and later members of a representative follow."""
    owner = condensed.assignment[rows]
    by_owner = np.lexsort((condensed.distance[rows], owner))
    rows, owner = rows[by_owner], owner[by_owner]
    distinct, first = np.unique(owner, return_index=True)
    turn = np.arange(len(rows)) - first[np.searchsorted(distinct, owner)]  # 0 for a representative's nearest member
    leading = points[rows[first]]
    start = int(((leading - leading.mean(axis=0)) ** 2).sum(axis=1).argmin())
    place = np.empty(len(distinct), dtype=np.int64)
    place[farthest_point_order(np.ascontiguousarray(leading, dtype=np.float32), start)] = np.arange(len(distinct))
    ordered: NDArray[np.int64] = rows[np.lexsort((place[np.searchsorted(distinct, owner)], turn))]
    return ordered


def _random(
    rows: NDArray[np.int64], points: Points, condensed: Condensed, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Random order."""
    return rng.permutation(rows)


Order = Callable[[NDArray[np.int64], Points, Condensed, np.random.Generator], NDArray[np.int64]]
WITHIN: dict[str, Order] = {"fps": _farthest_point, "random": _random}


def allocate(sizes: NDArray[np.int64], budget: int, alpha: float) -> NDArray[np.int64]:
    """Share ``budget`` among bins of ``sizes`` (B,) in proportion to size^alpha, none above its size.

    What full bins cannot take goes to the others in the same proportion; fractions are rounded so that the sum
    is exactly ``min(budget, sum(sizes))``, larger remainders and then larger bins first.
    """
    budget = min(int(budget), int(sizes.sum()))
    weight = np.where(sizes > 0, sizes.astype(np.float64) ** alpha, 0.0)
    share = np.zeros(len(sizes))
    open_ = sizes > 0
    while open_.any():
        left = budget - share[~open_].sum()
        offer = left * weight / weight[open_].sum()
        full = open_ & (offer >= sizes)
        if not full.any():
            share[open_] = offer[open_]
            break
        share[full] = sizes[full]
        open_ &= ~full
    whole = np.floor(share + 1e-9).astype(np.int64)
    short = budget - int(whole.sum())
    room = np.flatnonzero(whole < sizes)
    order = room[np.lexsort((-sizes[room], -(share - whole)[room]))]
    whole[order[:short]] += 1
    return whole


def prune(
    ranking: Ranking,
    clusters: Clusters,
    dataset: AtomicDataset,
    config: PruningConfig,
    *,
    rejected: NDArray[np.bool_] | None = None,
) -> PruningPlan:
    """Make the plan: environments by allocation over clusters, structures by the rule.

    Protected structures are kept whole and count towards the budget. Structures with an environment in
    ``rejected`` (N,) go whole, unless they are protected. The rest of the budget is shared among the environments of
    all other structures. Raises MEAGraphError if ``ranking`` was made with another order or seed.
    """
    if (ranking.within, ranking.seed) != (config.within, config.seed):
        raise MEAGraphError(
            f"The ranking was made with within={ranking.within!r}, seed={ranking.seed}; the plan asks for "
            f"within={config.within!r}, seed={config.seed}. Rank the environments anew."
        )
    protected = np.isin(dataset.groups, config.protected)
    safe = protected[dataset.structure_of]
    settled = safe.copy()
    if rejected is not None:
        barred = np.logical_or.reduceat(rejected, dataset.offsets[:-1]) & ~protected
        settled |= barred[dataset.structure_of]
    budget = max(0, round(config.keep * dataset.n_environments) - int(safe.sum()))
    sizes = ranking.sizes - np.bincount(ranking.bin[settled], minlength=len(ranking.sizes))
    share = allocate(sizes, budget, config.alpha)
    keep = safe | (_rank_without(ranking, settled) < share[ranking.bin])
    kept = np.add.reduceat(keep, dataset.offsets[:-1], dtype=np.int64)
    atoms = np.diff(dataset.offsets)
    structures = {
        "any": kept > 0,
        "all": kept == atoms,
        "at-least": kept >= np.maximum(1.0, config.least_share * atoms - 1e-9),
    }[config.rule]
    return PruningPlan(
        keep=keep,
        structures=structures | protected,
        protected=protected,
        config=config,
        per_cluster=np.bincount(
            np.where(clusters.labels == NOISE, clusters.n_clusters, clusters.labels)[keep],
            minlength=clusters.n_clusters + 1,
        ),
    )


def _rank_without(ranking: Ranking, settled: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Ranks after the ``settled`` environments have been taken out of their bins; those get no rank."""
    if not settled.any():
        return ranking.rank
    free = np.flatnonzero(~settled)
    order = free[np.lexsort((ranking.rank[free], ranking.bin[free]))]
    bins = ranking.bin[order]
    rank = np.full(len(settled), np.iinfo(np.int64).max)
    rank[order] = np.arange(len(order)) - np.searchsorted(bins, bins)
    return rank

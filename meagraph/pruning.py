"""Clusters to a pruning plan: which environments and structures to keep."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from meagraph.clustering import Clusters
from meagraph.condensation import Condensed, Points
from meagraph.datasets import AtomicDataset
from meagraph.errors import MEAGraphError
from meagraph.progress import Progress, silent
from meagraph.ranking import WITHIN, Ranking
from meagraph.selectors import SELECTORS, Candidates, cluster_bins

RULES = ("at-least", "any", "all")


@dataclass(frozen=True)
class PruningConfig:
    """How much to keep, and how to choose.

    ``keep`` is the fraction of all environments, ``selector`` says which come first. With ``meagraph`` and ``kmeans``,
    a cluster's share grows like size^``alpha`` (1: faithful to the distribution, 0: the same from each), and ``within``
    names the order inside a cluster; the other selectors have one order for all. A structure stays if
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
    selector: str = "meagraph"

    def __post_init__(self) -> None:
        if not 0.0 < self.keep <= 1.0:
            raise MEAGraphError(f"The keep fraction must be above 0 and at most 1, got {self.keep}.")
        if not 0.0 <= self.alpha <= 1.0:
            raise MEAGraphError(f"The allocation exponent alpha must lie between 0 and 1, got {self.alpha}.")
        if self.selector not in SELECTORS:
            raise MEAGraphError(f"Unknown selector {self.selector!r}; choose from {', '.join(SELECTORS)}.")
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

    def fits(self, ranking: Ranking) -> bool:
        """Whether plans of this configuration can be taken from ``ranking``."""
        return (self.selector, self.within, self.seed) == (ranking.selector, ranking.within, ranking.seed)


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
    selector: str = "meagraph",
    within: str = "fps",
    groups: NDArray[np.str_] | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> Ranking:
    """Order the environments once by a ``selector`` of SELECTORS; :func:`prune` then answers for any fraction at once.

    ``points`` (N, D) are the descriptors with columns of unit norm; ``groups`` (N,) is the group of each environment,
    which ``stratified`` needs (MEAGraphError without).
    """
    if groups is None:
        if selector == "stratified":
            raise MEAGraphError(
                "The selector 'stratified' expects the group of each environment, but none came. "
                "Give groups=dataset.groups[dataset.structure_of]."
            )
        groups = np.zeros(len(clusters.labels), dtype="U1")
    candidates = Candidates(points, condensed, clusters, groups, within)
    rank, bins = SELECTORS[selector](candidates, seed, progress)
    count = clusters.n_clusters + 1 if selector == "meagraph" else 0
    return Ranking(rank, bins, np.bincount(bins, minlength=count), within, seed, selector)


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
    """Make the plan: environments by allocation over the ranking's bins, structures by the rule.

    Protected structures are kept whole and count towards the budget. Structures with an environment in
    ``rejected`` (N,) go whole, unless they are protected. The rest of the budget is shared among the environments of
    all other structures. Raises MEAGraphError if ``ranking`` was made with another
    selector, order or seed.
    """
    if not config.fits(ranking):
        raise MEAGraphError(
            f"The ranking was made with selector={ranking.selector!r}, within={ranking.within!r}, seed={ranking.seed}; "
            f"the plan asks for selector={config.selector!r}, within={config.within!r}, seed={config.seed}. "
            "Rank the environments anew."
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
        per_cluster=np.bincount(cluster_bins(clusters)[keep], minlength=clusters.n_clusters + 1),
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

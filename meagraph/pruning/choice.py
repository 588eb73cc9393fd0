"""Which environments a plan chooses, for any budget."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from meagraph.latent.clustering import Clusters
from meagraph.pruning.allocation import allocate
from meagraph.pruning.ranking import Ranking
from meagraph.pruning.settings import PruningConfig


@dataclass(frozen=True, eq=False)
class Choice:
    """Which environments are chosen, for any budget."""

    ranking: Ranking
    clusters: Clusters
    config: PruningConfig
    fixed: NDArray[np.bool_]  # (N,) chosen in any case
    settled: NDArray[np.bool_]  # (N,) with those that never are

    def environments(self, wanted: int) -> NDArray[np.bool_]:
        """A mask (N,) of ``wanted`` environments; of more where more are fixed or set by hand."""
        keep, free = self.fixed.copy(), ~self.settled
        for label, part in self.config.by_hand:
            inside = self.clusters.labels == label
            self._heads(keep, free & inside, round(part * int(inside.sum())) - int((self.fixed & inside).sum()))
            free &= ~inside
        self._heads(keep, free, wanted - int(keep.sum()))
        return keep

    def _heads(self, keep: NDArray[np.bool_], free: NDArray[np.bool_], budget: int) -> None:
        """Mark in ``keep`` the first ``budget`` of the ``free`` environments (N,), by allocation over the bins."""
        ranking = self.ranking
        rows = np.flatnonzero(free)
        bins = ranking.bin[rows]
        sizes = np.bincount(bins, minlength=len(ranking.sizes))
        variety = None
        if ranking.worth is not None:
            variety = np.bincount(bins, ranking.worth[rows], minlength=len(sizes)).astype(np.float64)
        share = allocate(sizes, max(0, budget), self.config.alpha, variety)
        if len(rows) == len(keep):
            keep |= ranking.rank < share[ranking.bin]
            return
        order = rows[np.lexsort((ranking.rank[rows], bins))]
        bins = ranking.bin[order]
        keep[order[np.arange(len(order)) - np.searchsorted(bins, bins) < share[bins]]] = True

"""Which environments a plan chooses, for any budget."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from meagraph.latent.clustering import Clusters
from meagraph.pruning.allocation import share_out
from meagraph.pruning.ranking import Ranking
from meagraph.pruning.settings import PruningConfig
from meagraph.pruning.shares import Shares


@dataclass(frozen=True, eq=False)
class Choice:
    """Which environments are chosen, for any budget."""

    ranking: Ranking
    clusters: Clusters
    config: PruningConfig
    shares: Shares  # of the bins
    fixed: NDArray[np.bool_]  # (N,) chosen in any case
    settled: NDArray[np.bool_]  # (N,) with those that never are, as what is known already

    def environments(self, wanted: int) -> NDArray[np.bool_]:
        """A mask (N,) of ``wanted`` environments; of more where more are fixed or set by hand."""
        keep, free = self.fixed.copy(), ~self.settled
        for label, part in self.config.by_hand:
            inside = (self.clusters.labels == label) & ~self.ranking.held
            self._heads(keep, free & inside, round(part * int(inside.sum())) - int((self.fixed & inside).sum()))
            free &= ~inside
        self._heads(keep, free, wanted - int(keep.sum()))
        return keep

    def _heads(self, keep: NDArray[np.bool_], free: NDArray[np.bool_], budget: int) -> None:
        """Mark in ``keep`` the first ``budget`` of the ``free`` environments (N,), by allocation over the bins."""
        keep |= heads(self.ranking, free, budget, self.shares)


def heads(ranking: Ranking, free: NDArray[np.bool_], budget: int, shares: Shares) -> NDArray[np.bool_]:
    """The first ``budget`` of the ``free`` environments (N,): each bin gives its share of them, in its order.

    A larger budget has all that a smaller one has. What is known already is not free, and its bin's share begins with
    it, unless chance decides.
    """
    known = ranking.held
    free = free & ~known
    everything = bool(free.all())
    rows = np.arange(0) if everything else np.flatnonzero(free)
    bins = ranking.bin if everything else ranking.bin[rows]
    sizes = np.bincount(bins, minlength=len(ranking.sizes))
    variety = ranking.variety(slice(None) if everything else rows)
    there = np.zeros_like(sizes)
    if known.any() and not shares.chance:
        there = np.bincount(ranking.bin[known], minlength=len(sizes))
        variety = variety + ranking.variety(known)
    weights = ranking.weights(shares, sizes + there, variety)
    share = share_out(sizes, max(0, budget), weights, there)
    rank = ranking.chance if shares.chance else ranking.rank
    if everything:
        return np.asarray(rank < share[bins])
    order = rows[np.lexsort((rank[rows], bins))]
    bins = ranking.bin[order]
    first = np.cumsum(sizes) - sizes
    found = np.zeros(len(free), dtype=bool)
    found[order[np.arange(len(order)) - first[bins] < share[bins]]] = True
    return found

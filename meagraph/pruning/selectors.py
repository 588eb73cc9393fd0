"""Which environments to keep first: MEAGraph's way, and what else there is to compare it with.

Every selector ranks all environments once; a plan of any size takes the heads of its bins
(:func:`meagraph.pruning.plan.prune`). What is known already is never taken: the order of the others goes on from it.
All but ``meagraph`` and ``kmeans`` have one bin: their plans are prefixes of one
order.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import leaves_list, linkage

from meagraph.graph.condensation import Condensed, Points
from meagraph.latent.clustering import Clusters, turns
from meagraph.progress import Progress, silent
from meagraph.pruning.entropy import bandwidth
from meagraph.pruning.loops import sparsest_first
from meagraph.pruning.ranking import given_first, leverage, rank_bins, rank_members

CENTRES = 100  # of k-means
LEAVES = 6000  # of BIRCH at most, unless its first threshold gives more
HALVINGS = 8  # of the BIRCH threshold


@dataclass(frozen=True, eq=False)
class Candidates:
    """What a selector may look at."""

    points: Points  # (N, D) descriptors, columns of unit norm
    condensed: Condensed
    clusters: Clusters
    groups: NDArray[np.str_]  # (N,) group of each environment
    within: str = "fps"  # order inside the bins of meagraph
    bins: NDArray[np.int64] | None = None  # (N,) of meagraph; None: the clusters themselves
    known: NDArray[np.bool_] | None = None  # (N,) environments that are there already

    @property
    def size(self) -> int:
        """Number of environments N."""
        return len(self.condensed.assignment)

    @property
    def leading(self) -> NDArray[np.float64]:
        """Points of the representatives (M, D)."""
        return np.asarray(self.points[self.condensed.representatives])

    @property
    def held(self) -> NDArray[np.bool_]:
        """What is known already (N,)."""
        return np.zeros(self.size, dtype=bool) if self.known is None else self.known

    @property
    def given(self) -> NDArray[np.bool_]:
        """Representatives (M,) that stand for a known environment."""
        return np.bincount(self.condensed.assignment[self.held], minlength=self.condensed.size) > 0


@dataclass(frozen=True, eq=False)
class Ranks:
    """What a selector finds."""

    rank: NDArray[np.int64]  # (N,) of each environment in its bin
    bins: NDArray[np.int64]  # (N,)
    worth: NDArray[np.float32] | None = None  # (N,) as in Ranking


def meagraph(candidates: Candidates, seed: int, progress: Progress = silent) -> Ranks:
    """Communities of the latent graph, each with its share; leverage says how much variety each holds.

    An environment's worth is its representative's leverage, shared among its members.
    """
    condensed = candidates.condensed
    bins = candidates.clusters.bins if candidates.bins is None else candidates.bins
    pull = leverage(candidates.leading)
    rank = rank_bins(
        bins,
        candidates.points,
        condensed,
        within=candidates.within,
        seed=seed,
        weights=pull,
        known=candidates.known,
        progress=progress,
    )
    return Ranks(rank, bins, (pull / condensed.multiplicity)[condensed.assignment].astype(np.float32))


def random(candidates: Candidates, seed: int, progress: Progress = silent) -> Ranks:
    """Any environment as likely as any other."""
    return _one_bin(np.random.default_rng(seed).permutation(candidates.size))


def stratified(candidates: Candidates, seed: int, progress: Progress = silent) -> Ranks:
    """Random inside the dataset's own groups, each in proportion to its size: in a prefix none is off by more than one.

    The k-th of a group of n stands where (k + 1/2) / n of the order lies; what is known of it had the first places.
    """
    order = np.random.default_rng(seed).permutation(candidates.size)
    order = order[np.argsort(~candidates.held[order], kind="stable")]
    _, group, sizes = np.unique(candidates.groups[order], return_inverse=True, return_counts=True)
    turn = turns(np.argsort(group, kind="stable"), sizes)
    return _one_bin(order[np.argsort((turn + 0.5) / sizes[group], kind="stable")])


def fps(candidates: Candidates, seed: int, progress: Progress = silent) -> Ranks:
    """Farthest-point order of all representatives, from the one nearest to the centroid; no seed has a say."""
    bins = np.zeros(candidates.size, dtype=np.int64)
    return Ranks(_farthest(bins, candidates, seed, progress), bins)


def cur(candidates: Candidates, seed: int, progress: Progress = silent) -> Ranks:
    """Representatives drawn by their statistical leverage on the principal components, without replacement.

    Source: the row selection of CUR by leverage scores (Mahoney and Drineas, PNAS 106, 697, 2009), drawn in one go
    with exponential keys (Efraimidis and Spirakis, Inf. Process. Lett. 97, 181, 2006). The greedy CUR that
    orthogonalises after each pick has nothing left to choose by after D picks, of a few dozen descriptors; here
    thousands are picked. The leverage is that beyond what is known.
    """
    given = candidates.given
    pull = leverage(candidates.leading, given)
    keys = np.random.default_rng(seed).exponential(size=len(pull)) / pull
    return _of_representatives(np.argsort(np.where(given, -1.0, keys), kind="stable"), candidates)


def kmeans(candidates: Candidates, seed: int, progress: Progress = silent) -> Ranks:
    """CENTRES clusters of k-means on the scaled descriptors, each with its share, farthest points first in each."""
    from sklearn.cluster import KMeans

    rows, weights = candidates.leading, candidates.condensed.multiplicity
    finder = KMeans(min(CENTRES, len(rows)), n_init=1, random_state=seed)
    found = finder.fit(rows, sample_weight=weights).labels_.astype(np.int64)
    bins = found[candidates.condensed.assignment]
    return Ranks(_farthest(bins, candidates, seed, progress), bins)


def direct(candidates: Candidates, seed: int, progress: Progress = silent) -> Ranks:
    """One environment from each of as many BIRCH clusters on principal components as are wanted.

    Source: DIRECT (Qi, Ko, Wood, Pham and Ong, npj Comput. Mater. 10, 43, 2024): standardised descriptors, the
    principal components of variance above 1 weighed by it, BIRCH, and from each cluster what is nearest to its centre.
    The BIRCH leaves are joined by Ward's criterion, as BIRCH does it, and each cut of that tree has one cluster more
    than the one before: so the orders for all budgets are one. Beyond the number of leaves, each gives its second
    environment. A leaf with a known environment has given its first. No seed has a say.
    """
    from sklearn.cluster import Birch

    rows = np.ascontiguousarray(weighed_components(candidates.leading, candidates.condensed.multiplicity))
    threshold = float(np.linalg.norm(rows.std(axis=0))) or 1.0
    tree = Birch(threshold=threshold, n_clusters=None).fit(rows)
    for step in range(HALVINGS):
        progress(step, HALVINGS, "BIRCH")
        threshold *= 0.5
        finer = Birch(threshold=threshold, n_clusters=None).fit(rows)
        if len(finer.subcluster_centers_) > LEAVES:
            break
        tree = finer
    leaf, label = np.unique(tree.labels_, return_inverse=True)
    counts = np.bincount(label)
    centres = np.stack([np.bincount(label, weights=column) / counts for column in rows.T], axis=1)  # (leaves, P)
    given = candidates.given
    held = np.bincount(label[given], minlength=len(leaf)) > 0
    order = split_order(centres, counts, held) if len(leaf) > 1 else np.zeros(1, dtype=np.int64)
    place = np.empty(len(leaf), dtype=np.int64)
    place[order] = np.arange(len(leaf))
    near = np.lexsort((((rows - centres[label]) ** 2).sum(axis=1), ~given, label))
    return _of_representatives(np.lexsort((place[label], turns(near, counts))), candidates)


def weighed_components(rows: NDArray[np.float64], weights: NDArray[np.integer]) -> NDArray[np.float64]:
    """Principal components (M, P) of standardised ``rows`` (M, D) that count ``weights`` (M,) times each.

    Those of variance above 1, and the first in any case; each has the standard deviation of its share of the variance
    over that of the first.
    """
    share = weights / weights.sum()
    centred = rows - share @ rows
    deviation = np.sqrt(share @ centred**2)
    centred = centred / np.where(deviation > 0.0, deviation, 1.0)
    variance, axes = np.linalg.eigh((share[:, None] * centred).T @ centred)
    count = max(1, int((variance > 1.0).sum()))
    variance, axes = variance[::-1][:count], axes[:, ::-1][:, :count]
    if variance[0] <= 0.0:
        return np.zeros((len(rows), 1))
    components: NDArray[np.float64] = centred @ axes * (np.sqrt(variance) / variance[0])
    return components


def split_order(
    centres: NDArray[np.float64], counts: NDArray[np.integer], given: NDArray[np.bool_] | None = None
) -> NDArray[np.int64]:
    """An order (L,) of ``centres`` (L, P) that count ``counts`` (L,) times, so that the first k are of k Ward clusters.

    The first is nearest to the mean of all. Each split of the Ward tree, from the root, then adds what is nearest to
    the mean of that half which has none yet. Those ``given`` (L,) come before all, and a split adds none where both
    halves have one.
    """
    joins = linkage(centres, "ward")
    size = len(centres)
    leaves = leaves_list(joins)  # every node's leaves lie side by side
    first, last = np.empty(2 * size - 1, dtype=np.int64), np.empty(2 * size - 1, dtype=np.int64)
    first[leaves] = np.arange(size)
    last[:size] = first[:size] + 1
    halves = joins[:, :2].astype(np.int64)
    for node, (a, b) in enumerate(halves, start=size):
        first[node], last[node] = min(first[a], first[b]), max(last[a], last[b])
    ordered = centres[leaves]
    mass = counts[leaves].astype(np.float64)

    def nearest(node: int) -> int:
        here = slice(first[node], last[node])
        mean = mass[here] @ ordered[here] / mass[here].sum()
        return int(first[node] + ((ordered[here] - mean) ** 2).sum(axis=1).argmin())

    taken = np.zeros(size, dtype=bool) if given is None else given[leaves]
    chosen = np.flatnonzero(taken).tolist() or [nearest(2 * size - 2)]
    taken[chosen] = True
    for a, b in halves[::-1]:  # the last join is the first split
        for half in (a, b):
            if not taken[first[half] : last[half]].any():
                chosen.append(nearest(half))
                taken[chosen[-1]] = True
    rows: NDArray[np.int64] = leaves[np.array(chosen)].astype(np.int64)
    return rows


def entropy(candidates: Candidates, seed: int, progress: Progress = silent) -> Ranks:
    """Always the representative where the kernel density of those taken before is lowest; no seed has a say.

    Its surprise -log Σ K(x, taken) is the largest: the differential entropy of QUESTS (see
    :mod:`meagraph.pruning.entropy`), taken greedily. Starts nearest to the centroid, or from what is known.
    """
    rows = candidates.leading
    return _of_representatives(given_first(sparsest_first, rows / bandwidth(rows), candidates.given), candidates)


def _farthest(bins: NDArray[np.int64], candidates: Candidates, seed: int, progress: Progress) -> NDArray[np.int64]:
    return rank_bins(
        bins,
        candidates.points,
        candidates.condensed,
        within="fps",
        seed=seed,
        known=candidates.known,
        progress=progress,
    )


def _of_representatives(order: NDArray[np.int64], candidates: Candidates) -> Ranks:
    rank = rank_members(order, candidates.condensed, candidates.known)
    return Ranks(rank, np.zeros(candidates.size, dtype=np.int64))


def _one_bin(order: NDArray[np.int64]) -> Ranks:
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    return Ranks(rank, np.zeros(len(order), dtype=np.int64))


Selector = Callable[[Candidates, int, Progress], Ranks]
SELECTORS: dict[str, Selector] = {
    "meagraph": meagraph,
    "random": random,
    "stratified": stratified,
    "fps": fps,
    "cur": cur,
    "kmeans": kmeans,
    "direct": direct,
    "entropy": entropy,
}

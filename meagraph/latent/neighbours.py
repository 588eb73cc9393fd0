"""Nearest neighbours in the latent space, and what UMAP makes of them: a graph for clustering, and the map."""

from __future__ import annotations

import functools
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, vstack
from scipy.spatial import KDTree

TREE_WIDTH = 16  # columns up to which a tree finds neighbours faster than products of matrices
BLOCK_VALUES = 8_000_000  # distances held at a time: 32 MB
SPARE = 4  # more candidates than asked for, as products of single precision may rank two of a distance wrongly
EPOCHS = 200  # of UMAP's layout
REACH, NEAR = 12, 1 / 3  # rows nearer than this share of the distance to the REACHth neighbour are copies
BLOCK = 2000  # rows whose shared neighbours are counted at a time


@dataclass(frozen=True, eq=False)
class Neighbours:
    """The k nearest rows of each of M rows, itself first."""

    values: NDArray[np.float32]  # (M, H) the rows, of unit norm where they are compared by direction
    index: NDArray[np.int32]  # (M, k)
    distance: NDArray[np.float32]  # (M, k) ascending

    def nearest(self, count: int) -> Neighbours:
        """Only the first ``count`` of the k."""
        return Neighbours(self.values, self.index[:, :count].copy(), self.distance[:, :count].copy())


def nearest_neighbours(values: NDArray[np.floating], count: int, *, by_distance: bool = False) -> Neighbours:
    """Exact ``count`` nearest neighbours of the rows of ``values`` (M, H), fewer where M is smaller.

    By default rows are compared by direction alone: in the published latent space their lengths carry how rare an
    environment is, and would pull the few isolated ones so far out that all others look alike (benchmarks/README.md).
    """
    scaled = np.asarray(values, dtype=np.float32) if by_distance else _directions(values)
    count = min(count, len(scaled))
    index, distance = _nearest(scaled, scaled, count)
    # a row of several equal ones may find a twin first: put itself in front, as UMAP expects
    rows = np.arange(len(scaled))
    own = np.where((index == rows[:, None]).any(axis=1), (index == rows[:, None]).argmax(axis=1), count - 1)
    index[rows, own] = index[:, 0]
    index[:, 0] = rows
    distance[:, 0] = 0.0
    return Neighbours(scaled, index.astype(np.int32), distance.astype(np.float32))


def _nearest(
    rows: NDArray[np.float32], known: NDArray[np.float32], count: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The ``count`` nearest of ``known`` (M, H) to each of ``rows`` (F, H), nearest first, and their distances."""
    if rows.shape[1] <= TREE_WIDTH:
        distance, index = KDTree(known).query(rows, k=count, workers=-1)
        return index.reshape(len(rows), count), distance.reshape(len(rows), count)
    centre = known.mean(axis=0)  # distances by inner products lose no digits to a common offset
    others = known - centre
    square = (others * others).sum(axis=1)
    index, distance = np.empty((len(rows), count), np.int64), np.empty((len(rows), count))
    step = max(1, BLOCK_VALUES // len(known))
    more = min(len(known), count + SPARE)
    for start in range(0, len(rows), step):
        part = rows[start : start + step] - centre
        off = square[None, :] - 2.0 * (part @ others.T)
        near = np.sort(np.argpartition(off, more - 1, axis=1)[:, :more], axis=1)
        exact = np.linalg.norm(part[:, None, :].astype(np.float64) - others[near], axis=2)
        order = np.argsort(exact, axis=1, kind="stable")[:, :count]
        index[start : start + step] = np.take_along_axis(near, order, axis=1)
        distance[start : start + step] = np.take_along_axis(exact, order, axis=1)
    return index, distance


def _directions(values: NDArray[np.floating]) -> NDArray[np.float32]:
    length = np.linalg.norm(values, axis=1, keepdims=True)
    return np.asarray(values / np.where(length > 0, length, 1.0), dtype=np.float32)


def weights_among(
    values: NDArray[np.floating], known: NDArray[np.floating], count: int, *, by_distance: bool = False
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The ``count`` rows of ``known`` (M, H) nearest to each of ``values`` (F, H), and how much each weighs.

    Compared by direction or by distance, nearest first; the weights (F, count), of sum 1, are UMAP's,
    exp(-(d - d_1) / sigma) with sigma such that they add up to log2(count). Fewer than ``count`` where M is smaller.
    Each row is weighed for itself.
    """
    count = min(count, len(known))
    rows, others = (np.asarray(a, np.float32) if by_distance else _directions(a) for a in (values, known))
    index, distance = _nearest(rows, others, count)
    beyond = distance - distance[:, :1]
    low, high = np.full(len(values), 1e-12), np.full(len(values), 1e3 * max(1.0, float(distance.max(initial=0.0))))
    for _ in range(60):  # bisection in the logarithm; directions are at most 2 apart
        middle = np.sqrt(low * high)
        above = np.exp(-beyond / middle[:, None]).sum(axis=1) > np.log2(count)
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    weight = np.exp(-beyond / np.sqrt(low * high)[:, None])
    return index.astype(np.int64), weight / weight.sum(axis=1, keepdims=True)


def fuzzy_graph(neighbours: Neighbours) -> csr_matrix:
    """UMAP's graph: how surely two rows are neighbours, in (0, 1], as a symmetric sparse matrix (M, M)."""
    _umap()
    from umap.umap_ import fuzzy_simplicial_set

    graph, _, _ = fuzzy_simplicial_set(
        neighbours.values,
        neighbours.index.shape[1],
        np.random.RandomState(0),  # asked for, but not used where the neighbours are known
        "euclidean",
        knn_indices=neighbours.index,
        knn_dists=neighbours.distance,
    )
    return csr_matrix(graph)


def near_copies(neighbours: Neighbours) -> NDArray[np.int64]:
    """For each row (M,) the row that stands for it: an earlier one much nearer than its REACHth neighbour, or itself.

    Ten copies of a dataset that differ by a little are so many rows in the place of one. Of as few rows as there are
    neighbours each stands for itself.
    """
    size, count = neighbours.index.shape
    if size <= count:
        return np.arange(size)
    reach = NEAR * neighbours.distance[:, min(REACH, count - 1)]
    owner = np.full(len(reach), -1, dtype=np.int64)
    for row, near in enumerate(neighbours.index):
        if owner[row] < 0:
            close = near[neighbours.distance[row] < reach[row]]
            owner[close[owner[close] < 0]] = row
            owner[row] = row
    return owner


def shared_neighbours(neighbours: Neighbours) -> csr_matrix:
    """How many of their nearest rows two neighbours share, over all that either has, as a symmetric matrix (M, M).

    1 for twins in one cloud, near 0 across a gap, whatever the density and however close the nearest row is: a row and
    its near copies do not weigh more than what lies around them. Source: Levine et al., Cell 162, 184, 2015.
    """
    size, count = neighbours.index.shape
    rows = np.repeat(np.arange(size), count)
    near = csr_matrix((np.ones(size * count, np.float32), (rows, neighbours.index.ravel())), (size, size))
    either = csr_matrix(near + near.T)
    either.setdiag(0)
    either.eliminate_zeros()
    either.data[:] = 1.0
    parts = []
    for start in range(0, size, BLOCK):  # all rows that share any are many times the neighbours
        among = either[start : start + BLOCK]
        parts.append((near[start : start + BLOCK] @ near.T).multiply(among))
    shared = csr_matrix(vstack(parts))
    shared.data = (shared.data / (2 * count - shared.data)).astype(np.float64)
    return shared


def umap_layout(neighbours: Neighbours, *, components: int, min_dist: float, seed: int) -> NDArray[np.float64]:
    """UMAP (McInnes, Healy, Melville, arXiv 1802.03426) of the rows into ``components`` dimensions: (M, components).

    The same input and seed give the same layout. Fewer than five rows, too few for a neighbour graph, are set in a
    line in the order of their first value.
    """
    values = neighbours.values
    if len(values) < 5:
        line = np.zeros((len(values), components))
        line[:, 0] = np.argsort(np.argsort(values[:, 0], kind="stable"), kind="stable")
        return line
    UMAP = _umap()
    neighbours = neighbours.nearest(len(values) - 1)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="n_jobs value")  # a seed means one thread; so be it
        warnings.filterwarnings("ignore", message="precomputed_knn")  # no new points are placed by this object
        reducer = UMAP(
            n_neighbors=neighbours.index.shape[1],
            n_components=components,
            min_dist=min_dist,
            n_epochs=EPOCHS,
            init="pca",
            random_state=seed,
            n_jobs=1,
            precomputed_knn=(neighbours.index, neighbours.distance),
            force_approximation_algorithm=True,  # or it would ignore the neighbours of small sets
        )
        return np.asarray(reducer.fit_transform(values), dtype=np.float64)


@functools.cache
def _umap() -> Any:
    """UMAP's class; its functions that would be compiled anew in every process are kept in numba's cache too."""
    from umap import UMAP, layouts, umap_

    for module, name in (
        (umap_, "smooth_knn_dist"),
        (umap_, "compute_membership_strengths"),
        (layouts, "_nb_optimize_layout_euclidean_single_epoch"),
    ):
        function = getattr(module, name, None)
        if function is not None:
            function.enable_caching()
    return UMAP


def warm() -> None:
    """Compile what UMAP needs, for :mod:`meagraph.compiling`."""
    rows = np.random.default_rng(0).normal(size=(64, 4))
    umap_layout(nearest_neighbours(rows, 15), components=2, min_dist=0.1, seed=0)

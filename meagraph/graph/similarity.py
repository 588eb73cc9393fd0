"""Representatives to a similarity graph: the published threshold graph, sparse and bounded in memory."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from meagraph.errors import MEAGraphError
from meagraph.graph.condensation import Condensed, Points, unit_columns
from meagraph.progress import Progress, silent

SHIFT = 1e-5  # the published constant that keeps normalised similarities above zero
LOWER = 0.9 - SHIFT
UPPER = 1.0 + SHIFT
BLOCK_VALUES = 4_000_000  # distances held at a time: 32 MB
QUERY = 2048  # representatives between two reports of progress
TREE_WIDTH = 100  # widest descriptors for which a tree finds neighbours faster than products of matrices


@dataclass(frozen=True)
class GraphConfig:
    """Which pairs count as alike.

    ``lower`` and ``upper`` bound the normalised similarity (published defaults); ``neighbours`` caps the edges
    of a representative at its nearest ones (None: no cap, as published).
    """

    lower: float = LOWER
    upper: float = UPPER
    neighbours: int | None = 32

    def __post_init__(self) -> None:
        if not 0.0 <= self.lower < self.upper:
            raise MEAGraphError(
                f"Similarity thresholds must satisfy 0 <= lower < upper, got lower={self.lower}, upper={self.upper}."
            )
        if self.neighbours is not None and not isinstance(self.neighbours, int | np.integer):
            raise MEAGraphError(f"neighbours must be a whole number or None, got {self.neighbours}.")
        if self.neighbours is not None and self.neighbours < 1:
            raise MEAGraphError(f"neighbours must be at least 1 or None, got {self.neighbours}.")


@dataclass(frozen=True, eq=False)
class SimilarityGraph:
    """An undirected graph over M representatives; every edge is stored in both directions."""

    edge_index: NDArray[np.int64]  # (2, E) sources and targets, sorted by target, then source; no self-loops
    distance: NDArray[np.float64]  # (E,) between the scaled descriptors
    x: NDArray[np.float64]  # (M, D) descriptors, columns of unit norm over the environments in the graph
    multiplicity: NDArray[np.int64]  # (M,)
    connected: NDArray[np.bool_]  # (M,) has an edge or a twin; the others are isolated and leave the graph
    reach: float  # edges are shorter than this distance
    capped: int  # representatives that lost edges to the cap

    @property
    def n_edges(self) -> int:
        """Number of undirected edges."""
        return int(self.edge_index.shape[1]) // 2


def similarity_graph(
    points: Points,
    condensed: Condensed,
    config: GraphConfig = GraphConfig(),
    *,
    progress: Progress = silent,
) -> SimilarityGraph:
    """Connect representatives that are alike.

    ``points`` (N, D) are the descriptors of all environments with columns of unit norm. With s = exp(-distance),
    normalised by its smallest and largest value over all pairs of environments, a pair is an edge when
    lower < s < upper (arXiv 2509.12358). Twins (multiplicity above 1) count as a pair at distance 0.
    Distances are computed in blocks; of (M, M) nothing is kept but the edges.
    """
    rows = points[condensed.representatives]
    nearest, reach = distance_window(rows, condensed, config)
    size, cap = len(rows), config.neighbours
    if cap is not None and config.upper >= 1.0 and rows.shape[1] <= TREE_WIDTH:
        left, right, capped = _pairs_by_tree(rows, cap, reach, progress)
    else:
        left, right, capped = _pairs_by_blocks(rows, cap, nearest, reach, progress)
    code = np.unique(np.concatenate([right * size + left, left * size + right]))  # both directions, by target
    edge_index = np.stack([code % size, code // size])
    distance = _edge_lengths(rows, edge_index)
    keep = (distance < reach) & (distance > nearest)
    edge_index, distance = edge_index[:, keep], distance[keep]

    connected = (condensed.multiplicity > 1) & (config.lower < 1.0 < config.upper)
    connected[edge_index[0]] = True
    weight = np.where(connected, condensed.multiplicity, 0)
    return SimilarityGraph(
        edge_index=edge_index,
        distance=distance,
        x=unit_columns(rows, weight),
        multiplicity=condensed.multiplicity,
        connected=connected,
        reach=reach,
        capped=capped,
    )


Pairs = tuple[NDArray[np.int64], NDArray[np.int64], int]
"""Two representatives each (P,), about within reach, and the number of those whose partners the cap has cut."""


def _pairs_by_tree(rows: NDArray[np.float64], cap: int, reach: float, progress: Progress) -> Pairs:
    """The ``cap`` nearest of ``rows`` (M, D) to each; fast where most are out of reach and D is not large."""
    size = len(rows)
    count = min(cap + 2, size)  # itself, and one more, to know what the cap cuts
    tree = KDTree(rows)
    left, right, capped = [], [], 0
    for start in range(0, size, QUERY):
        own = np.arange(start, min(start + QUERY, size))
        distance, near = tree.query(rows[own], k=count, distance_upper_bound=reach, workers=-1)
        within = np.isfinite(distance.reshape(len(own), count))
        near = near.reshape(len(own), count)
        within[near == own[:, None]] = False
        full = within.sum(axis=1) > cap
        capped += int(full.sum())
        within[full, -1] = False  # they come in the order of their distance
        source, column = np.nonzero(within)
        left.append(own[source])
        right.append(near[source, column])
        progress(int(own[-1]) + 1, size, "similarity graph")
    return np.concatenate(left), np.concatenate(right), capped


def _pairs_by_blocks(
    rows: NDArray[np.float64], cap: int | None, nearest: float, reach: float, progress: Progress
) -> Pairs:
    """All pairs of ``rows`` (M, D), a block at a time; those within ``nearest`` take no place under the cap."""
    centred = rows - rows.mean(axis=0)  # distances by inner products lose no digits to a common offset
    square = (centred**2).sum(axis=1)
    size = len(rows)
    block = max(1, BLOCK_VALUES // size)
    left, right, capped = [], [], 0
    for start in range(0, size, block):
        stop = min(start + block, size)
        squared = square[start:stop, None] + square[None, :] - 2.0 * (centred[start:stop] @ centred.T)
        np.fill_diagonal(squared[:, start:stop], np.inf)
        if nearest >= 0.0:
            squared[squared <= nearest**2] = np.inf
        if cap is not None and cap < size - 1:
            near = np.argpartition(squared, cap, axis=1)[:, : cap + 1]  # one more, to know what the cap cuts
            values = np.take_along_axis(squared, near, axis=1)
            within = values < reach**2
            full = within.all(axis=1)
            capped += int(full.sum())
            worst = values.argmax(axis=1)
            within[full, worst[full]] = False
            source, column = np.nonzero(within)
            target = near[source, column]
        else:
            source, target = np.nonzero(squared < reach**2)
        left.append(source + start)
        right.append(target)
        progress(stop, size, "similarity graph")
    return np.concatenate(left), np.concatenate(right), capped


def _shortest(rows: NDArray[np.float64]) -> float:
    """Smallest distance between two representatives."""
    if len(rows) < 2:
        return 0.0
    return float(KDTree(rows).query(rows, k=2, workers=-1)[0][:, 1].min())


def distance_window(rows: NDArray[np.float64], condensed: Condensed, config: GraphConfig) -> tuple[float, float]:
    """Distances (exclusive) between which the normalised similarity lies between its two thresholds.

    ``rows`` (M, D) are the scaled descriptors of the representatives.
    """
    twins = bool((condensed.multiplicity > 1).any())
    high, low = np.exp(-(0.0 if twins else _shortest(rows))), np.exp(-condensed.diameter)
    width = high - low + SHIFT

    def distance(threshold: float) -> float:
        similarity = threshold * width + low - SHIFT
        if similarity <= 0.0:
            return np.inf
        return float(-np.log(similarity)) if similarity < 1.0 else -1.0

    return distance(config.upper), distance(config.lower)


def _edge_lengths(rows: NDArray[np.float64], edge_index: NDArray[np.int64]) -> NDArray[np.float64]:
    """Length of every edge, by differences (exact), a block at a time."""
    lengths = np.empty(edge_index.shape[1])
    block = max(1, BLOCK_VALUES // (4 * rows.shape[1]))
    for start in range(0, len(lengths), block):
        part = edge_index[:, start : start + block]
        lengths[start : start + block] = np.linalg.norm(rows[part[0]] - rows[part[1]], axis=1)
    return lengths

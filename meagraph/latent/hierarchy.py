"""Clusters from coarse to fine: fine communities, joined two at a time by how strongly they are connected.

The connection of two clusters is the weight W of the edges between them over the degrees k and k' of both, their sums:
W 2m^(2p - 1) / (k k')^p, with 2m that of all. It does not depend on how many copies there are. With p = 1 it compares
what joins them with what chance would (Bonald, Charpentier, Galland and Hollocou, "Hierarchical graph clustering using
node pair sampling", arXiv 1806.01664); with p = 1/2 it is a cosine, by which small
clusters stay apart longest. Joining always the two of strongest connection gives nested cuts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from meagraph.errors import MEAGraphError

NOWHERE = -1  # the community of a row without neighbours
POWER = 0.75  # p of the connection; 1 agrees with labels about as well
APART = 0.05  # connection below which two clusters are told apart by default
SMALLEST = 1e-12


@dataclass(frozen=True, eq=False)
class Hierarchy:
    """Nested clusters of rows, from one to F: of the M nodes of a graph, or of N environments by their nodes.

    Clusters are numbered in the order in which they split off: of a cluster that splits, the child of most environments
    keeps the number, the other takes the next. So cluster f > 0 is there at every level of more than f clusters, and at
    coarser levels is part of ``parent[f]`` < f.
    """

    fine: NDArray[np.int64]  # (M,) or (N,) at the finest level, 0 .. F-1; -1 for one without neighbours
    parent: NDArray[np.int64]  # (F,) the cluster that each splits off from; its own number for the first
    strength: NDArray[np.float64]  # (F,) the lowest connection at which it is joined, ascending; 0 for the first
    default: int  # clusters at the level that is shown first

    def __post_init__(self) -> None:
        size = len(self.parent)
        below = np.arange(size)
        if not (self.parent[1:] < below[1:]).all() or len(self.strength) != size or self.fine.max(initial=-1) >= size:
            raise MEAGraphError(
                f"Expected parents below each of {size} clusters, a strength for each, and fine labels up to "
                f"{size - 1}; build a hierarchy with agglomerate()."
            )
        if size and not 1 <= self.default <= size:
            raise MEAGraphError(f"Expected a default level of 1 to {size} clusters, got {self.default}.")

    @property
    def finest(self) -> int:
        """Number of clusters F at the finest level."""
        return len(self.parent)

    def labels(self, count: int) -> NDArray[np.int64]:
        """The cluster of each row, as in ``fine``, at the level of ``count`` clusters; -1 for one without neighbours.

        Raises MEAGraphError for a level that there is not.
        """
        return np.append(self.places(count), NOWHERE)[self.fine]

    def places(self, count: int) -> NDArray[np.int64]:
        """The cluster (F,), of ``count``, that each of the finest is part of. Raises MEAGraphError."""
        if not min(1, self.finest) <= count <= self.finest:
            raise MEAGraphError(
                f"Expected 1 to {self.finest} clusters, the finest level that this latent space has, got {count}. "
                "Ask for fewer."
            )
        place = np.arange(self.finest)
        for cluster in range(count, self.finest):  # parents have smaller numbers: theirs are known
            place[cluster] = place[self.parent[cluster]]
        return place

    def stops(self, every: int = 24, step: float = 1.08) -> list[int]:
        """Numbers of clusters, ascending, for somebody who goes from coarse to fine.

        Each one up to ``every``, from there on each ``step`` times the one before, the finest, and the default.
        """
        found = [*range(min(1, self.finest), min(every, self.finest) + 1)]
        while found and found[-1] < self.finest:
            found.append(min(max(found[-1] + 1, round(found[-1] * step)), self.finest))
        return sorted({*found, self.default})

    def count_at(self, level: float) -> int:
        """How many clusters there are at a ``level`` from 0, one cluster, to 1, the finest: F to its power."""
        return max(1, round(self.finest**level)) if self.finest else 0


def agglomerate(
    graph: csr_matrix,
    fine: NDArray[np.integer],
    values: NDArray[np.floating],
    weights: NDArray[Any],
    *,
    apart: float = APART,
    power: float = POWER,
) -> Hierarchy:
    """The hierarchy over the communities ``fine`` (M,) of the symmetric weighted ``graph`` (M, M).

    ``fine`` are whole numbers, -1 for rows in none. Where no edge joins what is left, clusters are joined by the
    distance of their means in ``values`` (M, H), the nearest first, with strength 0. ``weights`` (M,) in environments
    say which child is the largest. The default level tells apart what is connected by less than ``apart``.
    """
    inside = np.asarray(fine) >= 0
    found, compact = np.unique(np.asarray(fine)[inside], return_inverse=True)
    labels = np.full(len(inside), NOWHERE, dtype=np.int64)
    labels[inside] = compact
    if not len(found):
        return Hierarchy(labels, np.zeros(0, dtype=np.int64), np.zeros(0), 0)
    pairs, strength = _merge(_between(graph, labels, len(found)), _means(values[inside], compact), power)
    size = np.bincount(compact, weights=np.asarray(weights)[inside], minlength=len(found)).astype(np.float64)
    number, parent = _numbered(pairs, size)
    ordered = np.concatenate([[0.0], strength[::-1]])
    default = 1 + int((ordered[1:] < apart).sum())
    return Hierarchy(np.append(number, NOWHERE)[labels], parent, ordered, default)


def _between(graph: csr_matrix, labels: NDArray[np.int64], count: int) -> NDArray[np.float64]:
    """The weight of all edges between each two communities (F, F), counted in both directions."""
    edges = graph.tocoo()
    source, target = labels[edges.row], labels[edges.col]
    both = (source >= 0) & (target >= 0)
    flat = np.bincount(source[both] * count + target[both], edges.data[both], minlength=count * count)
    joint = flat.reshape(count, count)
    return np.asarray((joint + joint.T) / 2)  # equal to the last digit, so that ties stay ties


def _means(values: NDArray[np.floating], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Mean row (F, H) of each community, and its number of rows (F,) as the last column."""
    count = np.bincount(labels).astype(np.float64)
    total = np.zeros((len(count), values.shape[1]))
    np.add.at(total, labels, np.asarray(values, dtype=np.float64))
    return np.column_stack([total / count[:, None], count])


def _merge(
    joint: NDArray[np.float64], means: NDArray[np.float64], power: float
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Which two clusters become one, step by step, under the first one's number: (F-1, 2), and their connection."""
    count = len(joint)
    joint, degree = joint.copy(), np.maximum(joint.sum(axis=1), SMALLEST)
    total = degree.sum() ** (2 * power - 1)
    middle, rows = means[:, :-1].copy(), means[:, -1].copy()
    alive = np.ones(count, dtype=bool)
    pairs, strength = np.zeros((count - 1, 2), dtype=np.int64), np.zeros(count - 1)
    connection = joint / np.outer(degree, degree) ** power * total
    np.fill_diagonal(connection, -1.0)
    for step in range(count - 1):
        flat = int(connection.argmax())
        one, other = sorted(divmod(flat, count))
        if connection[one, other] <= 0.0:
            one, other = _nearest(middle, alive)
        else:
            strength[step] = connection[one, other]
        pairs[step] = one, other
        middle[one] = (rows[one] * middle[one] + rows[other] * middle[other]) / (rows[one] + rows[other])
        rows[one] += rows[other]
        degree[one] += degree[other]
        joint[one] += joint[other]
        joint[:, one] = joint[one]
        alive[other] = False
        connection[one] = np.where(alive, joint[one] / (degree[one] * degree) ** power * total, -1.0)
        connection[one, one] = -1.0
        connection[:, one] = connection[one]
        connection[other], connection[:, other] = -1.0, -1.0
    return pairs, np.minimum.accumulate(strength)


def _nearest(middle: NDArray[np.float64], alive: NDArray[np.bool_]) -> tuple[int, int]:
    """The two rows of ``middle`` that are ``alive`` and lie nearest to each other."""
    rows = np.flatnonzero(alive)
    away = ((middle[rows, None, :] - middle[None, rows, :]) ** 2).sum(axis=2)
    np.fill_diagonal(away, math.inf)
    one, other = sorted(divmod(int(away.argmin()), len(rows)))
    return int(rows[one]), int(rows[other])


def _numbered(pairs: NDArray[np.int64], size: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Numbers (F,) of the communities in the order in which they split off, and the parent (F,) of each number."""
    count = len(size)
    size = size.copy()
    sides = []  # at each step whether the first of the pair is the smaller one
    for one, other in pairs:
        sides.append(size[one] < size[other])
        size[one] += size[other]
    number = np.zeros(count, dtype=np.int64)  # of the cluster that stands under each community's number
    parent = np.zeros(count, dtype=np.int64)
    for new, (one, other), swapped in zip(range(1, count), pairs[::-1], sides[::-1], strict=True):
        parent[new] = number[one]
        number[other] = number[one] if swapped else new
        number[one] = new if swapped else number[one]
    return number, parent

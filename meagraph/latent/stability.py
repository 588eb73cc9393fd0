"""How clusters change along a parameter: which choices are stable, and which hang on a single edge.

The published clusters are the components of the pooled latent graph, where one edge joins or splits a large cluster.
So they are taken once at every pooling rate of a grid; any of them is then looked up instead of computed. Leiden's
communities are taken along their resolution in the same way.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from meagraph.display.cards import Shown
from meagraph.errors import MEAGraphError
from meagraph.files import read_arrays, write_arrays
from meagraph.graph.condensation import Condensed
from meagraph.graph.similarity import SimilarityGraph
from meagraph.latent.clustering import NOISE, Clusters, component_labels, ordered_labels
from meagraph.latent.communities import communities
from meagraph.latent.neighbours import Neighbours, fuzzy_graph
from meagraph.model.results import Embedding
from meagraph.progress import Progress, silent

if TYPE_CHECKING:
    from meagraph.model.autoencoder import MEAGraph

RATES = tuple(round(0.02 * step, 2) for step in range(1, 50))
RESOLUTIONS = tuple(float(f"{value:.2g}") for value in np.geomspace(0.01, 2.0, 24))
METHOD = {"pooling_rate": "components", "resolution": "leiden"}  # what each parameter moves
AGREEMENT = 0.9  # adjusted Rand index from which two neighbouring choices count as the same
LARGEST = 0.9  # share of all environments beyond which one cluster says nothing
ALONE = 0.3  # share of environments in no cluster beyond which only heaps of near-equal ones are left


@dataclass(frozen=True, eq=False, repr=False)
class Stability(Shown):
    """Clusters at R values of a parameter, ascending, and how much they agree."""

    parameter: str  # a name of METHOD
    values: NDArray[np.float64]  # (R,)
    labels: NDArray[np.int32]  # (R, M) of the representatives, numbered as in Clusters; -1 in none
    clusters: NDArray[np.int64]  # (R,) how many, each of at least two environments
    alone: NDArray[np.float64]  # (R,) share of environments in none
    largest: NDArray[np.float64]  # (R,) share of environments in the largest cluster
    agreement: NDArray[np.float64]  # (R - 1,) adjusted Rand index between neighbouring values

    def at(self, value: float, condensed: Condensed) -> Clusters:
        """The clusters of all environments at the value of the grid that lies nearest to ``value``."""
        index = self.nearest(value)
        labels = self.labels[index].astype(np.int64)
        inside = labels != NOISE
        sizes = np.bincount(labels[inside], weights=condensed.multiplicity[inside]).astype(np.int64)
        settings = {self.parameter: float(self.values[index])}
        return Clusters(labels[condensed.assignment], sizes, METHOD[self.parameter], settings)

    def nearest(self, value: float) -> int:
        """The place of the value of the grid that lies nearest to ``value``."""
        return int(np.abs(self.values - value).argmin())

    @property
    def between(self) -> NDArray[np.float64]:
        """(R - 1,) the middles of neighbouring values, where the agreement belongs."""
        return np.asarray((self.values[1:] + self.values[:-1]) / 2)

    @property
    def plateau(self) -> tuple[float, float] | None:
        """First and last of the longest run of values whose clusters say something and hardly change; None if none.

        Neighbours belong to a run where their agreement is at least AGREEMENT. A value says something if it has two
        clusters or more, none with over LARGEST of all environments, and at most ALONE of them in none. Of runs of
        equally many values the one that agrees better is taken.
        """
        telling = (self.clusters >= 2) & (self.largest <= LARGEST) & (self.alone <= ALONE)
        joined = telling[:-1] & telling[1:] & (self.agreement >= AGREEMENT)
        ends = np.flatnonzero(np.diff(np.concatenate([[False], joined, [False]]).astype(np.int8)))
        runs = [(stop - start, self.agreement[start:stop].mean(), start) for start, stop in ends.reshape(-1, 2)]
        if not runs:
            return None
        length, _, start = max(runs, key=lambda run: run[:2])
        return float(self.values[start]), float(self.values[start + length])

    @property
    def suggestion(self) -> float | None:
        """The value in the middle of the plateau; None where there is none."""
        if self.plateau is None:
            return None
        first, last = np.searchsorted(self.values, self.plateau)
        return float(self.values[(first + last) // 2])


def rate_stability(
    model: MEAGraph,
    graph: SimilarityGraph,
    condensed: Condensed,
    *,
    rates: Sequence[float] = RATES,
    progress: Progress = silent,
) -> Stability:
    """The published clusters along the pooling ``rates``, ascending in [0, 1): components of the pooled latent graph.

    Each rate is a pass of the encoder with the trained weights, for what a layer pools decides what the next one sees.
    """
    return _collect("pooling_rate", rates, _components_along(model, graph, rates), condensed, progress)


def resolution_stability(
    embedding: Embedding,
    neighbours: Neighbours,
    condensed: Condensed,
    *,
    resolutions: Sequence[float] = RESOLUTIONS,
    seed: int = 0,
    progress: Progress = silent,
) -> Stability:
    """Leiden's communities along their ``resolutions``, ascending and positive, of one latent embedding."""
    if condensed.size < 3:
        raise MEAGraphError(
            f"The stability of communities needs at least 3 distinct environments, got {condensed.size}. Add data."
        )
    graph = fuzzy_graph(neighbours)
    found = (
        np.where(embedding.connected, communities(graph, resolution=value, seed=seed), NOISE) for value in resolutions
    )
    return _collect("resolution", resolutions, found, condensed, progress)


def _components_along(model: MEAGraph, graph: SimilarityGraph, rates: Sequence[float]) -> Iterator[NDArray[np.int64]]:
    import torch

    from meagraph.model.autoencoder import graph_edges

    x, edges = graph_edges(graph)
    with torch.no_grad():
        for encoded in model.eval().encode_along(x, edges, rates):
            left = torch.stack([encoded.remaining.source, encoded.remaining.target]).numpy()
            yield component_labels(left, graph.connected, graph.multiplicity)


def _collect(
    parameter: str,
    values: Sequence[float],
    found: Iterator[NDArray[np.int64]],
    condensed: Condensed,
    progress: Progress,
) -> Stability:
    grid = np.asarray(values, dtype=np.float64)
    if len(grid) < 2 or not (np.diff(grid) > 0).all():
        raise MEAGraphError(
            f"A stability curve needs at least two ascending values, got {list(values)}. Name different ones, in order."
        )
    labels = np.empty((len(grid), condensed.size), dtype=np.int32)
    sizes = []
    total = len(condensed.assignment)
    name = parameter.replace("_", " ")
    progress(0, len(grid), f"{name} {grid[0]:g}")
    for index, raw in enumerate(found):
        labels[index], size = ordered_labels(raw, condensed)
        sizes.append(size)
        progress(index + 1, len(grid), f"{name} {grid[index]:g}")
    weight = condensed.multiplicity
    return Stability(
        parameter=parameter,
        values=grid,
        labels=labels,
        clusters=np.array([len(size) for size in sizes]),
        alone=np.array([1.0 - size.sum() / total for size in sizes]),
        largest=np.array([size.max(initial=0) / total for size in sizes]),
        agreement=np.array([adjusted_rand(a, b, weight) for a, b in pairwise(labels)]),
    )


def adjusted_rand(one: NDArray[np.integer], two: NDArray[np.integer], weight: NDArray[np.integer]) -> float:
    """Adjusted Rand index of two clusterings (M,) of rows that stand for ``weight`` (M,) environments each.

    Environments with a negative label are each a cluster of their own. Source: Hubert and Arabie, J. Classif. 2, 193,
    1985. Two clusterings without any pair agree: 1.
    """
    total = _pairs(np.array([weight.sum()]))
    first, second = (_pairs(np.bincount(labels[labels >= 0], weights=weight[labels >= 0])) for labels in (one, two))
    both = (one >= 0) & (two >= 0)
    code = one[both].astype(np.int64) * (int(two.max(initial=0)) + 1) + two[both]
    _, cell = np.unique(code, return_inverse=True)
    shared = _pairs(np.bincount(cell, weights=weight[both]))
    expected = first * second / total if total else 0.0
    most = (first + second) / 2
    return 1.0 if most == expected else (shared - expected) / (most - expected)


def _pairs(counts: NDArray[Any]) -> float:
    """Pairs within clusters of these sizes."""
    return float((counts * (counts - 1.0) / 2.0).sum())


def write_stability(path: Path, stability: Stability) -> None:
    """Write for :func:`read_stability`."""
    write_arrays(path, {field.name: getattr(stability, field.name) for field in fields(Stability)})


def read_stability(path: Path) -> Stability:
    """Read what :func:`write_stability` wrote."""
    data: dict[str, Any] = read_arrays(path)
    return Stability(**{**data, "parameter": str(data["parameter"])})

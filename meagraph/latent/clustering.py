"""Latent graph to clusters of environments."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from meagraph.display.cards import LISTED, ROWS, Facts, Shown, Table, brief, html_table, percent
from meagraph.errors import MEAGraphError
from meagraph.graph.condensation import Condensed
from meagraph.latent.communities import communities, neighbours_among, nested_communities
from meagraph.latent.hierarchy import Hierarchy
from meagraph.latent.neighbours import Neighbours, fuzzy_graph, umap_layout
from meagraph.latent.nodes import population
from meagraph.model.results import Embedding

NOISE = -1
HIERARCHY, COMPONENTS = "hierarchy", "components"
POINTS = 30_000  # that HDBSCAN sees at most, beyond one for each representative; its time grows with their square
DIMENSIONS = 4  # of the reduced latent space in which HDBSCAN looks for density


@dataclass(frozen=True)
class ClusteringConfig:
    """How environments are grouped: a method of METHODS, and its settings.

    Hierarchy: as many ``clusters`` as are wanted, or a ``level`` from 0, coarse, to 1, fine; by default those that
    stand apart. Leiden and HDBSCAN: ``neighbours`` in the latent space that each representative is joined to. Leiden:
    ``resolution``, more clusters the larger it is. HDBSCAN: ``min_cluster_size`` environments at least, ``min_samples``
    neighbours that smooth the density, and ``largest``, the share of all environments beyond which a cluster is taken
    apart: one that holds nearly all says nothing.
    """

    method: str = "hierarchy"
    clusters: int | None = None
    level: float | None = None
    neighbours: int = 45
    resolution: float = 0.05
    min_cluster_size: int = 60
    min_samples: int = 5
    largest: float = 0.8

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise MEAGraphError(f"Unknown clustering method {self.method!r}; choose from {', '.join(METHODS)}.")
        self._check_level()
        if not 0.0 < self.resolution < math.inf:
            raise MEAGraphError(f"The resolution of Leiden must be positive, got {self.resolution}.")
        if self.neighbours < 2:
            raise MEAGraphError(f"Clusters need at least 2 latent neighbours, got {self.neighbours}.")
        if not 0.0 < self.largest <= 1.0:
            raise MEAGraphError(f"The largest share of a cluster must be above 0 and at most 1, got {self.largest}.")
        if self.min_cluster_size < 2 or self.min_samples < 1:
            raise MEAGraphError(
                "A density cluster needs min_cluster_size of at least 2 and min_samples of at least 1, got "
                f"{self.min_cluster_size} and {self.min_samples}."
            )

    def _check_level(self) -> None:
        if self.clusters is None and self.level is None:
            return
        if self.method != HIERARCHY:
            raise MEAGraphError(
                f"A number of clusters or a level belongs to the method {HIERARCHY!r}, but the method is "
                f"{self.method!r}. Leave it out, or take that method."
            )
        if self.clusters is not None and self.level is not None:
            raise MEAGraphError("Both a number of clusters and a level were given. Leave one out.")
        if self.clusters is not None and self.clusters < 1:
            raise MEAGraphError(f"The number of clusters must be at least 1, got {self.clusters}.")
        if self.level is not None and not 0.0 <= self.level <= 1.0:
            raise MEAGraphError(f"The level must lie between 0, coarse, and 1, fine, got {self.level}.")

    def count(self, hierarchy: Hierarchy) -> int:
        """How many clusters of ``hierarchy`` these settings ask for."""
        if self.clusters is not None:
            return self.clusters
        return hierarchy.default if self.level is None else hierarchy.count_at(self.level)


@dataclass(frozen=True, eq=False, repr=False)
class Clusters(Shown):
    """Clusters of N environments; those in none (noise, singletons) carry the label -1.

    The largest come first; those of a hierarchy in the order in which they split off, so that another level of it
    leaves them their numbers.
    """

    labels: NDArray[np.int64]  # (N,) 0 .. C-1, or -1
    sizes: NDArray[np.int64]  # (C,) environments
    method: str
    settings: dict[str, Any] = field(default_factory=dict)
    hierarchy: Hierarchy | None = None  # that they are a level of

    @property
    def n_clusters(self) -> int:
        """Number of clusters C."""
        return len(self.sizes)

    @cached_property
    def bins(self) -> NDArray[np.int64]:
        """(N,) the cluster of each environment; C, one bin for all of them, for those in none."""
        return np.where(self.labels == NOISE, self.n_clusters, self.labels)

    @cached_property
    def by_size(self) -> list[int]:
        """The clusters, largest first."""
        order: list[int] = np.argsort(-self.sizes, kind="stable").tolist()
        return order

    def count(self, mask: NDArray[np.bool_] | None = None) -> NDArray[np.int64]:
        """Environments (C + 1,) in each cluster, those in none last; with a ``mask`` (N,) these alone."""
        bins = self.bins if mask is None else self.bins[mask]
        return np.bincount(bins, minlength=self.n_clusters + 1)

    def _facts(self) -> Facts:
        total, none = len(self.labels), int((self.labels == NOISE).sum())
        largest = self.sizes[self.by_size[:LISTED]]
        return [
            ("clusters", f"{self.n_clusters:,} of {total:,} environments; {none:,} in none"),
            ("sizes", ", ".join(f"{size:,}" for size in largest) + (", …" if self.n_clusters > LISTED else "")),
            ("method", self.method),
            *((name, brief(value)) for name, value in self.settings.items()),
        ]

    def _line(self) -> str:
        named = {name: value for name, value in self.settings.items() if name not in ("seed", "pooling_rate")}
        method = f"{self.method} ({brief(named)})" if named else self.method
        return f"{self.n_clusters:,} by {method}, {int((self.labels == NOISE).sum()):,} environments in none"

    def _parts(self) -> list[str]:
        rows = [
            ("none" if label == self.n_clusters else str(label), f"{count:,}", percent(count, len(self.labels)))
            for label, count in enumerate(self.count())
            if count
        ]
        return [html_table(Table(("cluster", "environments", "share"), tuple(rows)), ROWS)]


def cluster(
    embedding: Embedding,
    neighbours: Neighbours,
    condensed: Condensed,
    config: ClusteringConfig | None = None,
    *,
    seed: int = 0,
) -> Clusters:
    """Cluster a latent embedding; members share their representative's label.

    ``neighbours`` are those of the embedding, of its nodes where it has such, at least as many as
    :func:`neighbours_of` says where there are. All but components go by the nodes: each environment has the label of
    its node.

    Labels are numbered by falling size, ties by the first environment, so equal input gives equal labels.
    """
    config = config or ClusteringConfig()
    if config.method != COMPONENTS:
        embedding, condensed = population(embedding, condensed)
    near = neighbours.nearest(neighbours_of(config, condensed.size))
    found = METHODS[config.method](embedding, near, condensed, config, seed)
    settings = {**found.settings, "pooling_rate": embedding.rate}
    if found.hierarchy is not None:
        return cut(found.hierarchy, config.count(found.hierarchy), settings)
    labels, sizes = ordered_labels(found.labels, condensed)
    return Clusters(labels[condensed.assignment], sizes, config.method, settings)


def neighbours_of(config: ClusteringConfig, rows: int) -> int:
    """Latent neighbours of each of so many ``rows``; of the hierarchy a share of them, whatever there are how many."""
    return neighbours_among(rows) if config.method == HIERARCHY else config.neighbours


def cut(hierarchy: Hierarchy, count: int, settings: dict[str, Any]) -> Clusters:
    """The level of ``count`` clusters. Raises MEAGraphError where there is none."""
    labels = hierarchy.labels(count)
    return Clusters(labels, np.bincount(labels[labels != NOISE], minlength=count), HIERARCHY, settings, hierarchy)


def _copies(multiplicity: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """How often HDBSCAN sees each representative (M,): its multiplicity, cut so that all fit into POINTS if they can.

    ``most`` copies make a cluster of their own, so more would change nothing.
    """
    while np.minimum(multiplicity, most).sum() > POINTS and most > 1:
        most //= 2
    return np.minimum(multiplicity, most)


class Found(NamedTuple):
    """What a method finds."""

    labels: NDArray[np.int64]  # (M,) of the representatives, -1 for those in none; of a hierarchy (N,)
    settings: dict[str, Any]
    hierarchy: Hierarchy | None = None  # that the labels are a level of


def nested(
    embedding: Embedding, neighbours: Neighbours, condensed: Condensed, config: ClusteringConfig, seed: int
) -> Found:
    """Levels of a hierarchy over fine communities of the latent neighbours; nobody is left out."""
    tree = nested_communities(neighbours, condensed.multiplicity, seed=seed)
    tree = replace(tree, fine=tree.fine[condensed.assignment])
    settings = {"neighbours": neighbours.index.shape[1], "seed": seed}
    return Found(tree.labels(min(config.count(tree), tree.finest)), settings, tree)


def components(
    embedding: Embedding, neighbours: Neighbours, condensed: Condensed, config: ClusteringConfig, seed: int
) -> Found:
    """Connected components of the graph the last pooling leaves, as published; singletons belong to none."""
    return Found(component_labels(embedding.edge_index, embedding.connected, condensed.multiplicity), {})


def component_labels(
    edge_index: NDArray[np.int64], connected: NDArray[np.bool_], multiplicity: NDArray[np.int64]
) -> NDArray[np.int64]:
    """The component (M,) of each representative along ``edge_index`` (2, E); -1 for one that stands for itself alone.

    ``connected`` (M,) tells which have an edge or a twin in the similarity graph.
    """
    size = len(multiplicity)
    source, target = edge_index
    joined = coo_matrix((np.ones(len(source)), (source, target)), (size, size))
    _, label = connected_components(joined, directed=False)
    members = np.bincount(label, weights=multiplicity)
    alone = (members[label] == 1) | ~connected
    return np.where(alone, NOISE, label).astype(np.int64)


def leiden(
    embedding: Embedding, neighbours: Neighbours, condensed: Condensed, config: ClusteringConfig, seed: int
) -> Found:
    """Leiden communities of UMAP's graph of the latent neighbours.

    Representatives that the similarity graph leaves isolated, the published singletons, belong to none.
    """
    if condensed.size < 3:
        return Found(np.where(embedding.connected, 0, NOISE).astype(np.int64), {})
    label = communities(fuzzy_graph(neighbours), resolution=config.resolution, seed=seed)
    settings = {"resolution": config.resolution, "neighbours": neighbours.index.shape[1], "seed": seed}
    return Found(np.where(embedding.connected, label, NOISE), settings)


def hdbscan(
    embedding: Embedding, neighbours: Neighbours, condensed: Condensed, config: ClusteringConfig, seed: int
) -> Found:
    """HDBSCAN (Campello et al., 2013) on the latent embedding, which UMAP first brings to few dimensions.

    Density is hard to tell in many dimensions; the reduction, without a minimum distance, keeps the neighbour
    graph and leaves a hundredth of the environments unassigned instead of a third (benchmarks/README.md). A
    representative counts as often as it has environments, within limits (see _copies).
    """
    from sklearn.cluster import HDBSCAN

    if condensed.size <= config.min_samples:
        raise MEAGraphError(
            f"HDBSCAN needs more than {config.min_samples} distinct environments, got {condensed.size}; "
            "lower min_samples, use the method 'components', or add data."
        )
    places = umap_layout(neighbours, components=DIMENSIONS, min_dist=0.0, seed=seed)
    copies = _copies(condensed.multiplicity, config.min_cluster_size)
    first = np.cumsum(copies) - copies
    finder = HDBSCAN(
        min_cluster_size=config.min_cluster_size,
        min_samples=config.min_samples,
        max_cluster_size=max(config.min_cluster_size, int(config.largest * copies.sum())),
        copy=True,
    )
    found = finder.fit_predict(np.repeat(places, copies, axis=0))[first]
    settings = {
        "min_cluster_size": config.min_cluster_size,
        "min_samples": config.min_samples,
        "largest": config.largest,
        "dimensions": DIMENSIONS,
        "seed": seed,
    }
    return Found(np.asarray(found, dtype=np.int64), settings)


METHODS: dict[str, Callable[[Embedding, Neighbours, Condensed, ClusteringConfig, int], Found]] = {
    HIERARCHY: nested,
    "leiden": leiden,
    "hdbscan": hdbscan,
    COMPONENTS: components,
}


def ordered_labels(labels: NDArray[np.int64], condensed: Condensed) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Renumber the ``labels`` (M,) of representatives by falling size, ties by the first environment.

    Returns the new labels (M,) and the sizes (C,) in environments; -1 stays.
    """
    inside = labels >= 0
    values, inverse = np.unique(labels[inside], return_inverse=True)
    count = np.bincount(inverse, weights=condensed.multiplicity[inside], minlength=len(values)).astype(np.int64)
    first = np.full(len(values), len(condensed.assignment))
    np.minimum.at(first, inverse, condensed.first[inside])
    order = np.lexsort((first, -count))
    rank = np.empty(len(values), dtype=np.int64)
    rank[order] = np.arange(len(values))
    renumbered = np.full(len(labels), NOISE, dtype=np.int64)
    renumbered[inside] = rank[inverse]
    return renumbered, count[order]


def contingency(
    first: NDArray[np.integer],
    second: NDArray[np.integer],
    shape: tuple[int, int],
    weights: NDArray[np.integer] | None = None,
) -> NDArray[np.int64]:
    """How often each pair of codes from 0 occurs in two arrays (N,): ``shape`` counts; each pair counts ``weights``."""
    flat = np.bincount(first * shape[1] + second, weights, minlength=shape[0] * shape[1])
    return np.asarray(flat.reshape(shape)).astype(np.int64)


def turns(order: NDArray[np.integer], sizes: NDArray[np.integer]) -> NDArray[np.int64]:
    """The place (N,) of each row in its bin; ``order`` (N,) has the bins of ``sizes`` (B,) one after the other."""
    turn = np.empty(len(order), dtype=np.int64)
    turn[order] = np.arange(len(order)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return turn

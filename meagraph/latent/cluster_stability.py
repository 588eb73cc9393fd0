"""How stable each cluster is: whether it is found again when a part of the data is missing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from meagraph.graph.condensation import Condensed
from meagraph.latent.clustering import (
    COMPONENTS,
    HIERARCHY,
    METHODS,
    NOISE,
    ClusteringConfig,
    Clusters,
    contingency,
    neighbours_of,
)
from meagraph.latent.neighbours import nearest_neighbours
from meagraph.latent.nodes import population
from meagraph.model.results import Embedding
from meagraph.progress import Progress, silent

RUNS = 5
SHARE = 0.8  # of the representatives in each run


def cluster_stability(
    clusters: Clusters,
    embedding: Embedding,
    condensed: Condensed,
    config: ClusteringConfig,
    *,
    runs: int = RUNS,
    seed: int = 0,
    progress: Progress = silent,
) -> NDArray[np.float64]:
    """The mean Jaccard similarity (C,) of each cluster to its likest one among those of random parts of the data.

    Each run clusters a share SHARE of the representatives, drawn without replacement, by the same method and settings;
    a hierarchy is taken at the level of as many clusters.
    1: always found again; as a rule of thumb 0.75 and more is stable, below 0.6 a cluster should not be trusted
    (Hennig, Comput. Stat. Data Anal. 52, 258, 2007). Environments count, not representatives. NaN for a cluster that
    was never drawn.
    """
    if config.method != COMPONENTS:
        embedding, condensed = population(embedding, condensed)
    labels, weights = clusters.labels[condensed.representatives], condensed.multiplicity
    if config.method == HIERARCHY and clusters.n_clusters:
        config = replace(config, clusters=clusters.n_clusters, level=None)
    rng = np.random.default_rng(seed)
    found = np.full((runs, clusters.n_clusters), np.nan)
    for run in range(runs):
        progress(run, runs, "stability of clusters")
        rows = np.sort(rng.choice(len(labels), max(1, round(SHARE * len(labels))), replace=False))
        again = _cluster_part(rows, embedding, weights, config, seed + run + 1)
        found[run] = likest(labels[rows], again, weights[rows], clusters.n_clusters)
    progress(runs, runs, "stability of clusters")
    known = np.isfinite(found)
    total = np.where(known, found, 0.0).sum(axis=0)
    return np.where(known.any(axis=0), total / np.maximum(known.sum(axis=0), 1), np.nan)


def _cluster_part(
    rows: NDArray[np.int64], embedding: Embedding, weights: NDArray[np.int64], config: ClusteringConfig, seed: int
) -> NDArray[np.int64]:
    """Labels of the ``rows`` when there are no others; each row stands for ``weights`` (M,) environments."""
    place = np.full(len(weights), -1, dtype=np.int64)
    place[rows] = np.arange(len(rows))
    ends = place[embedding.edge_index]
    inside = (ends >= 0).all(axis=0)
    part = Embedding(
        embedding.values[rows], ends[:, inside], embedding.score[inside], embedding.rate, embedding.connected[rows]
    )
    itself = np.arange(len(rows))
    members = np.repeat(itself, weights[rows])
    alone = Condensed(itself, members, np.zeros(len(members)), weights[rows], 0.0, 0.0)
    near = nearest_neighbours(part.values, neighbours_of(config, len(rows)), by_distance=embedding.by_distance)
    found = METHODS[config.method](part, near, alone, config, seed).labels
    return found[np.cumsum(weights[rows]) - 1] if config.method == HIERARCHY else found


def likest(
    labels: NDArray[np.int64], again: NDArray[np.int64], weights: NDArray[np.int64], count: int
) -> NDArray[np.float64]:
    """Jaccard similarity (count,) of each cluster of ``labels`` (m,) to the likest of ``again`` (m,)."""
    other = int(again.max(initial=NOISE)) + 1
    size = np.bincount(labels[labels >= 0], weights[labels >= 0], minlength=count)
    if other == 0:
        return np.where(size > 0, 0.0, np.nan)
    both = (labels >= 0) & (again >= 0)
    shared = contingency(labels[both], again[both], (count, other), weights[both])
    theirs = np.bincount(again[again >= 0], weights[again >= 0], minlength=other)
    union = size[:, None] + theirs[None, :] - shared
    best: NDArray[np.float64] = (shared / np.maximum(union, 1)).max(axis=1)
    return np.where(size > 0, best, np.nan)

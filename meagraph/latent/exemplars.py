"""Members of a cluster to look at: the most central, those at its edge, and random ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from meagraph.display.cards import Shown
from meagraph.errors import MEAGraphError
from meagraph.graph.condensation import Condensed
from meagraph.latent.clustering import Clusters


@dataclass(frozen=True, eq=False, repr=False)
class Exemplars(Shown):
    """Rows of environments; a row may be in more than one list."""

    central: NDArray[np.int64]  # nearest to the cluster's mean first
    edge: NDArray[np.int64]  # farthest from it first
    random: NDArray[np.int64]  # drawn evenly from all members, ascending
    central_distance: NDArray[np.float64]  # of `central` to the mean, in units of the latent space
    edge_distance: NDArray[np.float64]
    members: int  # environments in the cluster


def exemplars(
    clusters: Clusters, condensed: Condensed, values: NDArray[np.floating], label: int, *, count: int = 6, seed: int = 0
) -> Exemplars:
    """Choose up to ``count`` members of each kind from the cluster ``label``, -1 for what is unclustered.

    The mean weighs each representative with its environments. Central and edge members are the first environments of
    different representatives, so that none is shown as its own twin; random ones come from all environments.

    Args:
        clusters: labels (N,).
        condensed: N environments by M representatives.
        values: (M, H) latent values (or descriptors) of the representatives.
        label: of the cluster.
        count: members of each kind.
        seed: of the random ones.

    Raises:
        MEAGraphError: no such cluster, a count below 1, or values of another number of representatives.
    """
    if count < 1:
        raise MEAGraphError(f"Expected a count of at least 1 exemplar, got {count}.")
    if len(values) != condensed.size:
        raise MEAGraphError(f"Expected values of {condensed.size} representatives, got {len(values)}.")
    rows = np.flatnonzero(clusters.labels == label)
    if not len(rows):
        known = f"0 to {clusters.n_clusters - 1}" if clusters.n_clusters else "none"
        raise MEAGraphError(f"No environment has the label {label}; there are {known}, and -1 for unclustered ones.")
    inside, place, weights = np.unique(condensed.assignment[rows], return_index=True, return_counts=True)
    places = np.asarray(values[inside], dtype=np.float64)
    distance = np.linalg.norm(places - np.average(places, axis=0, weights=weights), axis=1)
    order = np.argsort(distance, kind="stable")
    near, far = order[:count], order[::-1][:count]
    drawn = np.random.default_rng(seed).choice(rows, size=min(count, len(rows)), replace=False)
    first = rows[place]
    return Exemplars(first[near], first[far], np.sort(drawn), distance[near], distance[far], len(rows))


def extremes(
    clusters: Clusters, condensed: Condensed, values: NDArray[np.floating]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The most central member of every cluster and the one farthest out: rows (C + 1,), of what is unclustered last.

    As the first central and edge members that :func:`exemplars` finds one cluster after the other; -1 where there is
    nothing unclustered. Arguments and errors as there.
    """
    if len(values) != condensed.size:
        raise MEAGraphError(f"Expected values of {condensed.size} representatives, got {len(values)}.")
    count = clusters.n_clusters + 1
    apart = condensed.assignment * count + clusters.bins  # a representative may have members in several clusters
    pairs, first, members = np.unique(apart, return_index=True, return_counts=True)
    bins, weights = pairs % count, members.astype(np.float64)
    places = np.asarray(values, dtype=np.float64)[pairs // count]
    total = np.bincount(bins, weights=weights, minlength=count)
    means = np.zeros((count, places.shape[1]))
    np.add.at(means, bins, places * weights[:, None])
    means /= np.maximum(total, 1.0)[:, None]
    distance = np.linalg.norm(places - means[bins], axis=1)
    order = np.lexsort((distance, bins))
    sizes = np.bincount(bins, minlength=count)
    ends = np.cumsum(sizes)
    central, edge = np.full(count, -1, dtype=np.int64), np.full(count, -1, dtype=np.int64)
    there = sizes > 0
    central[there] = first[order[(ends - sizes)[there]]]
    edge[there] = first[order[ends[there] - 1]]
    return central, edge

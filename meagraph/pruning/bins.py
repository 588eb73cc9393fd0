"""The bins of the selector ``meagraph``: clusters taken apart into fine communities of the same latent graph."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from meagraph.graph.condensation import Condensed
from meagraph.latent.clustering import Clusters
from meagraph.latent.communities import FINE, communities
from meagraph.latent.neighbours import Neighbours, fuzzy_graph

FEWEST = 20  # representatives, below which clusters stay whole


def fine_bins(neighbours: Neighbours, clusters: Clusters, condensed: Condensed, *, seed: int = 0) -> NDArray[np.int64]:
    """The bin (N,) of each environment: where its cluster meets a Leiden community at the resolution FINE.

    Clusters for display are few and wide, and what is rare in them would be lost. Environments in no cluster are taken
    apart in the same way. ``neighbours`` are those of the latent embedding. The clusters of a hierarchy consist of such
    communities: these are the bins, whatever the level.
    """
    tree = clusters.hierarchy
    if tree is not None:
        place = tree.fine if condensed.size >= FEWEST else tree.labels(tree.default)
        return np.unique(place, return_inverse=True)[1].astype(np.int64)
    fine = np.zeros(condensed.size, dtype=np.int64)
    if condensed.size >= FEWEST:
        fine = communities(fuzzy_graph(neighbours), resolution=FINE, seed=seed, starts=1)
    place = clusters.bins * (condensed.size + 1) + fine[condensed.assignment] + 1
    return np.unique(place, return_inverse=True)[1].astype(np.int64)

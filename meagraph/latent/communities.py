"""Leiden communities of a graph, and a hierarchy over fine ones of the latent neighbours."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, triu

from meagraph.latent.hierarchy import Hierarchy, agglomerate
from meagraph.latent.neighbours import Neighbours, near_copies, nearest_neighbours, shared_neighbours

NOBODY = -1  # the community of a row without neighbours
STARTS = 3  # attempts of Leiden
FINE = 20.0  # resolution of Leiden at the finest level; of fewer representatives one for EACH, at least COARSEST
EACH, COARSEST = 100, 2.0
THINNED = 0.8  # share of the rows that are no near copies, above which all are nodes
SHARE, FEWEST = 1 / 250, 25  # neighbours of a row are a share of all, whatever there are how many


def communities(graph: csr_matrix, *, resolution: float, seed: int, starts: int = STARTS) -> NDArray[np.int64]:
    """Leiden communities (Traag et al., Sci. Rep. 9, 5233, 2019) of a symmetric weighted ``graph`` (M, M): labels (M,).

    The partition of highest modularity at ``resolution`` among ``starts`` attempts: a single one may end in a poor
    optimum.
    A row without neighbours belongs to none. The same graph and seed give the same labels.
    """
    from graspologic_native import leiden as partition

    edges = triu(graph, 1).tocoo()
    names = [str(row) for row in range(graph.shape[0])]
    listed = zip(edges.row.tolist(), edges.col.tolist(), edges.data.tolist(), strict=True)
    _, found = partition(
        [(names[a], names[b], weight) for a, b, weight in listed],
        resolution=resolution,
        use_modularity=True,
        trials=starts,
        seed=seed,
    )
    return np.array([found.get(name, NOBODY) for name in names], dtype=np.int64)


def neighbours_among(rows: int) -> int:
    """How many neighbours each of so many ``rows`` has in the hierarchy: a graph of as many reaches as far."""
    return max(FEWEST, round(SHARE * rows))


def nested_communities(neighbours: Neighbours, weights: NDArray[Any], *, seed: int) -> Hierarchy:
    """The hierarchy over fine communities of the graph of shared neighbours of M rows; near copies are one node of it.

    ``weights`` (M,) are the environments of each row. The same neighbours, at least :func:`neighbours_among` the rows,
    and seed give the same hierarchy.
    """
    size = len(neighbours.index)
    kept, node = np.unique(near_copies(neighbours), return_inverse=True)
    if len(kept) > THINNED * size:
        kept, node = np.arange(size), np.arange(size)
    else:
        neighbours = nearest_neighbours(neighbours.values[kept], neighbours_among(len(kept)), by_distance=True)
    fine, graph = np.zeros(len(kept), dtype=np.int64), csr_matrix((len(kept), len(kept)))
    if len(kept) >= 3:
        graph = shared_neighbours(neighbours.nearest(neighbours_among(len(kept))))
        resolution = min(FINE, max(COARSEST, len(kept) / EACH))
        fine = communities(graph, resolution=resolution, seed=seed, starts=1)
    tree = agglomerate(graph, fine, neighbours.values, np.bincount(node, weights=weights))
    return replace(tree, fine=tree.fine[node])

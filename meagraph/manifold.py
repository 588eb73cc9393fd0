"""Nearest neighbours in the latent space, and UMAP on them: for the map, and to bring out density for clustering."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

EPOCHS = 200  # of UMAP's layout


@dataclass(frozen=True, eq=False)
class Neighbours:
    """The k nearest rows of each of M rows, itself first."""

    values: NDArray[np.float32]  # (M, H) the rows, scaled to a standard deviation of 1 over all values
    index: NDArray[np.int32]  # (M, k)
    distance: NDArray[np.float32]  # (M, k) ascending


def nearest_neighbours(values: NDArray[np.floating], count: int) -> Neighbours:
    """Exact ``count`` nearest neighbours of ``values`` (M, H), fewer where M is smaller."""
    scaled = np.asarray(values / (float(values.std()) or 1.0), dtype=np.float32)
    count = min(count, len(scaled))
    distance, index = KDTree(scaled).query(scaled, k=count, workers=-1)
    index, distance = index.reshape(len(scaled), count), distance.reshape(len(scaled), count)
    # a row of several equal ones may find a twin first: put itself in front, as UMAP expects
    rows = np.arange(len(scaled))
    own = np.where((index == rows[:, None]).any(axis=1), (index == rows[:, None]).argmax(axis=1), count - 1)
    index[rows, own] = index[:, 0]
    index[:, 0] = rows
    distance[:, 0] = 0.0
    return Neighbours(scaled, index.astype(np.int32), distance.astype(np.float32))


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
    from umap import UMAP

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

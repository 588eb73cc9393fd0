"""Bins of the selector: parts of clusters that the latent graph holds together."""

from __future__ import annotations

import numpy as np

from meagraph.graph.condensation import condense
from meagraph.latent.clustering import NOISE, Clusters
from meagraph.latent.neighbours import nearest_neighbours
from meagraph.pruning.bins import fine_bins


def blobs() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    label = np.repeat(np.arange(6), 40)
    return np.eye(6)[label] + rng.normal(scale=0.02, size=(240, 6)), label


def test_bins_part_clusters_and_find_what_is_apart_inside_them() -> None:
    points, blob = blobs()
    condensed = condense(points, epsilon=0.0)
    coarse = np.where(blob == 5, NOISE, blob // 3)
    clusters = Clusters(coarse, np.array([120, 80]), "by hand")
    near = nearest_neighbours(points[condensed.representatives], 15)
    bins = fine_bins(near, clusters, condensed, seed=1)
    np.testing.assert_array_equal(bins, fine_bins(near, clusters, condensed, seed=1))
    assert sorted(set(bins)) == list(range(bins.max() + 1))
    for label in range(bins.max() + 1):
        assert len(set(blob[bins == label])) == 1
        assert len(set(coarse[bins == label])) == 1


def test_few_points_keep_their_clusters() -> None:
    points = np.arange(6.0)[:, None] @ np.ones((1, 2))
    condensed = condense(points, epsilon=0.0)
    clusters = Clusters(np.array([0, 0, 0, 1, 1, NOISE]), np.array([3, 2]), "by hand")
    bins = fine_bins(nearest_neighbours(points, 3), clusters, condensed)
    assert bins.tolist() == [0, 0, 0, 1, 1, 2]

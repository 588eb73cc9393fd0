"""Stability of single clusters: what is apart is found again, what is one cloud cut in two is not."""

from __future__ import annotations

import numpy as np
import pytest

from meagraph.graph.condensation import Condensed
from meagraph.latent.cluster_stability import cluster_stability, likest
from meagraph.latent.clustering import ClusteringConfig, Clusters
from meagraph.model.results import Embedding


def test_jaccard_by_hand() -> None:
    """Weights 1 2 3 4 5; the first cluster {0, 1} meets {0} and {1, 2}; the second {2, 3} meets {1, 2} and {3}."""
    labels, again = np.array([0, 0, 1, 1, -1]), np.array([0, 1, 1, 2, 2])
    found = likest(labels, again, np.array([1, 2, 3, 4, 5]), 3)
    assert found[:2].tolist() == pytest.approx([max(1 / 3, 2 / 6), max(3 / 9, 4 / 12)])
    assert np.isnan(found[2])
    nothing = likest(labels, np.full(5, -1), np.ones(5, dtype=np.int64), 2)
    assert nothing.tolist() == [0, 0]


@pytest.mark.parametrize("method", ["hierarchy", "leiden", "components"])
def test_what_is_apart_is_stable_and_half_a_cloud_is_not(method: str) -> None:
    rng = np.random.default_rng(4)
    directions = np.eye(6)[:3]
    of = np.repeat(np.arange(3), [80, 80, 160])
    values = (directions[of] + 0.03 * rng.normal(size=(320, 6))).astype(np.float32)
    pairs = np.argwhere((of[:, None] == of[None]) & ~np.eye(320, dtype=bool)).T
    embedding = Embedding(values, pairs, np.ones(pairs.shape[1], np.float32), 0.5, np.ones(320, bool))
    rows = np.arange(320)
    condensed = Condensed(rows, rows, np.zeros(320), np.ones(320, dtype=np.int64), 0.0, 1.0)
    labels = np.where(of == 2, rows % 2, of + 2)  # the large cloud is cut in two at random
    clusters = Clusters(labels, np.bincount(labels), "by hand")
    config = ClusteringConfig(method=method, neighbours=15)
    found = cluster_stability(clusters, embedding, condensed, config, runs=3)
    assert (found[2:] > 0.95).all()
    assert (found[:2] < 0.65).all()
    again = cluster_stability(clusters, embedding, condensed, config, runs=3)
    assert np.array_equal(found, again)

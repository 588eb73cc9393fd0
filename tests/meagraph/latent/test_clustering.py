"""Clusters: components of hand-made graphs, density clusters of separate blobs, labels in a fixed order."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.metrics import adjusted_rand_score

from meagraph.datasets import read_dataset
from meagraph.descriptors import compute_descriptors
from meagraph.errors import MEAGraphError
from meagraph.graph.condensation import Condensed, condense, unit_columns
from meagraph.graph.similarity import GraphConfig, similarity_graph
from meagraph.latent.clustering import METHODS, NOISE, ClusteringConfig, Clusters, Found, cluster
from meagraph.latent.communities import communities
from meagraph.latent.neighbours import nearest_neighbours
from meagraph.model.autoencoder import embed
from meagraph.model.results import Embedding
from meagraph.model.settings import ModelConfig
from meagraph.model.training import new_model
from tests.support.structures import real_data

COMPONENTS, LEIDEN = ClusteringConfig(method="components"), ClusteringConfig(method="leiden")


def condensed_by(assignment: list[int]) -> Condensed:
    """A net whose i-th representative is the first environment that is assigned to it."""
    owner = np.array(assignment)
    values, first, counts = np.unique(owner, return_index=True, return_counts=True)
    assert values.tolist() == list(range(len(values)))
    return Condensed(first, owner, np.zeros(len(owner)), counts, epsilon=0.0, diameter=1.0)


def embedding_of(values: np.ndarray, *pairs: tuple[int, int], isolated: tuple[int, ...] = ()) -> Embedding:
    both = sorted({(b, a) for a, b in pairs} | set(pairs))
    connected = np.ones(len(values), dtype=bool)
    connected[list(isolated)] = False
    return Embedding(
        values=values.astype(np.float32),
        edge_index=np.array([[a for _, a in both], [b for b, _ in both]], dtype=np.int64).reshape(2, -1),
        score=np.ones(len(both), dtype=np.float32),
        rate=0.25,
        connected=connected,
    )


def labels_of(embedding: Embedding, condensed: Condensed, config: ClusteringConfig = COMPONENTS) -> Clusters:
    return cluster(embedding, nearest_neighbours(embedding.values, 45), condensed, config)


def test_components_by_hand() -> None:
    """Of nodes 0..7: the path 1-4-2, the pair 3-6, the twins 5, and 0 and 7 alone, 7 isolated from the start."""
    condensed = condensed_by([0, 1, 2, 3, 4, 5, 6, 7, 5, 3])
    embedding = embedding_of(np.arange(8.0)[:, None], (1, 4), (4, 2), (3, 6), isolated=(7,))
    found = labels_of(embedding, condensed)
    # 1, 2, 4 and the three of 3, 6 are equally large: 1 comes first in the file
    assert found.labels.tolist() == [NOISE, 0, 0, 1, 0, 2, 1, NOISE, 2, 1]
    assert found.sizes.tolist() == [3, 3, 2]
    assert found.n_clusters == 3
    assert found.method == "components"
    assert found.settings["pooling_rate"] == 0.25


def test_components_of_a_graph_without_edges() -> None:
    found = labels_of(embedding_of(np.arange(3.0)[:, None]), condensed_by([0, 1, 2]))
    assert found.labels.tolist() == [NOISE] * 3
    assert found.n_clusters == 0
    twins = labels_of(embedding_of(np.arange(3.0)[:, None]), condensed_by([0, 1, 1, 2]))
    assert twins.labels.tolist() == [NOISE, 0, 0, NOISE]


def test_labels_are_numbered_by_size_then_by_first_environment() -> None:
    condensed = condensed_by([0, 1, 2, 3, 4, 5, 6, 7, 8, 2, 2])
    embedding = embedding_of(np.arange(9.0)[:, None], (0, 8), (1, 7), (3, 4), (4, 5), (2, 6))
    found = labels_of(embedding, condensed)
    assert found.sizes.tolist() == [4, 3, 2, 2]
    assert found.labels.tolist() == [2, 3, 0, 1, 1, 1, 0, 3, 2, 0, 0]


def test_equally_large_clusters_of_any_method_come_in_file_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """A method may number its clusters as it likes."""
    labels = np.array([7, NOISE, 2, 7, 2, 4, 4, 4])
    monkeypatch.setitem(METHODS, "fake", lambda *_: Found(labels, {"answer": 42}))
    found = labels_of(embedding_of(np.arange(8.0)[:, None]), condensed_by([*range(8)]), ClusteringConfig(method="fake"))
    assert found.labels.tolist() == [1, NOISE, 2, 1, 2, 0, 0, 0]
    assert found.settings == {"answer": 42, "pooling_rate": 0.25}


def blobs(seed: int = 0, sizes: tuple[int, ...] = (90, 70, 50), d: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """Well separated normal blobs in shuffled order, and which one every row belongs to."""
    rng = np.random.default_rng(seed)
    owner = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    centres = 10.0 * np.eye(d)[: len(sizes)]
    return centres[owner] + rng.normal(scale=0.3, size=(len(owner), d)), owner


@pytest.mark.parametrize("seed", range(3))
def test_communities_are_the_blobs(seed: int) -> None:
    values, owner = blobs(seed)
    found = labels_of(embedding_of(values), condense(values, epsilon=0.0), LEIDEN)
    np.testing.assert_array_equal(found.labels, owner)  # numbered by size, as the blobs are; nobody is left out
    assert found.method == "leiden"
    assert found.settings["resolution"] == LEIDEN.resolution


def test_a_higher_resolution_makes_more_communities() -> None:
    values, _ = blobs()
    counts = [
        labels_of(
            embedding_of(values), condense(values, epsilon=0.0), ClusteringConfig(method="leiden", resolution=r)
        ).n_clusters
        for r in (0.05, 4.0, 16.0)
    ]
    assert counts[0] < counts[1] < counts[2]


def test_communities_repeat_and_are_nearly_the_best() -> None:
    """Also on a graph without clear communities, where attempts differ."""
    rng = np.random.default_rng(0)
    noise = np.triu(rng.random((80, 80)) < 0.1, 1).astype(float)
    graph = csr_matrix(noise + noise.T)
    found = [communities(graph, resolution=1.0, seed=seed) for seed in range(8)]
    best = max(modularity(graph, labels) for labels in found)
    assert min(modularity(graph, labels) for labels in found) > 0.95 * best
    assert any((labels != found[0]).any() for labels in found[1:])  # there is something to choose from
    for seed in range(8):
        np.testing.assert_array_equal(communities(graph, resolution=1.0, seed=seed), found[seed])


def modularity(graph: csr_matrix, labels: np.ndarray) -> float:
    """Newman's definition: the weight inside communities, less what chance would put there."""
    share = graph.toarray() / graph.sum()
    degree = share.sum(axis=0)
    return float((share - np.outer(degree, degree))[labels[:, None] == labels[None, :]].sum())


def test_rows_without_neighbours_belong_to_no_community() -> None:
    graph = csr_matrix(np.array([[0, 1, 0, 0, 0], [1, 0, 0, 0, 0], [0, 0, 0, 0, 0], [0, 0, 0, 0, 2], [0, 0, 0, 2, 0]]))
    labels = communities(graph.astype(float), resolution=1.0, seed=0)
    assert labels[2] == NOISE
    assert labels[0] == labels[1] != labels[3] == labels[4]
    assert min(labels[[0, 3]]) >= 0


def test_copies_of_everything_change_no_community() -> None:
    values, owner = blobs()
    found = labels_of(embedding_of(values), condense(np.tile(values, (3, 1)), epsilon=0.0), LEIDEN)
    np.testing.assert_array_equal(found.labels, np.tile(owner, 3))


def test_isolated_environments_belong_to_no_community() -> None:
    values, _ = blobs()
    alone = (3, 17)
    found = labels_of(embedding_of(values, isolated=alone), condense(values, epsilon=0.0), LEIDEN)
    assert np.flatnonzero(found.labels == NOISE).tolist() == list(alone)


@pytest.mark.parametrize("n", [1, 2, 3, 6])
def test_communities_of_very_few(n: int) -> None:
    values = np.eye(6)[:n] + 0.1
    found = labels_of(embedding_of(values), condense(values, epsilon=0.0), LEIDEN)
    assert len(found.labels) == n
    assert (found.labels >= 0).all()


def test_condensing_tantalum_hardly_changes_its_published_clusters() -> None:
    """Against every edge of every distinct environment, which equals the dense method (test_model.py)."""
    points = unit_columns(compute_descriptors(read_dataset(real_data("Ta_JCP2014.extxyz"))).values)
    model = new_model(ModelConfig(points.shape[1]), seed=0)

    def clusters_of(net: Condensed, neighbours: int) -> np.ndarray:
        graph = similarity_graph(points, net, GraphConfig(lower=0.995, neighbours=neighbours))
        labels = labels_of(embed(model, graph, rate=0.5), net).labels
        return np.where(labels == NOISE, len(labels) + np.arange(len(labels)), labels)  # singletons as published

    exact = clusters_of(condense(points, epsilon=0.0), len(points))
    usual = condense(points)
    assert usual.size < 0.6 * len(points)
    found = clusters_of(usual, GraphConfig().neighbours)
    assert adjusted_rand_score(exact, found) >= 0.97


DENSITY = ClusteringConfig(method="hdbscan", min_cluster_size=20, min_samples=5)


@pytest.mark.parametrize("seed", range(2))
def test_density_clusters_are_the_blobs(seed: int) -> None:
    values, owner = blobs(seed)
    found = labels_of(embedding_of(values), condense(values, epsilon=0.0), DENSITY)
    assert found.n_clusters == 3
    inside = found.labels != NOISE
    assert inside.mean() > 0.95
    np.testing.assert_array_equal(found.labels[inside], owner[inside])  # numbered by size, as the blobs are
    assert found.sizes.tolist() == np.bincount(found.labels[inside]).tolist()
    assert found.settings["min_cluster_size"] == 20


@pytest.mark.parametrize("copies", [1, 4])
def test_a_cluster_that_holds_too_much_is_taken_apart(copies: int) -> None:
    """Shares are of environments, so copies of everything change nothing."""
    values, owner = blobs()
    data = np.tile(values, (copies, 1))
    condensed = condense(data, epsilon=0.0)
    assert condensed.size == 210
    embedding = embedding_of(values)
    size = {"min_cluster_size": 20 * copies, "min_samples": 5}
    whole = labels_of(embedding, condensed, replace(DENSITY, largest=1.0, **size))
    np.testing.assert_array_equal(whole.sizes, np.bincount(owner) * copies)
    apart = labels_of(
        embedding, condensed, ClusteringConfig(method="hdbscan", largest=0.4, **size)
    )  # the first has 90 of 210
    assert apart.sizes.max() <= 0.4 * 210 * copies
    assert apart.settings["largest"] == 0.4
    others = np.tile(owner != 0, copies)
    assert len(np.unique(apart.labels[others])) == 2  # the other two stay as they are


def test_equal_input_gives_equal_labels() -> None:
    values, _ = blobs()
    one, two = (labels_of(embedding_of(values), condense(values, epsilon=0.0), DENSITY) for _ in range(2))
    np.testing.assert_array_equal(one.labels, two.labels)


def test_every_environment_gets_the_label_of_its_representative() -> None:
    values, _ = blobs(sizes=(60, 40))
    data = np.concatenate([values, values[:30], values[:30]])
    condensed = condense(data, epsilon=0.0)
    assert condensed.size == 100
    found = labels_of(embedding_of(data[condensed.representatives]), condensed, DENSITY)
    assert len(found.labels) == 160
    np.testing.assert_array_equal(found.labels, found.labels[condensed.representatives][condensed.assignment])
    assert found.n_clusters == 2
    assert found.sizes.sum() == (found.labels != NOISE).sum()
    assert set(found.labels[100:]) <= set(found.labels[:100])


def test_too_few_environments_for_density() -> None:
    with pytest.raises(MEAGraphError, match=r"more than 5 distinct environments, got 4; lower min_samples"):
        labels_of(embedding_of(np.arange(4.0)[:, None]), condensed_by([0, 1, 2, 3]), DENSITY)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "magic"}, f"'magic'; choose from {', '.join(METHODS)}"),
        ({"neighbours": 1}, "at least 2 latent neighbours, got 1"),
        ({"resolution": 0.0}, "must be positive, got 0.0"),
        ({"min_cluster_size": 1}, "min_cluster_size of at least 2"),
        ({"largest": 0.0}, "above 0 and at most 1, got 0.0"),
        ({"largest": 1.1}, "got 1.1"),
        ({"largest": float("nan")}, "got nan"),
        ({"min_samples": 0}, "min_samples of at least 1, got .* and 0"),
    ],
)
def test_bad_settings(options: dict, message: str) -> None:
    with pytest.raises(MEAGraphError, match=message):
        ClusteringConfig(**options)

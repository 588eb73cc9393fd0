"""Stability curves: what is looked up is what would be computed, agreement by sklearn's measure, plateaus by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import adjusted_rand_score

from meagraph.errors import Cancelled, MEAGraphError
from meagraph.graph.condensation import Condensed, condense, unit_columns
from meagraph.graph.similarity import GraphConfig, SimilarityGraph, similarity_graph
from meagraph.latent.clustering import NOISE, ClusteringConfig, cluster
from meagraph.latent.neighbours import nearest_neighbours
from meagraph.latent.stability import (
    RATES,
    Stability,
    adjusted_rand,
    rate_stability,
    read_stability,
    resolution_stability,
    write_stability,
)
from meagraph.model.autoencoder import MEAGraph, embed, graph_edges
from meagraph.model.results import Embedding
from meagraph.model.settings import ModelConfig
from tests.support import oracle

COMPONENTS = ClusteringConfig(method="components")


def data(seed: int, n: int = 60, d: int = 5) -> np.ndarray:
    """Three loose groups of different width and a few strays; a heap of eight, two pairs, a pair of its own."""
    rng = np.random.default_rng(seed)
    owner = rng.integers(0, 3, n)
    x = 3.0 * np.eye(d)[owner] + np.array([0.2, 0.5, 0.9])[owner][:, None] * rng.normal(size=(n, d)) + 2.0
    rows = rng.permutation(n)
    x[rows[:7]] = x[rows[7]]
    x[rows[8:10]] = x[rows[10:12]]
    x[rows[12:14]] = 20.0
    x[rows[14]] = -20.0
    return x


def graph_of(x: np.ndarray, lower: float = 0.7) -> tuple[Condensed, SimilarityGraph]:
    points = unit_columns(x)
    condensed = condense(points, epsilon=0.0)
    return condensed, similarity_graph(points, condensed, GraphConfig(lower, neighbours=None))


def model_of(weights, d: int, seed: int) -> MEAGraph:
    return weights.shake(MEAGraph(ModelConfig(d, (7, 5, 4), kernels=2)), seed)


# The rate


@pytest.mark.parametrize("seed", range(3))
def test_what_is_looked_up_is_what_would_be_computed(weights, seed: int) -> None:
    x = data(seed)
    condensed, graph = graph_of(x)
    assert condensed.size < len(x)
    model = model_of(weights, x.shape[1], seed).float()
    found = rate_stability(model, graph, condensed)
    assert found.values.tolist() == list(RATES)
    assert found.labels.dtype == np.int32
    for index, rate in enumerate(RATES):
        embedding = embed(model, graph, rate=rate)
        expected = cluster(embedding, nearest_neighbours(embedding.values, 15), condensed, COMPONENTS)
        looked_up = found.at(rate, condensed)
        np.testing.assert_array_equal(looked_up.labels, expected.labels)
        np.testing.assert_array_equal(looked_up.sizes, expected.sizes)
        assert (looked_up.method, looked_up.settings) == (expected.method, expected.settings)
        assert found.clusters[index] == expected.n_clusters
        assert found.alone[index] == pytest.approx((expected.labels == NOISE).mean())
        assert found.largest[index] == pytest.approx(expected.sizes.max(initial=0) / len(x))
    assert len(set(found.clusters.tolist())) > 2  # the curve moves, so the comparison means something


@pytest.mark.parametrize("seed", range(3))
def test_agrees_with_the_dense_method_on_all_environments(weights, seed: int) -> None:
    x = data(seed)
    condensed, graph = graph_of(x)
    model = model_of(weights, x.shape[1], seed)
    dense = oracle.similarity_graph(x, 0.7)
    encoder = weights.encoder(model, len(dense.nodes))
    rates = (0.1, 0.35, 0.6, 0.85)
    found = rate_stability(model.float(), graph, condensed, rates=rates)
    for rate in rates:
        encoding = oracle.encode(dense.x, dense.edges, encoder, [rate] * 3)
        expected = oracle.clusters(dense.nodes, encoding.latent_edges, len(x))
        labels = found.at(rate, condensed).labels
        np.testing.assert_array_equal(labels == NOISE, oracle.singletons(expected))
        inside = labels != NOISE
        pairs = {*zip(labels[inside].tolist(), expected[inside].tolist(), strict=True)}
        assert len(pairs) == len(np.unique(labels[inside])) == len(np.unique(expected[inside]))  # one to one


def test_the_encoder_along_rates_is_the_encoder_at_each(weights) -> None:
    x = data(5)
    _, graph = graph_of(x)
    model = model_of(weights, x.shape[1], 5).float()
    values, edges = graph_edges(graph)
    rates = [0.0, 0.3, 0.9]
    for rate, one in zip(rates, model.encode_along(values, edges, rates), strict=True):
        other = model.encode(values, edges, rate)
        np.testing.assert_array_equal(one.latent.detach(), other.latent.detach())
        np.testing.assert_array_equal(one.remaining.source, other.remaining.source)
        assert [len(e.source) for e in one.entering] == [len(e.source) for e in other.entering]
        for mine, its in zip(one.scores, other.scores, strict=True):
            np.testing.assert_array_equal(mine.detach(), its.detach())


def test_the_value_next_to_the_one_that_was_asked_for() -> None:
    found = curve([0.1, 0.2, 0.3], labels=[[0, 0, -1], [0, 1, 1], [-1, -1, -1]])
    condensed = Condensed(np.array([0, 1, 3]), np.array([0, 1, 1, 2]), np.zeros(4), np.array([1, 2, 1]), 0.0, 1.0)
    near = found.at(0.16, condensed)
    assert near.labels.tolist() == [0, 1, 1, 1]
    assert near.sizes.tolist() == [1, 3]
    assert near.settings == {"pooling_rate": 0.2}
    assert found.at(0.9, condensed).n_clusters == 0
    assert [found.nearest(rate) for rate in (0.0, 0.16, 0.9)] == [0, 1, 2]
    assert found.between == pytest.approx([0.15, 0.25])


# The resolution


def test_communities_along_the_resolution() -> None:
    rng = np.random.default_rng(0)
    owner = np.repeat([0, 1, 2], [60, 40, 30])
    values = (10.0 * np.eye(6)[owner] + rng.normal(scale=0.3, size=(130, 6))).astype(np.float32)
    connected = np.ones(130, dtype=bool)
    connected[7] = False
    embedding = Embedding(values, np.zeros((2, 0), np.int64), np.zeros(0, np.float32), 0.5, connected)
    condensed, neighbours = condense(values.astype(np.float64), epsilon=0.0), nearest_neighbours(values, 15)
    grid = (0.02, 0.05, 0.5, 3.0)
    found = resolution_stability(embedding, neighbours, condensed, resolutions=grid)
    for value in grid:
        expected = cluster(embedding, neighbours, condensed, ClusteringConfig(method="leiden", resolution=value))
        np.testing.assert_array_equal(found.at(value, condensed).labels, expected.labels)
    assert found.at(0.05, condensed).n_clusters == 3
    assert found.alone.tolist() == [pytest.approx(1 / 130)] * 4


# Agreement


@given(seed=st.integers(0, 2**32 - 1), m=st.integers(1, 12), heavy=st.booleans())
@settings(max_examples=150, deadline=None)
def test_agreement_is_the_adjusted_rand_index_of_the_environments(seed: int, m: int, heavy: bool) -> None:
    rng = np.random.default_rng(seed)
    one, two = (rng.integers(-1, 4, m) for _ in range(2))
    weight = rng.integers(1, 5, m) if heavy else np.ones(m, dtype=np.int64)

    def spread(labels: np.ndarray) -> np.ndarray:
        """Labels of the environments; whoever is in no cluster has one of its own."""
        rows = np.repeat(labels, weight)
        return np.where(rows < 0, 100 + np.arange(len(rows)), rows)

    expected = adjusted_rand_score(spread(one), spread(two))
    assert adjusted_rand(one, two, weight) == pytest.approx(expected, abs=1e-12)
    assert adjusted_rand(two, one, weight) == pytest.approx(expected, abs=1e-12)
    assert adjusted_rand(one, one, weight) == 1.0


def test_agreement_of_a_million_environments() -> None:
    """By hand, with shares for the counts: (0.30 - 0.58 x 0.52) / (0.55 - 0.58 x 0.52)."""
    labels = np.array([0, 0, 1, 1])
    weight = np.array([400_000, 300_000, 200_000, 100_000])
    assert adjusted_rand(labels, 1 - labels, weight) == pytest.approx(1.0, abs=1e-12)
    assert adjusted_rand(labels, np.array([0, 1, 0, 1]), weight) == pytest.approx(-0.0016 / 0.2484, abs=1e-5)


# The plateau


def curve(
    values: list[float],
    *,
    labels: list[list[int]] | None = None,
    clusters: list[int] | None = None,
    alone: list[float] | None = None,
    largest: list[float] | None = None,
    agreement: list[float] | None = None,
) -> Stability:
    n = len(values)
    return Stability(
        "pooling_rate",
        np.array(values),
        np.array(labels or [[0]] * n, dtype=np.int32),
        np.array(clusters or [3] * n),
        np.array(alone or [0.1] * n),
        np.array(largest or [0.5] * n),
        np.array(agreement or [1.0] * (n - 1)),
    )


GRID = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]


def test_the_longest_run_that_agrees_is_the_plateau() -> None:
    found = curve(GRID, agreement=[0.95, 0.2, 0.91, 0.99, 0.89])
    assert found.plateau == (0.3, 0.5)
    assert found.suggestion == 0.4
    equal = curve(GRID, agreement=[0.91, 0.92, 0.3, 0.95, 0.97])
    assert equal.plateau == (0.4, 0.6)  # as long as the first, but closer
    assert curve(GRID).plateau == (0.1, 0.6)
    assert curve(GRID).suggestion == 0.3


def test_trivial_choices_are_no_plateau() -> None:
    one = curve(GRID, clusters=[1, 1, 1, 2, 2, 0])
    assert one.plateau == (0.4, 0.5)
    assert curve(GRID, largest=[0.99, 0.95, 0.91, 0.9, 0.9, 0.9]).plateau == (0.4, 0.6)
    assert curve(GRID, alone=[0.0, 0.2, 0.3, 0.31, 0.9, 1.0]).plateau == (0.1, 0.3)
    for nothing in (curve(GRID, clusters=[1] * 6), curve(GRID, agreement=[0.5] * 5)):
        assert nothing.plateau is None
        assert nothing.suggestion is None


# Around it


def test_stored_and_read_again(tmp_path: Path, weights) -> None:
    x = data(0)
    condensed, graph = graph_of(x)
    found = rate_stability(model_of(weights, x.shape[1], 0).float(), graph, condensed, rates=(0.2, 0.4))
    write_stability(tmp_path / "curve.npz", found)
    again = read_stability(tmp_path / "curve.npz")
    for name, value in vars(found).items():
        np.testing.assert_array_equal(getattr(again, name), value, err_msg=name)
    assert isinstance(again.parameter, str)


def test_it_can_be_stopped_between_two_rates(weights) -> None:
    x = data(0)
    condensed, graph = graph_of(x)
    seen: list[tuple[int, str]] = []

    def stop(done: int, total: int, message: str) -> None:
        seen.append((done, message))
        if done == 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        rate_stability(model_of(weights, x.shape[1], 0).float(), graph, condensed, progress=stop)
    assert seen == [(0, "pooling rate 0.02"), (1, "pooling rate 0.02"), (2, "pooling rate 0.04")]


@pytest.mark.parametrize("rates", [(), (0.5,), (0.5, 0.5), (0.5, 0.4)])
def test_a_grid_that_is_none(weights, rates: tuple[float, ...]) -> None:
    x = data(0)
    condensed, graph = graph_of(x)
    with pytest.raises(MEAGraphError, match="at least two ascending values"):
        rate_stability(model_of(weights, x.shape[1], 0).float(), graph, condensed, rates=rates)


def test_too_few_environments_for_communities() -> None:
    values = np.eye(2, dtype=np.float32)
    embedding = Embedding(values, np.zeros((2, 0), np.int64), np.zeros(0, np.float32), 0.5, np.ones(2, bool))
    with pytest.raises(MEAGraphError, match="at least 3 distinct environments, got 2"):
        resolution_stability(embedding, nearest_neighbours(values, 15), condense(np.eye(2), epsilon=0.0))

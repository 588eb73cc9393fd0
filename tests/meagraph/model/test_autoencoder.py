"""The whole autoencoder against the dense oracle: embedding, latent edges, reconstruction, loss, clusters.

The central claim: representatives with multiplicities, at epsilon = 0, equal the published method on all data.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from meagraph.errors import MEAGraphError
from meagraph.graph.condensation import Condensed, condense, unit_columns
from meagraph.graph.similarity import GraphConfig, SimilarityGraph, similarity_graph
from meagraph.latent.clustering import NOISE, ClusteringConfig, components
from meagraph.latent.neighbours import Neighbours
from meagraph.model.autoencoder import Encoded, MEAGraph, embed, graph_edges, reconstruction_errors, reconstruction_loss
from meagraph.model.layers import Edges
from meagraph.model.results import Embedding
from meagraph.model.settings import ModelConfig
from meagraph.model.training import new_model
from tests.support import oracle

TOLERANCE = {"rtol": 1e-5, "atol": 1e-7}
NO_NEIGHBOURS = Neighbours(np.zeros((0, 1)), np.zeros((0, 1), dtype=np.int32), np.zeros((0, 1)))


def random_descriptors(seed: int, d: int, *, duplicates: bool, n: int = 36) -> np.ndarray:
    """Two loose groups and a few strays; with duplicates, one of eight alike, two pairs and a lone pair."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d)) + rng.choice([-3.0, 3.0], size=(n, 1))
    x[rng.permutation(n)[:3]] *= 4.0
    if duplicates:
        rows = rng.permutation(n)
        x[rows[:7]] = x[rows[7]]
        x[rows[8:10]] = x[rows[10:12]]
        x[rows[12:14]] = 20.0  # far away: an environment whose only neighbour is its twin
    return x


@dataclass(frozen=True, eq=False)
class Sparse:
    """The library's results in double precision."""

    condensed: Condensed
    graph: SimilarityGraph
    x: torch.Tensor
    edges: Edges
    encoded: Encoded
    output: torch.Tensor


@dataclass(frozen=True, eq=False)
class Dense:
    """The oracle's results on all environments."""

    graph: oracle.Graph
    encoding: oracle.Encoding
    output: np.ndarray


def both(
    weights, x: np.ndarray, rates: list[float], *, lower: float, seed: int, widths: tuple[int, ...] = (7, 5, 4)
) -> tuple[Sparse, Dense]:
    """Run a model with random weights (biases and betas too) on both sides."""
    model = weights.shake(MEAGraph(ModelConfig(x.shape[1], widths, kernels=2)), seed)
    points = unit_columns(x)
    condensed = condense(points, epsilon=0.0)
    graph = similarity_graph(points, condensed, GraphConfig(lower, neighbours=None))
    edges = Edges.build(
        torch.from_numpy(graph.edge_index),
        torch.from_numpy(graph.multiplicity).double(),
        torch.from_numpy(graph.connected),
    )
    values = torch.from_numpy(graph.x)
    with torch.no_grad():
        encoded, output = model(values, edges, rates)
    built = oracle.similarity_graph(x, lower)
    n = len(built.nodes)
    encoding = oracle.encode(built.x, built.edges, weights.encoder(model, n), rates)
    decoded = oracle.decode(encoding.values, encoding.entering, weights.decoder(model, n))
    return Sparse(condensed, graph, values, edges, encoded, output), Dense(built, encoding, decoded)


def dense_matrix(sparse: Sparse, edges: Edges) -> np.ndarray:
    """Latent edges (N', N') between the environments in the graph, self-loops and twins included."""
    matrix = np.eye(edges.n_nodes, dtype=bool)
    matrix[edges.target.numpy(), edges.source.numpy()] = True
    rows = sparse.condensed.assignment[sparse.graph.connected[sparse.condensed.assignment]]
    return matrix[np.ix_(rows, rows)]


CASES = [
    pytest.param(seed, d, lower, rates, id=f"{seed}-D{d}-{lower}-{rates}")
    for seed, d, lower, rates in [
        (0, 4, 0.3, [0.0, 0.0, 0.0]),
        (1, 4, 0.3, [0.2, 0.4, 0.6]),
        (2, 1, 0.6, [0.5, 0.5, 0.5]),
        (3, 12, 0.4, [0.1, 0.9, 0.3]),
        (4, 24, 0.6, [0.7, 0.1, 0.5]),
        (5, 6, 0.8, [0.5, 0.5, 0.5]),
        (6, 3, 0.0, [0.9, 0.9, 0.9]),
        (7, 5, 0.5, [0.99, 0.0, 0.99]),
        (8, 8, 0.9, [0.3, 0.3, 0.3]),
        (9, 3, 0.95, [0.0, 0.5, 0.2]),
    ]
]


@pytest.mark.parametrize("duplicates", [False, True])
@pytest.mark.parametrize(("seed", "d", "lower", "rates"), CASES)
def test_agrees_with_the_oracle(weights, seed: int, d: int, lower: float, rates: list[float], duplicates: bool) -> None:
    x = random_descriptors(seed, d, duplicates=duplicates)
    sparse, dense = both(weights, x, rates, lower=lower, seed=seed)
    assert (sparse.condensed.size < len(x)) == duplicates
    inside = sparse.graph.connected[sparse.condensed.assignment]
    np.testing.assert_array_equal(np.flatnonzero(inside), dense.graph.nodes)
    rows = sparse.condensed.assignment[inside]

    # what entered each layer, what the last pooling left
    layers = zip(sparse.encoded.entering, dense.encoding.entering, strict=True)
    for entering, expected in layers:
        np.testing.assert_array_equal(dense_matrix(sparse, entering), expected)
    np.testing.assert_array_equal(dense_matrix(sparse, sparse.encoded.remaining), dense.encoding.latent_edges)
    # embedding, scores, reconstruction, loss
    np.testing.assert_allclose(sparse.encoded.latent.numpy()[rows], dense.encoding.values, **TOLERANCE)
    for edges, score, expected in zip(
        sparse.encoded.entering, sparse.encoded.scores, dense.encoding.scores, strict=True
    ):
        matrix = np.full((edges.n_nodes, edges.n_nodes), np.nan)
        matrix[edges.target.numpy(), edges.source.numpy()] = score.numpy()
        np.fill_diagonal(matrix, 1.0)
        np.testing.assert_allclose(matrix[np.ix_(rows, rows)], expected, **TOLERANCE)
    np.testing.assert_allclose(sparse.output.numpy()[rows], dense.output, **TOLERANCE)
    loss = float(reconstruction_loss(sparse.output, sparse.x, sparse.edges.norm_weight))
    assert loss == pytest.approx(oracle.mean_squared_error(dense.output, dense.graph.x), rel=1e-6)
    # clusters
    check_clusters(sparse, dense, len(x))


def check_clusters(sparse: Sparse, dense: Dense, n: int) -> None:
    """Connected components: the same partition, and noise exactly where the oracle has singletons."""
    remaining = sparse.encoded.remaining
    embedding = Embedding(
        values=sparse.encoded.latent.numpy(),
        edge_index=torch.stack([remaining.source, remaining.target]).numpy(),
        score=np.ones(len(remaining.source)),
        rate=0.0,
        connected=sparse.graph.connected,
    )
    found = components(embedding, NO_NEIGHBOURS, sparse.condensed, ClusteringConfig(method="components"), 0).labels
    labels = found[sparse.condensed.assignment]
    expected = oracle.clusters(dense.graph.nodes, dense.encoding.latent_edges, n)
    np.testing.assert_array_equal(labels == NOISE, oracle.singletons(expected))
    pairs = {(int(a), int(b)) for a, b in zip(labels, expected, strict=True) if a != NOISE}
    assert len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})


def test_the_cases_are_not_trivial(weights) -> None:
    """Among the cases above: isolated environments, twins without other neighbours, several clusters."""
    isolated = lonely = several = 0
    for case in CASES:
        seed, d, lower, rates = case.values
        sparse, dense = both(weights, random_descriptors(seed, d, duplicates=True), rates, lower=lower, seed=seed)
        isolated += int((~sparse.graph.connected).sum())
        degree = np.bincount(sparse.graph.edge_index[1], minlength=sparse.condensed.size)
        lonely += int((sparse.graph.connected & (degree == 0)).sum())
        labels = oracle.clusters(dense.graph.nodes, dense.encoding.latent_edges, 36)
        several += int((np.bincount(labels) > 1).sum() > 1)
    assert isolated > 5
    assert lonely >= 1
    assert several >= 3


def test_the_comparison_is_sharp(weights) -> None:
    """Without multiplicities the same representatives get another embedding, by far more than the tolerance."""
    x = random_descriptors(1, 4, duplicates=True)
    sparse, dense = both(weights, x, [0.2, 0.4, 0.6], lower=0.3, seed=1)
    model = weights.shake(MEAGraph(ModelConfig(4, (7, 5, 4), kernels=2)), 1)
    once = Edges.build(
        torch.from_numpy(sparse.graph.edge_index),
        torch.ones(sparse.condensed.size, dtype=torch.float64),
        torch.from_numpy(sparse.graph.connected),
    )
    with torch.no_grad():
        latent = model.encode(sparse.x, once, [0.2, 0.4, 0.6]).latent.numpy()
    rows = sparse.condensed.assignment[dense.graph.nodes]
    assert np.abs(latent[rows] - dense.encoding.values).max() > 1e-2


def test_loss_by_hand() -> None:
    output, x = torch.tensor([[1.0, 2.0], [5.0, 0.0], [9.0, 9.0]]), torch.tensor([[0.0, 0.0], [5.0, 1.0], [0.0, 0.0]])
    weight = torch.tensor([1.0, 3.0, 0.0])  # the last is isolated
    assert float(reconstruction_loss(output, x, weight)) == pytest.approx((1 + 4 + 3 * (0 + 1)) / (4 * 2))


@pytest.mark.parametrize("seed", range(3))
def test_embedding_in_single_precision(weights, seed: int) -> None:
    """What the app shows: weights of a fresh model, float32, one rate for all layers."""
    x = random_descriptors(seed, 8, duplicates=True)
    points = unit_columns(x)
    condensed = condense(points, epsilon=0.0)
    graph = similarity_graph(points, condensed, GraphConfig(0.5, neighbours=None))
    model = new_model(ModelConfig(8, (16, 6), 3), seed=seed)
    embedding = embed(model, graph, rate=0.4)
    built = oracle.similarity_graph(x, 0.5)
    layers = weights.encoder(model, len(built.nodes))
    encoding = oracle.encode(built.x, built.edges, layers, [0.4, 0.4])
    rows = condensed.assignment[built.nodes]
    assert embedding.values.dtype == np.float32
    np.testing.assert_allclose(embedding.values[rows], encoding.values, rtol=1e-3, atol=1e-5)
    latent = np.eye(condensed.size, dtype=bool)
    latent[tuple(embedding.edge_index)] = True
    np.testing.assert_array_equal(latent[np.ix_(rows, rows)], encoding.latent_edges)
    scores = np.full(latent.shape, np.nan)
    scores[tuple(embedding.edge_index)] = embedding.score
    scores = scores[np.ix_(rows, rows)]
    known = ~np.isnan(scores)
    np.testing.assert_allclose(scores[known], encoding.scores[-1][known], rtol=1e-4)
    assert embedding.rate == 0.4
    np.testing.assert_array_equal(embedding.connected, graph.connected)


@pytest.mark.parametrize("rate", [0.0, 0.5, 0.9])
def test_a_higher_rate_never_adds_edges_to_the_first_pooling(rate: float) -> None:
    x = random_descriptors(0, 5, duplicates=False)
    points = unit_columns(x)
    graph = similarity_graph(points, condense(points), GraphConfig(0.4))
    values, edges = graph_edges(graph)
    model = new_model(ModelConfig(5, (6,), 2))
    low, high = (model.encode(values, edges, r).remaining for r in (rate, rate + 0.09))
    pairs = [set(zip(e.source.tolist(), e.target.tolist(), strict=True)) for e in (low, high)]
    assert pairs[1] <= pairs[0]


def test_order_of_environments_does_not_matter(weights) -> None:
    x = random_descriptors(2, 6, duplicates=True)
    order = np.random.default_rng(0).permutation(len(x))
    one, _ = both(weights, x, [0.3, 0.3, 0.3], lower=0.4, seed=2)
    two, _ = both(weights, x[order], [0.3, 0.3, 0.3], lower=0.4, seed=2)
    np.testing.assert_allclose(
        two.encoded.latent.numpy()[two.condensed.assignment],
        one.encoded.latent.numpy()[one.condensed.assignment[order]],
        rtol=1e-8,
        atol=1e-12,
    )


@pytest.mark.parametrize("rates", [1.0, -0.1, float("nan"), [0.5], [0.5, 0.5, 1.0]])
def test_bad_rates(rates) -> None:
    model = new_model(ModelConfig(2, (3, 3, 3), 1))
    edges = Edges.build(torch.zeros(2, 0, dtype=torch.int64), torch.ones(2), torch.ones(2, dtype=torch.bool))
    with pytest.raises(MEAGraphError, match=r"Expected 3 pooling rates in \[0, 1\)"):
        model.encode(torch.ones(2, 2), edges, rates)


@pytest.mark.parametrize("options", [{"inputs": 0}, {"inputs": 2, "widths": ()}, {"inputs": 2, "widths": (4, 0)}])
def test_bad_shapes(options: dict) -> None:
    with pytest.raises(MEAGraphError, match="positive sizes"):
        ModelConfig(**options)
    with pytest.raises(MEAGraphError, match="kernels=0"):
        ModelConfig(2, kernels=0)


def test_reconstruction_errors_of_each_representative() -> None:
    """Their weighted mean square is the loss; a decoder that gives nothing errs by the descriptor itself."""
    points = unit_columns(random_descriptors(0, 8, duplicates=True))
    graph = similarity_graph(points, condense(points, epsilon=0.0), GraphConfig(0.5, neighbours=None))
    model = new_model(ModelConfig(8, (16, 6), 3), seed=0)
    errors = reconstruction_errors(model, graph, rate=0.4)
    x, edges = graph_edges(graph)
    weight = torch.as_tensor(graph.multiplicity, dtype=torch.float32)
    loss = reconstruction_loss(model(x, edges, 0.4)[1], x, weight)
    assert np.average(errors**2, weights=graph.multiplicity) == pytest.approx(loss.item(), rel=1e-5)
    with torch.no_grad():
        for parameter in model.output.parameters():
            parameter.zero_()
    np.testing.assert_allclose(
        reconstruction_errors(model, graph, rate=0.4), np.sqrt((graph.x**2).mean(axis=1)), rtol=1e-5
    )

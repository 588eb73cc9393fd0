"""Layers and pooling against the dense oracle, on distinct environments and on duplicates; gradients."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor

import meagraph.model.layers
from meagraph.model.layers import (
    Affine,
    DecoderAttention,
    Edges,
    MultiKernelAttention,
    attend,
    edge_length,
    neighbour_sum,
    pool_edges,
    unit_columns,
)
from tests.support import oracle

SEEDS = range(4)
RATES = [0.0, 0.1, 0.5, 0.9, 0.99]


def random_edges(seed: int, n: int, share: float = 0.3) -> np.ndarray:
    """A symmetric (n, n) bool matrix without self-loops."""
    rng = np.random.default_rng(seed)
    upper = np.triu(rng.random((n, n)) < share, 1)
    return upper | upper.T


def as_edges(matrix: np.ndarray, weight: np.ndarray | None = None, connected: np.ndarray | None = None) -> Edges:
    target, source = np.nonzero(matrix)  # sorted by target, then source
    n = len(matrix)
    return Edges.build(
        torch.from_numpy(np.stack([source, target])),
        torch.as_tensor(np.ones(n) if weight is None else weight, dtype=torch.float64),
        torch.as_tensor(np.ones(n, dtype=bool) if connected is None else connected),
    )


def as_matrix(edges: Edges, values: Tensor | None = None) -> np.ndarray:
    """(M, M) bool of the edges, or their ``values`` (E,) with NaN where there is no edge."""
    shape = (edges.n_nodes, edges.n_nodes)
    matrix = np.zeros(shape, dtype=bool) if values is None else np.full(shape, np.nan)
    matrix[edges.target.numpy(), edges.source.numpy()] = True if values is None else values.detach().numpy()
    return matrix


def consistent(edges: Edges) -> bool:
    """Whether order, opposite directions and pointers are what the class promises."""
    code = edges.target * edges.n_nodes + edges.source
    counts = torch.bincount(edges.target, minlength=edges.n_nodes)
    return (
        bool((code[1:] > code[:-1]).all())
        and torch.equal(edges.source[edges.reverse], edges.target)
        and torch.equal(edges.target[edges.reverse], edges.source)
        and torch.equal(edges.pointer, torch.cat([counts.new_zeros(1), counts.cumsum(0)]))
    )


class Repeated:
    """M distinct nodes and the N environments they stand for: node i ``times[i]`` times, twins joined."""

    def __init__(self, seed: int, m: int = 12, width: int = 5) -> None:
        rng = np.random.default_rng(seed)
        self.x = rng.normal(size=(m, width))
        self.times = rng.choice([1, 1, 2, 5], size=m)
        self.edges = random_edges(seed, m)
        self.owner = rng.permutation(np.repeat(np.arange(m), self.times))
        same = self.owner[:, None] == self.owner[None, :]
        self.dense = (self.edges[np.ix_(self.owner, self.owner)] | same) & ~np.eye(len(self.owner), dtype=bool)


# Forward, against the oracle


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("d", "h", "kernels"), [(5, 3, 1), (5, 8, 3), (1, 4, 2)])
def test_encoder_layer(weights, seed: int, d: int, h: int, kernels: int) -> None:
    x, matrix = np.random.default_rng(seed).normal(size=(20, d)), random_edges(seed, 20)
    layer = weights.shake(MultiKernelAttention(d, h, kernels), seed)
    edges = as_edges(matrix)
    output, score = layer(torch.from_numpy(x), edges)
    expected, scores = oracle.encoder_layer(x, oracle.with_self_loops(matrix), weights.encoder_layer(layer, len(x)))
    np.testing.assert_allclose(output.detach(), expected, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(as_matrix(edges, score), np.where(matrix, scores, np.nan), rtol=1e-10)


@pytest.mark.parametrize("seed", SEEDS)
def test_encoder_layer_with_multiplicities_equals_the_dense_one_on_duplicates(weights, seed: int) -> None:
    data = Repeated(seed)
    n = len(data.owner)
    layer = weights.shake(MultiKernelAttention(5, 6, 3), seed)
    edges = as_edges(data.edges, data.times)
    output, score = layer(torch.from_numpy(data.x), edges)
    expected, scores = oracle.encoder_layer(
        data.x[data.owner], oracle.with_self_loops(data.dense), weights.encoder_layer(layer, n)
    )
    np.testing.assert_allclose(output.detach().numpy()[data.owner], expected, rtol=1e-8, atol=1e-10)
    found = as_matrix(edges, score)
    np.fill_diagonal(found, 1.0)
    np.testing.assert_allclose(found[np.ix_(data.owner, data.owner)], scores, rtol=1e-10)


@pytest.mark.parametrize("seed", SEEDS)
def test_decoder_layer(weights, seed: int) -> None:
    data = Repeated(seed)
    layer = weights.shake(DecoderAttention(5, 4), seed)
    output = layer(torch.from_numpy(data.x), as_edges(data.edges, data.times))
    expected = oracle.decoder_layer(
        data.x[data.owner], oracle.with_self_loops(data.dense), weights.decoder_layer(layer)
    )
    np.testing.assert_allclose(output.detach().numpy()[data.owner], expected, rtol=1e-8, atol=1e-10)


def test_isolated_nodes_do_not_act_on_the_others(weights) -> None:
    """They have left the published graph; here they keep a row, which must count for nothing."""
    x, matrix = np.random.default_rng(0).normal(size=(12, 4)), random_edges(0, 12, 0.4)
    matrix[[2, 7]] = matrix[:, [2, 7]] = False
    stay = matrix.any(axis=1)
    assert stay.sum() == 10
    layer = weights.shake(MultiKernelAttention(4, 3, 2), 0)
    output, _ = layer(torch.from_numpy(x), as_edges(matrix, connected=stay))
    dense, _ = oracle.encoder_layer(
        x[stay], oracle.with_self_loops(matrix[np.ix_(stay, stay)]), weights.encoder_layer(layer, 10)
    )
    np.testing.assert_allclose(output.detach().numpy()[stay], dense, rtol=1e-8, atol=1e-10)


def test_attention_by_hand() -> None:
    """h = (3, 4) has unit norm 5, so alpha = exp(-0.2 beta); the second node has a twin."""
    h = torch.tensor([[3.0], [4.0]], dtype=torch.float64)
    edges = as_edges(np.array([[False, True], [True, False]]), np.array([1.0, 1.0]))
    mean, alpha = attend(h, torch.tensor(2.0), edges)
    a = np.exp(-0.4)
    np.testing.assert_allclose(alpha, [a, a])
    np.testing.assert_allclose(mean[:, 0], [(3 + 4 * a) / (1 + a), (4 + 3 * a) / (1 + a)])
    twins = as_edges(np.array([[False, True], [True, False]]), np.array([1.0, 2.0]))
    a = np.exp(-1 / np.sqrt(9 + 2 * 16))
    mean, alpha = attend(h, torch.tensor(1.0), twins)
    np.testing.assert_allclose(mean[:, 0], [(3 + 2 * 4 * a) / (1 + 2 * a), (2 * 4 + 3 * a) / (2 + a)])


def test_bias_is_in_units_of_a_unit_column() -> None:
    affine = Affine(2, 1).double()
    with torch.no_grad():
        affine.linear.weight.zero_()
        affine.bias.fill_(6.0)
    x = torch.ones(3, 2, dtype=torch.float64)
    edges = as_edges(random_edges(0, 3, 1.0), np.array([1.0, 3.0, 5.0]))
    np.testing.assert_allclose(affine(x, edges).detach(), np.full((3, 1), 2.0))  # 6 / sqrt(9)


# Pooling


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("seed", SEEDS)
def test_pooling(seed: int, rate: float) -> None:
    matrix = random_edges(seed, 15)
    scores = np.random.default_rng(seed).random((15, 15))
    scores = scores + scores.T
    edges = as_edges(matrix)
    pooled = pool_edges(edges, torch.from_numpy(scores[edges.target, edges.source]), rate)
    expected = oracle.pool(oracle.with_self_loops(matrix), scores, rate)
    np.testing.assert_array_equal(as_matrix(pooled), oracle.without_self_loops(expected))
    assert consistent(pooled)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("seed", SEEDS)
def test_pooling_with_multiplicities_equals_the_dense_one_on_duplicates(seed: int, rate: float) -> None:
    data = Repeated(seed)
    scores = np.random.default_rng(seed).random(data.edges.shape) / 2
    scores = scores + scores.T
    np.fill_diagonal(scores, 1.0)  # twins
    edges = as_edges(data.edges, data.times)
    pooled = pool_edges(edges, torch.from_numpy(scores[edges.target, edges.source]), rate)
    expected = oracle.pool(oracle.with_self_loops(data.dense), scores[np.ix_(data.owner, data.owner)], rate)
    found = as_matrix(pooled) | np.eye(len(data.x), dtype=bool)
    np.testing.assert_array_equal(found[np.ix_(data.owner, data.owner)], expected)


@pytest.mark.parametrize(("rate", "kept"), [(0.0, 3), (0.4, 2), (0.95, 1)])
def test_pooling_by_hand(rate: float, kept: int) -> None:
    path = np.zeros((4, 4), dtype=bool)
    path[[0, 1, 2], [1, 2, 3]] = True
    edges = as_edges(path | path.T)
    score = {(0, 1): 0.1, (1, 2): 0.5, (2, 3): 0.9}
    pairs = zip(edges.source.tolist(), edges.target.tolist(), strict=True)
    values = torch.tensor([score[min(pair), max(pair)] for pair in pairs])
    assert len(pool_edges(edges, values, rate).source) == 2 * kept
    with_twins = as_edges(path | path.T, np.array([1, 1, 1, 2]))
    # 0.9 is no longer the largest score but (0.9 - 0.1) / (1 - 0.1) = 0.889
    assert len(pool_edges(with_twins, values, rate).source) == 2 * (kept if rate < 0.889 else 0)


def test_pooling_of_equal_scores_and_of_nothing() -> None:
    edges = as_edges(random_edges(1, 6, 0.5))
    assert len(pool_edges(edges, torch.full((len(edges.source),), 0.3), 0.999).source) == len(edges.source)
    nothing = as_edges(np.zeros((3, 3), dtype=bool))
    assert len(pool_edges(nothing, torch.zeros(0), 0.5).source) == 0


@pytest.mark.parametrize("seed", SEEDS)
def test_edges_stay_consistent_through_repeated_pooling(seed: int) -> None:
    edges = as_edges(random_edges(seed, 30))
    assert consistent(edges)
    rng = np.random.default_rng(seed)
    while len(edges.source):
        score = rng.random((30, 30))
        score = torch.from_numpy(score + score.T)[edges.target, edges.source]
        before = len(edges.source)
        edges = pool_edges(edges, score, 0.5)
        assert consistent(edges)
        assert len(edges.source) < before or before == 2  # one lone edge counts as 1
        if before == 2:
            break


# Gradients


def duplicated(seed: int, n: int = 9, width: int = 3) -> Tensor:
    """Random rows, three of them equal: edges of length zero."""
    h = np.random.default_rng(seed).normal(size=(n, width))
    h[[4, 7]] = h[1]
    return torch.from_numpy(h).requires_grad_()


def joined(n: int = 9) -> Edges:
    matrix = random_edges(0, n, 0.5)
    for a, b in pairwise((1, 4, 7)):
        matrix[a, b] = matrix[b, a] = True
    matrix[:, 8] = matrix[8] = False  # and one node without an edge
    return as_edges(matrix, np.random.default_rng(0).integers(1, 4, n))


@pytest.mark.parametrize("seed", SEEDS)
def test_gradient_of_edge_lengths(seed: int) -> None:
    edges, h = joined(), duplicated(seed)
    assert float(edge_length(h, edges).detach().min()) == 0.0
    assert torch.autograd.gradcheck(lambda rows: edge_length(rows, edges), (h,))


@pytest.mark.parametrize("seed", SEEDS)
def test_gradient_of_neighbour_sums(seed: int) -> None:
    edges, h = joined(), duplicated(seed)
    generator = torch.Generator().manual_seed(seed)
    value = torch.rand(len(edges.source), generator=generator, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda rows, values: neighbour_sum(rows, values, edges), (h, value))
    assert torch.autograd.gradcheck(lambda rows: neighbour_sum(rows, value.detach(), edges), (h,))
    assert torch.autograd.gradcheck(lambda values: neighbour_sum(h.detach(), values, edges), (value,))


def test_gradient_of_a_whole_layer(weights) -> None:
    layer = weights.shake(MultiKernelAttention(3, 2, 2), 3)
    edges, h = joined(), duplicated(0)
    assert torch.autograd.gradcheck(lambda rows: layer(rows, edges), (h,))
    for parameter in layer.parameters():
        assert torch.autograd.gradcheck(lambda _: layer(h.detach(), edges), (parameter,))


def test_gradient_where_a_column_vanishes() -> None:
    h = torch.tensor([[1.0, 0.0], [2.0, 0.0]], requires_grad=True)
    scaled = unit_columns(h, torch.ones(2))
    scaled.sum().backward()
    np.testing.assert_array_equal(scaled.detach()[:, 1], [0, 0])
    assert torch.isfinite(h.grad[:, 0]).all()
    assert not torch.isnan(h.grad).any()


@pytest.mark.parametrize("seed", SEEDS)
def test_lengths_and_sums_by_definition(seed: int) -> None:
    edges, h = joined(), duplicated(seed).detach()
    length = torch.linalg.vector_norm(h[edges.source] - h[edges.target], dim=1)
    np.testing.assert_allclose(edge_length(h, edges), length, rtol=1e-12)
    value = torch.rand(len(edges.source), dtype=torch.float64)
    expected = torch.zeros_like(h).index_add(0, edges.target, value[:, None] * h[edges.source])
    np.testing.assert_allclose(neighbour_sum(h, value, edges), expected, rtol=1e-12)


def test_blocks_of_other_devices_cover_every_edge_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meagraph.model.layers, "BLOCK_VALUES", 10)
    for n_edges in (0, 1, 7, 10, 11):
        blocks = meagraph.model.layers.edge_blocks(n_edges, 3)
        assert [i for block in blocks for i in range(n_edges)[block]] == list(range(n_edges))

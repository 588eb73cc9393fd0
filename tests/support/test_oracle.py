"""The dense reference against values worked out by hand, and against what must hold for any weights."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from tests.support.oracle import (
    DecoderLayerWeights,
    DecoderWeights,
    EncoderLayerWeights,
    Encoding,
    clusters,
    decode,
    encode,
    encoder_layer,
    mean_squared_error,
    pool,
    rescaled_similarity,
    similarity_graph,
    singletons,
    unit_columns,
    with_self_loops,
)


def graph(n: int, *pairs: tuple[int, int]) -> np.ndarray:
    edges = np.zeros((n, n), dtype=bool)
    for i, j in pairs:
        edges[i, j] = edges[j, i] = True
    return edges


def random_layers(rng: np.random.Generator, widths: list[int], kernels: int = 2) -> list[EncoderLayerWeights]:
    return [
        EncoderLayerWeights(
            kernels=rng.normal(size=(kernels, before, after)),
            beta=rng.uniform(0.5, 2.0, size=kernels),
            mixing=rng.normal(size=(after, after)),
            bias=rng.normal(size=after),
        )
        for before, after in pairwise(widths)
    ]


def test_columns_get_unit_norm_and_zeros_stay():
    np.testing.assert_allclose(
        unit_columns(np.array([[3.0, 0.0, 0.0], [4.0, 2.0, 0.0]])), [[0.6, 0.0, 0.0], [0.8, 1.0, 0.0]]
    )


def test_similarity_of_three_environments():
    # 0, 3, 4 become 0, 0.6, 0.8: distances 0.6, 0.8 and 0.2
    similarity = rescaled_similarity(np.array([[0.0], [3.0], [4.0]]))
    np.testing.assert_allclose(
        similarity,
        [[np.nan, 0.26932728, 2.70700619e-05], [0.26932728, np.nan, 1.0], [2.70700619e-05, 1.0, np.nan]],
        rtol=1e-8,
    )


def test_isolated_environments_leave_and_the_rest_is_scaled_anew():
    result = similarity_graph(np.array([[1.0], [2.0], [2.0]]))
    np.testing.assert_array_equal(result.nodes, [1, 2])
    np.testing.assert_allclose(result.x, [[np.sqrt(0.5)], [np.sqrt(0.5)]])
    np.testing.assert_array_equal(result.edges, graph(2, (0, 1)))


def test_a_lower_threshold_joins_more():
    result = similarity_graph(np.array([[0.0], [3.0], [4.0]]), lower=0.26)
    np.testing.assert_array_equal(result.nodes, [0, 1, 2])
    np.testing.assert_array_equal(result.edges, graph(3, (0, 1), (1, 2)))


def test_an_upper_threshold_drops_the_most_alike():
    result = similarity_graph(np.array([[0.0], [3.0], [4.0]]), lower=0.26, upper=0.99)
    np.testing.assert_array_equal(result.edges, graph(2, (0, 1)))


@pytest.mark.parametrize("n", [1, 2])
def test_the_smallest_datasets(n):
    result = similarity_graph(np.arange(1.0, n + 1)[:, None])
    assert len(result.nodes) == (0 if n == 1 else 2)


def test_layer_of_two_kernels_on_a_path_of_three():
    # kernel 1: h = (1.2, 1.6, 0), attention e^-0.2, e^-0.8; kernel 2: h = (-0.6, -0.8, 0), e^-0.4, e^-1.6
    weights = EncoderLayerWeights(
        kernels=np.array([[[2.0]], [[-1.0]]]),
        beta=np.array([1.0, 2.0]),
        mixing=np.array([[0.5]]),
        bias=np.array([-0.2]),
    )
    edges = with_self_loops(graph(3, (0, 1), (1, 2)))
    values, scores = encoder_layer(np.array([[0.6], [0.8], [0.0]]), edges, weights)
    np.testing.assert_allclose(values, [[0.67643254], [0.73650367], [-0.00116857]], rtol=1e-5)
    np.testing.assert_allclose(
        scores,
        [[1.0, 0.7445254, np.nan], [0.7445254, 1.0, 0.32561274], [np.nan, 0.32561274, 1.0]],
        rtol=1e-6,
    )


@pytest.mark.parametrize(
    ("rate", "kept"),
    [
        (0.0, [(0, 1), (1, 2), (2, 3)]),  # the weakest edge has 1e-5 / (0.8 + 1e-5), not 0
        (0.4, [(1, 2), (2, 3)]),
        (0.95, [(2, 3)]),  # 0.9 counts as 1: the self-loops' score is not among the extrema
        (1.0, []),
    ],
)
def test_pooling_keeps_what_is_above_the_rate(rate, kept):
    edges = with_self_loops(graph(4, (0, 1), (1, 2), (2, 3)))
    scores = np.where(edges, 1.0, np.nan)
    for i, score in enumerate((0.1, 0.5, 0.9)):
        scores[i, i + 1] = scores[i + 1, i] = score
    np.testing.assert_array_equal(pool(edges, scores, rate), with_self_loops(graph(4, *kept)))


@pytest.mark.parametrize(("rate", "all_stay"), [(0.0, True), (0.999, True), (1.0, False)])
def test_pooling_of_equal_scores(rate, all_stay):
    edges = with_self_loops(graph(3, (0, 1), (1, 2)))
    expected = edges if all_stay else np.eye(3, dtype=bool)
    np.testing.assert_array_equal(pool(edges, np.where(np.eye(3), 1.0, 0.3), rate), expected)


def test_pooling_nothing_leaves_the_self_loops():
    np.testing.assert_array_equal(pool(np.eye(2, dtype=bool), np.eye(2), 0.5), np.eye(2, dtype=bool))


def test_decoder_of_one_layer():
    # h = (1.2, 1.6, 0) as above; V = -3; then times 2 plus 1
    weights = DecoderWeights(
        layers=(DecoderLayerWeights(kernel=np.array([[2.0]]), beta=1.0, mixing=np.array([[-3.0]])),),
        output=np.array([[2.0]]),
        bias=np.array([1.0]),
    )
    edges = with_self_loops(graph(3, (0, 1), (1, 2)))
    output = decode(np.array([[0.6], [0.8], [0.0]]), [edges], weights)
    hidden = np.array([[-2.94019920], [-1.81588480], [-1.48812249]])
    np.testing.assert_allclose(output, 2 * hidden + 1, rtol=1e-8)


def test_decoder_reads_the_stored_edges_in_reverse():
    """Without edges a layer doubles its input; the second layer alone sees the pair, and takes its mean."""
    layer = DecoderLayerWeights(kernel=np.eye(1), beta=0.0, mixing=np.eye(1))
    weights = DecoderWeights(layers=(layer, layer), output=np.eye(1), bias=np.zeros(1))
    pair, alone = np.ones((2, 2), dtype=bool), np.eye(2, dtype=bool)
    z = np.array([[1.0], [-1.0]])
    # (1, -1) doubled is (2, -2); LeakyReLU gives (2, -0.02); plus their mean 0.99
    np.testing.assert_allclose(decode(z, [pair, alone], weights), [[2.99], [0.97]])
    # the other way: the mean of (1, -1) is 0, so (1, -1); LeakyReLU gives (1, -0.01); doubled
    np.testing.assert_allclose(decode(z, [alone, pair], weights), [[2.0], [-0.02]])


def test_loss_is_the_mean_over_entries():
    assert mean_squared_error(np.array([[1.0, 2.0]]), np.array([[0.0, 4.0]])) == 2.5


def test_clusters_and_singletons():
    labels = clusters(np.array([1, 2, 4, 5]), with_self_loops(graph(4, (0, 2), (1, 2))), 7)
    np.testing.assert_array_equal(labels, [0, 1, 1, 2, 1, 3, 4])
    np.testing.assert_array_equal(singletons(labels), [True, False, False, True, False, True, True])


@pytest.fixture(scope="module")
def encoded() -> tuple[np.ndarray, np.ndarray, list[EncoderLayerWeights], Encoding]:
    rng = np.random.default_rng(7)
    x = rng.normal(size=(24, 5))
    x[13] = x[2]  # an exact twin
    built = similarity_graph(x, lower=0.3)
    assert built.edges.any()
    assert not built.edges.all()
    layers = random_layers(rng, [5, 8, 4])
    return built.x, built.edges, layers, encode(built.x, built.edges, layers, [0.3, 0.5])


def test_each_layer_reads_what_the_pooling_before_left(encoded):
    _, edges, _, result = encoded
    np.testing.assert_array_equal(result.entering[0], with_self_loops(edges))
    np.testing.assert_array_equal(result.entering[1], pool(result.entering[0], result.scores[0], 0.3))
    np.testing.assert_array_equal(result.latent_edges, pool(result.entering[1], result.scores[1], 0.5))
    assert result.entering[0].sum() > result.entering[1].sum() > result.latent_edges.sum() > len(edges)


def test_scores_are_symmetric_attentions_of_existing_edges(encoded):
    *_, result = encoded
    for edges, scores in zip(result.entering, result.scores, strict=True):
        np.testing.assert_array_equal(np.isnan(scores), ~edges)
        np.testing.assert_allclose(scores, scores.T)
        np.testing.assert_array_equal(np.diag(scores), 1.0)
        assert np.nanmin(scores) > 0


def test_the_order_of_environments_does_not_matter(encoded):
    x, edges, layers, result = encoded
    order = np.random.default_rng(1).permutation(len(x))
    shuffled = encode(x[order], edges[np.ix_(order, order)], layers, [0.3, 0.5])
    np.testing.assert_allclose(shuffled.values, result.values[order], rtol=1e-10)
    np.testing.assert_array_equal(shuffled.latent_edges, result.latent_edges[np.ix_(order, order)])


def test_twins_share_embedding_and_cluster():
    rng = np.random.default_rng(3)
    x = rng.normal(size=(20, 4))
    x[[5, 11]] = x[0]
    built = similarity_graph(x, lower=0.3)
    result = encode(built.x, built.edges, random_layers(rng, [4, 6, 3]), [0.9, 0.9])
    at = np.searchsorted(built.nodes, [0, 5, 11])
    np.testing.assert_allclose(result.values[at], result.values[at[[0, 0, 0]]], rtol=1e-12)
    labels = clusters(built.nodes, result.latent_edges, len(x))
    assert len(set(labels[[0, 5, 11]])) == 1

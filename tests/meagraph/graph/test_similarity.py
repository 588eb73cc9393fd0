"""The sparse similarity graph against the dense oracle, its cap, and its independence of block sizes."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist

import meagraph.graph.similarity
from meagraph.errors import Cancelled, MEAGraphError
from meagraph.graph.condensation import Condensed, condense, unit_columns
from meagraph.graph.similarity import LOWER, UPPER, GraphConfig, SimilarityGraph, similarity_graph
from tests.support import oracle


def random_descriptors(seed: int, d: int, *, duplicates: bool, n: int = 40) -> np.ndarray:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d)) + rng.choice([0.0, 3.0], size=(n, 1))
    if duplicates:
        rows = rng.permutation(n)
        x[rows[:6]] = x[rows[6]]  # seven alike
        x[rows[7:9]] = x[rows[9:11]]  # and two pairs
    return x


def build(x: np.ndarray, config: GraphConfig) -> tuple[Condensed, SimilarityGraph]:
    points = unit_columns(x)
    condensed = condense(points, epsilon=0.0)
    return condensed, similarity_graph(points, condensed, config)


def matrix(graph: SimilarityGraph) -> np.ndarray:
    """The edges as (M, M) bool."""
    edges = np.zeros((len(graph.x), len(graph.x)), dtype=bool)
    edges[tuple(graph.edge_index)] = True
    return edges


def expanded(condensed: Condensed, graph: SimilarityGraph, config: GraphConfig) -> np.ndarray:
    """The edges (N, N) between environments that those between representatives stand for."""
    edges = matrix(graph)
    np.fill_diagonal(edges, config.lower < 1.0 < config.upper)  # between twins
    edges = edges[np.ix_(condensed.assignment, condensed.assignment)]
    np.fill_diagonal(edges, False)
    return edges


@pytest.mark.parametrize("duplicates", [False, True])
@pytest.mark.parametrize(
    ("lower", "upper"), [(LOWER, UPPER), (0.7, UPPER), (0.3, UPPER), (0.0, UPPER), (0.3, 0.9), (0.99, 2.0)]
)
@pytest.mark.parametrize(("seed", "d"), [(0, 1), (1, 2), (2, 5), (3, 24)])
def test_agrees_with_the_oracle(seed: int, d: int, lower: float, upper: float, duplicates: bool) -> None:
    x = random_descriptors(seed, d, duplicates=duplicates)
    config = GraphConfig(lower, upper, neighbours=None)
    condensed, graph = build(x, config)
    dense = oracle.similarity_graph(x, lower, upper)
    edges = expanded(condensed, graph, config)
    np.testing.assert_array_equal(np.flatnonzero(graph.connected[condensed.assignment]), dense.nodes)
    np.testing.assert_array_equal(np.flatnonzero(edges.any(axis=1)), dense.nodes)
    np.testing.assert_array_equal(edges[np.ix_(dense.nodes, dense.nodes)], dense.edges)
    np.testing.assert_allclose(graph.x[condensed.assignment][dense.nodes], dense.x, rtol=1e-12)
    assert graph.capped == 0


def test_isolated_environments_are_found() -> None:
    """The comparison above would mean less if nothing were ever isolated."""
    dense = oracle.similarity_graph(random_descriptors(2, 5, duplicates=True), 0.9)
    assert 5 < len(dense.nodes) < 40


def test_edges_are_stored_in_order_both_ways_with_their_length() -> None:
    x = random_descriptors(5, 3, duplicates=True)
    condensed, graph = build(x, GraphConfig(lower=0.5))
    source, target = graph.edge_index
    code = target * len(graph.x) + source
    assert (np.diff(code) > 0).all()
    assert (source != target).all()
    np.testing.assert_array_equal(np.sort(source * len(graph.x) + target), code)
    rows = unit_columns(x)[condensed.representatives]
    np.testing.assert_allclose(graph.distance, np.linalg.norm(rows[source] - rows[target], axis=1), rtol=1e-14)
    assert graph.distance.max() < graph.reach
    assert graph.n_edges == len(source) // 2 > 10


@pytest.mark.parametrize("neighbours", [1, 3, 8, 38, 39, 40, 1000])
@pytest.mark.parametrize("seed", range(3))
def test_the_cap_keeps_the_nearest_of_each_and_its_mirror(seed: int, neighbours: int) -> None:
    x = random_descriptors(seed, 4, duplicates=False)
    _, graph = build(x, GraphConfig(lower=0.4, neighbours=neighbours))
    rows = unit_columns(x)
    distance = cdist(rows, rows)
    np.fill_diagonal(distance, np.inf)
    within = distance < graph.reach
    place = np.argsort(np.argsort(distance, axis=1), axis=1)  # 0 for the nearest
    nearest = within & (place < neighbours)
    np.testing.assert_array_equal(matrix(graph), nearest | nearest.T)
    assert graph.capped == int((within.sum(axis=1) > neighbours).sum())


def test_the_cap_counts_only_what_the_upper_threshold_leaves() -> None:
    """Pairs too alike to be edges take no place among the nearest."""
    x = np.array([[0.0], [0.01], [0.02], [1.0], [2.0], [4.0]])
    config = GraphConfig(lower=0.2, upper=0.98, neighbours=3)
    _, graph = build(x, config)
    _, uncapped = build(x, GraphConfig(lower=0.2, upper=0.98, neighbours=None))
    edges = matrix(graph)
    assert not edges[:3, :3].any()
    np.testing.assert_array_equal(edges, matrix(uncapped))


@pytest.mark.parametrize("values", [1, 50, 97, 1000])
@pytest.mark.parametrize("neighbours", [None, 3])
def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch, neighbours: int | None, values: int) -> None:
    x = random_descriptors(4, 3, duplicates=True)
    config = GraphConfig(lower=0.4, neighbours=neighbours)
    _, whole = build(x, config)
    monkeypatch.setattr(meagraph.graph.similarity, "TREE_WIDTH", 0)
    monkeypatch.setattr(meagraph.graph.similarity, "BLOCK_VALUES", values)
    seen: list[int] = []
    points = unit_columns(x)
    blocked = similarity_graph(
        points, condense(points, epsilon=0.0), config, progress=lambda done, total, message: seen.append(done)
    )
    assert len(seen) == -(-len(whole.x) // max(1, values // len(whole.x)))
    for field in ("edge_index", "distance", "x", "connected"):
        np.testing.assert_array_equal(getattr(blocked, field), getattr(whole, field))
    assert blocked.capped == whole.capped


def test_a_common_offset_costs_no_digits() -> None:
    """Environments of a crystal differ little from their mean."""
    x = 1.0 + 1e-7 * random_descriptors(0, 6, duplicates=False)
    config = GraphConfig(0.0, neighbours=None)
    _, graph = build(x, config)
    dense = oracle.similarity_graph(x, 0.0)
    np.testing.assert_array_equal(matrix(graph), dense.edges)


def test_three_environments_by_hand() -> None:
    # 0, 3, 4 become 0, 0.6, 0.8: distances 0.6, 0.8 and 0.2; similarity 0.269 between the first two
    _, graph = build(np.array([[0.0], [3.0], [4.0]]), GraphConfig(lower=0.26))
    np.testing.assert_array_equal(graph.edge_index, [[1, 0, 2, 1], [0, 1, 1, 2]])
    np.testing.assert_allclose(graph.distance, [0.6, 0.6, 0.2, 0.2])
    np.testing.assert_array_equal(graph.connected, [True, True, True])


def test_twins_are_neighbours_without_an_edge() -> None:
    condensed, graph = build(np.array([[1.0], [2.0], [2.0]]), GraphConfig())
    np.testing.assert_array_equal(condensed.multiplicity, [1, 2])
    np.testing.assert_array_equal(graph.connected, [False, True])
    assert graph.n_edges == 0
    np.testing.assert_allclose(graph.x[1], np.sqrt(0.5))


@pytest.mark.parametrize("copies", [1, 3])
def test_a_single_representative(copies: int) -> None:
    condensed, graph = build(np.ones((copies, 2)), GraphConfig())
    assert condensed.size == 1
    assert graph.n_edges == 0
    assert graph.connected.tolist() == [copies > 1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lower": 0.9, "upper": 0.9}, "0 <= lower < upper, got lower=0.9, upper=0.9"),
        ({"lower": -0.1}, "got lower=-0.1"),
        ({"lower": float("nan")}, "got lower=nan"),
        ({"neighbours": 0}, "neighbours must be at least 1 or None, got 0"),
        ({"neighbours": float("nan")}, "neighbours must be a whole number or None, got nan"),
    ],
)
def test_bad_settings(options: dict, message: str) -> None:
    with pytest.raises(MEAGraphError, match=message):
        GraphConfig(**options)


def test_progress_can_cancel() -> None:
    def cancel(done: int, total: int, message: str) -> None:
        raise Cancelled

    points = unit_columns(random_descriptors(0, 3, duplicates=False))
    with pytest.raises(Cancelled):
        similarity_graph(points, condense(points), progress=cancel)


@pytest.mark.parametrize("cap", [1, 4, 38, 39, 40, 60])
@pytest.mark.parametrize("lower", [0.3, 0.9, 0.99])
@pytest.mark.parametrize("seed", range(3))
def test_the_tree_finds_what_the_blocks_find(
    seed: int, lower: float, cap: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    points = unit_columns(random_descriptors(seed, 6, duplicates=True))
    net = condense(points, epsilon=0.0)
    config = GraphConfig(lower, neighbours=cap)
    monkeypatch.setattr(meagraph.graph.similarity, "QUERY", 7)
    tree = similarity_graph(points, net, config)
    monkeypatch.setattr(meagraph.graph.similarity, "TREE_WIDTH", 0)
    blocks = similarity_graph(points, net, config)
    np.testing.assert_array_equal(tree.edge_index, blocks.edge_index)
    np.testing.assert_array_equal(tree.connected, blocks.connected)
    assert tree.capped == blocks.capped
    assert lower > 0.3 or (tree.capped > 0) == (cap < 30)  # the cap does cut something

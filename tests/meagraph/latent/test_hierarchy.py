"""The hierarchy of clusters: hand-made graphs, nested levels, numbers that stay, copies that change nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix
from sklearn.metrics import adjusted_rand_score

from meagraph.errors import MEAGraphError
from meagraph.graph.condensation import condense
from meagraph.latent.clustering import NOISE, ClusteringConfig, Clusters, cluster
from meagraph.latent.hierarchy import Hierarchy, agglomerate
from meagraph.latent.neighbours import nearest_neighbours
from meagraph.model.results import Embedding

EACH = np.ones(4, dtype=np.int64)


def symmetric(size: int, *edges: tuple[int, int, float]) -> csr_matrix:
    graph = np.zeros((size, size))
    for one, other, weight in edges:
        graph[one, other] = graph[other, one] = weight
    return csr_matrix(graph)


def test_a_chain_of_two_pairs_by_hand() -> None:
    """Degrees are 4, 5, 5, 4, in all 18: the pairs are joined by 4 * 18 / 20, and then by 1 * 18 / 81.

    Of environments there are 1, 1, 1, 3: the second pair keeps the number of both, and 3 that of its pair.
    """
    chain = symmetric(4, (0, 1, 4.0), (2, 3, 4.0), (1, 2, 1.0))
    found = agglomerate(chain, np.arange(4), np.zeros((4, 1)), np.array([1, 1, 1, 3]), apart=0.3, power=1.0)
    assert found.strength.tolist() == pytest.approx([0.0, 18 / 81, 3.6, 3.6])
    assert found.parent.tolist() == [0, 0, 0, 1]
    assert [found.labels(count).tolist() for count in (1, 2, 3, 4)] == [
        [0, 0, 0, 0],
        [1, 1, 0, 0],
        [1, 1, 2, 0],
        [1, 3, 2, 0],
    ]
    assert found.default == 2
    cosine = agglomerate(chain, np.arange(4), np.zeros((4, 1)), np.array([1, 1, 1, 3]), power=0.5)
    assert cosine.strength.tolist() == pytest.approx([0.0, 1 / 9, 4 / 20**0.5, 4 / 20**0.5])
    assert [found.count_at(level) for level in (0.0, 0.5, 1.0)] == [1, 2, 4]


def test_edges_inside_a_community_hold_it_apart() -> None:
    """Rows 0, 1 and 2, 3 are communities; with edges of 9 inside, degrees are 19, 19 and 2, in all 40."""
    graph = symmetric(5, (0, 1, 9.0), (2, 3, 9.0), (1, 4, 1.0), (3, 4, 1.0))
    found = agglomerate(graph, np.array([7, 7, 5, 5, 6]), np.zeros((5, 1)), np.ones(5, dtype=np.int64), power=1.0)
    assert found.strength.tolist() == pytest.approx([0.0, 40 / (21 * 19), 40 / (19 * 2)])
    assert found.labels(3).tolist() == [1, 1, 0, 0, 2] or found.labels(3).tolist() == [0, 0, 1, 1, 2]


def test_what_no_edge_joins_is_joined_last_and_by_distance() -> None:
    """Three pairs in a line at 0, 1 and 5; two rows without any neighbour are in no cluster."""
    graph = symmetric(8, (0, 1, 1.0), (2, 3, 1.0), (4, 5, 1.0))
    values = np.array([0.0, 0.0, 1.0, 1.0, 5.0, 5.0, 9.0, 9.0])[:, None]
    found = agglomerate(graph, np.array([0, 1, 2, 3, 4, 5, -1, -1]), values, np.ones(8, dtype=np.int64))
    assert found.labels(2).tolist() == [0, 0, 0, 0, 1, 1, NOISE, NOISE]
    assert found.strength[:3].tolist() == [0, 0, 0]
    assert found.default == 3
    assert sorted(found.labels(3)) == [NOISE, NOISE, 0, 0, 1, 1, 2, 2]


def test_a_level_that_there_is_not() -> None:
    found = agglomerate(symmetric(4, (0, 1, 1.0)), np.arange(4), np.zeros((4, 1)), EACH)
    for count in (0, 5):
        with pytest.raises(MEAGraphError, match=f"1 to 4 clusters.*got {count}"):
            found.labels(count)
    nobody = agglomerate(csr_matrix((3, 3)), np.full(3, -1), np.zeros((3, 1)), np.ones(3, dtype=np.int64))
    assert (nobody.finest, nobody.default, nobody.labels(0).tolist()) == (0, 0, [NOISE] * 3)
    with pytest.raises(MEAGraphError, match="agglomerate"):
        Hierarchy(np.zeros(2, dtype=np.int64), np.array([0, 1]), np.zeros(2), 1)


def test_stops_from_coarse_to_fine() -> None:
    """One by one up to 3, from there on half as many again, and the default."""
    line = Hierarchy(np.arange(20), np.maximum(np.arange(20) - 1, 0), np.zeros(20), 8)
    assert line.stops(every=3, step=1.5) == [1, 2, 3, 4, 6, 8, 9, 14, 20]
    assert line.stops() == [*range(1, 21)]
    assert Hierarchy(np.zeros(3, dtype=np.int64), np.zeros(1, dtype=np.int64), np.zeros(1), 1).stops() == [1]


@st.composite
def graphs(draw: st.DrawFn) -> tuple[csr_matrix, np.ndarray, np.ndarray, np.ndarray]:
    """A random graph, communities, places and environments of its rows."""
    size, count = draw(st.integers(1, 30)), draw(st.integers(1, 12))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    weights = np.triu(rng.integers(1, 4, (size, size)) * (rng.random((size, size)) < draw(st.floats(0, 0.5))), 1)
    fine = rng.integers(-1, count, size)
    return csr_matrix((weights + weights.T).astype(float)), fine, rng.normal(size=(size, 2)), rng.integers(1, 9, size)


@settings(deadline=None, max_examples=150)
@given(graphs())
def test_one_cluster_splits_from_level_to_level_and_the_larger_part_keeps_the_number(
    made: tuple[csr_matrix, np.ndarray, np.ndarray, np.ndarray],
) -> None:
    graph, fine, values, environments = made
    found = agglomerate(graph, fine, values, environments)
    assert np.array_equal(found.fine == NOISE, fine == NOISE)
    assert (np.diff(found.strength) >= 0).all()
    for count in range(1, found.finest + 1):
        coarse = found.labels(count)
        assert sorted({*coarse.tolist()} - {NOISE}) == [*range(count)]
        if count < found.finest:
            finer = found.labels(count + 1)
            moved = coarse != finer
            assert (finer[moved] == count).all()
            assert set(coarse[moved]) == {found.parent[count]}
            stayed = finer == found.parent[count]
            assert environments[stayed].sum() >= environments[moved].sum() > 0


@settings(deadline=None, max_examples=50)
@given(graphs(), st.integers(2, 20))
def test_copies_change_nothing(made: tuple[csr_matrix, np.ndarray, np.ndarray, np.ndarray], copies: int) -> None:
    graph, fine, values, environments = made
    once, often = (agglomerate(graph, fine, values, times * environments) for times in (1, copies))
    assert once.default == often.default
    for name in ("fine", "parent", "strength"):
        np.testing.assert_array_equal(getattr(once, name), getattr(often, name))


def places(seed: int = 0, *, each: int = 80) -> tuple[np.ndarray, np.ndarray]:
    """Three far groups of directions of two near blobs each, and the blob (M,) of every row."""
    rng = np.random.default_rng(seed)
    blob = np.repeat(np.arange(6), each)
    centres = 4.0 * np.eye(8)[np.arange(6) // 2]
    centres[1::2, 6] += 1.0
    return centres[blob] + rng.normal(scale=0.15, size=(len(blob), 8)), blob


def clusters_of(values: np.ndarray, **options: object) -> Clusters:
    net = condense(values, epsilon=0.0)
    rows = values[net.representatives].astype(np.float32)
    nothing = np.zeros((2, 0), dtype=np.int64)
    embedding = Embedding(rows, nothing, np.zeros(0, np.float32), 0.5, np.zeros(len(rows), dtype=bool))
    return cluster(embedding, nearest_neighbours(rows, 45), net, ClusteringConfig(**options))


@pytest.mark.parametrize("seed", range(3))
def test_blobs_are_found_from_coarse_to_fine(seed: int) -> None:
    values, blob = places(seed)
    for count, truth in ((3, blob // 2), (6, blob)):
        found = clusters_of(values, clusters=count)
        assert found.n_clusters == count
        assert adjusted_rand_score(truth, found.labels) >= 0.98
        np.testing.assert_array_equal(found.sizes, np.bincount(found.labels))
    assert (clusters_of(values).labels >= 0).all()  # also of those that the similarity graph leaves alone


def test_the_level_by_default_does_not_hang_on_copies_nor_on_perturbed_ones() -> None:
    values, blob = places()
    usual = clusters_of(values)
    assert usual.n_clusters == 6
    assert adjusted_rand_score(blob, usual.labels) >= 0.98
    np.testing.assert_array_equal(clusters_of(np.tile(values, (10, 1))).labels, np.tile(usual.labels, 10))
    rng = np.random.default_rng(1)
    for scale in (0.005, 0.02, 0.1):
        near = np.tile(values, (10, 1)) + rng.normal(scale=scale, size=(10 * len(values), 8))
        again = clusters_of(near)
        assert again.n_clusters == 6
        assert adjusted_rand_score(np.tile(usual.labels, 10), again.labels) >= 0.95


def test_the_same_input_gives_the_same_hierarchy() -> None:
    values, _ = places()
    one, two = clusters_of(values).hierarchy, clusters_of(values).hierarchy
    assert one is not None
    assert two is not None
    for name in ("fine", "parent", "strength", "default"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))


@pytest.mark.parametrize("n", [1, 2, 3, 6])
def test_very_few_environments(n: int) -> None:
    found = clusters_of(np.eye(6)[:n] + 0.1)
    assert len(found.labels) == n
    assert (found.labels >= 0).all()


def test_levels_of_other_methods_and_out_of_range() -> None:
    with pytest.raises(MEAGraphError, match="method is 'leiden'"):
        ClusteringConfig(method="leiden", clusters=3)
    with pytest.raises(MEAGraphError, match="Both"):
        ClusteringConfig(clusters=3, level=0.5)
    for wrong in ({"clusters": 0}, {"level": -0.1}, {"level": 1.1}, {"level": float("nan")}):
        with pytest.raises(MEAGraphError, match="must"):
            ClusteringConfig(**wrong)
    with pytest.raises(MEAGraphError, match="got 5000"):
        clusters_of(places()[0], clusters=5000)

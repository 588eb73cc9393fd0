"""Figures of agreement against values worked out by hand, and against what must hold."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import gammaln

from tests.support.scores import agreement, by_kind, communities, faithfulness, neighbour_agreement, own_clusters


def expected_information(rows: np.ndarray, columns: np.ndarray) -> float:
    """Of two partitions of these sizes, drawn at random (Vinh, Epps, Bailey, J. Mach. Learn. Res. 11, 2837, 2010)."""
    n = int(rows.sum())
    total = 0.0
    for a in rows:
        for b in columns:
            for k in range(max(1, a + b - n), min(a, b) + 1):
                log_p = sum(map(gammaln, (a + 1, b + 1, n - a + 1, n - b + 1))) - sum(
                    map(gammaln, (n + 1, k + 1, a - k + 1, b - k + 1, n - a - b + k + 1))
                )
                total += k / n * np.log(n * k / (a * b)) * np.exp(log_p)
    return total


def test_agreement_by_hand() -> None:
    """Two kinds of four, one of them split, two of the other in no cluster."""
    truth = np.array(["a"] * 4 + ["b"] * 4 + [""] * 3)
    labels = np.array([0, 0, 1, 1, 2, 2, -1, -1, 0, 1, 5])
    found = agreement(truth, labels)
    information = np.log(2)  # each cluster holds one kind, so all of the kinds' entropy
    entropies = (np.log(2), np.log(4))
    expected = expected_information(np.array([4, 4]), np.array([2, 2, 2, 2]))
    assert found.ami == pytest.approx((information - expected) / (np.mean(entropies) - expected))
    assert found.homogeneity == pytest.approx(1.0)
    assert found.completeness == pytest.approx(0.5)  # 1 - H(cluster | kind) / H(cluster) = 1 - ln 2 / ln 4
    assert found.clusters == 3
    assert found.noise == pytest.approx(2 / 8)
    assert found.figures()["clusters"] == 3


def test_equal_partitions_agree_fully_whatever_their_names() -> None:
    assert agreement(np.array(["x", "x", "y", "z"]), np.array([7, 7, 0, 3])).ami == pytest.approx(1.0)


@pytest.mark.parametrize(("truth", "labels"), [(["a", "b"], [0]), (["", ""], [0, 1])])
def test_nothing_to_compare_is_refused(truth: list[str], labels: list[int]) -> None:
    with pytest.raises(ValueError, match=r"known|as many"):
        agreement(np.array(truth), np.array(labels))


def test_a_cluster_of_its_own_is_one_where_it_is_the_majority() -> None:
    truth = np.array(["a"] * 5 + ["b"] * 4 + ["c"] * 2 + [""] * 2)
    labels = np.array([0, 0, 0, 1, -1, 0, 1, 1, 1, 2, 2, 2, 2])
    #  cluster 0: 3 a, 1 b; cluster 1: 1 a, 3 b; cluster 2: 2 c and 2 unknown, no majority
    assert own_clusters(truth, labels) == {"a": pytest.approx(3 / 5), "b": pytest.approx(3 / 4), "c": 0.0}


def test_of_each_kind_its_clusters() -> None:
    """Of 40, 30 are in one cluster, 2 in another, 1 in a third, 7 in none: the third holds less than 5 % of them."""
    truth = np.array(["a"] * 40 + ["b"] * 2)
    labels = np.array([0] * 30 + [1] * 2 + [2] + [-1] * 7 + [-1] * 2)
    found = by_kind(truth, labels)
    assert found["a"] == {"count": 40, "clusters": 2, "largest": 0.75, "alone": pytest.approx(7 / 40)}
    assert found["b"] == {"count": 2, "clusters": 0, "largest": 0.0, "alone": 1.0}


def test_neighbours_on_a_line() -> None:
    """Kinds a a a b b at 0 1 2 10 11: each a has two a near, each b one b and one a."""
    truth = np.array(["a", "a", "a", "b", "b", ""])
    places = np.array([[0.0], [1.0], [2.0], [10.0], [11.0], [1.5]])
    assert neighbour_agreement(truth, places, neighbours=2) == pytest.approx((1.0 + 0.5) / 2)


def test_a_faithful_map_and_two_unfaithful_ones() -> None:
    rng = np.random.default_rng(0)
    rows = np.zeros((300, 4))
    rows[:, :2] = rng.normal(size=(300, 2))
    assert faithfulness(rows, rows[:, :2]) == pytest.approx((1.0, 1.0))
    folded = np.column_stack([np.abs(rows[:, 0]), rows[:, 1]])  # joins what is apart, parts nothing
    trust, continuity = faithfulness(rows, folded)
    assert trust < continuity
    torn = rows[:, :2] + np.where(rows[:, :1] > 0, 50.0, 0.0) * [0.0, 1.0]  # parts what is together, joins nothing
    trust, continuity = faithfulness(rows, torn)
    assert continuity < trust


def test_communities_are_the_heaps() -> None:
    rng = np.random.default_rng(1)
    heaps = np.repeat([[0.0, 0.0, 0.0], [9.0, 0.0, 0.0], [0.0, 9.0, 0.0]], 60, axis=0)
    rows = heaps + 0.1 * rng.normal(size=heaps.shape)
    truth = np.repeat(["a", "b", "c"], 60)
    assert agreement(truth, communities(rows, neighbours=15)[0]).ami == pytest.approx(1.0)

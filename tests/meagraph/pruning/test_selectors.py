"""Selectors: each against its own definition, and what must hold for all of them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.cluster.hierarchy import cut_tree, linkage

from meagraph.errors import MEAGraphError
from meagraph.graph.condensation import Condensed, condense, unit_columns
from meagraph.latent.clustering import Clusters
from meagraph.pruning.entropy import NEIGHBOUR, bandwidth, diversity, entropy, gaussian_kernel
from meagraph.pruning.loops import sparsest_first
from meagraph.pruning.plan import prune, rank_environments
from meagraph.pruning.selectors import SELECTORS, Candidates, split_order, weighed_components
from meagraph.pruning.settings import PruningConfig
from tests.support.pruning import allocate, naive_farthest_point_order, random_case

ONE_ORDER = [name for name in SELECTORS if name not in ("meagraph", "kmeans")]
SEEDED = ("meagraph", "random", "stratified", "cur", "kmeans")


def one_cluster(count: int) -> Clusters:
    return Clusters(np.zeros(count, dtype=np.int64), np.array([count]), "by hand")


def candidates(points: np.ndarray, groups: list[str] | None = None) -> tuple[Candidates, Condensed]:
    condensed = condense(points, epsilon=0.0)
    named = np.array(groups or ["a"] * len(points))
    return Candidates(points, condensed, one_cluster(len(points)), named), condensed


def order_of(name: str, points: np.ndarray, seed: int = 0, groups: list[str] | None = None) -> list[int]:
    found = SELECTORS[name](candidates(points, groups)[0], seed, lambda *_: None)
    assert not found.bins.any()
    return np.argsort(found.rank).tolist()


# All of them


@pytest.mark.parametrize("name", list(SELECTORS))
def test_budget_protected_and_rejected(name: str) -> None:
    dataset, clusters, points = random_case(0)
    groups = dataset.groups[dataset.structure_of]
    condensed = condense(points, epsilon=0.0)
    ranking = rank_environments(clusters, points, condensed, selector=name, groups=groups)
    for label, size in enumerate(ranking.sizes):
        assert sorted(ranking.rank[ranking.bin == label]) == list(range(size))
    rejected = np.zeros(dataset.n_environments, dtype=bool)
    rejected[dataset.offsets[[8, 9]] + 1] = True
    for keep in (0.05, 0.3, 0.8):
        plan = prune(ranking, clusters, dataset, PruningConfig(keep=keep, selector=name), rejected=rejected)
        assert plan.n_environments == round(keep * dataset.n_environments)
        assert plan.keep[(dataset.groups == "IsolatedAtom")[dataset.structure_of]].all()
        assert not plan.keep[dataset.offsets[8] : dataset.offsets[10]].any()
    other = PruningConfig(selector="random" if name != "random" else "fps")
    with pytest.raises(MEAGraphError, match=rf"selector='{name}'.*Rank the environments anew"):
        prune(ranking, clusters, dataset, other)


@pytest.mark.parametrize("name", list(SELECTORS))
def test_the_seed_decides_where_chance_does(name: str) -> None:
    dataset, clusters, points = random_case(1)
    condensed = condense(points, epsilon=0.0)
    groups = dataset.groups[dataset.structure_of]
    ranks = [
        rank_environments(clusters, points, condensed, selector=name, groups=groups, seed=seed).rank
        for seed in (0, 0, 1)
    ]
    np.testing.assert_array_equal(ranks[0], ranks[1])
    assert (ranks[0] != ranks[2]).any() == (name in SEEDED)


@pytest.mark.parametrize("name", ONE_ORDER)
def test_smaller_plans_are_parts_of_larger_ones(name: str) -> None:
    dataset, clusters, points = random_case(2)
    groups = dataset.groups[dataset.structure_of]
    ranking = rank_environments(clusters, points, condense(points, epsilon=0.0), selector=name, groups=groups)
    before = np.zeros(dataset.n_environments, dtype=bool)
    for keep in np.linspace(0.02, 1.0, 40):
        plan = prune(ranking, clusters, dataset, PruningConfig(keep=float(keep), selector=name))
        assert not (before & ~plan.keep).any()
        before = plan.keep
    assert before.all()


@pytest.mark.parametrize("name", ["fps", "cur", "direct", "entropy"])
def test_no_twin_comes_before_all_that_differ(name: str) -> None:
    rng = np.random.default_rng(0)
    points = rng.normal(size=(12, 3))[rng.integers(0, 12, 60)]
    distinct = len(np.unique(points, axis=0))
    order = order_of(name, points)
    assert len(np.unique(points[order[:distinct]], axis=0)) == distinct


@pytest.mark.parametrize("name", list(SELECTORS))
def test_one_point_and_equal_points(name: str) -> None:
    for count in (1, 5):
        found = SELECTORS[name](candidates(np.ones((count, 2)))[0], 0, lambda *_: None)
        assert sorted(found.rank) == list(range(count))
        assert len(set(found.bins)) == 1


# Each of them


def test_stratified_gives_every_group_its_share_in_every_prefix() -> None:
    groups = ["a"] * 70 + ["b"] * 20 + ["c"] * 10
    order = order_of("stratified", np.random.default_rng(0).normal(size=(100, 2)), groups=groups)
    for size in range(1, 101):
        kept = [groups[row] for row in order[:size]]
        for group, share in (("a", 0.7), ("b", 0.2), ("c", 0.1)):
            assert abs(kept.count(group) - share * size) <= 1.0
    points = np.ones((3, 1))
    condensed = condense(points)
    with pytest.raises(MEAGraphError, match="'stratified' expects the group"):
        rank_environments(one_cluster(3), points, condensed, selector="stratified")


def test_fps_is_the_naive_order() -> None:
    points = np.random.default_rng(0).normal(size=(40, 3))
    order = order_of("fps", points)
    assert order[0] == ((points - points.mean(axis=0)) ** 2).sum(axis=1).argmin()
    assert order == naive_farthest_point_order(points, order[0])


def test_cur_draws_by_leverage() -> None:
    """Of points on two axes, 99 near the origin and one far along each: the leverage of those two is nearly 1."""
    rng = np.random.default_rng(0)
    points = rng.normal(scale=0.01, size=(101, 2))
    points[40], points[60] = [5.0, 0.0], [0.0, 5.0]
    first = [set(order_of("cur", points, seed)[:2]) for seed in range(50)]
    assert sum(pair == {40, 60} for pair in first) > 40
    # by chance alone, points of equal leverage come first equally often
    ring = np.stack([np.cos(np.arange(8) * np.pi / 4), np.sin(np.arange(8) * np.pi / 4)], axis=1)
    count = np.bincount([order_of("cur", ring, seed)[0] for seed in range(800)], minlength=8)
    assert (np.abs(count - 100) < 5 * np.sqrt(100)).all()


def test_kmeans_bins_are_planted_clusters() -> None:
    rng = np.random.default_rng(0)
    sizes = np.repeat(np.arange(1, 101), 2)[:100]
    centres = np.arange(100)[:, None] * np.array([1.0, 0.0])
    label = np.repeat(np.arange(100), sizes)
    points = centres[label] + rng.normal(scale=1e-4, size=(len(label), 2))
    found, condensed = candidates(points)
    ranks = SELECTORS["kmeans"](found, 0, lambda *_: None)
    joined = {(a, b) for a, b in zip(label, ranks.bins, strict=True)}
    assert len(joined) <= 115  # a single start of k-means merges and splits a few
    ranking = rank_environments(one_cluster(len(points)), points, condensed, selector="kmeans")
    assert ranking.sizes.sum() == len(points)
    np.testing.assert_array_equal(ranking.bin, ranks.bins)
    np.testing.assert_array_equal(ranking.rank, ranks.rank)
    assert allocate(ranking.sizes, 200, 0.75).sum() == 200


def test_split_order_has_one_of_each_ward_cluster() -> None:
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(60, 3))
    order = split_order(centres, np.ones(60, dtype=np.int64))
    assert sorted(order) == list(range(60))
    assert order[0] == ((centres - centres.mean(axis=0)) ** 2).sum(axis=1).argmin()
    tree = linkage(centres, "ward")
    for k in (2, 3, 7, 20, 59):
        labels = cut_tree(tree, n_clusters=k)[:, 0]
        assert sorted(labels[order[:k]]) == list(range(k))


def test_split_order_takes_what_is_nearest_to_the_mean_of_a_half() -> None:
    centres = np.array([[0.0], [1.0], [2.0], [10.0], [11.0], [13.0]])
    order = split_order(centres, np.array([3, 1, 1, 1, 1, 1]))
    assert order[:2].tolist() == [2, 4]  # the mean of all is 37 / 8, that of the other half 34 / 3
    heavy = split_order(centres, np.array([1, 1, 1, 1, 1, 9]))
    assert heavy[:2].tolist() == [3, 1]  # the means are 141 / 15 and 1


def test_direct_tells_spots_apart_that_lie_close_for_the_spread_of_all() -> None:
    """64 pairs along a line, the two of a pair a thousandth as far from each other as the pairs."""
    points = (np.arange(64.0)[:, None] + [0.0, 1e-3]).reshape(-1, 1)
    order = order_of("direct", points)
    assert sorted(row // 2 for row in order[:64]) == list(range(64))


def test_direct_visits_every_planted_blob_first() -> None:
    rng = np.random.default_rng(1)
    centres = rng.normal(size=(8, 4))
    label = np.repeat(np.arange(8), [200, 100, 50, 20, 10, 5, 3, 2])
    points = unit_columns(centres[label] + rng.normal(scale=1e-3, size=(len(label), 4)))
    assert sorted(label[order_of("direct", points)[:8]]) == list(range(8))


def test_weighed_components_by_definition() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(50, 5)) @ rng.normal(size=(5, 5)) + 3.0
    weights = rng.integers(1, 5, 50)
    repeated = np.repeat(rows, weights, axis=0)
    standard = (repeated - repeated.mean(axis=0)) / repeated.std(axis=0)
    _, spread, axes = np.linalg.svd(standard, full_matrices=False)
    variance = spread**2 / len(standard)
    count = int((variance > 1).sum())
    expected = standard @ axes[:count].T / np.sqrt(variance[:count]) * variance[:count] / variance[0]
    found = np.repeat(weighed_components(rows, weights), weights, axis=0)
    np.testing.assert_allclose(np.abs(found), np.abs(expected), atol=1e-9)
    assert found[:, 0].std() == pytest.approx(1.0)


def test_sparsest_first_is_the_naive_order() -> None:
    rows = np.random.default_rng(0).normal(size=(40, 2)) * 2.0
    order, left = [7], set(range(40)) - {7}
    while left:
        density = {i: np.exp(-0.5 * ((rows[i] - rows[order]) ** 2).sum(axis=1)).sum() for i in left}
        order.append(min(left, key=density.__getitem__))
        left.discard(order[-1])
    assert sparsest_first(rows, 7).tolist() == order


def test_sparsest_first_takes_the_farthest_where_the_kernel_vanishes() -> None:
    rows = np.array([[0.0], [100.0], [500.0], [100.5]])
    assert sparsest_first(rows, 0).tolist() == [0, 2, 3, 1]


# Entropy


def brute(points: np.ndarray, width: float) -> tuple[float, float]:
    square = ((points[:, None] - points[None]) ** 2).sum(axis=2)
    kernel = np.exp(-square / (2 * width**2)).sum(axis=1)
    return float(-np.log(kernel / len(points)).mean()), float(np.log((1 / kernel).sum()))


@pytest.mark.parametrize("width", [0.1, 1.0, 10.0])
def test_entropy_and_diversity_are_the_plain_formulae_on_all_copies(width: float) -> None:
    rng = np.random.default_rng(0)
    points, weights = rng.normal(size=(30, 4)), rng.integers(0, 6, 30)
    kernel = gaussian_kernel(points, width)
    plain = brute(np.repeat(points, weights, axis=0), width)
    assert entropy(kernel, weights) == pytest.approx(plain[0], abs=1e-5)
    assert diversity(kernel, weights) == pytest.approx(plain[1], abs=1e-5)


def test_entropy_by_hand() -> None:
    far = gaussian_kernel(np.arange(5.0)[:, None] * 100, 1.0)
    assert entropy(far, np.ones(5, dtype=int)) == pytest.approx(np.log(5))
    assert diversity(far, np.array([9, 1, 1, 1, 1])) == pytest.approx(np.log(5))  # copies do not count
    assert entropy(far, np.array([7, 0, 0, 0, 0])) == pytest.approx(0.0)
    assert entropy(far, np.array([1, 1, 2, 0, 0])) == pytest.approx(1.5 * np.log(2))  # of 1/4, 1/4, 1/2
    assert np.isnan(entropy(far, np.zeros(5, dtype=int)))
    assert np.isnan(diversity(far, np.zeros(5, dtype=int)))


def test_bandwidth_is_the_distance_to_the_eighth_neighbour() -> None:
    line = np.arange(1000.0)[:, None]
    assert bandwidth(line) == NEIGHBOUR / 2  # four on either side
    assert bandwidth(line[:3]) == 2.0  # the farthest of two others: 2, 1, 2
    assert bandwidth(line[:1]) == 1.0
    assert bandwidth(np.zeros((9, 2))) == 1.0
    assert bandwidth(np.arange(30_000.0)[:, None]) == NEIGHBOUR / 2

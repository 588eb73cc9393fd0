"""What is known already: every selector goes on from it, and no plan takes of it. Cases by hand, in one dimension."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms

from meagraph.datasets import AtomicDataset, dataset_from_structures
from meagraph.datasets.known import with_known
from meagraph.graph.condensation import condense
from meagraph.latent.clustering import Clusters
from meagraph.pruning.allocation import share_out
from meagraph.pruning.choice import heads
from meagraph.pruning.plan import PruningPlan, Ranking, prune, rank_environments
from meagraph.pruning.ranking import leverage
from meagraph.pruning.selectors import SELECTORS, split_order
from meagraph.pruning.settings import RULES, PruningConfig
from meagraph.pruning.shares import CHANCE, Shares
from meagraph.pruning.tally import by_group
from tests.support.pruning import random_case

EVEN = Shares(0.0, 0.0)  # each bin alike
LINE = np.arange(11.0)[:, None]  # at 0, 1, ..., 10
LOW = np.arange(11) < 3  # of which the first three are known


def one_bin(count: int) -> Clusters:
    return Clusters(np.zeros(count, dtype=np.int64), np.array([count]), "by hand")


def order_of(selector: str, points: np.ndarray, known: np.ndarray, **options: object) -> list[int]:
    """The new environments in the order in which budgets of one more each take them."""
    ranking = rank_environments(
        one_bin(len(points)), points, condense(points, epsilon=0.0), selector=selector, known=known, **options
    )
    free, before, order = np.ones(len(points), dtype=bool), np.zeros(len(points), dtype=bool), []
    for budget in range(1, int((~known).sum()) + 1):
        chosen = heads(ranking, free, budget, EVEN)
        assert not (before & ~chosen).any()
        order += np.flatnonzero(chosen & ~before).tolist()
        before = chosen
    assert sorted(order) == np.flatnonzero(~known).tolist()
    return order


def test_farthest_points_start_from_the_known_ones():
    # 10 lies 8 away from 2; then 6 lies 4 away from both; then 4 and 8 lie 2 away, the first of equals first
    assert order_of("fps", LINE, LOW)[:4] == [10, 6, 4, 8]
    assert order_of("fps", LINE, LOW)[0] != order_of("fps", LINE, np.zeros(11, dtype=bool))[0]


def test_the_sparsest_starts_from_the_known_ones():
    # beside 0, 1, 2 the density is least at the far end, then half way to it
    assert order_of("entropy", LINE, LOW)[0] == 10
    apart = np.array([0.0, 0.1, 0.2, 5.0, 5.1, 10.0])[:, None]
    assert set(order_of("entropy", apart, np.arange(6) < 3)[:2]) & {5}
    assert order_of("entropy", apart, LOW[:6])[0] == 5


def test_direct_takes_first_from_where_nothing_is_known():
    points = np.concatenate([np.arange(4) * 0.01, 5 + np.arange(3) * 0.01, 10 + np.arange(3) * 0.01])[:, None]
    known = np.arange(10) < 2
    order = order_of("direct", points, known)
    assert {order[0] // 7, order[1] // 7} == {0, 1}  # one of 5 and one of 10, in whatever order
    assert {2, 3} <= set(order[2:])


def test_direct_begins_with_the_half_of_which_nothing_is_known():
    """Without what is known it would begin nearest to the mean of all, at 2."""
    points = np.array([0.0, 1.0, 2.0, 10.0, 11.0])[:, None]
    assert order_of("direct", points, np.arange(5) < 0)[0] == 2
    assert order_of("direct", points, np.arange(5) < 1)[0] in (3, 4)


def test_a_split_adds_nothing_where_both_halves_have_one():
    centres = np.array([0.0, 1.0, 10.0, 11.0])[:, None]
    alike = np.ones(4, dtype=np.int64)
    # given 0 and 10: the first split has both halves; what follows fills the halves without
    assert split_order(centres, alike, np.array([True, False, True, False])).tolist()[:2] == [0, 2]
    assert sorted(split_order(centres, alike, np.array([True, False, True, False]))) == [0, 1, 2, 3]
    assert split_order(centres, alike, np.array([True, True, False, False])).tolist()[:2] == [0, 1]


def test_leverage_falls_in_the_directions_that_are_known():
    along, across = np.array([[-2.0, 0], [-1, 0], [1, 0], [2, 0]]), np.array([[0.0, 2], [0, -2]])
    rows = np.concatenate([along, across])
    given = np.array([True, False, False, True, False, False])
    # components are the axes: u = x / sqrt(10) along, y / sqrt(8) across; G = 0.8 along and nothing across
    expected = [0.4 / 5.8, 0.1 / 5.8, 0.1 / 5.8, 0.4 / 5.8, 0.5, 0.5]
    assert np.allclose(leverage(rows, given), expected)
    assert np.allclose(leverage(rows), [0.4, 0.1, 0.1, 0.4, 0.5, 0.5])


def test_cur_draws_by_the_leverage_beyond_the_known():
    rng = np.random.default_rng(1)
    points = np.zeros((42, 2))
    points[:40, 0], points[40:, 1] = rng.normal(size=40), (0.3, -0.3)
    first = [set(order_of("cur", points, np.arange(42) < 20, seed=seed)[:2]) for seed in range(5)]
    assert sum(found == {40, 41} for found in first) >= 4  # the direction of which nothing is known


def test_stratified_counts_what_is_known_of_each_group():
    groups = np.array(["a"] * 8 + ["b"] * 8)
    known = np.isin(np.arange(16), range(4))  # half of group a
    order = order_of("stratified", np.arange(16.0)[:, None], known, groups=groups)
    assert set(order[:4]) <= set(range(8, 16))  # b catches up
    assert all(abs(int(np.sum(np.array(order[4:k]) < 8)) - (k - 4) / 2) <= 1 for k in range(5, 13))  # then by turns


def test_random_takes_any_of_the_new():
    first = {order_of("random", LINE, LOW, seed=seed)[0] for seed in range(40)}
    assert first == set(range(3, 11))


def test_kmeans_fills_the_clusters_of_which_nothing_is_known():
    points = np.concatenate([np.full(30, 0.0), np.full(30, 50.0)])[:, None] + np.linspace(0, 1, 60)[:, None]
    known = np.arange(60) < 20
    clusters = one_bin(60)
    ranking = rank_environments(clusters, points, condense(points, epsilon=0.0), selector="kmeans", known=known)
    halves = replace(ranking, bin=(np.arange(60) >= 30).astype(np.int64), sizes=np.array([30, 30]))
    chosen = heads(halves, np.ones(60, dtype=bool), 20, Shares(1.0, 0.0))
    assert chosen[30:].sum() == 20
    assert not chosen[:30].any()
    assert heads(halves, np.ones(60, dtype=bool), 24, Shares(1.0, 0.0))[:30].sum() == 2
    assert heads(halves, np.ones(60, dtype=bool), 8, CHANCE)[:30].any()  # chance knows nothing


@pytest.mark.parametrize("within", ["fps", "mixed", "medoid", "random"])
def test_meagraph_goes_on_from_the_known_in_every_order(within):
    found = order_of("meagraph", LINE, LOW, within=within)
    assert len(found) == 8
    if within in ("fps", "mixed"):  # of mixed the third is the first farthest point
        assert 10 in found[:3]


def test_environments_of_a_known_representative_come_last():
    points = np.array([0.0, 0.0, 0.0, 1.0, 2.0, 3.0])[:, None]
    known = np.array([False, True, False, False, False, False])
    for selector in ("fps", "cur", "direct", "entropy", "meagraph"):
        assert set(order_of(selector, points, known)[3:]) == {0, 2}, selector


def test_the_known_have_had_the_first_turns():
    sizes, weights = np.array([10, 10]), np.array([1.0, 1.0])
    assert share_out(sizes, 4, weights, np.array([4, 0])).tolist() == [0, 4]
    assert share_out(sizes, 6, weights, np.array([4, 0])).tolist() == [1, 5]
    assert share_out(sizes, 6, np.array([2.0, 1.0]), np.array([4, 0])).tolist() == [3, 3]  # 7 to 3 of 10
    assert share_out(sizes, 99, weights, np.array([4, 0])).tolist() == [10, 10]


def by_bins(bins: list[list[int]], known: list[int]) -> tuple[AtomicDataset, Ranking, Clusters]:
    """Structures whose environments lie in these bins; those numbered ``known`` are known already."""
    structures = [Atoms(f"Nb{len(one)}", positions=np.eye(len(one), 3) * 9 + index) for index, one in enumerate(bins)]
    data = dataset_from_structures(structures, allow_unlabelled=True)
    new, old = [one for index, one in enumerate(structures) if index not in known], [structures[k] for k in known]
    if known:
        data = with_known(*(dataset_from_structures(part, allow_unlabelled=True) for part in (new, old)))
    bins = [one for index, one in enumerate(bins) if index not in known] + [bins[k] for k in known]
    flat = np.concatenate(bins).astype(np.int64)
    held = data.known_environments if known else None
    ranking = Ranking(np.arange(len(flat)), flat, np.bincount(flat), "mixed", 0, known=held)
    return data, ranking, Clusters(flat, np.bincount(flat), "by hand")


def covered(bins: list[list[int]], known: list[int], **settings: object) -> list[int]:
    data, ranking, clusters = by_bins(bins, known)
    plan = prune(ranking, clusters, data, PruningConfig(alpha=0.0, **settings))
    assert not plan.structures[data.known].any()
    return np.flatnonzero(plan.structures).tolist()


def test_cover_fills_the_bins_that_the_known_leave_empty():
    bins = [[0, 0], [1, 1], [2, 2], [0, 0], [1, 1]]
    assert covered(bins, [], number=1, unit="structures") == [0]
    assert covered(bins, [3], number=1, unit="structures") == [1]  # of bin 0 there is one already
    assert covered(bins, [3, 4], number=1, unit="structures") == [2]
    assert covered(bins, [3, 4], number=2, unit="atoms") == [2]
    assert covered(bins, [3, 4], keep=2 / 6) == [2]


@pytest.mark.parametrize("selector", list(SELECTORS))
@pytest.mark.parametrize("rule", RULES)
def test_no_plan_takes_what_is_known_and_budgets_are_of_the_new(selector, rule):
    new, _, first = random_case(2)
    old, _, second = random_case(3)
    data = with_known(new, old)
    points = np.concatenate([first, second])
    labels = np.random.default_rng(0).integers(0, 3, len(points))
    labels = np.argsort(np.argsort(-np.bincount(labels), kind="stable"), kind="stable")[labels]
    clusters = Clusters(labels, np.bincount(labels), "by hand")
    ranking = rank_environments(
        clusters,
        points,
        condense(points, epsilon=0.0),
        selector=selector,
        groups=data.groups[data.structure_of],
        known=data.known_environments,
    )
    for settings in ({"keep": 0.3}, {"number": 12, "unit": "structures"}, {"number": 40, "unit": "atoms"}):
        plan = prune(ranking, clusters, data, PruningConfig(selector=selector, rule=rule, **settings))
        assert not plan.keep[data.known_environments].any()
        assert not plan.structures[data.known].any()
        assert plan.structures[data.isolated & ~data.known].all()
        if settings == {"keep": 0.3}:
            assert plan.n_environments == round(0.3 * new.n_environments)
        elif "structures" in settings.values():
            assert plan.n_structures <= 12
    everything = prune(ranking, clusters, data, PruningConfig(selector=selector, rule=rule, keep=1.0))
    assert everything.n_environments == new.n_environments
    assert everything.summary.environments == new.n_environments
    assert everything.summary.structures == new.n_structures


def test_groups_are_counted_without_the_known():
    data, ranking, clusters = by_bins([[0, 0], [1, 1, 1], [0, 0]], [2])
    plan: PruningPlan = prune(ranking, clusters, data, PruningConfig(keep=1.0))
    tally = by_group(plan, data)
    assert (tally.whole.tolist(), tally.kept.tolist(), tally.structures.tolist()) == ([5], [5], [2])
    assert data.group_table(plan.structures).rows == (("Default", "2", "5", "2", "5"),)

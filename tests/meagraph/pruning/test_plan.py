"""Allocation, order and rules of pruning: hand-computed values, and what must hold for any dataset."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from ase import Atoms
from hypothesis import given, settings
from hypothesis import strategies as st

from meagraph.datasets import dataset_from_structures
from meagraph.errors import Cancelled, MEAGraphError
from meagraph.graph.loops import farthest_point_order
from meagraph.latent.clustering import NOISE, Clusters
from meagraph.pruning.allocation import share_out
from meagraph.pruning.plan import prune
from meagraph.pruning.ranking import WITHIN, Ranking
from meagraph.pruning.settings import RULES, PruningConfig
from tests.support.pruning import allocate, naive_farthest_point_order, random_case, ranked

SIZES = st.lists(st.integers(0, 40), min_size=1, max_size=8).map(lambda sizes: np.array(sizes, dtype=np.int64))
ALPHA = st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0])


# Farthest-point order


@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 30), d=st.integers(1, 4), grid=st.booleans())
@settings(max_examples=60, deadline=None)
def test_farthest_point_order_is_the_naive_one(seed: int, n: int, d: int, grid: bool) -> None:
    rng = np.random.default_rng(seed)
    # a grid makes duplicates and ties
    rows = rng.integers(0, 3, (n, d)).astype(float) if grid else rng.normal(size=(n, d))
    start = int(rng.integers(n))
    assert farthest_point_order(rows, start).tolist() == naive_farthest_point_order(rows, start)


def test_farthest_point_order_by_hand() -> None:
    rows = np.array([[0.0], [1.0], [2.0], [10.0], [4.0]])
    assert farthest_point_order(rows, 2).tolist() == [2, 3, 0, 4, 1]  # at distances 8, 2, 2, 1


# Allocation


@pytest.mark.parametrize(
    ("sizes", "budget", "alpha", "expected"),
    [
        ([8, 4, 2, 2], 8, 1.0, [4, 2, 1, 1]),  # proportional
        ([8, 4, 2, 2], 8, 0.0, [2, 2, 2, 2]),  # equal
        ([10, 1, 1], 6, 0.0, [4, 1, 1]),  # equal, as far as the bins go
        ([16, 4, 1], 7, 0.5, [4, 2, 1]),  # weights 4, 2, 1
        ([16, 16, 1, 1], 10, 0.5, [4, 4, 1, 1]),
        ([81, 16, 1], 36, 0.75, [27, 8, 1]),  # weights 27, 8, 1
        ([3, 3, 3], 4, 1.0, [2, 1, 1]),  # equal remainders, equal bins: the first
        ([2, 4, 4], 5, 1.0, [1, 2, 2]),
        ([1, 5], 3, 1.0, [0, 3]),  # 0.5 and 2.5: the larger bin first
        ([5, 0, 5], 4, 0.0, [2, 0, 2]),
        ([5, 3], 0, 0.5, [0, 0]),
        ([5, 3], 8, 0.5, [5, 3]),
        ([5, 3], 99, 0.0, [5, 3]),
        ([0], 3, 1.0, [0]),
        ([], 3, 1.0, []),
    ],
)
def test_allocation_by_hand(sizes: list[int], budget: int, alpha: float, expected: list[int]) -> None:
    assert allocate(np.array(sizes, dtype=np.int64), budget, alpha).tolist() == expected


@given(sizes=SIZES, alpha=ALPHA, share=st.floats(0, 1.1))
@settings(max_examples=200, deadline=None)
def test_allocation_spends_the_budget_and_never_more_than_there_is(
    sizes: np.ndarray, alpha: float, share: float
) -> None:
    budget = round(share * sizes.sum())
    found = allocate(sizes, budget, alpha)
    assert found.sum() == min(budget, sizes.sum())
    assert (found >= 0).all()
    assert (found <= sizes).all()
    assert found.dtype == np.int64
    np.testing.assert_array_equal(found, allocate(sizes, budget, alpha))


@given(sizes=SIZES, share=st.floats(0, 1))
@settings(max_examples=100, deadline=None)
def test_alpha_one_is_proportional_and_alpha_zero_equal(sizes: np.ndarray, share: float) -> None:
    budget = round(share * sizes.sum())
    proportional = allocate(sizes, budget, 1.0)
    there = sizes > 0
    if there.any():  # no transfer of one from a bin to another brings the shares nearer to proportion (Webster)
        next_turn = ((proportional + 0.5) / np.maximum(sizes, 1))[there & (proportional < sizes)]
        last_turn = ((proportional - 0.5) / np.maximum(sizes, 1))[there & (proportional > 0)]
        assert next_turn.min(initial=np.inf) >= last_turn.max(initial=-np.inf) - 1e-9
    equal = allocate(sizes, budget, 0.0)
    open_ = equal < sizes  # what is not exhausted got the same, but for one
    if open_.any():
        assert np.ptp(equal[open_]) <= 1
        assert (equal[~open_] <= equal[open_].min() + 1).all()


@given(sizes=SIZES, alpha=ALPHA, budget=st.integers(0, 60))
@settings(max_examples=100, deadline=None)
def test_larger_bins_never_get_less(sizes: np.ndarray, alpha: float, budget: int) -> None:
    found = allocate(sizes, budget, alpha)
    order = np.argsort(sizes, kind="stable")
    for small, large in pairwise(order):
        if sizes[small] < sizes[large]:
            assert found[small] <= found[large]


@given(sizes=SIZES, alpha=ALPHA, seed=st.none() | st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_a_larger_budget_never_takes_from_a_bin(sizes: np.ndarray, alpha: float, seed: int | None) -> None:
    variety = None if seed is None else np.random.default_rng(seed).exponential(size=len(sizes))
    shares = [allocate(sizes, budget, alpha, variety) for budget in range(int(sizes.sum()) + 1)]
    for less, more in pairwise(shares):
        assert (more >= less).all()
        assert more.sum() == less.sum() + 1


@given(sizes=SIZES, seed=st.integers(0, 999), share=st.floats(0, 1))
@settings(max_examples=100, deadline=None)
def test_allocation_takes_the_first_turns(sizes: np.ndarray, seed: int, share: float) -> None:
    weights = np.random.default_rng(seed).exponential(size=len(sizes)) + 0.01
    budget = round(share * sizes.sum())
    turns = sorted(
        ((k + 0.5) / w, b) for b, (size, w) in enumerate(zip(sizes, weights, strict=True)) for k in range(size)
    )
    expected = np.bincount([b for _, b in turns[:budget]], minlength=len(sizes))
    assert share_out(sizes, budget, weights).tolist() == expected.tolist()


def test_variety_counts_as_much_as_size() -> None:
    sizes, variety = np.array([100, 100, 25]), np.array([1.0, 4.0, 4.0])
    assert allocate(sizes, 40, 1.0, variety).tolist() == [10, 20, 10]  # weights 10, 20, 10
    assert allocate(sizes, 30, 0.0, variety).tolist() == [10, 10, 10]


# Plans


@pytest.mark.parametrize("within", list(WITHIN))
@pytest.mark.parametrize("seed", range(3))
def test_ranking_orders_every_cluster(seed: int, within: str) -> None:
    dataset, clusters, points = random_case(seed)
    ranking = ranked(clusters, points, within=within, seed=seed)
    noise = clusters.labels == NOISE
    np.testing.assert_array_equal(ranking.bin[~noise], clusters.labels[~noise])
    np.testing.assert_array_equal(np.bincount(ranking.bin), ranking.sizes)
    assert ranking.sizes[clusters.n_clusters :].tolist() == [noise.sum()]
    assert ranking.sizes.sum() == dataset.n_environments
    for label, size in enumerate(ranking.sizes):
        assert sorted(ranking.rank[ranking.bin == label]) == list(range(size))
    again = ranked(clusters, points, within=within, seed=seed)
    np.testing.assert_array_equal(again.rank, ranking.rank)


def test_drawn_orders_depend_on_the_seed_and_others_do_not() -> None:
    _, clusters, points = random_case(0)
    for within in WITHIN:
        first, second = (ranked(clusters, points, within=within, seed=seed).rank for seed in (0, 1))
        assert (first != second).any() == (within in ("random", "mixed"))


def test_fps_starts_at_the_centre_and_takes_twins_last() -> None:
    points = np.array([[0.0], [10.0], [1.0], [2.0], [10.0], [10.0]])
    ranking = ranked(Clusters(np.zeros(6, dtype=np.int64), np.array([6]), "by hand"), points, within="fps")
    # the distinct 0, 10, 1, 2 have their centroid at 3.25: first 2, then 10, 0 and 1, then the twins of 10
    assert np.argsort(ranking.rank).tolist() == [3, 1, 0, 2, 4, 5]


def test_medoid_goes_outwards_from_the_centre() -> None:
    points = np.array([[0.0], [10.0], [1.0], [2.0], [10.0], [10.0]])
    clusters = Clusters(np.zeros(6, dtype=np.int64), np.array([6]), "by hand")
    assert np.argsort(ranked(clusters, points, within="medoid").rank).tolist() == [3, 2, 0, 1, 4, 5]


def test_mixed_has_a_quarter_of_farthest_points_and_draws_the_rest_by_leverage() -> None:
    points = np.random.default_rng(0).normal(size=(400, 2))
    points[7] = [40.0, 0.0]
    clusters = Clusters(np.zeros(400, dtype=np.int64), np.array([400]), "by hand")
    fps = np.argsort(ranked(clusters, points, within="fps").rank)
    heads = [np.argsort(ranked(clusters, points, within="mixed", seed=seed).rank)[:40] for seed in range(30)]
    for head in heads:
        assert set(fps[:10]) <= set(head)
        assert len(set(head) & set(fps[:40])) < 30
    drawn = np.bincount(np.concatenate(heads), minlength=400)[np.setdiff1d(np.arange(400), fps[:10])]
    assert drawn.max() < 20  # of 30: no other always comes
    assert (drawn > 0).mean() > 0.8


def test_fps_within_a_cluster_is_the_naive_order_of_its_distinct_points() -> None:
    _, clusters, points = random_case(1)
    ranking = ranked(clusters, points, within="fps")
    rows = np.flatnonzero(clusters.labels == 0)
    order = rows[np.argsort(ranking.rank[rows])]
    _, first = np.unique(points[rows], axis=0, return_index=True)
    leading = points[order[: len(first)]]
    assert len(np.unique(leading, axis=0)) == len(first)  # no twin before all distinct ones
    centre = np.unique(points[rows], axis=0).mean(axis=0)
    np.testing.assert_array_equal(leading[0], points[rows][((points[rows] - centre) ** 2).sum(axis=1).argmin()])
    assert naive_farthest_point_order(leading, 0) == list(range(len(leading)))


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("alpha", [0.0, 0.75, 1.0])
@pytest.mark.parametrize("keep", [0.02, 0.2, 0.5, 0.97, 1.0])
def test_counts(keep: float, alpha: float, rule: str) -> None:
    dataset, clusters, points = random_case(2)
    ranking = ranked(clusters, points)
    plan = prune(ranking, clusters, dataset, PruningConfig(keep=keep, alpha=alpha, rule=rule))
    assert plan.n_environments == plan.keep.sum() == max(3, round(keep * dataset.n_environments))
    assert plan.n_structures == plan.structures.sum()
    kept = clusters.labels[plan.keep]
    expected = [(kept == label).sum() for label in (*range(clusters.n_clusters), NOISE)]
    assert plan.per_cluster.tolist() == expected
    again = prune(ranking, clusters, dataset, PruningConfig(keep=keep, alpha=alpha, rule=rule))
    np.testing.assert_array_equal(again.keep, plan.keep)
    np.testing.assert_array_equal(again.structures, plan.structures)
    if keep == 1.0:
        assert plan.keep.all()
        assert plan.structures.all()


def percentage(rule: str, percent: float | None) -> dict[str, float | None]:
    """The setting of the ``rule`` that takes a percentage; nothing where it takes none."""
    name = {"at-least": "at_least", "cover": "until_covered"}.get(rule)
    return {} if name is None else {name: percent}


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("within", list(WITHIN))
@pytest.mark.parametrize("percent", [None, 60.0])
@pytest.mark.parametrize("keep", [1e-6, 0.1, 0.5, 0.9])
def test_isolated_atoms_never_go(keep: float, percent: float | None, within: str, rule: str) -> None:
    dataset, clusters, points = random_case(3)
    ranking = ranked(clusters, points, within=within)
    config = PruningConfig(keep=keep, rule=rule, within=within, **percentage(rule, percent))
    for rejected in (None, np.ones(dataset.n_environments, dtype=bool)):
        plan = prune(ranking, clusters, dataset, config, rejected=rejected)
        isolated = dataset.groups == "IsolatedAtom"
        assert isolated.sum() == 3
        np.testing.assert_array_equal(plan.protected, isolated)
        assert plan.structures[isolated].all()
        assert plan.keep[isolated[dataset.structure_of]].all()


def test_protected_groups_are_kept_whole_and_count_towards_the_budget() -> None:
    dataset, clusters, points = random_case(4)
    config = PruningConfig(keep=0.3, protected=("surface",))
    plan = prune(ranked(clusters, points), clusters, dataset, config)
    np.testing.assert_array_equal(np.flatnonzero(plan.protected), [3, 5, 17, 30])  # and the isolated atoms
    assert plan.keep[dataset.offsets[5] : dataset.offsets[6]].all()
    assert plan.structures[5]
    assert plan.n_environments == round(0.3 * dataset.n_environments)
    with pytest.raises(MEAGraphError, match=r"no 'Surface'; there are: IsolatedAtom, liquid, surface\. Name"):
        prune(ranked(clusters, points), clusters, dataset, PruningConfig(keep=0.3, protected=("Surface",)))
    renamed = replace(dataset, groups=np.full(dataset.n_structures, "all"))
    kept = prune(ranked(clusters, points), clusters, renamed, PruningConfig(keep=0.3))
    np.testing.assert_array_equal(np.flatnonzero(kept.protected), [3, 17, 30])  # whatever the groups are called


@pytest.mark.parametrize("within", list(WITHIN))
@pytest.mark.parametrize("alpha", [0.0, 0.5, 0.75, 1.0])
@pytest.mark.parametrize("seed", range(3))
def test_a_smaller_plan_is_a_part_of_a_larger_one(seed: int, alpha: float, within: str) -> None:
    dataset, clusters, points = random_case(seed)
    ranking = ranked(clusters, points, within=within)
    plans = [
        prune(ranking, clusters, dataset, PruningConfig(keep=keep, alpha=alpha, within=within)).keep
        for keep in np.linspace(0.01, 1.0, 100)
    ]
    for smaller, larger in pairwise(plans):
        assert not (smaller & ~larger).any()


@pytest.mark.parametrize("seed", range(3))
def test_what_a_bin_keeps_is_the_head_of_its_order(seed: int) -> None:
    dataset, clusters, points = random_case(seed)
    ranking = ranked(clusters, points)
    for keep in (0.05, 0.3, 0.8):
        plan = prune(ranking, clusters, dataset, PruningConfig(keep=keep))
        free = ~plan.protected[dataset.structure_of]
        for label in range(len(ranking.sizes)):
            rows = np.flatnonzero(free & (ranking.bin == label))
            in_order = plan.keep[rows[np.argsort(ranking.rank[rows])]].astype(int)
            assert (np.diff(in_order) <= 0).all()


@pytest.mark.parametrize(
    ("rule", "percent", "kept"),
    [
        ("any", None, [0, 1, 2, 3]),
        ("all", None, [0, 2]),
        ("at-least", None, [0, 2]),  # 5/12 of each: more than 1/4 and 1/3
        ("at-least", 30.0, [0, 2, 3]),
        ("at-least", 25.0, [0, 1, 2, 3]),
        ("at-least", 100.0, [0, 2]),
        ("at-least", 0.001, [0, 1, 2, 3]),
    ],
)
def test_rules_by_hand(rule: str, percent: float | None, kept: list[int]) -> None:
    """Structures of 2, 4, 1, 3 and 2 atoms, of which 2, 1, 1, 1 and 0 are kept: 5 of 12."""
    structures = [Atoms(numbers=[41] * n, positions=np.arange(3 * n).reshape(n, 3)) for n in (2, 4, 1, 3, 2)]
    dataset = dataset_from_structures(structures, allow_unlabelled=True)
    ranking = Ranking(
        rank=np.array([0, 1, 2, 7, 8, 9, 3, 4, 5, 6, 10, 11]),
        bin=np.zeros(12, dtype=np.int64),
        sizes=np.array([12]),
        within="mixed",
        seed=0,
    )
    clusters = Clusters(np.zeros(12, dtype=np.int64), np.array([12]), "by hand")
    plan = prune(ranking, clusters, dataset, PruningConfig(keep=5 / 12, rule=rule, **percentage(rule, percent)))
    assert np.add.reduceat(plan.keep.astype(int), dataset.offsets[:-1]).tolist() == [2, 1, 1, 1, 0]
    assert np.flatnonzero(plan.structures).tolist() == kept


def test_rejected_structures_go_whole_and_leave_their_share_to_others() -> None:
    dataset, clusters, points = random_case(0)
    ranking = ranked(clusters, points)
    rejected = np.zeros(dataset.n_environments, dtype=bool)
    rejected[dataset.offsets[[8, 9]] + 1] = True  # one environment of each
    plan = prune(ranking, clusters, dataset, PruningConfig(keep=0.4, rule="any"), rejected=rejected)
    assert not plan.structures[[8, 9]].any()
    assert not plan.keep[dataset.offsets[8] : dataset.offsets[10]].any()
    assert plan.n_environments == round(0.4 * dataset.n_environments)
    whole = prune(ranking, clusters, dataset, PruningConfig(keep=1.0), rejected=rejected)
    np.testing.assert_array_equal(np.flatnonzero(~whole.structures), [8, 9])


def test_kept_environments_are_chosen_first_and_their_structures_stay() -> None:
    dataset, clusters, points = random_case(0)
    ranking = ranked(clusters, points)
    last = np.zeros(dataset.n_environments, dtype=bool)
    last[np.argsort(ranking.rank)[-10:]] = True
    for rule in RULES:
        config = PruningConfig(keep=0.2, rule=rule)
        plan = prune(ranking, clusters, dataset, config, kept=last)
        assert plan.keep[last].all()
        assert plan.structures[dataset.structure_of[last]].all()
        assert plan.n_environments == round(0.2 * dataset.n_environments)
        gone = last & (np.cumsum(last) == 1)
        both = prune(ranking, clusters, dataset, config, kept=last, rejected=gone)
        assert not both.structures[dataset.structure_of[gone]].any()  # rejected weighs more
        assert not both.keep[gone].any()


@given(
    seed=st.integers(0, 20),
    keep=st.floats(0.01, 1.0),
    first=st.floats(0, 1),
    none=st.floats(0, 1),
    selector=st.sampled_from(["meagraph", "fps"]),
)
@settings(max_examples=30, deadline=None)
def test_fractions_by_hand_hold_and_others_share_the_rest(
    seed: int, keep: float, first: float, none: float, selector: str
) -> None:
    dataset, clusters, points = random_case(seed, alone=False)
    ranking = ranked(clusters, points, selector=selector)
    config = PruningConfig(keep=keep, selector=selector, fractions={NOISE: none, 1: first})
    assert PruningConfig(fractions=((1, first), (NOISE, none))).fractions == config.fractions
    plan = prune(ranking, clusters, dataset, config)
    sizes = np.append(clusters.sizes, (clusters.labels == NOISE).sum())
    assert plan.per_cluster[1] == round(first * sizes[1])
    assert plan.per_cluster[-1] == round(none * sizes[-1])
    others = np.setdiff1d(np.arange(len(sizes)), [1, len(sizes) - 1])
    by_hand = plan.per_cluster[1] + plan.per_cluster[-1]
    left = min(max(0, round(keep * sizes.sum()) - by_hand), sizes[others].sum())
    assert plan.per_cluster[others].sum() == left
    with pytest.raises(MEAGraphError, match=r"clusters from 0 to 4, got \[7\]"):
        prune(ranking, clusters, dataset, PruningConfig(fractions={7: 0.5}, selector=selector))


@given(
    seed=st.integers(0, 20),
    number=st.integers(5, 250),
    unit=st.sampled_from(["structures", "atoms"]),
    rule=st.sampled_from(RULES),
    fewest=st.sampled_from(["structures", "atoms"]),
)
@settings(max_examples=60, deadline=None)
def test_budgets_of_structures_and_atoms_are_kept(seed: int, number: int, unit: str, rule: str, fewest: str) -> None:
    dataset, clusters, points = random_case(seed)
    config = PruningConfig(number=number, unit=unit, rule=rule, fewest=fewest)
    plan = prune(ranked(clusters, points), clusters, dataset, config)
    costs = np.diff(dataset.offsets) if unit == "atoms" else np.ones(dataset.n_structures)
    assert costs[plan.structures].sum() <= number
    assert plan.structures[plan.protected].all()
    if number >= costs.sum():
        assert plan.structures.all()
    elif rule == "cover":
        assert costs[plan.structures].sum() > number - 9  # nothing larger than 9 atoms


def test_a_number_of_environments() -> None:
    dataset, clusters, points = random_case(0)
    plan = prune(ranked(clusters, points), clusters, dataset, PruningConfig(number=50))
    assert plan.n_environments == 50


def test_a_ranking_made_for_another_plan_is_refused() -> None:
    dataset, clusters, points = random_case(0)
    ranking = ranked(clusters, points, within="random", seed=1)
    for config in (PruningConfig(within="mixed", seed=1), PruningConfig(within="random", seed=2)):
        with pytest.raises(MEAGraphError, match=r"within='random', seed=1; the plan asks for .*Rank the env"):
            prune(ranking, clusters, dataset, config)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"keep": 0.0}, "above 0 and at most 1, got 0.0"),
        ({"keep": 1.01}, "got 1.01"),
        ({"keep": float("nan")}, "got nan"),
        ({"alpha": -0.1}, "alpha must lie between 0 and 1, got -0.1"),
        ({"alpha": 2.0}, "got 2.0"),
        ({"selector": "best"}, "'best'; choose from meagraph, random, stratified, fps, cur, kmeans, direct, entropy"),
        ({"within": "best"}, "'best'; choose from mixed, fps, random, medoid"),
        ({"rule": "some"}, "'some'; choose from cover, at-least, any, all"),
        ({"until_covered": 0.0}, "above 0 and at most 100, got 0.0"),
        ({"rule": "at-least", "at_least": 101.0}, "got 101.0"),
        ({"rule": "any", "until_covered": 50.0}, "came with the rule 'any'"),
        ({"number": 0}, "at least 1, got 0"),
        ({"unit": "atoms"}, "budget of atoms expects their number"),
        ({"unit": "grams", "number": 3}, "'grams'; choose from environments, structures, atoms"),
        ({"fewest": "environments"}, "'environments'; choose from structures, atoms"),
        ({"fractions": {0: 1.5}}, r"between 0 and 1, got \{0: 1.5\}"),
        ({"fractions": {-2: 0.5}}, "each cluster once, by its label"),
    ],
)
def test_bad_settings(options: dict, message: str) -> None:
    with pytest.raises(MEAGraphError, match=message):
        PruningConfig(**options)


def test_progress_can_cancel() -> None:
    def cancel(done: int, total: int, message: str) -> None:
        raise Cancelled

    _, clusters, points = random_case(0)
    with pytest.raises(Cancelled):
        ranked(clusters, points, progress=cancel)


@pytest.mark.parametrize(
    ("unit", "number", "share"),
    [
        ("environments", 5, 0.05),
        ("structures", 5, 0.25),
        ("atoms", 5, 0.05),
        ("structures", 30, 1.0),
        ("atoms", 200, 1.0),
    ],
)
def test_a_number_is_a_share_of_what_it_counts_and_never_more_than_all(unit: str, number: int, share: float) -> None:
    """Of 100 environments in 20 structures."""
    assert PruningConfig(unit=unit, number=number).fraction(100, 20) == share

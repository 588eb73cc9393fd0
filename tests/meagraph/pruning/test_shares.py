"""Shares of bins: weights by hand, what a trial chooses and why, structures drawn at random."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meagraph.pruning.choice import heads
from meagraph.pruning.covering import draw
from meagraph.pruning.ranking import Ranking, chance_order
from meagraph.pruning.shares import CHANCE, LIMIT, USUAL, Chosen, Shares, Trial, by_alpha

RARE = Shares(0.0, 1.0)
MILD = Shares(0.5, 0.5)
KEEPS = np.array([0.05, 0.1, 0.25])


def trial(*ratios: list[float] | float, folds: int = 8, keeps: int = 3) -> Trial:
    """A trial of CHANCE, MILD and RARE: errors of 1 by chance, by the others as given, a number or one a fold."""
    errors = np.ones((keeps, 3, folds))
    for candidate, ratio in enumerate(ratios, 1):
        errors[:, candidate] = ratio
    return Trial(KEEPS[:keeps], (CHANCE, MILD, RARE), errors)


def test_weights_by_hand() -> None:
    sizes, variety = np.array([100, 0, 25]), np.array([4.0, 9.0, 1.0])
    assert Shares(0.5, 0.5).weights(sizes, variety).tolist() == [20.0, 0.0, 5.0]  # an empty bin has none
    assert CHANCE.weights(sizes, variety).tolist() == [100.0, 0.0, 25.0]
    assert by_alpha(0.75, structures=False) == Shares(0.375, 0.375)
    assert by_alpha(0.75, structures=True) == Shares(0.0, 0.75)


def test_the_lowest_error_is_chosen_where_it_is_lower_in_all_folds() -> None:
    assert trial(0.9, 0.8).shares(0.1) == RARE
    assert trial(0.8, 0.9).shares(0.1) == MILD
    assert trial(1.01, 1.2).shares(0.1) == CHANCE
    assert trial(1.0, 1.0).shares(0.1) == CHANCE  # no better is not better


def test_one_fold_does_not_decide_alone() -> None:
    """A thousandth of the error in one fold of eight, where one structure decides, and 20 % more in all others."""
    assert trial([0.001, *[1.2] * 7], 2.0).shares(0.1) == CHANCE
    assert 7 * np.log(1.2) > LIMIT  # the sum of what was lost is more than any fold may win
    assert trial([0.5, *[0.99] * 7], 2.0).shares(0.1) == MILD


def test_fractions_beside_each_other_count_half() -> None:
    found = trial(1.0, 1.1)
    found.errors[0, 1], found.errors[1, 1] = 0.9, 0.96  # CHANCE is the median candidate of all three
    assert found.standing[0, 1] == pytest.approx((2 * np.log(0.9) + np.log(0.96)) / 3)
    assert found.standing[1, 1] == pytest.approx((np.log(0.9) + 2 * np.log(0.96) + 0.0) / 4)
    assert found.standing[1, 0] == 0.0


def test_what_can_be_fitted_is_taken_before_what_cannot() -> None:
    found = trial(0.9, 0.8)
    found.errors[:, 0] = np.nan
    found.errors[:, 2] = np.nan
    assert found.shares(0.1) == MILD
    assert "while a choice at random keeps too little for a fit" in Chosen(found, found).words(0.1, structures=True)


def test_where_nothing_can_be_fitted_another_fraction_speaks_or_the_usual_exponent() -> None:
    found = trial(0.8, 0.9)
    found.errors[0] = np.nan
    assert found.shares(0.02) == MILD
    nothing = Trial(KEEPS, (CHANCE, MILD), np.full((3, 2, 4), np.nan))
    assert not nothing.known
    assert np.isnan(nothing.ratio(0.1))
    unknown = Chosen(nothing, nothing)
    assert unknown.of(0.1, structures=True) == by_alpha(USUAL, structures=True)
    assert "usual exponent 0.75" in unknown.words(0.1, structures=True)
    assert nothing.figures()[0]["error_over_chance"] is None


def test_the_nearest_fraction_counts_by_its_ratio() -> None:
    found = trial(1.0, 1.0)
    assert [found.row(keep) for keep in (0.001, 0.05, 0.07, 0.072, 0.1, 0.5, 1.0)] == [0, 0, 0, 1, 1, 2, 2]


def test_words_say_what_and_how_much() -> None:
    found = Chosen(trial(1.0, [0.7, 0.7, 0.8, 0.8, 0.8, 0.9, 0.9, 1.1]), trial(1.1, 1.2))
    said = found.words(0.1, structures=False)
    assert said.startswith("environments: each part of a cluster has its share by its variety, whatever its size, so")
    assert "; at 10 %" in said
    assert "20 % below" in said  # the median
    assert "lower in 7 of 8" in said
    assert "whole structures are taken at random" in found.words(0.1, structures=True)
    assert found.figures()["environments"][1] == {
        "keep": 0.1,
        "size": 0.0,
        "variety": 1.0,
        "chance": False,
        "error_over_chance": pytest.approx(0.8),
        "folds": 8,
        "folds_lower": 7,
    }
    rows = found.environments.table().rows
    assert rows[1] == ("10 %", "1.00", "1.00", "0.80", "variety")
    assert ">variety</th>" in found._repr_html_()
    mixed = Chosen(trial(2.0, [0.5] * 3 + [1.02] * 5), trial(1.0, 1.0)).words(0.1, structures=False)
    assert "2 % above that of a choice at random in the median try (lower in 3 of 8)" in mixed


@pytest.mark.parametrize(
    ("shares", "formula", "said"),
    [
        (CHANCE, "at random", "at random"),
        (Shares(1.0, 0.0), "environments", "by its size, whatever its variety, so what is common keeps"),
        (
            Shares(0.75, 0.25),
            "environments^0.75 × variety^0.25",
            "mostly by its size, partly by its variety, so what is",
        ),
        (
            Shares(0.375, 0.375),
            "environments^0.375 × variety^0.375",
            "by its size and its variety alike, so what is rare",
        ),
        (Shares(0.25, 0.5), "environments^0.25 × variety^0.5", "mostly by its variety, partly by its size, so what is"),
        (Shares(0.0, 0.5), "variety^0.5", "by its variety, whatever its size, so what is rare keeps more"),
        (Shares(0.0, 0.0), "the same of each", "alike, so what is rare keeps more than its part"),
    ],
)
def test_shares_in_signs_and_words(shares: Shares, formula: str, said: str) -> None:
    assert shares.formula() == formula
    assert shares.words().startswith(said)


def ranking(seed: int, count: int = 120) -> Ranking:
    rng = np.random.default_rng(seed)
    bins = np.sort(rng.choice(5, count, p=[0.6, 0.2, 0.1, 0.07, 0.03]))
    sizes = np.bincount(bins, minlength=5)
    worth = rng.exponential(size=count).astype(np.float32)
    return Ranking(chance_order(bins, seed + 1), bins, sizes, "mixed", seed, worth=worth)


@given(seed=st.integers(0, 99), share=st.floats(0.0, 1.0))
@settings(max_examples=40, deadline=None)
def test_chance_takes_of_each_bin_its_part(seed: int, share: float) -> None:
    found = ranking(seed)
    free = np.random.default_rng(seed).random(120) < 0.8
    budget = round(share * free.sum())
    kept = heads(found, free, budget, CHANCE)
    assert kept.sum() == budget
    assert not (kept & ~free).any()
    part = np.bincount(found.bin[kept], minlength=5) - share * np.bincount(found.bin[free], minlength=5)
    assert (np.abs(part) <= 1.5).all()  # off by one at most, and by the rounding of the budget


@given(seed=st.integers(0, 99), shares=st.sampled_from([CHANCE, MILD, RARE]), whole=st.booleans())
@settings(max_examples=40, deadline=None)
def test_a_larger_budget_has_all_of_a_smaller_one(seed: int, shares: Shares, whole: bool) -> None:
    found = ranking(seed)
    free = np.ones(120, dtype=bool) if whole else np.random.default_rng(seed).random(120) < 0.7
    before = np.zeros(120, dtype=bool)
    for budget in range(0, int(free.sum()) + 1, 7):
        kept = heads(found, free, budget, shares)
        assert kept.sum() == budget
        assert not (before & ~kept).any()
        before = kept


def test_chance_order_is_a_permutation_of_each_bin_and_any_is_as_likely() -> None:
    bins = np.array([2, 0, 2, 0, 2])
    seen = set()
    for seed in range(60):
        order = chance_order(bins, seed)
        assert sorted(order[bins == 0]) == [0, 1]
        assert sorted(order[bins == 2]) == [0, 1, 2]
        seen.add(tuple(order[bins == 2]))
    assert len(seen) == 6
    np.testing.assert_array_equal(chance_order(bins, 3), chance_order(bins, 3))


@given(seed=st.integers(0, 99), room=st.integers(0, 60), limit=st.sampled_from(["atoms", "structures"]))
@settings(max_examples=60, deadline=None)
def test_structures_are_drawn_as_long_as_they_fit(seed: int, room: int, limit: str) -> None:
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 9, 20)
    stays, barred = np.zeros((2, 20), dtype=bool)
    stays[2], barred[[5, 6]] = True, True
    kept = draw(sizes, stays=stays, barred=barred, room=room, limit=limit, seed=seed)
    cost = sizes if limit == "atoms" else np.ones(20, dtype=int)
    assert kept[2]
    assert not kept[[5, 6]].any()
    left = room - cost[kept].sum()
    assert left >= 0 or kept.sum() == 1  # what stays may be more than there is room for
    assert (cost[~kept & ~barred] > left).all()

"""Shares tried on structures held out: against the cost of the same plans, and no look at what is judged later."""

from __future__ import annotations

from dataclasses import replace

import ase.build
import numpy as np
import pytest
from ase.calculators.lj import LennardJones
from ase.calculators.singlepoint import SinglePointCalculator

from meagraph.datasets import AtomicDataset, dataset_from_structures
from meagraph.errors import Cancelled
from meagraph.evaluation.equations import Prepared, Rows, prepare
from meagraph.evaluation.force_error import cost, normal_equations
from meagraph.evaluation.trial import ENVIRONMENTS, KEEPS, STRUCTURES, choose_shares, deal
from meagraph.pruning.choice import heads
from meagraph.pruning.ranking import Ranking, chance_order
from meagraph.pruning.shares import CHANCE, FOLDS, Shares


def copper(seed: int = 0) -> AtomicDataset:
    """70 cells of 32 atoms, most all but at rest, every twelfth far from it: what those teach is in no other."""
    rng = np.random.default_rng(seed)
    structures = []
    for index in range(70):
        rare = index % 12 == 0
        atoms = ase.build.bulk("Cu", cubic=True, a=3.6).repeat(2)
        atoms.positions += rng.normal(scale=0.4 if rare else 0.02, size=(32, 3))
        atoms.calc = LennardJones(sigma=2.27, epsilon=0.4, rc=4.4)
        energy, forces = atoms.get_potential_energy(), atoms.get_forces()
        atoms.calc = SinglePointCalculator(atoms, energy=energy, forces=forces)
        atoms.info["config_type"] = "melt" if rare else "solid"
        structures.append(atoms)
    return dataset_from_structures(structures, name="copper")


@pytest.fixture(scope="module")
def dataset() -> AtomicDataset:
    return copper()


@pytest.fixture(scope="module")
def prepared(dataset: AtomicDataset) -> Prepared:
    return prepare(dataset)


@pytest.fixture(autouse=True)
def dealt_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small datasets are dealt more often, which takes longer and shows no more here."""
    monkeypatch.setattr("meagraph.evaluation.trial.ROUNDS", 1)


def by_group(dataset: AtomicDataset) -> Ranking:
    """A bin for each group, of which the small one holds most of the variety."""
    groups, bins = np.unique(dataset.groups[dataset.structure_of], return_inverse=True)
    worth = np.where(groups[bins] == "melt", 1.0, 0.02).astype(np.float32)
    return Ranking(chance_order(bins, 7), bins, np.bincount(bins), "mixed", 0, worth=worth)


def test_structures_are_dealt_alike_from_every_group_and_equal_ones_together() -> None:
    groups = np.repeat(["a", "b", "c"], [12, 10, 1])
    keys = np.array([f"{number}" for number in range(23)])
    keys[3] = keys[0]
    keys[20] = keys[12]
    part = deal(groups, keys, np.random.default_rng(0))
    assert set(part) == set(range(FOLDS))
    assert part[3] == part[0]
    assert part[20] == part[12]
    distinct = np.unique(keys, return_index=True)[1]
    for group in "abc":
        counts = np.bincount(part[distinct][groups[distinct] == group], minlength=FOLDS)
        assert np.ptp(counts) <= 1


def test_errors_are_those_of_the_cost_of_the_same_plan(dataset: AtomicDataset, prepared: Prepared) -> None:
    """One candidate's plan in one fold, made by hand: its error is what cost() says on the fold."""
    found = choose_shares(prepared, by_group(dataset), dataset.groups, dataset.structure_keys, seed=3)
    fit = prepared.fit
    keys = np.asarray(dataset.structure_keys)[fit.structures]
    part = deal(dataset.groups[fit.structures], keys, np.random.default_rng(3))
    out = part == 0
    left = np.flatnonzero(out[fit.structure_of])
    test = Rows(
        environments=fit.environments[left],
        structures=fit.structures,
        structure_of=fit.structure_of[left],
        features=fit.features[left],
        forces=fit.forces[left],
        known=fit.known[left],
        energy_features=fit.energy_features,
        composition=fit.composition,
        energy=fit.energy,
    )
    fold = replace(prepared, test=test, groups=dataset.groups[fit.structures][test.structure_of], stressed=None)
    ranking = by_group(dataset)
    inside = Ranking(
        ranking.rank[fit.environments], ranking.bin[fit.environments], ranking.sizes, "mixed", 0,
        worth=None if ranking.worth is None else ranking.worth[fit.environments],
    )  # fmt: skip
    shares = ENVIRONMENTS[3]
    row = KEEPS.index(0.25)
    kept = heads(inside, ~out[fit.structure_of], round(0.25 * len(fit.environments)), shares)
    mask = np.zeros(dataset.n_environments, dtype=bool)
    mask[fit.environments[kept]] = True
    assert found.environments.errors[row, 3, 0] == pytest.approx(cost(fold, mask).rmse, rel=1e-5)


def test_equations_of_two_sets_add_up(prepared: Prepared) -> None:
    first, second = np.arange(0, 40), np.arange(40, 90)
    both = normal_equations(prepared.fit, np.arange(90))
    added = normal_equations(prepared.fit, first) + normal_equations(prepared.fit, second)
    np.testing.assert_allclose(added.gram, both.gram, rtol=1e-9, atol=1e-9 * np.abs(both.gram).max())
    assert added.count == both.count == 270
    coefficients = np.random.default_rng(0).normal(size=len(both.right))
    error = prepared.fit.features[:90].astype(float) @ coefficients - prepared.fit.forces[:90]
    assert both.rmse(coefficients) == pytest.approx(np.sqrt((error**2).mean()))
    assert np.isnan(normal_equations(prepared.fit, np.arange(0)).rmse(coefficients))


def test_rare_structures_that_teach_most_are_not_left_to_chance(
    dataset: AtomicDataset, prepared: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("meagraph.evaluation.trial.ROUNDS", 6)
    found = choose_shares(prepared, by_group(dataset), dataset.groups, dataset.structure_keys)
    chosen = found.environments.shares(0.05)
    assert not chosen.chance
    assert chosen.variety > 0.0
    assert found.environments.ratio(0.05) < 0.9


def test_what_is_held_out_is_not_looked_at(dataset: AtomicDataset, prepared: Prepared) -> None:
    blind = replace(prepared, test=replace(prepared.test, forces=np.full_like(prepared.test.forces, np.nan)))
    ranking = by_group(dataset)
    first, second = (choose_shares(one, ranking, dataset.groups, dataset.structure_keys) for one in (prepared, blind))
    for a, b in ((first.environments, second.environments), (first.structures, second.structures)):
        np.testing.assert_array_equal(a.errors, b.errors)
        assert a.errors.shape == (len(KEEPS), len(ENVIRONMENTS), a.errors.shape[2])
    assert first.environments.candidates == ENVIRONMENTS
    assert first.structures.candidates == STRUCTURES


def test_first_candidates_are_chance_and_none_is_twice() -> None:
    for candidates in (ENVIRONMENTS, STRUCTURES):
        assert candidates[0] == CHANCE
        assert len(set(candidates)) == len(candidates)
        assert all(isinstance(one, Shares) for one in candidates)


def test_it_can_be_cancelled(dataset: AtomicDataset, prepared: Prepared) -> None:
    def stop(done: int, total: int, message: str) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        choose_shares(prepared, by_group(dataset), dataset.groups, dataset.structure_keys, progress=stop)

"""What a plan costs: recovered coefficients, hand-solved least squares, and no look at what is held out."""

from __future__ import annotations

from dataclasses import replace

import ase.build
import numpy as np
import pytest
from ase import Atoms
from ase.calculators.lj import LennardJones
from ase.calculators.singlepoint import SinglePointCalculator

from meagraph.datasets import AtomicDataset, dataset_from_structures
from meagraph.errors import Cancelled, MEAGraphError
from meagraph.evaluation.equations import Prepared, Rows, Stressed, prepare
from meagraph.evaluation.force_error import ENERGY_WEIGHT, RIDGE, cost
from meagraph.force_field.field import CUTOFF, new_field, usual_distance
from tests.support.structures import labelled

GROUPS = ("bulk", "hot", "rare")


def rattled(seed: int = 0) -> list[Atoms]:
    """24 cells of 32 Cu and Ni atoms: 15 bulk, 7 hot, 2 rare."""
    rng = np.random.default_rng(seed)
    structures = []
    for index in range(24):
        group = 0 if index < 15 else 1 if index < 22 else 2
        atoms = ase.build.bulk("Cu", cubic=True, a=3.7).repeat(2)
        atoms.numbers[rng.permutation(32)[: rng.integers(4, 28)]] = 28
        atoms.positions += rng.normal(scale=(0.08, 0.25, 0.15)[group], size=(32, 3))
        atoms.info["config_type"] = GROUPS[group]
        structures.append(atoms)
    return structures


@pytest.fixture(scope="module")
def exact() -> AtomicDataset:
    """Labels that the very basis gives, plus 2 eV for every Cu and -5 eV for every Ni."""
    structures = rattled()
    plain = dataset_from_structures(structures, allow_unlabelled=True)
    prepared = prepare(replace(plain, forces=np.zeros_like(plain.forces)))
    field = new_field((28, 29), usual_distance(plain, np.arange(plain.n_structures)))
    coefficients = np.random.default_rng(1).normal(size=field.width) / prepared.scale / np.sqrt(field.width)
    for atoms in structures:
        found = field.neighbourhoods(atoms)
        energy = found.energy_features(field) @ coefficients
        energy += 2.0 * (atoms.numbers == 29).sum() - 5.0 * (atoms.numbers == 28).sum()
        forces, virial = (features @ coefficients for features in found.gradients(field))
        atoms.calc = SinglePointCalculator(atoms, energy=energy, forces=forces, stress=virial / atoms.get_volume())
    return dataset_from_structures(structures, name="exact")


def everything(dataset: AtomicDataset) -> np.ndarray:
    return np.ones(dataset.n_environments, dtype=bool)


def held(dataset: AtomicDataset, prepared: Prepared) -> np.ndarray:
    return np.isin(np.arange(dataset.n_structures), prepared.test.structures)


# Recovery


@pytest.mark.parametrize("share", [1.0, 0.5])
def test_labels_of_the_basis_are_recovered(exact: AtomicDataset, share: float) -> None:
    prepared = prepare(exact)
    keep = np.random.default_rng(2).random(exact.n_environments) < share
    found = cost(prepared, keep)
    typical = np.sqrt((exact.forces**2).mean())
    assert found.rmse < 2e-3 * typical
    assert found.worst < 4e-3 * typical
    assert found.energy_rmse < 2e-3
    assert found.stress_rmse < 1e-2 * np.sqrt((exact.stress**2).mean())
    assert found.environments == (keep & ~held(exact, prepared)[exact.structure_of]).sum()


def test_what_is_wrong_with_the_test_is_what_is_measured(exact: AtomicDataset) -> None:
    """Errors of 0.5 eV/Å a component, normally distributed, on the held-out labels alone."""
    noise = np.random.default_rng(3).normal(scale=0.5, size=exact.forces.shape)
    noisy = replace(exact, forces=exact.forces + noise)
    prepared = prepare(noisy)
    fit = replace(prepared.fit, forces=exact.forces[prepared.fit.environments])
    found = cost(replace(prepared, fit=fit), everything(exact))
    error = noise[prepared.test.environments]
    assert found.rmse == pytest.approx(np.sqrt((error**2).mean()), rel=1e-3)
    assert found.mae == pytest.approx(np.abs(error).mean(), rel=1e-3)
    assert found.p99 == pytest.approx(np.quantile(np.linalg.norm(error, axis=1), 0.99), rel=1e-3)
    for group in ("bulk", "hot"):
        rows = prepared.groups == group
        assert found.groups[group] == pytest.approx(np.sqrt((error[rows] ** 2).mean()), rel=1e-3)
    assert found.macro == pytest.approx((found.groups["bulk"] + found.groups["hot"]) / 2)
    assert found.worst == max(found.groups.values()) == found.groups[found.worst_group]


def test_stress_is_that_of_a_known_potential() -> None:
    """A pair potential of ASE gives energies, forces and stress; a fit to the first two predicts the third."""
    rng = np.random.default_rng(4)
    structures = []
    for _ in range(40):
        atoms = ase.build.bulk("Cu", cubic=True, a=3.7).repeat(2)
        atoms.set_cell(atoms.cell.array @ (np.eye(3) + rng.normal(scale=0.02, size=(3, 3))), scale_atoms=True)
        atoms.positions += rng.normal(scale=0.1, size=(32, 3))
        atoms.calc = LennardJones(sigma=2.3, epsilon=0.4, rc=CUTOFF, smooth=True)
        results = {"energy": atoms.get_potential_energy(), "forces": atoms.get_forces(), "stress": atoms.get_stress()}
        atoms.calc = SinglePointCalculator(atoms, **results)
        structures.append(atoms)
    data = dataset_from_structures(structures)
    found = cost(prepare(data), np.ones(40, dtype=bool))
    assert found.stress_rmse < 0.05 * np.sqrt(((data.stress - data.stress.mean(axis=0)) ** 2).mean())


def test_stresses_that_are_not_there_are_not_judged(exact: AtomicDataset) -> None:
    some = exact.stress.copy()
    some[::2] = np.nan
    prepared = prepare(replace(exact, stress=some))
    tested = prepared.test.structures[prepared.test.structures % 2 == 1]
    assert prepared.stressed is not None
    np.testing.assert_array_equal(prepared.stressed.stress[:, 4], exact.stress[tested, 0, 2])
    assert prepared.stressed.features.shape == (len(tested), 6, len(prepared.scale))
    none = prepare(replace(exact, stress=np.full_like(exact.stress, np.nan)))
    assert none.stressed is None
    assert np.isnan(cost(none, everything(exact)).stress_rmse)


# The solve


def by_hand(features: list[list[float]], energies: list[list[float]], forces: list[float]) -> Prepared:
    """One coefficient; two structures of one atom each to fit, one to test, forces along x only."""
    along = np.array([1.0, 0.0, 0.0])

    def rows(places: list[int]) -> Rows:
        count = len(places)
        energy = np.array([energies[place] for place in places])
        return Rows(
            environments=np.array(places),
            structures=np.array(places),
            structure_of=np.arange(count),
            features=(np.array([features[place] for place in places])[:, None, :] * along[:, None]).astype(np.float32),
            forces=np.array([forces[place] for place in places])[:, None] * along,
            known=np.ones(count, dtype=bool),
            energy_features=energy[:, :1],
            composition=np.ones((count, 1)),
            energy=energy[:, 1],
        )

    return Prepared(rows([0, 1]), rows([2]), np.array(["a"]), np.ones(1), (3, 3))


def test_forces_by_hand() -> None:
    none = float("nan")
    prepared = by_hand([[1.0], [2.0], [1.0]], [[0.0, none], [1.0, none], [0.0, none]], [2.0, 3.0, 1.0])
    found = cost(prepared, np.array([True, True, False]))
    assert found.coefficients[0] == pytest.approx((1 * 2 + 2 * 3) / (1 + 4), rel=2 * RIDGE)  # 1.6
    assert found.rmse == pytest.approx(0.6 / np.sqrt(3), rel=1e-5)
    assert found.mae == pytest.approx(0.2, rel=1e-5)
    assert found.p99 == pytest.approx(0.6, rel=1e-5)
    assert found.groups == {"a": found.rmse}
    assert (found.macro, found.worst, found.worst_group) == (found.rmse, found.rmse, "a")
    assert np.isnan(found.energy_rmse)
    alone = cost(prepared, np.array([False, True, False]))
    assert alone.coefficients[0] == pytest.approx(1.5, rel=2 * RIDGE)
    assert (alone.environments, alone.structures) == (1, 1)


def test_stress_by_hand() -> None:
    none = float("nan")
    prepared = by_hand([[1.0], [2.0], [1.0]], [[0.0, none], [1.0, none], [0.0, none]], [2.0, 3.0, 1.0])
    features = np.array([[[1.0], [0.0], [2.0], [0.0], [0.0], [0.5]]], dtype=np.float32)
    stressed = Stressed(features, np.array([[1.6, 0.0, 3.0, 0.1, 0.0, 0.8]]))
    found = cost(replace(prepared, stressed=stressed), np.array([True, True, False]))
    # the coefficient is 1.6: errors of 3.2 - 3 and 0 - 0.1 in two of the six
    assert found.stress_rmse == pytest.approx(np.sqrt((0.2**2 + 0.1**2) / 6), rel=1e-4)


def test_energies_by_hand() -> None:
    prepared = by_hand([[1.0], [2.0], [1.0]], [[0.0, 5.0], [1.0, 6.0], [3.0, 9.0]], [2.0, 3.0, 1.0])
    found = cost(prepared, np.array([True, True, False]))
    # a free offset leaves energies of -1/2 and 1/2 for features of -1/2 and 1/2
    square = ENERGY_WEIGHT**2
    coefficient = (8 + square * 0.5) / (5 + square * 0.5)
    assert found.coefficients[0] == pytest.approx(coefficient, rel=2 * RIDGE)
    assert found.offsets[0] == pytest.approx(5.5 - coefficient / 2, rel=2 * RIDGE)
    assert found.energy_rmse == pytest.approx(abs(5.5 - coefficient / 2 + 3 * coefficient - 9), rel=1e-4)


@pytest.mark.parametrize("seed", range(2))
def test_it_is_the_weighted_least_squares_solution(exact: AtomicDataset, seed: int) -> None:
    """Against the stacked equations with the offsets as columns of their own, on labels that fit no basis."""
    rng = np.random.default_rng(seed)
    noisy = replace(
        exact, forces=rng.normal(size=exact.forces.shape), energy=exact.energy + rng.normal(size=len(exact.energy))
    )
    prepared = prepare(noisy, seed=seed)
    keep = rng.random(noisy.n_environments) < 0.6
    found = cost(prepared, keep)
    fit = prepared.fit
    kept = keep[fit.environments]
    width = len(prepared.scale)
    forces = fit.features[kept].astype(float).reshape(-1, width) / prepared.scale
    counts = np.bincount(fit.structure_of[kept], minlength=len(fit.structures))
    root = ENERGY_WEIGHT * np.sqrt(counts)[:, None]
    energies = fit.energy_features / prepared.scale
    offsets = np.linalg.lstsq(root * fit.composition, root * energies, rcond=None)[0]
    apart = root * (energies - fit.composition @ offsets)
    level = np.sqrt(RIDGE * ((forces**2).sum() + (apart**2).sum()) / width)
    stacked = np.block(
        [
            [forces, np.zeros((len(forces), 2))],
            [root * energies, root * fit.composition],
            [level * np.eye(width), np.zeros((width, 2))],
        ]
    )
    right = np.concatenate([fit.forces[kept].ravel(), root[:, 0] * fit.energy, np.zeros(width)])
    expected = np.linalg.lstsq(stacked, right, rcond=None)[0]
    np.testing.assert_allclose(found.coefficients * prepared.scale, expected[:width], rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(found.offsets, expected[width:], rtol=1e-6)


# What is held out


def test_labels_of_held_out_structures_never_reach_the_fit(exact: AtomicDataset) -> None:
    prepared = prepare(exact)
    away = held(exact, prepared)
    energy, forces = exact.energy.copy(), exact.forces.copy()
    energy[away] += 100.0
    forces[away[exact.structure_of]] *= -7.0
    spoilt = prepare(replace(exact, energy=energy, forces=forces))
    first, second = cost(prepared, everything(exact)), cost(spoilt, everything(exact))
    np.testing.assert_array_equal(first.coefficients, second.coefficients)
    np.testing.assert_array_equal(first.offsets, second.offsets)
    assert second.rmse > 100 * first.rmse
    without = cost(prepared, ~away[exact.structure_of])  # nor does it matter whether a plan keeps them
    np.testing.assert_array_equal(first.coefficients, without.coefficients)


def test_the_split_takes_its_share_of_every_group_that_can_give(exact: AtomicDataset) -> None:
    for seed in range(5):
        prepared = prepare(exact, test=0.3, seed=seed)
        tested = exact.groups[prepared.test.structures]
        assert [(tested == group).sum() for group in GROUPS] == [4, 2, 0]  # of 15, 7 and 2
        together = np.concatenate([prepared.fit.structures, prepared.test.structures])
        assert sorted(together) == list(range(exact.n_structures))
        np.testing.assert_array_equal(prepare(exact, seed=seed).test.structures, prepared.test.structures)
    assert set(cost(prepared, everything(exact)).groups) == {"bulk", "hot"}


def test_equal_structures_are_on_one_side(exact: AtomicDataset) -> None:
    twice = dataset_from_structures([*exact.structures, *exact.structures])
    prepared = prepare(twice)
    away = held(twice, prepared)
    np.testing.assert_array_equal(away[:24], away[24:])
    assert away.any()


def test_a_cap_takes_whole_structures(exact: AtomicDataset) -> None:
    prepared = prepare(exact, cap=400)
    assert len(prepared.fit.environments) + len(prepared.test.environments) == 12 * 32
    found = cost(prepared, everything(exact))
    assert found.environments == len(prepared.fit.environments)


# Kinds of plans and labels


def test_structures_are_their_environments(exact: AtomicDataset) -> None:
    prepared = prepare(exact)
    structures = np.random.default_rng(0).random(exact.n_structures) < 0.7
    first, second = cost(prepared, structures), cost(prepared, structures[exact.structure_of])
    np.testing.assert_array_equal(first.coefficients, second.coefficients)
    assert first.structures == (structures & ~held(exact, prepared)).sum()


def test_without_energies_there_is_no_error_of_energies(exact: AtomicDataset) -> None:
    bare = replace(exact, energy=np.full_like(exact.energy, np.nan))
    found = cost(prepare(bare), everything(exact))
    assert np.isnan(found.energy_rmse)
    assert np.isnan(found.offsets).all()
    assert found.rmse < 2e-3 * np.sqrt((exact.forces**2).mean())


def test_unknown_forces_are_left_out(exact: AtomicDataset) -> None:
    forces = exact.forces.copy()
    forces[exact.structure_of % 2 == 0] = np.nan
    prepared = prepare(replace(exact, forces=forces))
    found = cost(prepared, everything(exact))
    assert found.environments == prepared.fit.known.sum() < len(prepared.fit.known)
    assert found.rmse < 4e-3 * np.sqrt((exact.forces**2).mean())


def test_a_pair_closer_than_any_in_the_fit_costs_no_more_than_its_force() -> None:
    rng = np.random.default_rng(0)
    structures = []
    for index in range(15):
        atoms = ase.build.bulk("Nb", "bcc", a=3.31, cubic=True) * (2, 2, 2)
        if index < 14:
            atoms.positions += rng.normal(scale=0.06, size=atoms.positions.shape)
        else:
            atoms.positions[1] = atoms.positions[0] + [1.9, 0.0, 0.0]  # Å; 2.7 elsewhere
        structures.append(labelled(atoms, "bcc"))
    dataset = dataset_from_structures(structures)
    held_out = [found for seed in range(20) if 14 in (found := prepare(dataset, seed=seed)).test.structures]
    assert held_out
    largest = np.linalg.norm(dataset.forces[dataset.offsets[14] :], axis=1).max()
    for prepared in held_out:
        found = cost(prepared, np.ones(dataset.n_structures, dtype=bool))
        assert found.p99 < 1.5 * largest  # with columns scaled by what the fit sees it is over 2,000 eV/Å


# Errors


def test_a_plan_that_keeps_too_little_is_refused(exact: AtomicDataset) -> None:
    prepared = prepare(exact)
    least = -(-len(prepared.scale) // 3)
    keep = np.zeros(exact.n_environments, dtype=bool)
    keep[prepared.test.environments] = True
    keep[prepared.fit.environments[: least - 1]] = True
    with pytest.raises(MEAGraphError, match=rf"at least {least} kept environments .* keeps {least - 1}\. Keep more"):
        cost(prepared, keep)
    keep[prepared.fit.environments[least - 1]] = True
    assert np.isfinite(cost(prepared, keep).rmse)


def test_bad_input(exact: AtomicDataset) -> None:
    with pytest.raises(MEAGraphError, match=r"shape \(768,\) of environments or \(24,\)"):
        cost(prepare(exact), np.ones(5, dtype=bool))
    with pytest.raises(MEAGraphError, match=r"between 0 and 1, got 1\.0"):
        prepare(exact, test=1.0)
    with pytest.raises(MEAGraphError, match="expects forces"):
        prepare(replace(exact, forces=np.full_like(exact.forces, np.nan)))
    with pytest.raises(MEAGraphError, match="at least 3 different structures"):
        prepare(replace(exact, groups=np.array([str(i) for i in range(24)])))


def test_progress_can_cancel(exact: AtomicDataset) -> None:
    def cancel(done: int, total: int, message: str) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        prepare(exact, progress=cancel)

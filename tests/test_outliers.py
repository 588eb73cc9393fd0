"""Planted faults are found, for the right reason, and a sound dataset raises no alarm."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import ase.build
import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.neighborlist import neighbor_list

from meagraph.clustering import NOISE, Clusters
from meagraph.condensation import condense, unit_columns
from meagraph.datasets import AtomicDataset, dataset_from_structures
from meagraph.descriptors import DescriptorConfig, compute_descriptors
from meagraph.errors import Cancelled
from meagraph.outliers import (
    ALARM,
    Outliers,
    Signal,
    _left_out,
    nearest_atoms,
    robust_deviation,
    score_outliers,
    tail_rarity,
)

SMALL = DescriptorConfig(n_max=2, l_max=2)


def with_labels(atoms: Atoms, energy: float, forces: np.ndarray) -> Atoms:
    copy = atoms.copy()
    copy.calc = SinglePointCalculator(copy, energy=energy, forces=forces)
    return copy


def score(dataset: AtomicDataset, *, noise: tuple[int, ...] = (), **options) -> Outliers:
    points = unit_columns(compute_descriptors(dataset, SMALL, cache=False).values)
    labels = np.zeros(dataset.n_environments, dtype=np.int64)
    labels[list(noise)] = NOISE
    clusters = Clusters(labels, np.array([(labels == 0).sum()]), "by hand")
    return score_outliers(points, condense(points), clusters, dataset, **options)


@pytest.fixture(scope="module")
def sound(make_structures: Callable[..., list[Atoms]]) -> AtomicDataset:
    """40 rattled bcc cells of 16 atoms, one of them twice, with labels that fit."""
    return dataset_from_structures(make_structures(40, 0, seed=1)[:-1], name="sound")


@pytest.fixture(scope="module")
def sound_outliers(sound: AtomicDataset) -> Outliers:
    return score(sound)


def test_a_sound_dataset_raises_no_alarm(sound: AtomicDataset, sound_outliers: Outliers) -> None:
    assert len(sound_outliers.candidates) == 0
    assert 0 <= sound_outliers.score.min() <= sound_outliers.score.max() < 1
    assert {len(signal.value) for signal in sound_outliers.signals} == {sound.n_environments}


def test_a_shifted_energy_is_found(sound: AtomicDataset) -> None:
    energy = sound.energy.copy()
    energy[4] += 16 * 0.3
    found = score(replace(sound, energy=energy))
    np.testing.assert_array_equal(np.unique(sound.structure_of[found.candidates]), [4])
    assert len(found.candidates) == 16
    (reason,) = found.reasons(int(found.candidates[0]))
    assert reason.startswith("the energy of its structure is +0.3")
    assert "eV/atom away from what alike structures suggest" in reason


def test_a_wrong_force_is_found(sound: AtomicDataset) -> None:
    forces = sound.forces.copy()
    forces[37, 1] += 30.0  # atom 5 of structure 2
    found = score(replace(sound, forces=forces))
    np.testing.assert_array_equal(np.unique(sound.structure_of[found.candidates]), [2])
    assert 37 in found.candidates
    reasons = " | ".join(found.reasons(37))
    assert "the force on it is 30" in reasons or "the force on it is 29" in reasons
    assert "the forces of its structure add up to 30 eV/Å, not to zero" in reasons
    assert "the force on it" not in " | ".join(found.reasons(36))  # its neighbour only shares the sum


def test_atoms_too_close_are_found(sound: AtomicDataset) -> None:
    original = sound.structures[6]
    crowded = original.copy()
    apart = original.get_distance(0, 1, mic=True, vector=True)
    crowded.positions[1] = crowded.positions[0] + apart / np.linalg.norm(apart) * 1.3
    structures = list(sound.structures)
    # labels of the sound structure: only the distance gives the pair away
    structures[6] = with_labels(crowded, original.get_potential_energy(), original.get_forces())
    found = score(dataset_from_structures(structures))
    first = int(sound.offsets[6])
    for row in (first, first + 1):
        assert row in found.candidates
        assert any("its nearest atom is only 1.3 Å away" in reason for reason in found.reasons(row))
    others = [row for row in range(first + 2, first + 16) if row in found.candidates]
    assert not any("nearest atom" in reason for row in others for reason in found.reasons(row))


def test_a_lone_environment_is_found(sound: AtomicDataset) -> None:
    lone = with_labels(ase.build.bulk("Nb", "sc", a=2.2), 0.0, np.zeros((1, 3)))
    found = score(dataset_from_structures([*sound.structures, lone]))
    row = sound.n_environments
    assert row in found.candidates
    assert any("its 5 nearest environments lie within" in reason for reason in found.reasons(row))


def test_being_in_no_cluster_adds_but_never_raises_the_alarm(sound: AtomicDataset, sound_outliers: Outliers) -> None:
    found = score(sound, noise=(3, 100))
    np.testing.assert_array_equal(np.flatnonzero(found.unclustered), [3, 100])
    assert len(found.candidates) == 0
    for row in (3, 100):
        plain = sound_outliers.score[row]
        assert found.score[row] == pytest.approx(plain + 0.25 * (1 - plain))
        assert "in no cluster (noise or singleton)" in found.reasons(row)
    rest = ~found.unclustered
    np.testing.assert_array_equal(found.score[rest], sound_outliers.score[rest])


def test_candidates_come_worst_first() -> None:
    found = Outliers(np.array([0.5, 1.0, 3.0, 0.99, 2.0]), np.zeros(5, dtype=bool), ())
    assert found.candidates.tolist() == [2, 4, 1]


def test_missing_labels_are_no_fault(sound: AtomicDataset, sound_outliers: Outliers) -> None:
    bare = dataset_from_structures(
        [
            Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=True) if index % 3 == 0 else atoms
            for index, atoms in enumerate(sound.structures)
        ],
        allow_unlabelled=True,
    )
    assert np.isnan(bare.energy).sum() == 14
    found = score(bare)
    assert np.isfinite(found.score).all()
    assert len(found.candidates) == 0
    empty = replace(sound, energy=np.full(41, np.nan), forces=np.full((656, 3), np.nan))
    assert len(score(empty).candidates) == 0


def test_progress_names_every_signal_and_can_cancel(sound: AtomicDataset) -> None:
    seen: list[tuple[int, int, str]] = []
    score(sound, progress=lambda *step: seen.append(step))
    share = [done / total for done, total, _ in seen]
    assert share == sorted(share)
    assert share[-1] == 1.0
    named = {message.removeprefix("outliers: ") for _, _, message in seen}
    assert {"isolation", "short distance", "force", "net force", "energy"} <= named

    def cancel(done: int, total: int, message: str) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        score(sound, progress=cancel)


def test_forces_of_the_wrong_sign_are_found(sound: AtomicDataset) -> None:
    forces = sound.forces.copy()
    part = slice(sound.offsets[7], sound.offsets[8])
    forces[part] *= -1.0
    found = score(replace(sound, forces=forces))
    assert set(sound.structure_of[found.candidates]) == {7}
    reasons = found.reasons(int(found.candidates[0]))
    assert any("a quick model's as usual" in reason for reason in reasons)


# The parts


def test_tail_rarity_by_hand() -> None:
    """0, 1, ..., 100: the quantiles are 80 and 95, the decay length 15 / ln 4."""
    found = tail_rarity(np.arange(101.0))
    decay = 15 / np.log(4)
    assert not found[:81].any()
    np.testing.assert_allclose(found[[90, 100]], -np.log10(0.2 * np.exp(-np.array([10, 20]) / decay)))
    assert found[95] == pytest.approx(-np.log10(0.05))


def test_a_tail_is_never_infinitely_sharp() -> None:
    found = tail_rarity(np.array([0.0] * 99 + [1.0]))
    assert found[-1] == pytest.approx(-np.log10(0.2) + 1.0 / (0.25 * np.log(10)))
    assert not found[:-1].any()


def test_robust_deviation_by_hand() -> None:
    # median 3, absolute deviations 2 1 0 1 97 with median 1
    expected = np.array([0, 0, 0, 1, 97]) / 1.4826
    np.testing.assert_allclose(robust_deviation(np.array([1.0, 2.0, 3.0, 4.0, 100.0])), expected)


def test_robust_deviation_where_most_are_equal() -> None:
    # the median deviation is 0; the mean one is 2 / 8
    np.testing.assert_allclose(robust_deviation(np.array([1.0, 1, 1, 1, 1, 1, 1, 3])), [0] * 7 + [2 / (1.2533 * 0.25)])


def test_robust_deviation_of_missing_and_constant_values() -> None:
    values = np.array([np.nan, 1.0, 2.0, 3.0, np.nan])
    np.testing.assert_allclose(robust_deviation(values), [0, 0, 0, 1 / 1.4826, 0])
    assert robust_deviation(np.full(4, 2.5)).tolist() == [0] * 4
    assert robust_deviation(np.full(3, np.nan)).tolist() == [0] * 3


@pytest.mark.parametrize("pbc", [True, False, (True, True, False), (False, False, True)])
def test_nearest_atoms_against_ase(pbc) -> None:
    rng = np.random.default_rng(0)
    structures = []
    for seed in range(6):
        cell = np.diag(rng.uniform(2.2, 7.0, 3)) + rng.normal(scale=0.4, size=(3, 3))
        n = int(rng.integers(1, 9))
        atoms = Atoms(numbers=rng.choice([41, 8], n), positions=rng.random((n, 3)) @ cell, cell=cell, pbc=pbc)
        atoms.positions[0] += 3 * cell[seed % 3]  # an atom outside its cell
        structures.append(atoms)
    dataset = dataset_from_structures(structures, allow_unlabelled=True)
    expected = np.full(dataset.n_environments, np.nan)
    for atoms, first in zip(structures, dataset.offsets, strict=False):
        center, distance = neighbor_list("id", atoms, 4.0)
        for row in range(len(atoms)):
            if (center == row).any():
                expected[first + row] = distance[center == row].min()
    assert np.isfinite(expected).any()
    np.testing.assert_allclose(nearest_atoms(dataset), expected, rtol=1e-10)


def test_nearest_atoms_by_hand() -> None:
    structures = [
        ase.build.bulk("Nb", "bcc", a=3.3),  # one atom, its own images
        Atoms("H2", positions=[[0, 0, 0], [0, 0, 0.74]]),  # no cell
        Atoms("Nb"),
        Atoms("H2", positions=[[0, 0, 0.5], [0, 0, 9.5]], cell=[20, 20, 10], pbc=(False, False, True)),
        Atoms("Nb", cell=[2.5, 0, 0], pbc=(True, False, False)),  # a chain, no cell across
    ]
    dataset = dataset_from_structures(structures, allow_unlabelled=True)
    expected = [3.3 * np.sqrt(3) / 2, 0.74, 0.74, np.nan, 1.0, 1.0, 2.5]
    np.testing.assert_allclose(nearest_atoms(dataset), expected)


def test_a_wrong_energy_does_not_hide_behind_its_own_weight() -> None:
    """A point far out on a line bends the fit towards itself; judged by the others it stands out."""
    x = np.append(np.arange(10.0), 100.0)
    target = 2.0 * x + 0.01 * (-1.0) ** np.arange(11)
    target[-1] += 5.0
    residual = _left_out(np.column_stack([x / 100.0, np.ones(11)]), target)
    others = np.polynomial.Polynomial.fit(x[:-1], target[:-1], 1)
    assert residual[-1] == pytest.approx(target[-1] - others(100.0), rel=0.02)


def test_a_wrong_energy_does_not_bend_the_fit_of_the_others() -> None:
    x = np.arange(21.0)
    target = 2.0 * x + 0.01 * (-1.0) ** np.arange(21)
    target[10] += 50.0
    residual = _left_out(np.column_stack([x / 20.0, np.ones(21)]), target)
    assert residual[10] == pytest.approx(50.0, rel=0.01)
    assert np.abs(np.delete(residual, 10)).max() < 0.1  # 2.4 for plain least squares


def test_reasons_come_strongest_first_and_only_where_they_count() -> None:
    none = np.zeros(2)
    signals = (
        Signal("a", np.array([1.5, 0.0]), np.zeros(2), np.array([ALARM / 2, 0.0]), "a is {value:.1f}"),
        Signal(
            "b",
            np.array([7.0, 0.0]),
            np.array([24.0, 0.0]),
            np.array([3 * ALARM, 0.0]),
            "b, {deviation:.0f} deviations",
        ),
        Signal("c", none, none, np.array([ALARM / 2 - 0.01, 0.0]), "c"),
    )
    found = Outliers(np.array([3.0, 0.0]), np.zeros(2, dtype=bool), signals)
    assert found.reasons(0) == ["b, 24 deviations", "a is 1.5"]
    assert found.reasons(1) == []

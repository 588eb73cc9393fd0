"""The work along small strains is what the stress of a calculator tells, whatever the strain."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT

from meagraph.datasets.columnar import pack
from meagraph.datasets.strains import BLOCK, BLOCKS, Steps, small_steps


def copper(strain: np.ndarray, moved: float = 0.0, seed: int = 0) -> Atoms:
    """Four atoms of copper in a strained cell, each moved by up to ``moved`` Å."""
    atoms = bulk("Cu", cubic=True, a=3.7)
    atoms.set_cell(atoms.cell.array @ (np.eye(3) + strain), scale_atoms=True)
    atoms.positions += np.random.default_rng(seed).uniform(-moved, moved, (4, 3)) / np.sqrt(3)
    atoms.positions += [5.0, -3.0, 40.0]  # all of them, out of the cell
    return atoms


def measured(structures: list[Atoms]) -> tuple[Steps, np.ndarray]:
    """The steps, and the work that EMT's stress tells."""
    energy, forces, stress = [], [], []
    for atoms in structures:
        known = atoms.copy()
        known.calc = EMT()
        energy.append(known.get_potential_energy())
        forces.append(known.get_forces())
        stress.append(known.get_stress(voigt=False))
    steps = small_steps(pack(structures), np.array(energy), np.concatenate(forces))
    return steps, steps.told(np.array(stress), np.array([atoms.get_volume() for atoms in structures]))


@pytest.mark.parametrize("moved", [0.0, 0.02])
def test_the_stress_does_the_work_of_any_strain(moved: float) -> None:
    rng = np.random.default_rng(1)
    steps, told = measured([copper(rng.normal(scale=0.01, size=(3, 3)), moved, seed) for seed in range(12)])
    assert len(steps.work) > 30
    assert np.median(np.abs(told - steps.work) / np.abs(steps.work)) < 0.02
    assert np.abs(steps.strain).max() < 0.07
    off_diagonal = steps.strain[:, 0, 1]
    assert np.abs(off_diagonal).max() > 0.01
    np.testing.assert_array_equal(steps.strain, steps.strain.transpose(0, 2, 1))


def test_a_turned_cell_is_no_strain() -> None:
    angle = 0.02
    turn = np.array([[np.cos(angle), np.sin(angle), 0], [-np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    steps, _ = measured([copper(np.zeros((3, 3))), copper(turn - np.eye(3))])
    assert len(steps.work) == 0


def test_without_forces_only_what_has_not_moved() -> None:
    still = [copper(np.diag([0.01 * n, 0, 0])) for n in range(3)]
    moved = [copper(np.diag([0.01 * n, 0, 0]), 0.02, n) for n in range(3, 6)]
    unknown = [np.full((4, 3), np.nan)] * 6
    steps = small_steps(pack([*still, *moved]), np.arange(6.0), np.concatenate(unknown))
    assert sorted(zip(steps.first.tolist(), steps.second.tolist(), strict=True)) == [(0, 1), (0, 2), (1, 2)]


@pytest.mark.parametrize(
    ("other", "why"),
    [
        (copper(np.diag([0.2, 0, 0])), "too large a strain"),
        (copper(np.diag([0.01, 0, 0]), 0.5), "atoms moved"),
        (copper(np.zeros((3, 3))), "no strain"),
        (Atoms("Cu3Ag", copper(np.diag([0.01, 0, 0])).positions, cell=[3.7] * 3, pbc=True), "other elements"),
        (Atoms("Cu4", copper(np.diag([0.01, 0, 0])).positions, cell=[3.74, 3.7, 3.7]), "not periodic"),
    ],
)
def test_what_is_no_small_step(other: Atoms, why: str) -> None:
    steps = small_steps(pack([copper(np.zeros((3, 3))), other]), np.array([0.0, 1.0]), np.zeros((8, 3)))
    assert len(steps.work) == 0, why


def test_next_to_no_work_and_unknown_energies_say_nothing() -> None:
    pair = pack([copper(np.zeros((3, 3))), copper(np.diag([0.01, 0, 0]))])
    zero = np.zeros((8, 3))
    assert len(small_steps(pair, np.array([0.0, 1e-5]), zero).work) == 0
    assert len(small_steps(pair, np.array([0.0, np.nan]), zero).work) == 0
    assert len(small_steps(pair, np.array([0.0, 0.1]), zero).work) == 1


def test_of_many_structures_a_bounded_number_is_compared() -> None:
    count = 3 * BLOCKS * BLOCK
    structures = [bulk("Cu", a=3.6 * (1 + 1e-6 * n)) for n in range(count)]
    steps = small_steps(pack(structures), np.arange(count, dtype=float), np.zeros((count, 3)))
    assert len(np.unique(np.concatenate([steps.first, steps.second]))) <= BLOCKS * BLOCK

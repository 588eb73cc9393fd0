"""The quick force model recovers forces of its own form, whatever a few wrong labels say."""

from __future__ import annotations

from dataclasses import replace

import ase.build
import numpy as np
import pytest
from ase import Atoms
from ase.calculators.lj import LennardJones
from ase.calculators.singlepoint import SinglePointCalculator

from meagraph.datasets import AtomicDataset, dataset_from_structures
from meagraph.errors import Cancelled
from meagraph.pairforces import CUTOFF, predict_forces


def labelled(atoms: Atoms) -> Atoms:
    atoms.calc = LennardJones(sigma=2.3, epsilon=0.4, rc=CUTOFF, smooth=True)
    forces, energy = atoms.get_forces(), atoms.get_potential_energy()
    atoms.calc = SinglePointCalculator(atoms, energy=energy, forces=forces)
    return atoms


@pytest.fixture(scope="module")
def pairwise() -> AtomicDataset:
    """Rattled copper cells with the forces of a pair potential."""
    rng = np.random.default_rng(0)
    structures = []
    for _ in range(30):
        atoms = ase.build.bulk("Cu", cubic=True, a=3.7).repeat(2)
        atoms.positions += rng.normal(scale=0.12, size=(32, 3))
        structures.append(labelled(atoms))
    return dataset_from_structures(structures, name="pairwise")


def misfit(dataset: AtomicDataset, predicted: np.ndarray) -> float:
    """Median residual over median force."""
    residual = np.linalg.norm(dataset.forces - predicted, axis=1)
    return float(np.median(residual) / np.median(np.linalg.norm(dataset.forces, axis=1)))


def test_forces_of_a_pair_potential_are_recovered(pairwise: AtomicDataset) -> None:
    assert misfit(pairwise, predict_forces(pairwise, 2.6)) < 0.05


def test_a_few_wrong_labels_do_not_bend_the_fit(pairwise: AtomicDataset) -> None:
    forces = pairwise.forces.copy()
    forces[: pairwise.offsets[3]] *= -10.0  # a tenth of the structures
    found = predict_forces(replace(pairwise, forces=forces), 2.6)
    assert misfit(pairwise, found) < 0.08


def test_turning_a_structure_turns_its_forces(pairwise: AtomicDataset) -> None:
    turned = []
    for atoms in pairwise.structures:
        copy = atoms.copy()
        forces = atoms.get_forces()
        copy.set_cell(atoms.cell.array[:, [1, 2, 0]])
        copy.set_positions(atoms.positions[:, [1, 2, 0]])
        copy.calc = SinglePointCalculator(copy, energy=0.0, forces=forces[:, [1, 2, 0]])
        turned.append(copy)
    one = predict_forces(pairwise, 2.6)
    two = predict_forces(dataset_from_structures(turned), 2.6)
    np.testing.assert_allclose(two, one[:, [1, 2, 0]], atol=2e-3)


def test_too_few_forces_are_no_model(pairwise: AtomicDataset, structures: tuple[Atoms, ...]) -> None:
    forces = np.full_like(pairwise.forces, np.nan)
    forces[:10] = 0.1
    assert np.isnan(predict_forces(replace(pairwise, forces=forces), 2.6)).all()


def test_cancelling(pairwise: AtomicDataset) -> None:
    def cancel(done: int, total: int, message: str) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        predict_forces(pairwise, 2.6, progress=cancel)

"""The quick force field recovers forces of its own form, whatever a few wrong labels say."""

from __future__ import annotations

from dataclasses import replace

import ase.build
import numpy as np
import pytest
from ase import Atoms
from ase.calculators.lj import LennardJones
from ase.calculators.singlepoint import SinglePointCalculator
from ase.neighborlist import neighbor_list

from meagraph.datasets import AtomicDataset, dataset_from_structures
from meagraph.errors import Cancelled
from meagraph.force_field import loops, observing
from meagraph.force_field.field import (
    CUTOFF,
    Field,
    Fitted,
    Neighbourhoods,
    nearest_distances,
    new_field,
    pair_slopes,
    warm,
)
from meagraph.force_field.observing import observe


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
    assert misfit(pairwise, observe(pairwise).forces) < 0.05


def test_the_same_crystal_written_otherwise_has_the_same_features() -> None:
    crystal = ase.build.bulk("NaCl", "rocksalt", a=5.6) * (2, 2, 1)
    crystal.rattle(0.15, seed=0)
    unwrapped, other = crystal.copy(), crystal.copy()
    unwrapped.positions += np.random.default_rng(0).integers(-300, 301, (len(crystal), 3)) @ crystal.cell.array
    other.set_cell(np.array([[1, 3, -2], [0, 1, 4], [0, 0, 1]]) @ crystal.cell.array)
    near, far = (Atoms(crystal.numbers, crystal.positions, cell=[size] * 3, pbc=True) for size in (40.0, 1e6))
    field = new_field((11, 17), 2.8)
    for atoms, same in ((crystal, unwrapped), (crystal, other), (near, far)):
        expected, found = (field.neighbourhoods(one).force_features(field) for one in (atoms, same))
        np.testing.assert_allclose(found, expected, atol=1e-8 * np.abs(expected).max())
        np.testing.assert_allclose(nearest_distances(same), nearest_distances(atoms), atol=1e-8)


@pytest.mark.parametrize(("count", "width"), [(3, 6 * 16 + 3 * 87), (10, 55 * 16 + 87), (89, 55 * 16 + 87)])
def test_coefficients_stay_few_however_many_elements(count: int, width: int) -> None:
    """Up to ten elements every pair has its own potential; beyond, elements of like radius share them."""
    field = new_field(tuple(range(1, count + 1)), 2.5)
    assert field.width == width
    assert np.bincount(field.group).min() >= count // 10
    dimer = Atoms([1, count], positions=[[0, 0, 0], [2.0, 0, 0]])
    assert np.isfinite(field.neighbourhoods(dimer).force_features(field)).all()


def test_a_few_wrong_labels_do_not_bend_the_fit(pairwise: AtomicDataset) -> None:
    forces = pairwise.forces.copy()
    forces[: pairwise.offsets[3]] *= -10.0  # a tenth of the structures
    found = observe(replace(pairwise, forces=forces)).forces
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
    one = observe(pairwise).forces
    two = observe(dataset_from_structures(turned)).forces
    np.testing.assert_allclose(two, one[:, [1, 2, 0]], atol=2e-3)


def test_too_few_forces_are_no_model(pairwise: AtomicDataset, structures: tuple[Atoms, ...]) -> None:
    forces = np.full_like(pairwise.forces, np.nan)
    forces[:10] = 0.1
    assert np.isnan(observe(replace(pairwise, forces=forces)).forces).all()


@pytest.mark.parametrize("species", [(29,), (8, 29), (1, 8, 26, 29)])
def test_forces_are_the_gradients_of_the_energy(species: tuple[int, ...]) -> None:
    """By central differences of the energy, for every coefficient alone; and the quick sum gives the same."""
    rng = np.random.default_rng(1)
    atoms = ase.build.bulk("Cu", cubic=True, a=3.7).repeat((2, 1, 1))
    atoms.positions += rng.normal(scale=0.2, size=(8, 3))
    atoms.numbers = rng.permutation(np.resize(species, 8))
    field = new_field(species, 2.6)
    found = field.neighbourhoods(atoms)
    features = found.force_features(field)
    step = 0.02  # several points of the tables
    for atom, axis in ((0, 0), (5, 2)):
        energies = []
        for sign in (1, -1):
            moved = atoms.copy()
            moved.positions[atom, axis] += sign * step
            energies.append(field.neighbourhoods(moved).energy_features(field))
        expected = (energies[1] - energies[0]) / (2 * step)
        np.testing.assert_allclose(features[atom, axis], expected, atol=5e-3 * np.abs(features).max())
    coefficients = rng.normal(size=field.width)
    quick = found.forces(field, coefficients, pair_slopes(field, coefficients))
    np.testing.assert_allclose(quick, features @ coefficients, atol=1e-9)
    np.testing.assert_allclose(features.sum(axis=0), 0.0, atol=1e-9)  # every action has its reaction


@pytest.mark.parametrize("species", [(29,), (8, 29), (1, 8, 26, 29)])
@pytest.mark.parametrize("size", [1, 2])
def test_the_virial_is_the_derivative_of_the_energy_by_strain(species: tuple[int, ...], size: int) -> None:
    """By central differences of the cell, in cells in which atoms see their own images; forces stay what they are."""
    rng = np.random.default_rng(3)
    atoms = ase.build.bulk("Cu", cubic=True, a=3.7).repeat((size, 1, 1))
    atoms.positions += rng.normal(scale=0.2, size=(len(atoms), 3))
    atoms.numbers = rng.permutation(np.resize(species, len(atoms)))
    field = new_field(species, 2.6)
    found = field.neighbourhoods(atoms)
    forces, virial = found.gradients(field)
    np.testing.assert_array_equal(forces, found.force_features(field))
    step = 4e-3  # several points of the tables at the distances of neighbours
    for row, (one, other) in enumerate([(0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1)]):
        energies = []
        for sign in (1, -1):
            strain = np.zeros((3, 3))
            strain[one, other] += sign * step / 2
            strain[other, one] += sign * step / 2
            strained = atoms.copy()
            strained.set_cell(atoms.cell.array @ (np.eye(3) + strain), scale_atoms=True)
            energies.append(field.neighbourhoods(strained).energy_features(field))
        expected = (energies[0] - energies[1]) / (2 * step)
        np.testing.assert_allclose(virial[row], expected, atol=5e-3 * np.abs(virial).max())


def test_angular_forces_are_recovered() -> None:
    """A pair term, and (cos + 1/3)^2 for every two neighbours of an atom, which no pair potential can do."""
    rng = np.random.default_rng(2)
    structures = []
    for _ in range(25):
        atoms = ase.build.bulk("Si", cubic=True, a=5.4)
        atoms.positions += rng.normal(scale=0.1, size=(8, 3))
        atoms.calc = SinglePointCalculator(atoms, energy=0.0, forces=_angular_forces(atoms))
        structures.append(atoms)
    dataset = dataset_from_structures(structures, name="angular")
    assert misfit(dataset, observe(dataset).forces) < 0.1


def _angular_forces(atoms: Atoms, cutoff: float = 3.6, step: float = 1e-4) -> np.ndarray:
    def energy(moved: Atoms) -> float:
        first, vector, length = neighbor_list("iDd", moved, cutoff)
        total = float(((length - 2.3) ** 2 * (cutoff - length) ** 2).sum())
        for atom in range(len(moved)):
            here = first == atom
            unit, fall = vector[here] / length[here][:, None], (cutoff - length[here]) ** 2
            total += 0.5 * float((np.outer(fall, fall) * (unit @ unit.T + 1 / 3) ** 2).sum())
        return total

    forces = np.empty((len(atoms), 3))
    for atom in range(len(atoms)):
        for axis in range(3):
            ends = []
            for sign in (1, -1):
                moved = atoms.copy()
                moved.positions[atom, axis] += sign * step
                ends.append(energy(moved))
            forces[atom, axis] = (ends[1] - ends[0]) / (2 * step)
    return forces


def test_the_first_shell_is_counted() -> None:
    """bcc: 8 neighbours at 2.86 Å and 6 at 3.30 Å, within 1.25 times 2.86 Å; a lone atom has none."""
    structures = [ase.build.bulk("Nb", "bcc", a=3.3) for _ in range(3)] + [Atoms("Nb")]
    seen = observe(dataset_from_structures(structures, allow_unlabelled=True))
    assert seen.usual == pytest.approx(3.3 * np.sqrt(3) / 2)
    np.testing.assert_allclose(seen.nearest, [seen.usual] * 3 + [np.nan])
    np.testing.assert_allclose(seen.coordination, [14, 14, 14, 0])
    assert np.isnan(seen.forces).all()


def test_atoms_without_any_neighbour() -> None:
    seen = observe(dataset_from_structures([Atoms("Nb"), Atoms("H")], allow_unlabelled=True))
    assert np.isnan(seen.usual)
    assert np.isnan(seen.nearest).all()
    assert seen.features.shape == (2, 0)


def test_kernels_are_compiled_ahead_for_what_datasets_bring() -> None:
    warm()
    kernels = [
        kernel for name, kernel in vars(loops).items() if hasattr(kernel, "signatures") and not name.startswith("_")
    ]
    known = [len(kernel.signatures) for kernel in kernels]
    assert min(known) == 1
    field = new_field((8, 41), 2.6)
    found = field.neighbourhoods(Atoms("NbO", positions=[[0, 0, 0], [0, 0, 1.9]], cell=[9, 9, 9], pbc=True))
    found.force_features(field)
    observe(dataset_from_structures([ase.build.bulk("Nb", "bcc", a=3.3)] * 2, allow_unlabelled=True))
    assert [len(kernel.signatures) for kernel in kernels] == known


def test_cancelling(pairwise: AtomicDataset) -> None:
    def cancel(done: int, total: int, message: str) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        observe(pairwise, progress=cancel)


def test_processes_beside_this_one_see_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two elements, so that pairs have three kinds."""
    rng = np.random.default_rng(0)
    structures = []
    for _ in range(20):
        atoms = ase.build.bulk("NaCl", "rocksalt", a=5.6, cubic=True)
        atoms.rattle(0.2, rng=rng)
        atoms.calc = SinglePointCalculator(atoms, energy=0.0, forces=rng.normal(size=(len(atoms), 3)))
        structures.append(atoms)
    dataset = dataset_from_structures([*structures, structures[3]])
    here = observe(dataset)
    monkeypatch.setattr(observing, "ALONE", 0)
    monkeypatch.setattr(observing, "CHUNK", 30)
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    heard: list[int] = []
    beside = observe(dataset, progress=lambda done, total, message: heard.append(done))
    assert here.fitted is not None
    for name in ("nearest", "coordination", "forces", "features"):
        np.testing.assert_array_equal(getattr(beside, name), getattr(here, name))
    assert np.isfinite(beside.forces).all()
    assert heard[-1] == 1000
    assert heard == sorted(heard)

    def cancel(done: int, total: int, message: str) -> None:
        if done > 500:
            raise Cancelled

    with pytest.raises(Cancelled):
        observe(dataset, progress=cancel)


def test_structures_of_equal_content_are_looked_at_once(
    pairwise: AtomicDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Labels do not count: those of the copies differ."""
    again = [atoms.copy() for atoms in pairwise.structures[:7]]
    dataset = dataset_from_structures([*pairwise.structures, *again], name="some twice", allow_unlabelled=True)
    looked = []
    look = Field.neighbourhoods

    def neighbourhoods(field: Field, atoms: Atoms) -> Neighbourhoods:
        looked.append(atoms)
        return look(field, atoms)

    monkeypatch.setattr(
        "meagraph.force_field.observing.fit_roughly",
        lambda field, *_: Fitted(np.linspace(-1.0, 1.0, field.width), np.eye(field.width), 0.1),
    )
    monkeypatch.setattr(Field, "neighbourhoods", neighbourhoods)
    found = observe(dataset)
    assert len(looked) == 30
    vars(dataset)["first_equal"] = np.arange(37)  # as if no two were equal
    expected = observe(dataset)
    assert len(looked) == 30 + 37
    for name in ("nearest", "coordination", "forces", "features"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
    assert np.isfinite(found.forces).all()

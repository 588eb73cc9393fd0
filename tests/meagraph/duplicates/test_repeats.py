"""Structures that repeat others: moved, turned, mirrored, renumbered, in other cells, shaken; labels that disagree."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.singlepoint import SinglePointCalculator
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from scipy.spatial.transform import Rotation

from meagraph.datasets import AtomicDataset, from_atoms
from meagraph.duplicates import KINDS, Duplicates, find_duplicates, look_for_prints
from meagraph.duplicates.prints import RANKS
from meagraph.errors import MEAGraphError
from tests.support.structures import labelled


def data_of(*structures: Atoms) -> AtomicDataset:
    return from_atoms(list(structures), allow_unlabelled=True)


def crystal(seed: int = 0, elements: str = "InP") -> Atoms:
    atoms = bulk(elements, "zincblende", a=5.87, cubic=True) * (2, 1, 1)
    atoms.positions += np.random.default_rng(seed).normal(scale=0.08, size=atoms.positions.shape)
    return atoms


def copy_of(atoms: Atoms, seed: int, *, mirror: bool = False) -> Atoms:
    """Turned, moved, wrapped back into the cell, its atoms in another order."""
    rng = np.random.default_rng(seed)
    copy = atoms.copy()
    copy.positions += rng.uniform(-5, 5, 3)
    copy.wrap()
    turn = Rotation.random(random_state=seed).as_matrix() * (-1 if mirror else 1)
    copy.set_cell(copy.cell.array @ turn.T, scale_atoms=False)
    copy.positions = copy.positions @ turn.T
    return copy[rng.permutation(len(copy))]


def other_cell(atoms: Atoms, seed: int) -> Atoms:
    """The same crystal in the cell of other vectors, of equal volume or twice as large, atoms wrapped into it."""
    rng = np.random.default_rng(seed)
    steps = np.eye(3, dtype=int)
    for _ in range(3):
        one, two = rng.permutation(3)[:2]
        steps[one] += rng.integers(-1, 2) * steps[two]
    steps[0] *= rng.integers(1, 3)
    cell = steps @ atoms.cell.array
    many = atoms * (9, 9, 9)
    many.positions -= 4 * atoms.cell.array.sum(axis=0)
    inside = np.linalg.solve(cell.T, many.positions.T).T
    kept = many[((inside > -1e-9 - 0.013) & (inside < 1 - 1e-9 - 0.013)).all(axis=1)]
    return Atoms(kept.numbers, kept.positions, cell=cell, pbc=True)


def told(found: Duplicates) -> list[tuple[int, int, str]]:
    return [
        (one, of, KINDS[kind])
        for one, of, kind in zip(found.structure.tolist(), found.of.tolist(), found.kind.tolist(), strict=True)
    ]


def repeats(*structures: Atoms, distance: float = 0.002) -> list[tuple[int, int, str]]:
    return told(find_duplicates(data_of(*structures), distance=distance))


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**16), st.booleans())
def test_a_moved_copy_is_found(seed: int, mirror: bool) -> None:
    atoms = crystal(seed)
    found = find_duplicates(data_of(atoms, crystal(seed + 1), copy_of(atoms, seed, mirror=mirror)))
    assert told(found) == [(2, 0, "symmetric")]
    assert found.apart.max() < 1e-5


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**16), st.sampled_from(["made", "diamond", "hcp", "salt"]))
def test_another_cell_of_the_same_crystal_is_found(seed: int, name: str) -> None:
    """Other vectors, twice the volume, then turned, moved and renumbered; symmetric and unsymmetric crystals."""
    atoms = {
        "made": crystal(seed),
        "diamond": bulk("Si", "diamond", a=5.43),
        "hcp": bulk("Ti", "hcp", a=2.95, c=4.68),
        "salt": bulk("NaCl", "rocksalt", a=5.64, cubic=True),
    }[name]
    other = other_cell(atoms, seed)
    assert len(other) % len(atoms) == 0  # the helper made whole cells
    assert repeats(atoms, copy_of(other, seed)) == [(1, 0, "symmetric")]


def test_primitive_and_conventional_cells_are_one_crystal_and_a_vacancy_is_another() -> None:
    small, large = bulk("Cu", a=3.61), bulk("Cu", a=3.61, cubic=True) * (2, 2, 2)
    hole = large.copy()
    del hole[5]
    assert repeats(large, small, hole) == [(1, 0, "symmetric")]


@pytest.mark.parametrize("name", ["CH3CH2OH", "C6H6", "CO2", "N2", "H2O"])
def test_molecules_without_a_cell(name: str) -> None:
    """Flat and straight ones, too."""
    one = molecule(name)
    assert repeats(one, copy_of(one, 3, mirror=True), copy_of(one, 4)) == [(1, 0, "symmetric"), (2, 0, "symmetric")]


@pytest.mark.parametrize("name", ["N2", "CO2", "H2O"])
def test_a_molecule_in_a_periodic_box_turns_with_the_box(name: str) -> None:
    """What lies on one line fixes no turn about it; the box does."""
    one = molecule(name, cell=[9.0, 10.0, 11.5], pbc=True)
    one.rotate(25, (1, 2, 3))
    other = one.copy()
    other.rotate(40, (1, 1, 0))  # within the box: other images beside it
    assert repeats(one, copy_of(one, 1)) == [(1, 0, "symmetric")]
    assert repeats(one, other) == [(1, 0, "near")]


def test_layers_and_chains_are_found_whichever_axis_repeats() -> None:
    layer = bulk("Cu", a=3.61, cubic=True) * (1, 1, 2)
    layer.positions += np.random.default_rng(0).normal(scale=0.1, size=(8, 3))
    layer.pbc = (True, True, False)
    other = layer.copy()
    other.set_cell(layer.cell.array[[2, 0, 1]], scale_atoms=False)
    other.pbc = (False, True, True)
    assert repeats(layer, copy_of(other, 1)) == [(1, 0, "symmetric")]
    whole = layer.copy()
    whole.pbc = True
    assert repeats(layer, whole) == []


def test_equal_distances_are_no_equal_structures() -> None:
    """Two sets of points with all distances in common, atom by atom, as far as prints of a far pair tell: a pair of
    chains turned against each other beyond the cutoff. They are near, not symmetric: not all atoms lie on each other.
    """
    chain = np.array([[0, 0, 0], [2.5, 0, 0], [2.5, 2.4, 0.3], [5.2, 2.4, 1.0]])
    away = np.array([0.0, 0.0, 30.0])
    far = chain + away
    turned = chain @ Rotation.from_euler("z", 50, degrees=True).as_matrix().T + away
    one, two = Atoms("Nb8", np.vstack([chain, far])), Atoms("Nb8", np.vstack([chain, turned]))
    assert repeats(one, two) == [(1, 0, "near")]


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**16))
def test_small_noise_is_a_near_duplicate_and_large_is_none(seed: int) -> None:
    """A distance changes by twice the move of an atom at most: moves of 0.0009 Å stay below 0.002 Å."""
    atoms = crystal(seed)
    moves = np.random.default_rng(seed).normal(size=atoms.positions.shape)
    moves /= np.linalg.norm(moves, axis=1, keepdims=True)
    near, far = copy_of(atoms, seed), atoms.copy()
    near.positions += 0.0009 * moves
    far.positions += 0.02 * moves
    assert [row[:2] for row in repeats(atoms, near, far)] == [(1, 0)]
    assert {row[1] for row in repeats(atoms, near, far, distance=0.05)} == {0}


def test_it_matters_which_atom_is_which() -> None:
    """Two atoms of different elements change places: all distances stay, but not between whom."""
    atoms = crystal()
    swapped = atoms.copy()
    swapped.numbers[[0, 1]] = swapped.numbers[[1, 0]]
    assert repeats(atoms, swapped) == []


def test_stacking_is_told_apart() -> None:
    """In fcc and hcp twelve neighbours lie at one distance, six more at the next; only then do they differ."""
    fcc = bulk("Cu", "fcc", a=3.61, cubic=True) * (3, 1, 1)
    hcp = bulk("Cu", "hcp", a=3.61 / np.sqrt(2), c=3.61 / np.sqrt(2) * np.sqrt(8 / 3)) * (3, 2, 1)
    assert len(fcc) == len(hcp)
    assert repeats(fcc, hcp) == []


def test_thermal_snapshots_of_many_atoms_are_told_apart() -> None:
    """Sorted over a whole structure their distances agree ever better; atom by atom they do not."""
    perfect = bulk("Nb", "bcc", a=3.31, cubic=True) * (8, 8, 8)
    snapshots = []
    for seed in range(3):
        snapshots.append(perfect.copy())
        snapshots[-1].positions += np.random.default_rng(seed).normal(scale=0.05, size=perfect.positions.shape)
    assert repeats(*snapshots) == []


def test_what_cannot_be_seen_is_not_called_alike() -> None:
    """Atoms farther apart than the cutoff: nothing is known of how far."""
    assert repeats(Atoms("Nb2", [[0, 0, 0], [0, 0, 6.0]]), Atoms("Nb2", [[0, 0, 0], [0, 0, 8.0]])) == []


def test_members_agree_with_their_leader_not_only_with_each_other() -> None:
    """Dimers in steps of 0.0015 Å: no chain from the first to the last."""
    dimers = [Atoms("Nb2", [[0, 0, 0], [0, 0, 2.5 + 0.0015 * step]]) for step in range(4)]
    assert repeats(*dimers) == [(1, 0, "near"), (3, 2, "near")]


def test_exact_copies_are_told_first_and_isolated_atoms_are_never_dropped() -> None:
    atom = Atoms("Nb")
    found = find_duplicates(data_of(crystal(), atom, crystal(), copy_of(crystal(), 1), atom.copy()))
    assert told(found) == [(2, 0, "exact"), (3, 0, "symmetric"), (4, 1, "exact")]
    assert found.repeats("exact").tolist() == [False, False, True, False, True]
    assert found.droppable().tolist() == [False, False, True, True, False]
    protected = np.arange(5) == 3
    assert found.droppable(protected=protected).tolist() == [False, False, True, False, False]


def test_labels_of_one_geometry_are_compared_in_one_frame() -> None:
    """Forces turn with the structure: those of a turned copy agree, and each set of others is told by its size."""
    atoms = labelled(crystal(), "a")
    energy, forces = atoms.calc.results["energy"], atoms.calc.results["forces"]
    moved = labelled(copy_of(atoms, 3), "a")
    double = labelled(atoms * (2, 1, 1), "a")
    fine = find_duplicates(data_of(atoms, moved, double))
    assert told(fine) == [(1, 0, "symmetric"), (2, 0, "symmetric")]
    assert np.nanmax(fine.labels) < 1e-6
    assert not fine.disagree.any()
    moved.calc.results["energy"] += 16 * 0.003
    moved.calc.results["forces"] = moved.calc.results["forces"][::-1].copy()
    wrong = find_duplicates(data_of(atoms, moved))
    assert wrong.labels[0, 0] == pytest.approx(0.003)
    assert wrong.labels[0, 1] > 0.05  # in another order; their lengths are the same
    assert "energy by 0.003 eV/atom, forces by" in wrong.label_words(0)
    turned = atoms.copy()
    turned.calc = SinglePointCalculator(turned, energy=energy, forces=-forces)
    opposite = find_duplicates(data_of(atoms, turned))
    assert opposite.labels[0, 1] == pytest.approx(2 * np.sqrt(np.mean(np.sum(forces**2, axis=1))))


def test_labels_of_near_duplicates_may_differ() -> None:
    """At 0.0016 Å it is another geometry: only what is the same to 0.001 Å must have the same labels."""
    one, two = (Atoms("Nb2", [[0, 0, 0], [0, 0, 2.5 + gap]]) for gap in (0.0, 0.0016))
    for atoms, energy in ((one, -1.0), (two, -2.0)):
        atoms.calc = SinglePointCalculator(atoms, energy=energy, forces=np.zeros((2, 3)))
    found = find_duplicates(data_of(one, two))
    assert told(found) == [(1, 0, "near")]
    assert not found.disagree.any()


@pytest.mark.parametrize("distance", [-0.1, 5.0, np.nan])
def test_distances_out_of_range_are_refused(distance: float) -> None:
    with pytest.raises(MEAGraphError, match="distance of at least 0 and below 5"):
        find_duplicates(data_of(crystal()), distance=distance)


@pytest.mark.parametrize("count", [3, 40])
def test_prints_are_sorted_distances(count: int) -> None:
    """Against all distances by brute force, of a molecule without a cell."""
    spots = np.random.default_rng(count).uniform(0, 6, (count, 3))
    data = data_of(Atoms(f"Nb{count}", spots))
    expected = np.sort(cdist(spots, spots), axis=1)[:, 1:]
    padded = np.pad(expected, ((0, 0), (0, max(RANKS))), constant_values=np.inf)[:, np.array(RANKS) - 1]
    assert np.allclose(look_for_prints(data).values[:, : len(RANKS)], np.minimum(padded, 5.0), atol=1e-6)

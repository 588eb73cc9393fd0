"""Structures that repeat others: moved, turned, mirrored, renumbered, shaken; and labels that disagree."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from scipy.spatial.transform import Rotation

from meagraph.datasets import AtomicDataset, from_atoms
from meagraph.inspection.findings import duplicates, examine
from meagraph.inspection.findings.neighbours import RANKS, look_around
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


def leaders(data: AtomicDataset) -> list[int]:
    found: list[int] = duplicates.leaders(data, look_around(data))[0].tolist()
    return found


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**16), st.booleans())
def test_a_moved_copy_is_found(seed: int, mirror: bool) -> None:
    atoms = crystal(seed)
    data = data_of(atoms, crystal(seed + 1), copy_of(atoms, seed, mirror=mirror))
    leader, apart = duplicates.leaders(data, look_around(data))
    assert leader.tolist() == [0, 1, 0]
    assert apart.max() < 1e-5


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
    assert leaders(data_of(atoms, near, far)) == [0, 0, 2]


def test_it_matters_which_atom_is_which() -> None:
    """Two atoms of different elements change places: all distances stay, but not between whom."""
    atoms = crystal()
    swapped = atoms.copy()
    swapped.numbers[[0, 1]] = swapped.numbers[[1, 0]]
    assert leaders(data_of(atoms, swapped)) == [0, 1]


def test_stacking_is_told_apart() -> None:
    """In fcc and hcp twelve neighbours lie at one distance, six more at the next; only then do they differ."""
    fcc = bulk("Cu", "fcc", a=3.61, cubic=True) * (3, 1, 1)
    hcp = bulk("Cu", "hcp", a=3.61 / np.sqrt(2), c=3.61 / np.sqrt(2) * np.sqrt(8 / 3)) * (3, 2, 1)
    assert len(fcc) == len(hcp)
    assert leaders(data_of(fcc, hcp)) == [0, 1]


def test_thermal_snapshots_of_many_atoms_are_told_apart() -> None:
    """Sorted over a whole structure their distances agree ever better; atom by atom they do not."""
    perfect = bulk("Nb", "bcc", a=3.31, cubic=True) * (8, 8, 8)
    snapshots = []
    for seed in range(3):
        snapshots.append(perfect.copy())
        snapshots[-1].positions += np.random.default_rng(seed).normal(scale=0.05, size=perfect.positions.shape)
    assert leaders(data_of(*snapshots)) == [0, 1, 2]


def test_what_cannot_be_seen_is_not_called_alike() -> None:
    """Atoms farther apart than the cutoff: nothing is known of how far."""
    assert leaders(data_of(Atoms("Nb2", [[0, 0, 0], [0, 0, 6.0]]), Atoms("Nb2", [[0, 0, 0], [0, 0, 8.0]]))) == [0, 1]


def test_members_agree_with_their_leader_not_only_with_each_other() -> None:
    """Dimers in steps of 0.0015 Å: no chain from the first to the last."""
    dimers = [Atoms("Nb2", [[0, 0, 0], [0, 0, 2.5 + 0.0015 * step]]) for step in range(4)]
    assert leaders(data_of(*dimers)) == [0, 0, 2, 2]


def test_labels_of_one_geometry_disagree() -> None:
    """A moved copy is fine; with another energy, or with forces of another sign in an exact copy, it is not."""
    atoms = labelled(crystal(), "a")
    energy, forces = atoms.calc.results["energy"], atoms.calc.results["forces"]
    moved = labelled(copy_of(atoms, 3), "a")
    fine = data_of(atoms, moved)
    leader, _ = duplicates.leaders(fine, look_around(fine))
    assert leader.tolist() == [0, 0]
    assert not duplicates.disagreeing(fine, leader)
    moved.calc.results["energy"] += 16 * 0.003
    shifted = data_of(atoms, moved)
    (found,) = duplicates.disagreeing(shifted, leader)
    assert found.structures.tolist() == [0, 1]
    assert "0.003 eV/atom" in found.text
    turned = atoms.copy()
    turned.calc = SinglePointCalculator(turned, energy=energy, forces=-forces)
    opposite = data_of(atoms, turned)
    (found,) = duplicates.disagreeing(opposite, opposite.first_equal)
    assert found.structures.tolist() == [0, 1]
    rms = 2 * np.sqrt(np.mean(np.sum(forces**2, axis=1)))
    assert f"{rms:.3g} eV/Å" in found.text


def test_labels_of_near_duplicates_may_differ() -> None:
    """At 0.0016 Å it is another geometry: only what is the same to 0.001 Å must have the same labels."""
    one, two = (Atoms("Nb2", [[0, 0, 0], [0, 0, 2.5 + gap]]) for gap in (0.0, 0.0016))
    for atoms, energy in ((one, -1.0), (two, -2.0)):
        atoms.calc = SinglePointCalculator(atoms, energy=energy, forces=np.zeros((2, 3)))
    found = examine(data_of(one, two))
    assert [entry.key for entry in found.found if "dup" in entry.key or "labels" in entry.key] == ["near-duplicates"]


@pytest.mark.parametrize("count", [3, 40])
def test_prints_are_sorted_distances(count: int) -> None:
    """Against all distances by brute force, of a molecule without a cell."""
    spots = np.random.default_rng(count).uniform(0, 6, (count, 3))
    data = data_of(Atoms(f"Nb{count}", spots))
    expected = np.sort(cdist(spots, spots), axis=1)[:, 1:]
    padded = np.pad(expected, ((0, 0), (0, max(RANKS))), constant_values=np.inf)[:, np.array(RANKS) - 1]
    assert np.allclose(look_around(data).prints[:, : len(RANKS)], np.minimum(padded, 5.0), atol=1e-6)

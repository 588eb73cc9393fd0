"""Neighbourhoods: counted by hand in crystals, checked against brute force elsewhere."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.neighborlist import neighbor_list
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from meagraph.inspection.environments import Neighbourhood, NeighbourhoodError, neighbourhood


def brute_force(atoms: Atoms, index: int, cutoff: float, images: int) -> np.ndarray:
    """All distances within the cutoff, by going through every image within ``images`` cells."""
    spans = [range(-images, images + 1) if periodic else (0,) for periodic in atoms.pbc]
    shifts = np.array(list(itertools.product(*spans))) @ atoms.cell.array
    away = atoms.positions[:, None] + shifts - atoms.positions[index]
    distances = np.sort(np.linalg.norm(away, axis=2).ravel())
    assert distances[0] == 0, "the atom itself"
    return distances[1:][distances[1:] <= cutoff]


def check_consistency(found: Neighbourhood, atoms: Atoms) -> None:
    assert (np.diff(found.distances) >= 0).all()
    assert np.allclose(found.positions, atoms.positions[found.atoms] + found.shifts)
    away = found.positions - atoms.positions[found.center]
    assert np.allclose(np.linalg.norm(away, axis=1), found.distances)
    assert found.shifts.shape == found.positions.shape == (len(found.atoms), 3)
    assert found.atoms.dtype == np.int64


@pytest.mark.parametrize("cubic", [True, False])
@pytest.mark.parametrize("repeat", [1, 3])
def test_bcc_has_eight_and_six(cubic: bool, repeat: int) -> None:
    a = 3.3
    atoms = bulk("Ta", "bcc", a, cubic=cubic) * (repeat, repeat, repeat)
    for index in {0, len(atoms) - 1}:
        found = neighbourhood(atoms, index, 1.2 * a)
        assert np.allclose(found.distances, [a * np.sqrt(3) / 2] * 8 + [a] * 6)
        check_consistency(found, atoms)
        # The shells of a centrosymmetric crystal balance.
        assert np.allclose((found.positions - atoms.positions[index]).sum(axis=0), 0)


def test_fcc_shells_far_beyond_the_cell() -> None:
    a = 4.0
    found = neighbourhood(bulk("Cu", "fcc", a), 0, 2.05 * a)
    shells = [12, 6, 24, 12, 24, 8, 48, 6]  # at a sqrt(n / 2), n = 1 to 8
    expected = np.repeat(a * np.sqrt(np.arange(1, 9) / 2), shells)
    assert np.allclose(found.distances, expected)
    assert (found.atoms == 0).all(), "the centre's own images"
    assert found.shifts.any(axis=1).all(), "but never the centre itself"


def test_simple_cubic_by_periodicity() -> None:
    atoms = Atoms("Po", cell=[2, 2, 2], pbc=True)
    for pbc, expected in [((1, 1, 1), 6), ((1, 1, 0), 4), ((0, 0, 1), 2), ((0, 0, 0), 0)]:
        atoms.pbc = pbc
        found = neighbourhood(atoms, 0, 2.1)
        assert len(found.atoms) == expected
        assert not found.shifts[:, ~np.array(pbc, dtype=bool)].any()


def test_hand_placed_pair_across_the_boundary() -> None:
    atoms = Atoms("HO", positions=[[0.5, 0, 0], [9.5, 0, 0]], cell=[10, 10, 10], pbc=True)
    found = neighbourhood(atoms, 0, 1.5)
    assert found.atoms.tolist() == [1]
    assert found.distances.tolist() == [1.0]
    assert found.shifts.tolist() == [[-10, 0, 0]]
    assert found.positions.tolist() == [[-0.5, 0, 0]]
    atoms.pbc = (False, True, True)
    assert len(neighbourhood(atoms, 0, 1.5).atoms) == 0


def test_atoms_far_outside_the_cell() -> None:
    atoms = Atoms("HO", positions=[[0.5, 0, 0], [1_000_009.5, 0, 0]], cell=[10, 10, 10], pbc=True)
    found = neighbourhood(atoms, 0, 1.5)
    assert np.allclose(found.positions, [[-0.5, 0, 0]])
    assert found.shifts[0, 0] == -1_000_010


def test_molecule_without_a_cell() -> None:
    water = molecule("H2O")
    found = neighbourhood(water, 0, 1.2)
    assert found.atoms.tolist() == [1, 2]
    assert np.allclose(found.distances, 0.969, atol=0.01)
    assert not found.shifts.any()


def test_slab_without_a_third_vector() -> None:
    atoms = Atoms("C", cell=[[2.5, 0, 0], [1.25, 2.5 * np.sqrt(3) / 2, 0], [0, 0, 0]], pbc=(1, 1, 0))
    assert np.allclose(neighbourhood(atoms, 0, 2.6).distances, [2.5] * 6)


def test_cutoff_is_inclusive() -> None:
    atoms = Atoms("H2", positions=[[0, 0, 0], [0, 0, 2]])
    assert len(neighbourhood(atoms, 0, 2.0).atoms) == 1
    assert len(neighbourhood(atoms, 0, np.nextafter(2.0, 0)).atoms) == 0


@pytest.mark.parametrize("skew", [0.5, 3.0, 9.0])
def test_strongly_skewed_cell(skew: float) -> None:
    atoms = Atoms("NaCl", positions=[[0, 0, 0], [1, 1, 1]], cell=[[3, 0, 0], [skew, 3, 0], [skew, -skew, 3]], pbc=True)
    found = neighbourhood(atoms, 1, 4.5)
    assert np.allclose(found.distances, brute_force(atoms, 1, 4.5, images=20))
    check_consistency(found, atoms)


numbers = st.floats(-6, 6)


@settings(deadline=None)
@given(
    cell=st.lists(st.tuples(numbers, numbers, numbers), min_size=3, max_size=3).map(np.array),
    pbc=st.tuples(st.booleans(), st.booleans(), st.booleans()),
    positions=st.lists(st.tuples(numbers, numbers, numbers), min_size=1, max_size=3),
    cutoff=st.floats(0.5, 5),
    data=st.data(),
)
def test_agrees_with_ase(
    cell: np.ndarray,
    pbc: tuple[bool, bool, bool],
    positions: list[tuple[float, float, float]],
    cutoff: float,
    data: st.DataObject,
) -> None:
    lengths = np.linalg.norm(cell, axis=1)
    assume(abs(np.linalg.det(cell)) > 0.2 * max(np.prod(lengths), 2.0))
    atoms = Atoms(f"H{len(positions)}", positions=positions, cell=cell, pbc=pbc)
    index = data.draw(st.integers(0, len(atoms) - 1))
    found = neighbourhood(atoms, index, cutoff)
    centre, distances = neighbor_list("id", atoms, cutoff)
    # A neighbour right at the cutoff may fall to either side.
    certain = cutoff - 1e-9
    expected = np.sort(distances[centre == index])
    assert np.allclose(found.distances[found.distances < certain], expected[expected < certain])
    check_consistency(found, atoms)


def test_impossible_requests() -> None:
    atoms = bulk("Ta")
    for index in (-1, 1):
        with pytest.raises(NeighbourhoodError, match="from 0 to 0"):
            neighbourhood(atoms, index, 3.0)
    for cutoff in (0.0, -1.0, np.nan, np.inf):
        with pytest.raises(NeighbourhoodError, match="cutoff above 0"):
            neighbourhood(atoms, 0, cutoff)
    with pytest.raises(NeighbourhoodError, match="one is zero"):
        neighbourhood(Atoms("H", pbc=True), 0, 3.0)

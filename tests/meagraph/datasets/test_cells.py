"""Cells that cost less have the same neighbours, by ASE's own search in the cell as it came."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, fcc111, molecule
from ase.neighborlist import neighbor_list
from hypothesis import given, settings
from hypothesis import strategies as st

from meagraph.datasets.cells import compact, wrapped

REACH = 4.0  # Å


def neighbours(atoms: Atoms) -> np.ndarray:
    """Every pair within REACH and the vector between them (P, 5), in one order."""
    i, j, vector = neighbor_list("ijD", atoms, REACH)
    rows = np.column_stack([i, j, np.round(vector, 5) + 0.0])
    return np.unique(rows, axis=0)


def made_up(seed: int) -> Atoms:
    """A few atoms in a skewed cell that is long in some directions and periodic in some, atoms anywhere."""
    rng = np.random.default_rng(seed)
    cell = np.diag(rng.choice([5.0, 9.0, 60.0, 300.0], 3)) @ (np.eye(3) + np.tril(rng.uniform(-0.9, 0.9, (3, 3)), -1))
    pbc = rng.random(3) < 0.7
    atoms = Atoms(f"Cu{rng.integers(1, 12)}", cell=cell, pbc=pbc)
    spread = rng.choice([0.03, 1.0])  # a cluster, or all over the cell
    atoms.set_scaled_positions(rng.uniform(-0.5, 0.5, 3) + spread * rng.random((len(atoms), 3)))
    atoms.positions += rng.choice([0, 1], p=[0.4, 0.6]) * rng.integers(-3, 4, (len(atoms), 3)) * pbc @ cell
    return atoms


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_neighbours_stay_what_they_were(seed: int) -> None:
    atoms = made_up(seed)
    small = compact(atoms, REACH)
    np.testing.assert_allclose(neighbours(small), neighbours(atoms), atol=2e-5)
    np.testing.assert_array_equal(small.pbc, atoms.pbc)
    np.testing.assert_array_equal(small.numbers, atoms.numbers)
    inverse = np.linalg.inv(small.cell.array)
    assert (np.ptp(small.positions @ inverse, axis=0)[small.pbc] <= 1).all()
    assert (1 / np.linalg.norm(inverse, axis=0)[small.pbc] <= 3 * (REACH + 1) * len(atoms) + 1e-6).all()


@pytest.mark.parametrize(
    "atoms",
    [bulk("Nb", "bcc", a=3.3), bulk("Cu") * (3, 3, 3), fcc111("Al", (2, 2, 3), vacuum=8.0), molecule("H2O"),
     bulk("Cu", cubic=True) * (12, 1, 1)],
)  # fmt: skip
def test_an_ordinary_structure_keeps_its_positions_to_the_bit(atoms: Atoms) -> None:
    atoms.positions -= 0.01 * np.arange(len(atoms))[::-1, None] / len(atoms)  # a little outside
    small = compact(atoms, 8.7)
    np.testing.assert_array_equal(small.positions, atoms.positions)
    np.testing.assert_array_equal(small.cell.array, atoms.cell.complete().array)


def test_a_gap_is_cut_wherever_it_lies() -> None:
    """Two pairs of atoms in 1,000 Å, one over the border: two gaps are cut to the reach and its margin."""
    atoms = Atoms("H4", [[999.8, 0, 0], [0.6, 0, 0], [400, 0, 0], [400.8, 0, 0]], cell=[1000, 5, 5], pbc=True)
    small = compact(atoms, REACH)
    assert sorted(small.cell.lengths()) == pytest.approx([5, 5, 2 * 0.8 + 2 * (REACH + 1)])
    away = small.positions[:, 0] - small.positions[0, 0]
    assert away == pytest.approx([0, 0.8, 0.8 + REACH + 1, 1.6 + REACH + 1])


def test_a_periodic_direction_without_volume_is_an_error() -> None:
    flat = Atoms("H2", [[0, 0, 0], [1, 0, 0]], cell=[[5, 0, 0], [5, 0, 0], [0, 0, 5]], pbc=True)
    with pytest.raises(ValueError, match=r"[Ss]ingular"):
        compact(flat, REACH)


def test_wrapping_leaves_what_lies_over_the_border_and_brings_back_what_left() -> None:
    over = Atoms("H2", [[-0.3, 2, 2], [0.4, 2, 2]], cell=[20, 20, 20], pbc=True)
    np.testing.assert_array_equal(wrapped(over).positions, over.positions)
    apart = over.copy()
    apart.positions[1] += apart.cell.array[0] * 300 - apart.cell.array[2]
    assert wrapped(apart).get_distance(0, 1) == pytest.approx(0.7)  # together, not on two sides of the cell
    crystal = bulk("Cu", cubic=True) * (2, 2, 2)
    drifted = crystal.copy()
    drifted.positions += np.random.default_rng(0).integers(-5, 6, (len(crystal), 3)) @ crystal.cell.array
    back = wrapped(drifted)
    fractional = back.get_scaled_positions(wrap=False)
    np.testing.assert_allclose(fractional, crystal.get_scaled_positions(), atol=1e-9)
    assert (np.abs(fractional - 0.5) < 0.5 + 1e-6).all()
    assert drifted.positions.max() > 30  # what came is not touched


def test_nothing_moves_where_nothing_repeats() -> None:
    far = Atoms("H2", [[0, 0, 0], [500, 0, 70]], cell=[5, 5, 5], pbc=(False, True, False))
    np.testing.assert_array_equal(wrapped(far).positions, far.positions)
    no_cell = Atoms("H2", [[0, 0, 0], [50, 0, 0]], pbc=True)
    np.testing.assert_array_equal(wrapped(no_cell).positions, no_cell.positions)

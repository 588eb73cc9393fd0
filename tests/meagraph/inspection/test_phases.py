"""Phases of ideal lattices, with noise, at surfaces; what says how an unresolved place looks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bcc110, bulk
from ase.spacegroup import crystal

from meagraph.datasets import AtomicDataset, from_atoms
from meagraph.errors import Cancelled
from meagraph.inspection import phases as module
from meagraph.inspection.phase_loops import (
    FCC_BOND,
    FOUR,
    HCP_BOND,
    SIX,
    around_bond,
    around_rank,
    classify,
    nearest,
    squares_between,
)
from meagraph.inspection.phases import PHASES, Phases, find_phases
from meagraph.inspection.reach import EXPECTED, ROOM, completed, reaches
from meagraph.workers import Workers
from meagraph.workers.clients import connected, workers_of


def reach_of(atoms: Atoms) -> float:
    cells = completed(atoms.cell.array[None], atoms.pbc[None])
    return float(reaches(atoms.positions, np.array([0, len(atoms)]), cells, atoms.pbc[None])[0])


LATTICES = {
    "fcc": bulk("Cu", "fcc", a=3.6, cubic=True).repeat(3),
    "hcp": bulk("Mg", "hcp", a=3.2, c=5.2).repeat((4, 4, 3)),
    "bcc": bulk("Nb", "bcc", a=3.3, cubic=True).repeat(3),
    "sc": bulk("Po", "sc", a=3.3).repeat(4),
    "diamond": bulk("Si", "diamond", a=5.43, cubic=True).repeat(2),
    "hexagonal diamond": crystal("C", [(1 / 3, 2 / 3, 1 / 16)], spacegroup=194, cellpar=[2.5, 2.5, 4.08, 90, 90, 120]),
    "A15": crystal(["Nb", "Nb"], [(0, 0, 0), (0.25, 0, 0.5)], spacegroup=223, cellpar=[5.25] * 3 + [90] * 3),
    "Laves": crystal(
        ["Cu", "Mg"], [(0.5,) * 3, (0.125,) * 3], spacegroup=227, setting=2, cellpar=[7.03] * 3 + [90] * 3
    ),
}


def phases(*structures: Atoms) -> Phases:
    return find_phases(from_atoms(structures, allow_unlabelled=True))


def share(found: Phases, name: str) -> float:
    return float((found.phase == PHASES.index(name)).mean())


def shaken(atoms: Atoms, part: float) -> Atoms:
    """Every atom displaced by a normal vector of this root mean square, in parts of the nearest distance."""
    atoms = atoms.repeat(2)
    distance = find_nearest(atoms)
    atoms.positions += np.random.default_rng(1).normal(size=(len(atoms), 3)) * part * distance / np.sqrt(3)
    return atoms


def find_nearest(atoms: Atoms) -> float:
    return float(atoms.get_distances(0, range(1, len(atoms)), mic=True).min())


@pytest.mark.parametrize("name", LATTICES)
def test_every_atom_of_an_ideal_lattice_is_resolved(name: str) -> None:
    assert share(phases(LATTICES[name]), name) == 1.0


@pytest.mark.parametrize("name", LATTICES)
def test_size_turn_and_order_of_atoms_change_nothing(name: str) -> None:
    atoms = LATTICES[name][np.random.default_rng(0).permutation(len(LATTICES[name]))]
    atoms.set_cell(atoms.cell * 1.7, scale_atoms=True)
    atoms.rotate(37, (1, 2, 3), rotate_cell=True)
    assert share(phases(atoms), name) == 1.0


def test_the_primitive_cell_is_enough() -> None:
    assert share(phases(bulk("Nb", "bcc", a=3.3)), "bcc") == 1.0
    assert share(phases(bulk("Si", "diamond", a=5.43)), "diamond") == 1.0


@pytest.mark.parametrize("name", [name for name in LATTICES if name != "sc"])
def test_a_lattice_is_found_through_thermal_noise(name: str) -> None:
    """6 % of the nearest distance are room temperature and more in most metals."""
    assert share(phases(shaken(LATTICES[name], 0.06)), name) > 0.95


def test_what_has_no_lattice_is_unresolved() -> None:
    places = np.random.default_rng(2).uniform(size=(216, 3)) * 16
    found = phases(Atoms("Ar216", positions=places, cell=[16] * 3, pbc=True))
    assert share(found, "unresolved") > 0.97
    assert np.median(found.ordered) == 0


def test_elements_play_no_part() -> None:
    """Zinc blende, wurtzite, rock salt and caesium chloride are what their sites make."""
    assert share(phases(bulk("GaAs", "zincblende", a=5.65)), "diamond") == 1.0
    assert share(phases(bulk("ZnO", "wurtzite", a=3.25, c=3.25 * np.sqrt(8 / 3))), "hexagonal diamond") == 1.0
    assert share(phases(bulk("NaCl", "rocksalt", a=5.64)), "sc") == 1.0
    assert share(phases(bulk("CsCl", "cesiumchloride", a=4.12)), "bcc") == 1.0


def test_sites_of_a15_are_told_by_their_polyhedra() -> None:
    found = phases(LATTICES["A15"])
    assert sorted(found.polyhedron.tolist()) == [12] * 2 + [14] * 6


def test_an_icosahedron_alone_is_icosahedral() -> None:
    golden = (1 + np.sqrt(5)) / 2
    corners = [np.roll([0, a, b * golden], shift) for shift in range(3) for a in (-1, 1) for b in (-1, 1)]
    found = phases(Atoms("Cu13", positions=[[0, 0, 0], *corners]))
    assert PHASES[found.phase[0]] == "icosahedral"
    assert (found.phase[1:] == 0).all()


def test_a_slab_is_bcc_within_and_one_sided_at_its_surface() -> None:
    slab = bcc110("Nb", (3, 3, 7), a=3.3, vacuum=8)
    slab.pbc = True
    found = phases(slab)
    height = np.round(slab.positions[:, 2], 3)
    layers = np.unique(height, return_inverse=True)[1]
    bcc = np.array([(found.phase[layers == layer] == PHASES.index("bcc")).mean() for layer in range(7)])
    assert bcc.tolist() == [0, 1, 1, 1, 1, 1, 0]
    assert (found.lopsided[np.isin(layers, [0, 6])] > 0.22).all()
    assert (found.lopsided[np.isin(layers, [2, 3, 4])] < 1e-6).all()


def test_beside_a_vacancy_atoms_are_unresolved_among_resolved_ones() -> None:
    atoms = bulk("Nb", "bcc", a=3.3, cubic=True).repeat(4)
    del atoms[0]
    found = phases(atoms)
    assert (found.phase == 0).sum() == 14
    assert (found.ordered[found.phase == 0] > 0.2).all()


def test_coordination_counts_bonds() -> None:
    found = phases(Atoms("CH4", [[0, 0, 0], *(0.63 * np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]))]))
    assert found.coordination.tolist() == [4, 1, 1, 1, 1]
    assert np.isnan(found.spacing).all()


def test_spacing_is_the_mean_distance_of_fourteen() -> None:
    found = phases(bulk("Nb", "bcc", a=2.0))
    assert found.spacing == pytest.approx([(8 * np.sqrt(3) + 6 * 2) / 14])


def test_copies_have_what_the_first_has_and_single_atoms_nothing() -> None:
    one = shaken(LATTICES["fcc"], 0.12)
    found = phases(one, Atoms("Cu", cell=[20] * 3, pbc=True), one.copy())
    n = len(one)
    np.testing.assert_array_equal(found.phase[:n], found.phase[n + 1 :])
    assert (found.phase[n], found.coordination[n]) == (0, 0)


def test_vacuum_does_not_widen_the_reach() -> None:
    slab = bcc110("Nb", (3, 3, 7), a=3.3, vacuum=8)
    slab.pbc = True
    far = slab.copy()
    far.cell[2, 2] += 500
    assert reach_of(far) == pytest.approx(reach_of(slab), rel=0.01)


@pytest.mark.parametrize("seed", range(10))
def test_the_reach_of_many_follows_from_what_each_fills(seed: int) -> None:
    """As reckoned by ASE and NumPy, for skewed cells and such as lack vectors, left-handed ones too."""
    rng = np.random.default_rng(seed)
    structures = []
    for periodic in [(True,) * 3, (True, False, True), (False,) * 3]:
        cell = 5 * np.eye(3) + rng.normal(size=(3, 3))
        cell[~np.array(periodic) & (rng.random(3) < 0.5)] = 0.0
        places = rng.normal(scale=4.0, size=(rng.integers(1, 9), 3))
        structures.append(Atoms("Nb" * len(places), places, cell=cell if seed % 2 else cell[::-1], pbc=periodic))
    offsets = np.cumsum([0, *map(len, structures)])
    periodic = np.array([atoms.pbc for atoms in structures])
    cells = completed(np.array([atoms.cell.array for atoms in structures]), periodic)
    found = reaches(np.concatenate([atoms.positions for atoms in structures]), offsets, cells, periodic)
    for atoms, reach in zip(structures, found, strict=True):
        cell = atoms.cell.complete()
        filled = cell.volume
        for axis, places in enumerate(cell.scaled_positions(atoms.positions).T):
            room = ROOM * np.linalg.norm(np.linalg.inv(cell.array)[:, axis])
            if atoms.pbc[axis]:
                at = np.sort(places % 1.0)
                filled *= min(1.0 - np.diff([*at, at[0] + 1.0]).max() + room, 1.0)
            else:
                filled *= np.ptp(places) + room
        assert reach == pytest.approx((3 * EXPECTED / (4 * np.pi) * filled / len(atoms)) ** (1 / 3), rel=1e-9)
        assert reach == reach_of(atoms)


def test_a_molecule_in_a_cell_without_volume_is_looked_at_as_without_a_cell() -> None:
    methane = Atoms("CH4", [[0, 0, 0], *(0.63 * np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]))])
    flat = methane.copy()
    flat.cell = [[5.0, 0.0, 0.0], [5.0, 0.0, 0.0], [0.0, 0.0, 5.0]]
    assert reach_of(flat) == reach_of(methane)
    assert phases(flat).coordination.tolist() == [4, 1, 1, 1, 1]


def test_it_can_be_stopped() -> None:
    def stop(done: int, total: int, message: str) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        find_phases(from_atoms([LATTICES["fcc"]], allow_unlabelled=True), progress=stop)


def test_signatures_are_those_of_the_literature() -> None:
    """fcc has 421 bonds, hcp 421 and 422, bcc 444 and 666: common neighbours, bonds among them, longest chain."""
    assert (FCC_BOND, HCP_BOND, FOUR, SIX) == (40201, 40202, 40404, 60606)


@pytest.mark.parametrize("seed", range(20))
def test_the_values_around_a_rank_are_those_of_sorting(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 30, size=rng.integers(2, 160)).astype(float)
    count = int(rng.integers(1, len(values)))
    ordered = np.sort(values)
    assert around_rank(values.copy(), count) == (ordered[count - 1], ordered[count])


@pytest.mark.parametrize("seed", range(20))
def test_the_bonds_around_a_rank_are_those_of_sorting(seed: int) -> None:
    """Many of equal length or of lengths beyond the largest size that is counted, too."""
    rng = np.random.default_rng(seed)
    k = int(rng.integers(3, 19))
    points = rng.integers(0, 4, size=(18, 3)) if seed % 2 else rng.normal(size=(18, 3))
    squares = np.zeros((18, 18))
    squares_between(points.astype(float), k, squares)
    assert np.isinf(np.diag(squares)[:k]).all()
    pairs = np.sort(((points[:k, None] - points[None, :k]) ** 2).sum(axis=2)[np.triu_indices(k, 1)])
    for bonds in range(1, len(pairs)):
        for per in (10.0, 1e300, 0.01):
            found = around_bond(squares, k, bonds, per, np.zeros(64, np.int64), np.empty(324))
            assert found == pytest.approx(tuple(pairs[bonds - 1 : bonds + 1]), rel=1e-12)


def test_the_nearest_come_in_order_from_both_sides() -> None:
    first, second = np.array([0, 0, 1]), np.array([1, 2, 2])
    away, vector = np.array([1.0, 3.0, 2.0]), np.array([[1.0, 0, 0], [3.0, 0, 0], [2.0, 0, 0]])
    index, distance, to = nearest(first, second, away, vector, 3)
    assert index[:, :2].tolist() == [[1, 2], [0, 2], [1, 0]]
    assert distance[:, :2].tolist() == [[1, 3], [1, 2], [2, 3]]
    assert to[2, :2, 0].tolist() == [-2, -3]
    assert (index[:, 2:] == -1).all()
    assert classify(index, distance, to)[0].tolist() == [0, 0, 0]


@pytest.fixture
def many(monkeypatch: pytest.MonkeyPatch) -> AtomicDataset:
    """Several chunks of small structures, copies and a large one among them; two processes are worth their start."""
    monkeypatch.setattr(module, "CHUNK", 16)
    monkeypatch.setattr(module, "ALONE", 0)
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    small = [shaken(bulk("Nb", "bcc", a=3.2 + 0.05 * number), 0.1) for number in range(12)]
    few = [LATTICES["A15"], small[3], Atoms("Nb"), LATTICES["fcc"], small[3], LATTICES["hexagonal diamond"]]
    return from_atoms([*small, *few], allow_unlabelled=True)


def same(one: Phases, two: Phases) -> None:
    for name, values in vars(one).items():
        np.testing.assert_array_equal(getattr(two, name), values, err_msg=name)


def test_the_same_is_found_here_and_by_processes_beside(many: AtomicDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    beside = find_phases(many)
    monkeypatch.setattr(module, "ALONE", many.n_environments)
    monkeypatch.setattr("meagraph.datasets.chunks.beside", None)  # would fail if it were called
    here = find_phases(many)
    assert {"bcc", "fcc", "A15", "hexagonal diamond"} <= {PHASES[code] for code in here.phase}
    same(here, beside)
    for structure in range(many.n_structures):  # each by itself
        alone = find_phases(from_atoms([many.structures[structure]], allow_unlabelled=True))
        np.testing.assert_array_equal(here.phase[many.rows_of(structure)], alone.phase)


def test_the_same_is_found_by_workers_of_dask(many: AtomicDataset, tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    here = find_phases(many)
    heard: list[tuple[int, str]] = []
    with connected(workers=2) as client:
        crew = workers_of(client)
        workers = Workers(crew.executor, crew.count, tmp_path)
        there = find_phases(many, workers=workers, progress=lambda done, total, message: heard.append((done, message)))
    same(here, there)
    assert heard[-1] == (len(list(tmp_path.glob("phases-*.npz"))), "phases")
    assert heard[-1][0] > 5  # chunks

"""The made sets: what their atoms are, by hand, and what the finished structures show."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule
from ase.neighborlist import neighbor_list
from ase.units import kB

from meagraph.datasets import read_dataset
from tests.support import made_sets
from tests.support.made_sets import TRUTH, counts, ions, metal, molecules
from tests.support.made_sets.springs import FRACTION, nearest_distance, springs


def neighbours(atoms: Atoms, reach: float) -> np.ndarray:
    """How many atoms are within ``reach`` of each."""
    return np.bincount(neighbor_list("i", atoms, reach), minlength=len(atoms))


def of(atoms: Atoms, truth: str) -> np.ndarray:
    return atoms.arrays[TRUTH] == truth


PHASES = {"fcc": (108, 12), "hcp": (144, 12), "bcc": (128, 8), "sc": (125, 6), "diamond": (96, 4)}


@pytest.mark.parametrize("name", PHASES)
def test_an_ideal_phase_has_the_neighbours_of_its_name(name: str) -> None:
    atoms = metal.phases()[name]
    size, coordination = PHASES[name]
    assert counts([atoms]) == {name: size}
    assert (neighbours(atoms, 1.05 * nearest_distance(atoms)) == coordination).all()


def test_the_two_sites_of_a15() -> None:
    """12 neighbours at √5/4 a, an icosahedron; and 2, 4 and 8 up to √6/4 a, of Frank and Kasper's Z14."""
    atoms = metal.phases()["A15"]
    assert counts([atoms]) == {"A15-Z12": 54, "A15-Z14": 162}
    a = atoms.cell[0, 0] / 3
    assert (neighbours(atoms, 0.57 * a)[of(atoms, "A15-Z12")] == 12).all()
    assert (neighbours(atoms, 0.62 * a)[of(atoms, "A15-Z14")] == 14).all()


@pytest.mark.parametrize(
    ("face", "per_layer", "first", "second"), [("111", 16, 9, 12), ("100", 16, 8, 12), ("110", 12, 7, 11)]
)
def test_layers_of_a_slab_by_their_neighbours(face: str, per_layer: int, first: int, second: int) -> None:
    atoms = metal.slab(face)
    found = neighbours(atoms, 1.2 * metal.NEAREST)
    for name, count in ((f"{face}-layer1", first), (f"{face}-layer2", second)):
        assert of(atoms, name).sum() == 2 * per_layer
        assert (found[of(atoms, name)] == count).all()
    assert (found[of(atoms, "fcc")] == 12).all()


def test_twelve_atoms_stand_by_a_vacancy() -> None:
    atoms = metal.vacancy()
    beside = of(atoms, "vacancy-neighbour")
    assert (len(atoms), beside.sum()) == (107, 12)
    assert np.array_equal(neighbours(atoms, 1.2 * metal.NEAREST) == 11, beside)


def test_a_crystal_has_no_boundary_and_a_boundary_has_planes() -> None:
    crystal = metal.fcc((3, 3, 3))
    assert metal.close_packed(crystal).all()
    assert not metal.close_packed(metal.phases()["bcc"]).any()
    atoms = metal.grain_boundary((2, 2, 2))
    assert nearest_distance(atoms) > 0.85 * metal.NEAREST
    odd = of(atoms, "grain-boundary")
    assert 0.1 < odd.mean() < 0.5
    width = atoms.cell[0, 0]
    to_plane = np.abs(atoms.positions[:, 0, None] % width - [0.0, width / 2, width]).min(axis=1)
    assert to_plane[odd].max() < 5.0  # Å
    assert odd[to_plane < 1.0].all()


def test_dynamics_keep_atoms_on_their_sites_and_tell_the_same_twice() -> None:
    start = metal.vacancy()
    first, second = (metal.dynamics(start, 600, 1, np.random.default_rng(4), settle=5, apart=5)[0] for _ in range(2))
    assert np.array_equal(first.positions, second.positions)
    assert np.array_equal(first.get_forces(), second.get_forces())
    assert counts([first]) == counts([start])
    assert np.isfinite(first.get_potential_energy())
    assert np.abs(first.get_forces()).max() > 0.1


def test_springs_give_the_displacements_they_promise() -> None:
    """Mean square (FRACTION x nearest)² T / 300, forces -dE/du, a mean energy of half kT a coordinate."""
    atoms = ions.crystal(("Mg", "O"), "rocksalt")
    model = springs(atoms)
    rng = np.random.default_rng(0)
    drawn = np.array([model.displacements(600, rng) for _ in range(200)])
    expected = 2 * (FRACTION * nearest_distance(atoms)) ** 2
    assert (drawn**2).mean() == pytest.approx(expected, rel=0.03)
    frames = [model.frame(atoms, 600, rng) for _ in range(100)]
    energies = [frame.get_potential_energy() for frame in frames]
    assert np.mean(energies) == pytest.approx(1.5 * len(atoms) * kB * 600, rel=0.03)
    moved = frames[0].positions - atoms.positions
    shifted = moved.copy()
    shifted[5, 1] += 1e-4
    energy = [0.5 * np.einsum("ic,ij,jc", u, model.stiffness, u) for u in (moved, shifted)]
    assert -(energy[1] - energy[0]) / 1e-4 == pytest.approx(frames[0].get_forces()[5, 1], abs=1e-3)


def test_a_spring_to_an_image_of_oneself_changes_nothing() -> None:
    """One atom in a cell: only the spring to its site is left, K = kT / (FRACTION x a)² at 300 K."""
    found = springs(Atoms("Cu", cell=[2.5] * 3, pbc=True))
    assert found.stiffness == pytest.approx(np.array([[kB * 300 / (FRACTION * 2.5) ** 2]]))


MOLECULES = {
    "CH3CH2OH": {"C-CH3": 1, "C-CH2": 1, "O-hydroxyl": 1, "H-O": 1, "H-Csp3": 5},
    "CH3COOH": {"C-CH3": 1, "C-carboxyl": 1, "O-carbonyl": 1, "O-hydroxyl": 1, "H-O": 1, "H-Csp3": 3},
    "CH3COCH3": {"C-CH3": 2, "C-carbonyl": 1, "O-carbonyl": 1, "H-Csp3": 6},
    "CH3CONH2": {"C-CH3": 1, "C-carboxyl": 1, "O-carbonyl": 1, "N-amide": 1, "H-N": 2, "H-Csp3": 3},
    "C6H6": {"C-aromatic": 6, "H-Csp2": 6},
    "C5H5N": {"C-aromatic": 5, "N-aromatic": 1, "H-Csp2": 5},
    "C4H4O": {"C-aromatic": 4, "O-ether": 1, "H-Csp2": 4},
    "C4H4NH": {"C-aromatic": 4, "N-aromatic": 1, "H-N": 1, "H-Csp2": 4},
    "C3H6_Cs": {"C-CH3": 1, "C=CH1": 1, "C=CH2": 1, "H-Csp3": 3, "H-Csp2": 3},
    "2-butyne": {"C-CH3": 2, "C-alkyne": 2, "H-Csp3": 6},
    "H2CCHCN": {"C=CH2": 1, "C=CH1": 1, "C-nitrile": 1, "N-nitrile": 1, "H-Csp2": 3},
    "C3H9N": {"C-CH3": 3, "N-amine": 1, "H-Csp3": 9},
    "cyclobutane": {"C-CH2": 4, "H-Csp3": 8},
    "CH2NHCH2": {"C-CH2": 2, "N-amine": 1, "H-N": 1, "H-Csp3": 4},
    "CH3OCH3": {"C-CH3": 2, "O-ether": 1, "H-Csp3": 6},
}


@pytest.mark.parametrize("name", MOLECULES)
def test_atoms_of_a_molecule_by_their_bonds(name: str) -> None:
    assert Counter(molecules.kinds(molecule(name))) == MOLECULES[name]


def test_ions_have_the_neighbours_of_their_crystals() -> None:
    """6, 8 and 4 of the other kind; in fluorite 8 of the one and 4 of the other; distances by Pauling's rule."""
    for structure, coordination in (("rocksalt", 6), ("cesiumchloride", 8), ("zincblende", 4)):
        atoms = ions.crystal(("Na", "Cl"), structure)
        half = len(atoms) // 2
        assert counts([atoms]) == {f"Cl-{structure}": half, f"Na-{structure}": half}
        assert (neighbours(atoms, 1.05 * nearest_distance(atoms)) == coordination).all()
        assert nearest_distance(atoms) == pytest.approx(2.82 * (coordination / 6) ** 0.125)
    atoms = ions.fluorite(("Ca", "F"))
    found = neighbours(atoms, 1.05 * nearest_distance(atoms))
    assert counts([atoms]) == {"Ca-fluorite": 32, "F-fluorite": 64}
    assert (found[of(atoms, "Ca-fluorite")] == 8).all()
    assert (found[of(atoms, "F-fluorite")] == 4).all()


def test_ions_by_a_vacancy_and_at_a_surface() -> None:
    atoms = ions.with_vacancy(("Mg", "O"), "Mg")
    assert counts([atoms]) == {"Mg-rocksalt": 31, "O-by-vacancy": 6, "O-rocksalt": 26}
    assert np.array_equal(neighbours(atoms, 1.2 * nearest_distance(atoms)) == 5, of(atoms, "O-by-vacancy"))
    atoms = ions.surface(("Na", "Cl"))
    assert counts([atoms]) == {"Cl-rocksalt": 32, "Cl-surface": 16, "Na-rocksalt": 32, "Na-surface": 16}
    at_surface = of(atoms, "Na-surface") | of(atoms, "Cl-surface")
    assert np.array_equal(neighbours(atoms, 1.2 * nearest_distance(atoms)) == 5, at_surface)


@pytest.mark.parametrize(("name", "fewest"), [("ions", 12_000), ("molecules", 8_000)])
def test_a_set_is_made_once_and_read_as_any_dataset(name: str, fewest: int, tmp_path: Path) -> None:
    path = made_sets.made_set(name, tmp_path)
    written = path.stat().st_mtime_ns
    assert made_sets.made_set(name, tmp_path).stat().st_mtime_ns == written
    dataset = read_dataset(path)
    assert dataset.n_environments >= fewest
    assert np.isfinite(dataset.forces).all()
    truth = np.concatenate([atoms.arrays[TRUTH] for atoms in dataset.structures])
    again = made_sets.SETS[name](0)
    assert np.array_equal(truth, np.concatenate([atoms.arrays[TRUTH] for atoms in again]))
    assert dataset.structures[-1].positions == pytest.approx(again[-1].positions, abs=1e-7)
    other = made_sets.SETS[name](1)
    assert not np.allclose(other[-1].positions, again[-1].positions)
    assert sum(counts(other).values()) == dataset.n_environments


def test_a_melt_stands_beside_its_crystal() -> None:
    """A narrow cell: what is called fcc is where it began, what is called liquid is not close-packed."""
    (frame,) = metal.melting(np.random.default_rng(0), frames=1, repeats=(2, 2, 12))
    solid, molten = of(frame, "fcc"), of(frame, "liquid")
    assert solid.sum() > 30
    assert molten.sum() > 30
    assert not metal.close_packed(frame)[molten].any()
    assert frame.positions[solid, 2].max() < frame.positions[molten, 2].min()
    assert frame.info["config_type"] == "melt_interface"

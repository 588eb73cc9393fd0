"""Distances, angles and dihedrals against hand-computed and ASE's values; scenes with repeats and two environments."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from meagraph.inspection.environments import neighbourhood
from meaviz.components.viewer.legend import colour_legend, element_legend
from meaviz.components.viewer.measuring import angle, dihedral, moved_picks, readings
from meaviz.components.viewer.scene import (
    MOST_DRAWN,
    Environment,
    allowed_repeats,
    arrow_scale,
    build_comparison,
    build_scene,
    known_vectors,
)
from meaviz.style.palette import NEUTRAL, Colouring, pack


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_angles_and_dihedrals_are_those_of_ase(seed: int) -> None:
    atoms = Atoms("C4", np.random.default_rng(seed).uniform(-4, 4, (4, 3)))
    assert angle(atoms.positions[:3]) == pytest.approx(atoms.get_angle(0, 1, 2), abs=1e-6)
    found = dihedral(atoms.positions) % 360
    assert abs((found - atoms.get_dihedral(0, 1, 2, 3) + 180) % 360 - 180) < 1e-6


def test_texts_of_what_was_measured() -> None:
    square = np.array([[0.0, 0, 0], [2, 0, 0], [2, 2, 0], [2, 2, 2]])
    assert readings(square[:1]) == []
    assert [reading["text"] for reading in readings(square[:3])] == ["2.000 Å", "2.000 Å", "90.0°"]
    texts = [(reading["at"], reading["text"]) for reading in readings(square)]
    assert texts[2:] == [
        ([2, 3], "2.000 Å"),
        ([0, 1, 2], "90.0°"),
        ([1, 2, 3], "90.0°"),
        ([0, 1, 2, 3], "dihedral 90.0°"),
    ]
    assert [reading["text"] for reading in readings(np.zeros((3, 3)))] == ["0.000 Å", "0.000 Å"]
    line = np.arange(4)[:, None] * np.array([1.0, 0, 0])
    assert not any("dihedral" in reading["text"] for reading in readings(line))


def test_a_nearer_periodic_image_is_named() -> None:
    atoms = Atoms("H2", [[0.4, 5, 5], [9.6, 5, 5]], cell=[10, 10, 10], pbc=True)
    assert readings(atoms.positions, atoms)[0]["text"] == "9.200 Å (nearest image 0.800 Å)"
    assert readings(np.array([[0.4, 5, 5], [-0.4, 5, 5]]), atoms)[0]["text"] == "0.800 Å"
    skewed = bulk("Cu", a=3.6)
    far = np.array([[0.0, 0, 0], skewed.cell[0] + skewed.cell[1] - skewed.cell[2]])
    assert readings(far, skewed)[0]["text"].endswith("(nearest image 0.000 Å)")


def test_picks_follow_their_atoms_into_another_scene() -> None:
    atoms = Atoms("H2O", [(0.4, 5, 5), (9.6, 5, 5), (5, 5, 5)], cell=[10, 10, 10], pbc=True)
    near, wide = build_scene(atoms, focus=0, cutoff=1.0), build_scene(atoms, focus=0, cutoff=6.0)
    ghost = near["real"]
    assert moved_picks([1], near, wide) == [1]
    (there,) = moved_picks([ghost], near, wide)
    assert wide["positions"].reshape(-1, 3)[there] == pytest.approx([-0.4, 5, 5])
    assert moved_picks([1, ghost], near, build_scene(atoms)) == []


def test_repeats_are_lattice_translations_along_periodic_directions() -> None:
    atoms = bulk("NaCl", "rocksalt", 5.64)
    atoms.pbc = [True, True, False]
    scene = build_scene(atoms, repeats=(2, 3, 2), vectors=np.array([[1.0, 0, 0], [0, 0, 2.0]]))
    assert scene["repeats"] == [2, 3, 1]
    positions = scene["positions"].reshape(-1, 3)
    wanted = atoms.repeat((2, 3, 1)).positions
    assert len(positions) == 12
    for place in wanted:
        assert np.linalg.norm(positions - place, axis=1).min() < 1e-5
    assert scene["vectors"].reshape(-1, 3)[scene["parents"] == 1].tolist() == [[0, 0, 2.0]] * 6
    many = Atoms("H" * 8000, np.zeros((8000, 3)), cell=[1, 1, 1], pbc=True)
    assert 27 * len(many) > MOST_DRAWN
    assert allowed_repeats(many, (3, 3, 3)) == (1, 1, 1)
    assert allowed_repeats(many[:7000], (3, 3, 3)) == (3, 3, 3)


def test_an_environment_among_repeats_draws_no_atom_twice() -> None:
    atoms = bulk("Cu", a=3.6)
    scene = build_scene(atoms, focus=0, cutoff=2.6, repeats=(3, 3, 3))
    positions = scene["positions"].reshape(-1, 3)
    assert len(np.unique(positions.round(3), axis=0)) == len(positions) == 27 + 9  # 3 of 12 neighbours are repeats
    assert len(scene["near"]) == 13
    assert np.linalg.norm(positions[scene["near"]], axis=1).max() == pytest.approx(3.6 / np.sqrt(2), abs=1e-4)


def test_the_whole_structure_marks_the_atom_only() -> None:
    scene = build_scene(molecule("H2O"), focus=1, whole=True)
    assert (scene["centers"], scene["near"].size, scene["around"]) == ([1], 0, False)


@pytest.mark.parametrize("whole", [True, False])
def test_an_unwrapped_structure_is_drawn_in_its_cell(whole: bool) -> None:
    """The same atoms as of the wrapped one, with its bonds, and the neighbourhood where it says it is."""
    atoms = bulk("NaCl", "rocksalt", a=5.6, cubic=True)
    atoms.positions += 0.7
    unwrapped = atoms.copy()
    unwrapped.positions += np.random.default_rng(0).integers(-300, 301, (len(atoms), 3)) @ atoms.cell.array
    scene, same = (build_scene(one, focus=3, cutoff=3.0, whole=whole) for one in (unwrapped, atoms))
    np.testing.assert_allclose(scene["positions"], same["positions"], atol=1e-4)
    for name in ("bonds", "images", "parents"):
        np.testing.assert_array_equal(scene[name], same[name])
    assert set(scene["near"].tolist()) == set(same["near"].tolist())
    if not whole:
        positions = scene["positions"].reshape(-1, 3)
        away = np.sort(np.linalg.norm(positions[scene["near"][1:]] - positions[3], axis=1))
        np.testing.assert_allclose(away, neighbourhood(unwrapped, 3, 3.0).distances, atol=1e-4)


def test_two_environments_are_centred_and_turned() -> None:
    atoms = bulk("Cu", a=3.6, cubic=True)
    turn = Rotation.from_euler("z", 90, degrees=True).as_matrix()
    forces = np.tile([1.0, 0, 0], (4, 1))
    scene = build_comparison(
        Environment(atoms, 1, 3.0), Environment(atoms, 2, 3.0, np.full(4, 7), forces, turn), overlaid=False
    )
    assert scene["starts"] == [0, 13, 26]
    assert scene["centers"] == [0, 13]
    positions = scene["positions"].reshape(-1, 3)
    np.testing.assert_allclose(positions[[0, 13]], 0)
    found = neighbourhood(atoms, 2, 3.0)
    np.testing.assert_allclose(positions[14:], (found.positions - atoms.positions[2]) @ turn.T, atol=1e-5)
    np.testing.assert_allclose(scene["vectors"].reshape(-1, 3)[13:], np.tile([0, 1.0, 0], (13, 1)), atol=1e-6)
    assert np.isnan(scene["vectors"].reshape(-1, 3)[:13]).all()
    assert set(scene["colors"][13:].tolist()) == {7}
    assert ((scene["bonds"].reshape(-1, 2) < 13).sum(axis=1) % 2 == 0).all()  # none from one to the other
    assert scene["apart"] > 2 * 3.6 / np.sqrt(2)
    assert scene["near"].size == 0
    over = build_comparison(Environment(atoms, 1, 3.0), Environment(atoms, 2, 3.0), overlaid=True)
    assert over["apart"] == 0
    assert over["near"].tolist() == list(range(13, 26))


def test_legends_name_what_is_shown() -> None:
    found = element_legend(np.array([11, 17, 17]))
    assert [name for name, _ in found["entries"]] == ["Na", "Cl"]
    assert found["entries"][1][1] == "#1ff01f"
    colouring = Colouring.categorical([0, 0, 1, 2, -1], ["a", "b", "c"], label="Group")
    assert [name for name, _ in colour_legend(colouring, colouring.rgba[[2, 4]])["entries"]] == ["b", "Unclustered"]
    many = Colouring.categorical(np.arange(11), [str(i) for i in range(11)], label="Cluster")
    assert colour_legend(many, many.rgba)["more"] == "and 3 more"
    ramp = colour_legend(Colouring.continuous([0.0, 1.0, np.nan], label="Force", unit="eV/Å"), pack([NEUTRAL]))
    assert ramp["title"] == "Force / eV/Å"
    assert (ramp["low"], ramp["more"]) == ("0.01", "grey: no value")
    nothing = colour_legend(Colouring.continuous([np.nan], label="Force", unit="eV/Å"), pack([NEUTRAL]))
    assert "no values" in nothing["title"]


def test_arrows_have_a_length_that_can_be_seen() -> None:
    along = np.array([[0.0, 0.0, 1.0]])
    assert arrow_scale(np.array([[0.0, 0.0, 0.0], [np.nan, 0.0, 0.0]])) == 1.0
    assert arrow_scale(np.repeat(along, 100, axis=0)) == 2.0
    assert arrow_scale(np.repeat(30 * along, 100, axis=0)) == 0.05
    assert known_vectors(np.full((3, 3), np.nan)) is None
    assert known_vectors(along) is along

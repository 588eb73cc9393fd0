"""Aligning environments: known rotations, permutations and displacements are found again."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from meagraph.errors import MEAGraphError
from meagraph.inspection.alignment import align, align_environments, kabsch


def amorphous(rng: np.random.Generator, count: int = 20) -> tuple[np.ndarray, np.ndarray]:
    """Points from 1.5 to 5 Å away, at least 1.5 Å from each other, nearest first, of two elements."""
    points: list[np.ndarray] = []
    while len(points) < count:
        new = rng.uniform(-5, 5, 3)
        if 1.5 < np.linalg.norm(new) < 5 and all(np.linalg.norm(new - old) > 1.5 for old in points):
            points.append(new)
    points.sort(key=lambda point: float(np.linalg.norm(point)))
    return np.array(points), rng.choice([6, 14], count)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_a_turned_and_shuffled_environment_is_laid_on_itself(seed: int) -> None:
    rng = np.random.default_rng(seed)
    points, numbers = amorphous(rng)
    turn, order = Rotation.random(random_state=rng).as_matrix(), rng.permutation(len(points))
    found = align(points, numbers, (points @ turn.T)[order], numbers[order])
    assert found.rmsd < 1e-6
    assert found.unmatched == (0, 0)
    np.testing.assert_allclose(found.rotation, turn.T, atol=1e-6)
    assert found.pairs[np.argsort(found.pairs[:, 0]), 1].tolist() == np.argsort(order).tolist()
    assert np.linalg.det(found.rotation) == pytest.approx(1.0)
    assert found.mirrored > 0.2  # a random set has a hand


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_displacements_are_what_is_left(seed: int) -> None:
    rng = np.random.default_rng(seed)
    points, numbers = amorphous(rng)
    moved = points + rng.normal(scale=0.1, size=points.shape)
    turn = Rotation.random(random_state=rng).as_matrix()
    found = align(points, numbers, moved @ turn.T, numbers)
    # the true pairing with its best rotation is one candidate: nothing worse may come out
    best = np.sqrt(((points - moved @ turn.T @ kabsch(points, moved @ turn.T).T) ** 2).sum(axis=1).mean())
    assert found.rmsd <= best + 1e-9
    assert found.rmsd > 0.03
    assert found.unmatched == (0, 0)


def test_the_other_hand_is_reported_not_taken() -> None:
    points, numbers = amorphous(np.random.default_rng(3))
    found = align(points, numbers, points * [1, 1, -1], numbers)
    assert found.rmsd > 0.2
    assert found.mirrored < 1e-6
    assert found.mirrored_unmatched == (0, 0)
    assert np.linalg.det(found.rotation) == pytest.approx(1.0)


def test_only_equal_elements_are_paired_and_the_rest_is_counted() -> None:
    points = np.array([[2.0, 0, 0], [0, 2.1, 0], [0, 0, 2.2], [-2.5, 0.3, 0.1]])
    found = align(points, np.array([6, 6, 8, 8]), points[[0, 1, 2]], np.array([6, 6, 1]))
    assert sorted(found.pairs.tolist()) == [[0, 0], [1, 1]]
    assert found.unmatched == (2, 1)
    assert found.rmsd == pytest.approx(0, abs=1e-7)
    nothing = align(points, np.full(4, 6), points, np.full(4, 7))
    assert np.isnan(nothing.rmsd)
    assert nothing.unmatched == (4, 4)
    assert align(np.empty((0, 3)), np.empty(0, int), points, np.full(4, 6)).unmatched == (0, 4)


def test_far_atoms_are_no_pair() -> None:
    """One neighbour of an octahedron moved by 3 Å: the others still lie exactly on each other."""
    octahedron = 2.0 * np.vstack([np.eye(3), -np.eye(3)])
    second = octahedron.copy()
    second[0] = [5.0, 0, 0]
    found = align(octahedron, np.full(6, 6), second, np.full(6, 6))
    assert found.rmsd < 1e-6
    assert found.unmatched == (1, 1)


def test_crystals_through_the_periodic_boundary() -> None:
    """Every atom of a turned supercell of copper has the environment of the primitive cell's."""
    primitive, crystal = bulk("Cu", a=3.6), bulk("Cu", a=3.6, cubic=True) * (2, 1, 1)
    crystal.rotate(37, (1, 2, 3), rotate_cell=True)
    found = align_environments((primitive, 0), (crystal, 5), 4.0)
    assert len(found.pairs) == 12 + 6
    assert found.rmsd < 1e-6
    assert found.mirrored < 1e-6
    hcp = align_environments(
        (primitive, 0), (bulk("Cu", "hcp", a=3.6 / np.sqrt(2), c=3.6 / np.sqrt(2) * 1.633), 0), 3.0
    )
    assert hcp.rmsd > 0.3  # cuboctahedron and anticuboctahedron
    assert sum(hcp.unmatched) in (0, 2, 4, 6)


def test_the_same_input_gives_the_same_result_and_wrong_input_is_named() -> None:
    points, numbers = amorphous(np.random.default_rng(0), 30)
    other, kinds = amorphous(np.random.default_rng(1), 34)
    one, two = (align(points, numbers, other, kinds) for _ in range(2))
    np.testing.assert_array_equal(one.rotation, two.rotation)
    assert one.rmsd < 1.5
    with pytest.raises(MEAGraphError, match=r"\(30, 3\) and \(34,\)"):
        align(points, kinds, other, kinds)
    with pytest.raises(MEAGraphError, match="above 0 Å"):
        align(points, numbers, other, kinds, reach=0)
    atoms = Atoms("C", positions=[[0, 0, 0]])
    assert align_environments((atoms, 0), (atoms, 0), 3.0).unmatched == (0, 0)

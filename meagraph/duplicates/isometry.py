"""Whether two structures are one crystal or molecule: the turn and the shift that lay all atoms of one on the other.

A turn follows from two neighbours of a rare atom laid on two like neighbours of a like atom. It is right where it maps
all atoms of one cell onto atoms of the other structure, where the cell vectors of the one move the other onto itself,
and where both are as dense: then all atoms lie on each other, however far out. Mirrored ones count.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.geometry import minkowski_reduce
from numpy.typing import NDArray
from scipy.spatial import KDTree

from meagraph.duplicates.thresholds import COINCIDE, CUTOFF, SAME

MOST = 4000  # turns that are tried
LEAN = 0.3  # sine of the angle between two neighbours, above which they fix a turn
DENSE = 1e-3  # relative difference of densities
ROUNDING = 1e-5  # Å, of prints in single precision


@dataclass(frozen=True, eq=False)
class Isometry:
    """How one structure lies on another: its n atoms on atoms ``onto`` of the other, vectors v become ``turn @ v``."""

    turn: NDArray[np.float64]  # (3, 3) orthogonal, of determinant -1 for mirrored ones
    onto: NDArray[np.int64]  # (n,)
    apart: float  # Å, the largest distance of an atom from the one it lies on


def isometry(
    one: Atoms, other: Atoms, one_prints: NDArray[np.floating], other_prints: NDArray[np.floating]
) -> Isometry | None:
    """Lay ``one`` on ``other``, which has no more atoms; None where they are not one structure, or it cannot be told.

    Prints (n, WIDTH) and (m, WIDTH) are those of their atoms (:mod:`meagraph.duplicates.prints`).
    """
    times = len(one) * _extent(other) / (len(other) * _extent(one))
    if one.pbc.sum() != other.pbc.sum() or abs(times - 1.0) > DENSE:
        return None
    centre = _rarest(one.numbers, one_prints)
    around = _Around(one, centre, CUTOFF - COINCIDE)
    if not len(around.vectors):
        return None
    target = _Crystal(other)
    like = (np.abs(other_prints - one_prints[centre]).max(axis=1) <= SAME + ROUNDING) & (
        other.numbers == one.numbers[centre]
    )
    tried = 0
    for spot in np.flatnonzero(like).tolist():
        there = _Around(other, spot, CUTOFF + COINCIDE)
        for turn in _turns(around, there, one, other):
            tried += 1
            if tried > MOST:
                return None
            better = _refined(turn, around, there)
            if better is not None and (found := _whole(better, one, centre, target, spot)) is not None:
                return found
    return None


def _extent(atoms: Atoms) -> float:
    """Volume, area or length in which the cell repeats; 1 for what does not."""
    vectors = atoms.cell.array[atoms.pbc]
    return float(np.sqrt(np.linalg.det(vectors @ vectors.T))) if len(vectors) else 1.0


def _rarest(numbers: NDArray[np.integer], prints: NDArray[np.floating]) -> int:
    """An atom of which there are few like it."""
    rough = np.column_stack([np.rint(prints * 20.0), numbers])
    _, first, counts = np.unique(rough, axis=0, return_index=True, return_counts=True)
    return int(first[counts.argmin()])


class _Around:
    """The k neighbours of an atom within ``reach`` Å, the nearest first."""

    def __init__(self, atoms: Atoms, centre: int, reach: float) -> None:
        vectors, numbers = _neighbours(atoms, centre, reach)
        order = np.argsort(np.linalg.norm(vectors, axis=1), kind="stable")
        self.vectors, self.numbers = vectors[order], numbers[order]
        self.lengths = np.linalg.norm(self.vectors, axis=1)


def _neighbours(atoms: Atoms, centre: int, reach: float) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Vectors (k, 3) from an atom to all others, images included, within ``reach`` Å, and their elements (k,)."""
    cell = np.asarray(atoms.cell.complete())
    heights = 1.0 / np.linalg.norm(np.linalg.inv(cell), axis=0)
    fractional = (atoms.positions - atoms.positions[centre]) @ np.linalg.inv(cell)
    fractional[:, atoms.pbc] -= np.rint(fractional[:, atoms.pbc])
    steps = [
        np.arange(-count, count + 1) if periodic else np.zeros(1)
        for count, periodic in zip(np.ceil(reach / heights + 0.5).astype(int), atoms.pbc, strict=True)
    ]
    images = np.stack(np.meshgrid(*steps, indexing="ij"), axis=-1).reshape(-1, 3) @ cell
    vectors = ((fractional @ cell)[None] + images[:, None]).reshape(-1, 3)
    length = np.einsum("ij,ij->i", vectors, vectors)
    near = np.flatnonzero((length <= reach**2) & (length > 1e-6))
    return vectors[near], atoms.numbers[near % len(atoms)].astype(np.int64)


def _turns(around: _Around, there: _Around, one: Atoms, other: Atoms) -> Iterator[NDArray[np.float64]]:
    """Turns (3, 3) that lay two neighbours on two like ones.

    Of neighbours on one line a vector of the lattice is the second; without a lattice some turn about the line will do.
    """
    first, seconds, numbers = around.vectors[0], around.vectors, around.numbers
    candidates, kinds = there.vectors, there.numbers
    starts = _like(there.vectors, there.numbers, first, around.numbers[0])
    if not _leaning(seconds, first).any():
        seconds, candidates = _lattice(one), _lattice(other)
        numbers, kinds = np.zeros(len(seconds), dtype=np.int64), np.zeros(len(candidates), dtype=np.int64)
    leaning = _leaning(seconds, first)
    if not leaning.any():
        for start in starts:
            yield _frame(there.vectors[start]) @ _frame(first).T
        return
    second = int(leaning.argmax())
    between = np.linalg.norm(seconds[second] - first)
    ends = _like(candidates, kinds, seconds[second], numbers[second])
    source = _frame(first, seconds[second])
    for start in starts:
        gaps = np.linalg.norm(candidates[ends] - there.vectors[start], axis=1)
        for end in ends[np.abs(gaps - between) <= 4 * SAME]:
            frame = _frame(there.vectors[start], candidates[end])
            for hand in (1.0, -1.0):
                yield (frame * [1.0, 1.0, hand]) @ source.T


def _leaning(vectors: NDArray[np.float64], first: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which of the vectors (k, 3) are far from parallel to another."""
    lengths = np.linalg.norm(vectors, axis=1) * np.linalg.norm(first)
    return np.asarray(np.linalg.norm(np.cross(vectors, first), axis=1) > LEAN * lengths)


def _like(
    vectors: NDArray[np.float64], numbers: NDArray[np.int64], one: NDArray[np.float64], number: int
) -> NDArray[np.int64]:
    """Places of the vectors (k, 3) to atoms of this element that are as long as another."""
    gaps = np.abs(np.linalg.norm(vectors, axis=1) - np.linalg.norm(one))
    return np.flatnonzero((gaps <= 2 * SAME) & (numbers == number))


def _lattice(atoms: Atoms) -> NDArray[np.float64]:
    """Short vectors (k, 3) by which a structure repeats, the shortest first."""
    if not atoms.pbc.any():
        return np.empty((0, 3))
    cell = np.asarray(minkowski_reduce(atoms.cell.complete(), atoms.pbc)[0])
    steps = [np.arange(-2, 3) if periodic else np.zeros(1) for periodic in atoms.pbc]
    found = np.stack(np.meshgrid(*steps, indexing="ij"), axis=-1).reshape(-1, 3) @ cell
    lengths = np.linalg.norm(found, axis=1)
    order = np.argsort(lengths, kind="stable")
    return np.asarray(found[order][lengths[order] > 0.0])


def _frame(first: NDArray[np.float64], second: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
    """Orthonormal columns (3, 3): along the first vector, in the plane of both, and normal to it."""
    along = first / np.linalg.norm(first)
    if second is None:
        second = np.eye(3)[np.abs(along).argmin()]
    aside = second - (second @ along) * along
    aside = aside / np.linalg.norm(aside)
    return np.column_stack([along, aside, np.cross(along, aside)])


def _refined(turn: NDArray[np.float64], around: _Around, there: _Around) -> NDArray[np.float64] | None:
    """The best turn for all neighbours as this one pairs them (Kabsch); None where they do not lie on each other."""
    gaps, pairs = KDTree(there.vectors).query(around.vectors @ turn.T, distance_upper_bound=COINCIDE)
    if np.isinf(gaps).any() or (there.numbers[pairs] != around.numbers).any():
        return None
    left, _, right = np.linalg.svd(there.vectors[pairs].T @ around.vectors)
    hand = np.sign(np.linalg.det(left @ right)) * np.sign(np.linalg.det(turn))
    if np.linalg.matrix_rank(around.vectors, tol=0.1) < 3:
        return turn  # what lies in a plane says nothing of the third direction
    return np.asarray((left * [1.0, 1.0, hand]) @ right)


class _Crystal:
    """All atoms of a structure with their images, to be asked which of them lies at a place."""

    def __init__(self, atoms: Atoms) -> None:
        self.atoms = atoms
        self.cell = np.asarray(atoms.cell.complete())
        self._inverse = np.linalg.inv(self.cell)
        self._periodic = np.asarray(atoms.pbc, dtype=bool)
        self._fractional = self._wrapped(atoms.positions @ self._inverse)
        self._tree = KDTree(self._fractional, boxsize=self._periodic.astype(float))
        self._reach = COINCIDE * float(np.linalg.norm(self._inverse, axis=0).max())

    def _wrapped(self, fractional: NDArray[np.float64]) -> NDArray[np.float64]:
        inside = np.where(self._periodic, fractional % 1.0, fractional)
        inside[:, self._periodic] = np.where(inside[:, self._periodic] >= 1.0, 0.0, inside[:, self._periodic])
        return inside

    def at(self, places: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]] | None:
        """The atom at each of these places (k, 3) in Å and how far it is; None unless there is one at every place."""
        fractional = self._wrapped(places @ self._inverse)
        gaps, atoms = self._tree.query(fractional, p=np.inf, distance_upper_bound=self._reach * (1 + 1e-9))
        if np.isinf(gaps).any():
            return None
        away = self._fractional[atoms] - fractional
        away[:, self._periodic] -= np.rint(away[:, self._periodic])
        length = np.linalg.norm(away @ self.cell, axis=1)
        return (atoms, length) if length.max() <= COINCIDE else None


def _whole(turn: NDArray[np.float64], one: Atoms, centre: int, target: _Crystal, spot: int) -> Isometry | None:
    """What the turn makes of all atoms, where they all lie on atoms of the other structure and none is left over."""
    other = target.atoms
    places = (one.positions - one.positions[centre]) @ turn.T + other.positions[spot]
    found = target.at(places)
    if found is None:
        return None
    onto, away = found
    if (other.numbers[onto] != one.numbers).any() or len(np.unique(onto)) != len(other):
        return None
    for vector in one.cell.array[one.pbc] @ turn.T:
        moved = target.at(other.positions + vector)
        if moved is None or (other.numbers[moved[0]] != other.numbers).any():
            return None
    return Isometry(turn, onto.astype(np.int64), float(away.max()))

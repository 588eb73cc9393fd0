"""What makes a structure unusable, said for each structure by itself."""

from __future__ import annotations

import sys

import numpy as np

from meagraph.datasets.columnar import Structures

DEGENERATE = 1e-6
"""A periodic cell is flat when its volume is below this fraction of the product of its edge lengths."""


def count_fault(n_atoms: int, max_atoms: int = sys.maxsize) -> str | None:
    """What is wrong with a frame of so many atoms, None where nothing is."""
    if n_atoms == 0:
        return "expected at least one atom, but the frame has zero atoms. Remove the frame."
    if n_atoms > max_atoms:
        return (
            f"expected at most {max_atoms} atoms in a frame, but it has {n_atoms}. Raise the limit (--max-atoms "
            f"{n_atoms}), or give smaller frames."
        )
    return None


def faults_of(structures: Structures, *, max_atoms: int = sys.maxsize) -> dict[int, str]:
    """The structures that cannot be used, and why: what was expected, what came, what to do.

    Demanded are atoms of known elements, at most ``max_atoms``, at finite places, in a cell that spans its periodic
    directions.
    """
    found: dict[int, str] = {}
    if not structures:
        return found
    sizes = np.diff(structures.offsets)
    for row in np.flatnonzero((sizes == 0) | (sizes > max_atoms)).tolist():
        found[row] = str(count_fault(int(sizes[row]), max_atoms))
    for row, atom in _first_of_each(np.flatnonzero(structures.numbers < 1), structures.offsets):
        found[row] = (
            f"expected chemical elements, but atom {atom} is the dummy species 'X'. Remove such atoms or name their "
            "elements."
        )
    lost = np.flatnonzero(~np.isfinite(structures.positions).ravel()) // 3
    for row, atom in _first_of_each(lost, structures.offsets):
        found[row] = f"expected finite positions, but atom {atom} lies at NaN or infinity. Remove or repair the frame."
    cells, periodic = structures.cells, structures.pbc
    for row in np.flatnonzero(_degenerate(cells, periodic)).tolist():
        letters = " ".join("T" if flag else "F" for flag in periodic[row])
        found[row] = (
            f"expected a cell that spans its periodic directions (pbc {letters}), but its vectors "
            f'{cells[row].tolist()} Å enclose no volume. Give the cell (Lattice="..."), or set pbc="F F F" for a '
            "molecule."
        )
    return found


def _first_of_each(places: np.ndarray, offsets: np.ndarray) -> list[tuple[int, int]]:
    """Structure and atom of the first in each structure of the atoms at ``places``, ascending."""
    rows, at = np.unique(np.searchsorted(offsets, places, side="right") - 1, return_index=True)
    return [(int(row), int(places[place] - offsets[row])) for row, place in zip(rows, at, strict=True)]


def _degenerate(cells: np.ndarray, periodic: np.ndarray) -> np.ndarray:
    """Tell (S,) bool where a vector along a periodic direction is zero, infinite or depends on the others.

    Vectors of zero length along open directions do not count: they stand for "no cell here". A structure
    without any periodic direction is never degenerate.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        lengths = np.linalg.norm(cells, axis=2)  # (S, 3)
        used = lengths > DEGENERATE
        units = cells / np.where(used, lengths, 1.0)[:, :, None]
        gram = units @ units.transpose(0, 2, 1)
        # An unused vector counts as orthogonal to all others: it leaves the determinant alone.
        both = used[:, :, None] & used[:, None, :]
        volume_squared = np.linalg.det(np.where(both, gram, np.eye(3)))
        spans = np.isfinite(lengths).all(axis=1) & (volume_squared > DEGENERATE**2)
    broken: np.ndarray = periodic.any(axis=1) & ~(spans & (used | ~periodic).all(axis=1))
    return broken

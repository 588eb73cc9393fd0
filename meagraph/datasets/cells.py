"""Positions count modulo the cell, and what is empty counts for nothing: the same neighbours in a cell that costs less.

Files and their hashes keep the positions as they lie; whatever looks for neighbours, or shows them, asks here first.
"""

from __future__ import annotations

import numpy as np
from ase import Atoms
from ase.geometry import minkowski_reduce
from numpy.typing import NDArray

SKEWED = 2.5  # length of a cell vector over the distance of the faces it joins, above which shorter ones are looked for
EMPTY = 3.0  # empty stretches longer than so many times the reach are cut
MARGIN = 1.0  # Å beyond the reach that are left of them
NEAR = 1.0  # cell vectors outside the cell that atoms may lie
ROUNDING = 1e-6  # of a cell vector, by which an atom on the border may seem to lie outside
SEAM = 4.0  # Å; atoms that a wider gap separates need not stay together when they are brought back into the cell


def compact(atoms: Atoms, reach: float) -> Atoms:
    """The same (n,) atoms in a complete cell, with the same neighbours within ``reach`` Å.

    Most structures are usual and come back as they are: the caller must not change them. Only atoms that lie more than
    a cell apart along a periodic direction, or far outside, are brought back by whole cell vectors; a strongly skewed
    cell gets its shortest vectors; empty stretches much longer than ``reach`` are cut, so that cost grows with the
    atoms and not with the volume. Atoms on the two sides of a cut never see each other, before or after.

    Raises ValueError where the periodic cell vectors are linearly dependent.
    """
    pbc, positions = atoms.pbc, atoms.positions
    whole = bool(atoms.cell.array.any(axis=1).all())
    cell = atoms.cell.array if whole else atoms.cell.complete().array
    inverse = np.linalg.inv(cell)
    closeness = np.sqrt((inverse * inverse).sum(axis=0))  # 1/Å, of opposite faces
    fractional = positions @ inverse  # (n, 3)
    low, high = fractional.min(axis=0), fractional.max(axis=0)
    skewed = (np.sqrt((cell * cell).sum(axis=1)) * closeness > SKEWED)[pbc].any()
    inside = (high - low < 1.0) & (low > -NEAR) & (high < 1.0 + NEAR)
    empty = EMPTY * (reach + MARGIN)
    long = np.where(pbc, 1.0, high - low) > empty * closeness
    if (
        skewed
        or not inside[pbc].all()
        or (
            long.any()
            and any(_gaps(fractional[:, d], pbc[d])[1].max() > empty * closeness[d] for d in np.flatnonzero(long))
        )
    ):
        if skewed:
            cell = np.asarray(minkowski_reduce(cell, pbc)[0])
        cell, positions = _closed(cell, positions, pbc, reach + MARGIN)
    elif whole:
        return atoms
    return Atoms(numbers=atoms.numbers, positions=positions, cell=cell, pbc=pbc)


def bare(atoms: Atoms) -> Atoms:
    """Only what neighbours depend on; other arrays would travel to worker processes for nothing."""
    return Atoms(numbers=atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=atoms.pbc)


def _gaps(along: NDArray[np.float64], periodic: bool) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """The order (n,) of fractional coordinates (n,), in which periodic ones count modulo 1, and the gap before each."""
    if periodic:
        along = along % 1.0
    order = np.argsort(along)
    ordered = along[order]
    return order, np.diff(ordered, prepend=ordered[-1] - 1.0 if periodic else ordered[0])


def _closed(
    cell: NDArray[np.float64], positions: NDArray[np.float64], pbc: NDArray[np.bool_], reach: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A cell (3, 3), and positions (n, 3) within one cell of each other and without long empty stretches."""
    cell = cell.copy()
    cell[~pbc] = _normals(cell[pbc])
    inverse = np.linalg.inv(cell)
    fractional = positions @ inverse
    for axis in range(3):
        height = 1.0 / float(np.linalg.norm(inverse[:, axis]))
        along = fractional[:, axis]
        if pbc[axis]:
            along = (along - _border(along)[0]) % 1.0
        order, gaps = _gaps(along, pbc[axis])
        cut = np.where(gaps * height > EMPTY * reach, gaps - reach / height, 0.0)  # (n,) before each atom in turn
        along[order] -= np.cumsum(cut)
        left = 1.0 - cut.sum() if pbc[axis] else 1.0
        cell[axis] *= left
        fractional[:, axis] = along / left
    return cell, fractional @ cell


def wrapped(atoms: Atoms) -> Atoms:
    """A copy with atoms that lie more than a cell apart along a periodic direction brought back by cell vectors.

    Along other directions nothing moves, nor where the cell has no volume: what lies over the border of a cell stays
    together. What is brought back stays together, too, where a gap of more than SEAM Å separates it from its images.
    """
    copy: Atoms = atoms.copy()
    pbc = np.asarray(atoms.pbc)
    if not pbc.any() or not np.asarray(atoms.cell.array)[pbc].any(axis=1).all():
        return copy
    cell = np.asarray(atoms.cell.complete())
    inverse = np.linalg.inv(cell)
    fractional = atoms.positions @ inverse
    moved = np.zeros_like(fractional)
    for axis in np.flatnonzero(pbc):
        along = fractional[:, axis]
        if np.ptp(along) < 1.0 and np.abs(along - 0.5).max() < 0.5 + NEAR:
            continue
        border, gap = _border(along)
        if gap < SEAM * np.linalg.norm(inverse[:, axis]):
            border = -ROUNDING
        moved[:, axis] = np.floor(along - border)
    copy.positions = atoms.positions - moved @ cell
    return copy


def enclosing_cell(atoms: Atoms, r_cut: float) -> NDArray[np.float64]:
    """A right-handed cell (3, 3) in Å in which ``atoms``, periodic in all directions, have the same neighbours.

    A direction that is not periodic gets a vector orthogonal to the periodic ones, so long that images lie beyond
    ``r_cut``; the cell is then reduced to its shortest vectors.
    """
    periodic = atoms.cell.array[atoms.pbc]
    normals = _normals(periodic)
    lengths = np.ptp(atoms.positions @ normals.T, axis=0) + r_cut + MARGIN
    cell = np.asarray(minkowski_reduce(np.vstack([periodic, normals * lengths[:, None]]))[0])
    return cell if np.linalg.det(cell) > 0 else -cell


def _normals(periodic: NDArray[np.float64]) -> NDArray[np.float64]:
    """Orthonormal vectors (3 - k, 3) that complete k cell vectors (k, 3)."""
    if not len(periodic):
        return np.eye(3)
    return np.asarray(np.linalg.svd(periodic, full_matrices=True)[2][len(periodic) :])


def _border(along: NDArray[np.float64]) -> tuple[float, float]:
    """The middle, in [-0.5, 0.5), and the width of the widest gap between periodic fractional coordinates (n,)."""
    order, gaps = _gaps(along, True)
    place = int(gaps.argmax())
    return float((along[order[place]] - gaps[place] / 2 + 0.5) % 1.0 - 0.5), float(gaps[place])

"""One periodic cell for every structure, whatever its own looks like."""

from __future__ import annotations

import numpy as np
from ase import Atoms
from ase.geometry import minkowski_reduce
from numpy.typing import NDArray


def enclosing_cell(atoms: Atoms, r_cut: float) -> NDArray[np.float64]:
    """A right-handed cell (3, 3) in Å in which ``atoms``, periodic in all directions, have the same neighbours.

    A direction that is not periodic gets a vector orthogonal to the periodic ones, so long that images lie beyond
    ``r_cut``; the cell is then reduced to its shortest vectors.
    """
    periodic = atoms.cell.array[atoms.pbc]
    normals = np.linalg.svd(periodic, full_matrices=True)[2][len(periodic) :] if len(periodic) else np.eye(3)
    lengths = np.ptp(atoms.positions @ normals.T, axis=0) + r_cut + 1.0
    cell = np.asarray(minkowski_reduce(np.vstack([periodic, normals * lengths[:, None]]))[0])
    return cell if np.linalg.det(cell) > 0 else -cell

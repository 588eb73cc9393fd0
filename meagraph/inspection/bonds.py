"""How atoms are drawn: the colours of elements, and which atoms are joined by a stick."""

from __future__ import annotations

import ase
import numpy as np
from ase.data.colors import jmol_colors
from ase.neighborlist import natural_cutoffs
from scipy.spatial import cKDTree

BOND_TOLERANCE = 1.1
"""Two atoms are bonded when closer than this many times the sum of their covalent radii."""


def element_colors(numbers: np.ndarray) -> np.ndarray:
    """Jmol's element colours for atomic numbers (n,), as (n,) uint32 0xRRGGBB."""
    rgb = np.rint(jmol_colors[numbers] * 255).astype(np.uint32)
    return np.asarray(rgb[:, 0] << 16 | rgb[:, 1] << 8 | rgb[:, 2])


def bonded_pairs(positions: np.ndarray, cutoffs: np.ndarray) -> np.ndarray:
    """Pairs (B, 2) int of points (n, 3) Å no farther apart than the sum of their ``cutoffs`` (n,) Å."""
    if len(positions) < 2:
        return np.empty((0, 2), dtype=np.intp)
    pairs = cKDTree(positions).query_pairs(2 * cutoffs.max(), output_type="ndarray")
    distance = np.linalg.norm(positions[pairs[:, 0]] - positions[pairs[:, 1]], axis=1)
    return np.asarray(pairs[distance <= cutoffs[pairs].sum(axis=1)])


def bond_cutoffs(atoms: ase.Atoms) -> np.ndarray:
    """The reach of each atom's bonds (n,) Å: two are bonded when closer than the sum of theirs."""
    return np.asarray(natural_cutoffs(atoms, mult=BOND_TOLERANCE))

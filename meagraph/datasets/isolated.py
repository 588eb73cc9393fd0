"""Isolated atoms: the reference energies of a dataset, which are never pruned."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meagraph.datasets.columnar import Structures
from meagraph.datasets.entries import passing

NAMES = frozenset({"isolatedatom", "isolatedatoms", "isolated", "singleatom", "freeatom", "lonelyatom", "e0", "e0s"})
"""Spellings of the group of isolated atoms, letters and figures only."""
KEYS = ("config_type", "configtype", "group", "tag", "name")
ALONE = 7.0  # Å: nearer than this, an atom's own periodic image is a neighbour


def isolated(structures: Structures, groups: NDArray[np.str_]) -> NDArray[np.bool_]:
    """Tell (S,) bool which structures are isolated atoms.

    These are the ones called so by ``config_type`` or the like, or by their group, and all of one atom whose nearest
    periodic image is at least 7 Å away.
    """
    called = {name: re.sub(r"[^a-z0-9]", "", name.lower()) in NAMES for name in {str(group) for group in groups}}
    found = np.array([called[str(group)] for group in groups], dtype=bool)
    for column in structures.columns:
        if column.place == "info" and str(column.name).lower() in KEYS:
            found[column.rows] |= passing(column, _says_so)
    for row in np.flatnonzero((np.diff(structures.offsets) == 1) & ~found):
        found[row] = _alone(structures.cells[row][structures.pbc[row]])
    return found


def _says_so(value: Any) -> bool:
    return re.sub(r"[^a-z0-9]", "", str(value).lower()) in NAMES


def _alone(cell: NDArray[np.float64]) -> bool:
    """Whether the nearest image along the periodic vectors (k, 3) is far."""
    if not len(cell):
        return True
    steps = np.array(np.meshgrid(*[[-2, -1, 0, 1, 2]] * len(cell))).reshape(len(cell), -1).T
    lengths = np.linalg.norm(steps[np.any(steps, axis=1)] @ cell, axis=1)
    return bool(lengths.min() >= ALONE)

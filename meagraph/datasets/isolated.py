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
BLOCK = 4096  # structures looked at a time
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
    single = np.flatnonzero((np.diff(structures.offsets) == 1) & ~found)
    for start in range(0, len(single), BLOCK):
        rows = single[start : start + BLOCK]
        found[rows] = _alone(structures.cells[rows], structures.pbc[rows])
    return found


def _says_so(value: Any) -> bool:
    return re.sub(r"[^a-z0-9]", "", str(value).lower()) in NAMES


def _alone(cells: NDArray[np.float64], periodic: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whether the nearest image in each of ``cells`` (k, 3, 3) along ``periodic`` (k, 3) vectors is far."""
    steps = np.array(np.meshgrid(*[[-2, -1, 0, 1, 2]] * 3)).reshape(3, -1).T  # (125, 3)
    lengths = np.linalg.norm(steps @ cells, axis=2)  # (k, 125)
    possible = steps.any(axis=1) & ((steps == 0) | periodic[:, None, :]).all(axis=2)
    return np.asarray(np.where(possible, lengths, np.inf).min(axis=1) >= ALONE)

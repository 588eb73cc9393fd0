"""Isolated atoms: the reference energies of a dataset, which are never pruned."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

NAMES = frozenset({"isolatedatom", "isolatedatoms", "isolated", "singleatom", "freeatom", "lonelyatom", "e0", "e0s"})
"""Spellings of the group of isolated atoms, letters and figures only."""
KEYS = ("config_type", "configtype", "group", "tag", "name")
ALONE = 7.0  # Å: nearer than this, an atom's own periodic image is a neighbour


def isolated(structures: Sequence[Atoms], groups: NDArray[np.str_]) -> NDArray[np.bool_]:
    """Tell (S,) bool which structures are isolated atoms.

    These are the ones called so by ``config_type`` or the like, or by their group, and all of one atom whose nearest
    periodic image is at least 7 Å away.
    """
    called = {name: re.sub(r"[^a-z0-9]", "", name.lower()) in NAMES for name in {str(group) for group in groups}}
    found = np.array([called[str(group)] for group in groups], dtype=bool)
    for row, atoms in enumerate(structures):
        if not found[row]:
            found[row] = _says_so(atoms) or (len(atoms) == 1 and _alone(atoms))
    return found


def _says_so(atoms: Atoms) -> bool:
    texts = (str(atoms.info[key]) for key in atoms.info if str(key).lower() in KEYS)
    return any(re.sub(r"[^a-z0-9]", "", text.lower()) in NAMES for text in texts)


def _alone(atoms: Atoms) -> bool:
    cell = atoms.cell.array[atoms.pbc]
    if not len(cell):
        return True
    steps = np.array(np.meshgrid(*[[-2, -1, 0, 1, 2]] * len(cell))).reshape(len(cell), -1).T
    lengths = np.linalg.norm(steps[np.any(steps, axis=1)] @ cell, axis=1)
    return bool(lengths.min() >= ALONE)

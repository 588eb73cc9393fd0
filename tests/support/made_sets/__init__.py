"""Datasets whose truth is known atom by atom, made with ASE alone: a metal, molecules, ionic crystals.

Each structure carries, as an array of texts ``truth`` (n,), what each of its atoms is (:data:`UNKNOWN` where that
cannot be said), in ``info`` its ``config_type`` and ``temperature`` (K), and energy and forces. What an atom is follows
from how the structure was built, never from a descriptor. Equal code and seed give equal structures on one machine.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

import ase.io
import numpy as np
from ase import Atoms

from meagraph.files import atomic_path
from tests.support.made_sets import ions, metal, molecules
from tests.support.made_sets.truth import TRUTH, UNKNOWN

VERSION = 1  # of the files; a set of another version is made anew
SETS: dict[str, Callable[[int], list[Atoms]]] = {
    "metal": metal.metal,
    "molecules": molecules.molecules,
    "ions": ions.ions,
}

__all__ = ["SETS", "TRUTH", "UNKNOWN", "counts", "ions", "made_set", "metal", "molecules"]


def made_set(name: str, folder: str | Path, *, seed: int = 0) -> Path:
    """The file of a set of SETS in ``folder``, made where it is not there yet."""
    path = Path(folder) / f"{name}-{VERSION}-{seed}.extxyz"
    if not path.is_file():
        structures = SETS[name](seed)
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(path) as target:
            ase.io.write(target, structures, format="extxyz")
    return path


def counts(structures: Iterable[Atoms]) -> dict[str, int]:
    """How many atoms there are of each truth, by name."""
    found = Counter(np.concatenate([atoms.arrays[TRUTH] for atoms in structures]).tolist())
    return dict(sorted(found.items()))

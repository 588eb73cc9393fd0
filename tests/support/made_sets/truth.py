"""How a made structure says what each of its atoms is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from numpy.typing import NDArray

TRUTH = "truth"  # name of the array
UNKNOWN = "unknown"  # atoms that belong to neither side of a border


def known(atoms: Atoms, truth: str | Sequence[str] | NDArray[np.str_], group: str) -> Atoms:
    """``atoms`` with what each of them is, or all of them are, and the ``config_type``; changed in place."""
    names = np.full(len(atoms), truth) if isinstance(truth, str) else np.asarray(truth)
    atoms.arrays[TRUTH] = names.astype("U24")
    atoms.info["config_type"] = group
    return atoms


def frame(atoms: Atoms, energy: float, forces: NDArray[np.float64], temperature: float) -> Atoms:
    """A copy of ``atoms`` with energy (eV) and forces (n, 3) in eV/Å, at a ``temperature`` in K."""
    copy = atoms.copy()
    copy.set_constraint()
    copy.info["temperature"] = temperature
    for name in set(copy.arrays) - {"numbers", "positions", TRUTH}:
        del copy.arrays[name]
    copy.calc = SinglePointCalculator(copy, energy=energy, forces=forces)
    return copy

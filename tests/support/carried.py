"""Structures that carry everything a frame may carry, and whether two carry the same."""

from __future__ import annotations

from typing import Any

import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator
from ase.constraints import FixAtoms, FixCartesian

from meagraph.datasets.results import current_results

VALUES: list[Any] = [
    1.5,
    float("nan"),
    -3,
    2**70,
    True,
    "bcc",
    "",
    "ü\n",
    None,
    np.float32(0.5),
    np.int64(4),
    np.bool_(True),
    np.arange(3),
    np.eye(3, dtype=np.float32),
    np.empty((0, 2)),
    np.array(["a", "bcd"]),
    np.array(["a", "bcd"], dtype=object),
    [1, 2.0, "x"],
    {"code": "VASP", "set": [1, None]},
    (1, 2),
    {3},
    1 + 2j,
]


def same(one: Any, two: Any) -> bool:
    """Equal, of the same types; NaN is equal to NaN."""
    if type(one) is not type(two):
        return False
    if isinstance(one, np.ndarray | np.generic):
        return one.dtype == two.dtype and one.shape == two.shape and repr(one.tolist()) == repr(two.tolist())
    return repr(one) == repr(two)


def check_same(one: Atoms, two: Atoms) -> None:
    """Everything that a structure carries."""
    for name in ("numbers", "positions", "pbc"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
    np.testing.assert_array_equal(one.cell.array, two.cell.array)
    np.testing.assert_array_equal(one.get_celldisp(), two.get_celldisp())
    for ours, theirs in (
        (one.info, two.info),
        (one.arrays, two.arrays),
        (current_results(one), current_results(two)),
    ):
        assert list(ours) == list(theirs)
        assert all(same(ours[name], theirs[name]) for name in ours)
    assert [c.todict() for c in one.constraints] == [c.todict() for c in two.constraints]


def frames() -> list[Atoms]:
    """Structures of several sizes, each value under a common and under its own name."""
    found = []
    for number, value in enumerate(VALUES):
        atoms = bulk("Cu", cubic=number % 2 == 0) * (1, 1, 1 + number % 3)
        atoms.info = {"before": number, f"own-{number}": value, "value": value}
        if number % 3:
            atoms.arrays["charge"] = np.arange(float(len(atoms)))
            atoms.arrays["site"] = np.array([f"s{atom}" for atom in range(len(atoms))], dtype=object)
        if number % 4 == 0:
            results = {"energy": -1.0 * number, "forces": np.ones((len(atoms), 3)) * number}
            atoms.calc = SinglePointCalculator(atoms, **results)
        if number % 5 == 0:
            atoms.set_constraint([FixAtoms([0]), FixCartesian(0, [True, False, True])])
            atoms.set_celldisp([1.0, 0.0, 0.0])
        found.append(atoms)
    found[3].pbc = [True, False, True]
    return found

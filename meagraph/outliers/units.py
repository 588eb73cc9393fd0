"""Which unit a wrong label may be in."""

from __future__ import annotations

import numpy as np
from ase import units

ENERGIES = {  # a value in the unit over the same in eV
    "Hartree": 1.0 / units.Hartree,
    "Rydberg": 1.0 / units.Rydberg,
    "kcal/mol": units.mol / units.kcal,
    "kJ/mol": units.mol / units.kJ,
}
FORCES = {  # a value in the unit over the same in eV/Å
    "Hartree/bohr": units.Bohr / units.Hartree,
    "Rydberg/bohr": units.Bohr / units.Rydberg,
    "Hartree/Å": 1.0 / units.Hartree,
    "kcal/mol/Å": units.mol / units.kcal,
    "kJ/mol/Å": units.mol / units.kJ,
}
NEAR = 0.08  # relative, of the ratio of energies and a unit's
ROUGHLY = 2.0  # times larger or smaller, the same for forces, of which a quick model knows less
TELLING = 0.5  # eV/atom; the ratio of smaller energies says nothing


def as_if_in(observed: float, expected: float, *, per_atom: bool = False) -> str:
    """Words for the unit that turns ``expected`` into ``observed``, with a comma before them; empty for none.

    Energies ``per_atom`` in eV, or else forces in eV/Å; of units that fit the first of the list.
    """
    if (per_atom and abs(expected) < TELLING) or expected == 0.0 or observed == 0.0:
        return ""
    ratio = observed / expected
    near = np.log(1.0 + NEAR if per_atom else ROUGHLY)
    if ratio < 0.0:
        return ", as if of the opposite sign" if abs(np.log(-ratio)) < near else ""
    for name, factor in (ENERGIES if per_atom else FORCES).items():
        for words, one in ((f"in {name}", factor), (f"converted from {name} without need", 1.0 / factor)):
            if abs(np.log(ratio / one)) < near:
                return f", as if {words}"
    return ""

"""Which unit a wrong label may be in."""

from __future__ import annotations

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
    "eV/bohr": units.Bohr,
    "kcal/mol/Å": units.mol / units.kcal,
    "kJ/mol/Å": units.mol / units.kJ,
}
NEAR = {True: 0.08, False: 0.3}  # relative, of a ratio and a unit's: of energies per atom, of forces
TELLING = 0.5  # eV/atom; the ratio of smaller energies says nothing


def as_if_in(observed: float, expected: float, *, per_atom: bool = False) -> str:
    """Words for the unit that turns ``expected`` into ``observed``, with a comma before them; empty for none.

    Energies ``per_atom`` in eV, or else forces in eV/Å.
    """
    if (per_atom and abs(expected) < TELLING) or expected == 0.0:
        return ""
    ratio = observed / expected
    near = NEAR[per_atom]
    if abs(ratio + 1.0) < near:
        return ", as if of the opposite sign"
    for name, factor in (ENERGIES if per_atom else FORCES).items():
        for words, one in ((f"in {name}", factor), (f"converted from {name} without need", 1.0 / factor)):
            if abs(ratio / one - 1.0) < near:
                return f", as if {words}"
    return ""

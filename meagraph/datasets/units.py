"""Units that files may be in, as factors to Å and eV."""

from __future__ import annotations

from typing import NamedTuple

from ase import units


class UnitSystem(NamedTuple):
    """Factors that make Å and eV of a file's numbers, and how messages name its units."""

    length: float
    energy: float
    words: str

    @property
    def force(self) -> float:
        """The factor that makes eV/Å of forces."""
        return self.energy / self.length


METAL = UnitSystem(1.0, 1.0, "Å and eV")
ATOMIC = UnitSystem(units.Bohr, units.Hartree, "Bohr and Hartree")
UNITS: dict[str, UnitSystem] = {
    "metal": METAL,
    "atomic": ATOMIC,
    "electron": ATOMIC,  # LAMMPS' word for it
    "real": UnitSystem(1.0, units.kcal / units.mol, "Å and kcal/mol"),
    "si": UnitSystem(1e10, units.J, "m and J"),
    "cgs": UnitSystem(1e8, 1e-7 * units.J, "cm and erg"),
    "micro": UnitSystem(1e4, 1e-15 * units.J, "µm and pg µm²/µs²"),
    "nano": UnitSystem(10.0, 1e-21 * units.J, "nm and ag nm²/ns²"),
}
"""By name, the names being those of LAMMPS and ``atomic``."""

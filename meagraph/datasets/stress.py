"""Stress and virial of structures: shapes, signs and units in use to eV/Å³ as ASE signs it, positive in tension."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from ase import Atoms, units
from ase.stress import voigt_6_to_full_3x3_stress
from numpy.typing import NDArray

from meagraph.datasets.columnar import Structures
from meagraph.datasets.names import UNITS_IN_NAMES, label_of
from meagraph.datasets.strains import Steps, small_steps

UNITS = {"eV/A^3": 1.0, "GPa": units.GPa, "kbar": 0.1 * units.GPa, "bar": 1e-4 * units.GPa}
"""Units of stress in eV/Å³."""
LARGEST = 2.0  # eV/Å³, 320 GPa: what the typical stress of a dataset does not exceed
STEPS = 5  # at least, before energies say anything of units
AGREE = 0.4  # median misfit of the work, as a share of it, below which a unit fits; the next is ten times as large


class Way(NamedTuple):
    """One way to read a stress: ``factor`` times what stands there times the volume to the ``power`` is eV/Å³."""

    words: str
    factor: float
    power: int = 0


AS_IT_IS = Way("eV/A^3", 1.0)


def stress_of(value: Any, name: str, atoms: Atoms) -> NDArray[np.float64] | None:
    """One stress (3, 3) in the unit of the file; a virial becomes -virial/V. None for anything unusable.

    Nine numbers are a matrix, six are xx yy zz yz xz xy (Voigt's order, that of ASE).
    """
    array = np.asarray(value)
    if array.dtype.kind not in "fiu" or array.size not in (6, 9) or not np.isfinite(array.astype(float)).all():
        return None
    array = array.astype(float)
    tensor = voigt_6_to_full_3x3_stress(array.ravel()) if array.size == 6 else array.reshape(3, 3)
    if _is_virial(name):
        return of_virial(tensor, atoms)
    return np.asarray((tensor + tensor.T) / 2)


def of_virial(virial: NDArray[np.float64], atoms: Atoms) -> NDArray[np.float64] | None:
    """The stress (3, 3) in eV/Å³ of a virial (3, 3) in eV, -virial/V; None for a cell without a volume."""
    volume = abs(float(np.linalg.det(atoms.cell.array)))
    return None if volume < 1e-6 else np.asarray(-(virial + virial.T) / 2 / volume)


def unit_of(names: Sequence[str]) -> str | None:
    """The unit that the name of an entry gives away, as in stress_kbar."""
    return next((unit for name in names for end, unit in UNITS_IN_NAMES.items() if name.lower().endswith(end)), None)


def in_usual_unit(
    stress: NDArray[np.float64],
    energy: NDArray[np.float64],
    forces: NDArray[np.float64],
    structures: Structures,
    *,
    names: Sequence[str],
    unit: str | None,
) -> tuple[NDArray[np.float64], str]:
    """Stresses (S, 3, 3) of one file in eV/Å³, and a sentence on what was done; "" where there was nothing to do.

    A ``unit`` or the entry's name is taken as said. Else the energies decide: from one structure to another of the
    same atoms in a slightly strained cell, the energy changes by volume times stress times strain. Where the file has
    no such steps, stress stays as it is if its size is possible in eV/Å³, and is left out (NaN) if not.
    """
    there = np.isfinite(stress).all(axis=(1, 2))
    if not there.any():
        return stress, ""
    said = unit or unit_of(names)
    if said is not None:
        return stress * UNITS[said], f"stress ({', '.join(names)}) converted from {said}" if said != "eV/A^3" else ""
    volumes = np.abs(np.linalg.det(structures.cells))
    steps = small_steps(structures, np.where(there, energy, np.nan), forces)
    way = fitting(steps, stress, volumes, ways(virial=all(_is_virial(name) for name in names)))
    if way is not None and way != AS_IT_IS:
        scale = way.factor * np.where(volumes > 1e-6, volumes, np.nan) ** way.power
        return stress * scale[:, None, None], (
            f"stress ({', '.join(names)}) taken as {way.words}: so the energies have it, along {len(steps.work)} small "
            "strains from one structure to another"
        )
    typical = float(np.median(np.abs(stress[there]).max(axis=(1, 2))))
    if way is None and typical > LARGEST:
        return np.full_like(stress, np.nan), (
            f"stress ({', '.join(names)}) not used: with a median of {typical:.3g} it is too large for eV/Å³, and no "
            f"energies tell its unit. Name it (--stress-unit {', '.join(list(UNITS)[1:])})"
        )
    return stress, ""


def ways(*, virial: bool) -> list[Way]:
    """All ways to read a stress, or what was read of a ``virial`` as -virial/V, the usual one first."""
    found = [AS_IT_IS]
    for name, unit in UNITS.items():
        found += [Way(name, unit)] if name != AS_IT_IS.words else []
        found.append(Way(f"{name} with the sign turned (it was positive in compression)", -unit))
    if not virial:
        found += [Way("virial in eV", -1.0, -1), Way("virial in eV with the sign turned", 1.0, -1)]
        return found
    for name, unit in UNITS.items():
        found += [Way(f"stress in {name}, no virial", -unit, 1)]
        found += [Way(f"stress in {name}, no virial, with the sign turned", unit, 1)]
    return found


def fitting(
    steps: Steps, stress: NDArray[np.float64], volumes: NDArray[np.float64], known: Sequence[Way]
) -> Way | None:
    """The one of the ``known`` ways to read stresses (S, 3, 3) by which they do the work of the steps.

    None where that cannot be told. The first, what is there, stands if it fits; another way must fit twice as well as
    any that comes to something else.
    """
    if len(steps.work) < STEPS:
        return None
    told = {power: steps.told(stress, volumes, power) for power in {way.power for way in known}}
    fits = {
        way: float(np.median(np.abs(way.factor * told[way.power] - steps.work) / np.abs(steps.work))) for way in known
    }
    if fits[known[0]] < AGREE:
        return known[0]
    best, second = sorted(fits, key=fits.__getitem__)[:2]
    return best if fits[best] < AGREE and 2.0 * fits[best] < fits[second] else None


def _is_virial(name: str) -> bool:
    label = label_of(name)
    return label is not None and label.stem.startswith("virial")

"""Stress and virial of structures: shapes, signs and units in use to eV/Å³ as ASE signs it, positive in tension."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
from ase import Atoms, units
from ase.stress import voigt_6_to_full_3x3_stress
from numpy.typing import NDArray

from meagraph.datasets.names import UNITS_IN_NAMES, label_of

UNITS = {"eV/A^3": 1.0, "GPa": units.GPa, "kbar": 0.1 * units.GPa, "bar": 1e-4 * units.GPa}
"""Units of stress in eV/Å³."""
LARGEST = 2.0  # eV/Å³, 320 GPa: what the typical stress of a dataset does not exceed
NEAR = 0.06  # volumes of two states of one crystal between which the energy is taken as smooth, as a fraction
PAIRS = 3  # at least, before energies say anything of units
AGREE = 0.15  # of the stress: how far the energies' derivative may be from it for a unit to be told by it
SMALLEST = 1e-4  # eV/Å³: a derivative that says anything


def stress_of(value: Any, name: str, atoms: Atoms) -> NDArray[np.float64] | None:
    """One stress (3, 3) in the unit of the file; a virial becomes -virial/V. None for anything unusable.

    Nine numbers are a matrix, six are xx yy zz yz xz xy (Voigt's order, that of ASE).
    """
    array = np.asarray(value)
    if array.dtype.kind not in "fiu" or array.size not in (6, 9) or not np.isfinite(array.astype(float)).all():
        return None
    array = array.astype(float)
    tensor = voigt_6_to_full_3x3_stress(array.ravel()) if array.size == 6 else array.reshape(3, 3)
    label = label_of(name)
    if label is not None and label.stem.startswith("virial"):
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
    structures: Sequence[Atoms],
    *,
    names: Sequence[str],
    unit: str | None,
) -> tuple[NDArray[np.float64], str]:
    """Stresses (S, 3, 3) of one file in eV/Å³, and a sentence on what was done; "" where there was nothing to do.

    A ``unit`` or the entry's name is taken as said. Else the energies decide: between two states of one crystal of
    nearly equal volume, trace(stress)/3 = dE/dV tells unit and sign. Where the file has no such states, stress stays
    as it is if its size is possible in eV/Å³, and is left out (NaN) if not.
    """
    there = np.isfinite(stress).all(axis=(1, 2))
    if not there.any():
        return stress, ""
    said = unit or unit_of(names)
    if said is not None:
        return stress * UNITS[said], f"stress ({', '.join(names)}) converted from {said}" if said != "eV/A^3" else ""
    given, derived = _derivatives(stress, energy, structures)
    if len(given) >= PAIRS:
        fits = {}
        for name, factor in UNITS.items():
            for sign in (1, -1):
                misfit = np.abs(sign * factor * given - derived) / np.maximum(np.abs(derived), SMALLEST)
                fits[name, sign] = float(np.median(misfit))
        (name, sign), best = min(fits.items(), key=lambda item: item[1])
        if best < AGREE and (name, sign) != ("eV/A^3", 1):
            turned = " with the sign turned (it was positive in compression)" if sign < 0 else ""
            return sign * UNITS[name] * stress, (
                f"stress ({', '.join(names)}) taken as {name}{turned}: so the energies of {len(given)} pairs of "
                "structures of nearly equal volume have it"
            )
        if best < AGREE:
            return stress, ""
    typical = float(np.median(np.abs(stress[there]).max(axis=(1, 2))))
    if typical > LARGEST:
        return np.full_like(stress, np.nan), (
            f"stress ({', '.join(names)}) not used: with a median of {typical:.3g} it is too large for eV/Å³, and no "
            f"energies tell its unit. Name it (--stress-unit {', '.join(list(UNITS)[1:])})"
        )
    return stress, ""


def _derivatives(
    stress: NDArray[np.float64], energy: NDArray[np.float64], structures: Sequence[Atoms]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean trace/3 in the file's unit and dE/dV in eV/Å³, for neighbouring volumes of one crystal."""
    states: dict[tuple[Any, ...], list[tuple[float, int]]] = defaultdict(list)
    for row in np.flatnonzero(np.isfinite(stress).all(axis=(1, 2)) & np.isfinite(energy)).tolist():
        atoms = structures[row]
        volume = abs(float(np.linalg.det(atoms.cell.array)))
        if atoms.pbc.all() and volume > 1e-6:
            shape = atoms.cell.array / volume ** (1 / 3)
            places = (atoms.positions @ np.linalg.inv(atoms.cell.array)) % 1.0
            places = (places + 1e-4) % 1.0
            key = (atoms.numbers.tobytes(), np.round(shape, 3).tobytes(), np.round(places, 3).tobytes())
            states[key].append((volume, row))
    given, derived = [], []
    for volumes in states.values():
        volumes.sort()
        for (small, first), (large, second) in itertools.pairwise(volumes):
            if 1e-4 * small < large - small < NEAR * small:
                slope = (energy[second] - energy[first]) / (large - small)
                if abs(slope) > SMALLEST:
                    given.append(float(np.trace(stress[first] + stress[second])) / 6)
                    derived.append(float(slope))
    return np.array(given), np.array(derived)

"""Energies, forces and groups of structures, whatever names the file gives them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from meagraph.datasets.dataset import DatasetError

ENERGY_NAMES = ("energy", "REF_energy", "dft_energy", "DFT_energy")
FORCES_NAMES = ("forces", "REF_forces", "dft_forces", "DFT_forces")
DEFAULT_GROUP = "Default"

Keys = str | Sequence[str] | None
Locate = Callable[[int], str]


def read_groups(structures: Sequence[Atoms], group_key: str) -> np.ndarray:
    """Return (S,) str: ``info[group_key]`` of each structure, ``"Default"`` where it is missing or empty."""
    groups = []
    for atoms in structures:
        value = atoms.info.get(group_key)
        text = "" if value is None or np.size(value) == 0 else str(value).strip()
        groups.append(text or DEFAULT_GROUP)
    return np.array(groups, dtype=np.str_)


def read_energies(
    structures: Sequence[Atoms], source_index: np.ndarray, keys: Keys, *, locate: Locate, required: bool
) -> np.ndarray:
    """Return (S,) float64 eV, NaN where missing.

    ``locate`` turns a position in ``structures`` into the words that a message starts with. Raises
    :class:`DatasetError` for a value that is no number and, where ``required``, for a structure without
    energy.
    """

    def value_of(row: int, name: str) -> float | None:
        value = _find(structures[row], name, structures[row].info)
        if value is None:
            return None
        try:
            energy = _single(value)
        except (TypeError, ValueError) as error:
            raise DatasetError(
                f"{locate(row)}: expected one number as energy {name!r}, but came {str(value)[:60]!r}. "
                "Repair the frame, or name another key (--energy-key)."
            ) from error
        return None if np.isnan(energy) else energy

    energies = np.full(len(structures), np.nan)
    for rows in _rows_by_source(source_index):
        found = _choose(rows, ENERGY_NAMES, keys, value_of)
        for row, value in found.items():
            energies[row] = value
        if required and len(found) < len(rows):
            raise DatasetError(_missing("energy", keys, ENERGY_NAMES, rows, found, structures, locate))
    return energies


def read_forces(
    structures: Sequence[Atoms], source_index: np.ndarray, keys: Keys, *, locate: Locate, required: bool
) -> np.ndarray:
    """Return (N, 3) float64 eV/Å, NaN where missing; a single atom without forces has zero.

    ``locate`` as for :func:`read_energies`. Raises :class:`DatasetError` for forces of a wrong shape and,
    where ``required``, for a structure of two or more atoms without forces.
    """
    offsets = np.concatenate([[0], np.cumsum([len(atoms) for atoms in structures])]).astype(np.int64)
    forces = np.full((offsets[-1], 3), np.nan)

    def value_of(row: int, name: str) -> np.ndarray | None:
        value = _find(structures[row], name, structures[row].arrays)
        if value is None:
            return None
        expected = (len(structures[row]), 3)
        if np.shape(value) != expected or np.asarray(value).dtype.kind not in "fiu":
            raise DatasetError(
                f"{locate(row)}: expected forces {name!r} as numbers of shape {expected}, but they have "
                f"shape {np.shape(value)}. Repair the frame, or name another key (--forces-key)."
            )
        return None if np.isnan(value).any() else np.asarray(value, dtype=float)

    for rows in _rows_by_source(source_index):
        # Single atoms have no say in which name is taken: they may lack forces.
        several = [row for row in rows if len(structures[row]) != 1]
        found = _choose(several, FORCES_NAMES, keys, value_of)
        if required and len(found) < len(several):
            raise DatasetError(_missing("forces", keys, FORCES_NAMES, several, found, structures, locate))
        for row in rows:
            if len(structures[row]) == 1:
                values = (value_of(row, name) for name in _names(keys, FORCES_NAMES))
                found[row] = next((value for value in values if value is not None), np.zeros((1, 3)))
        for row, value in found.items():
            forces[offsets[row] : offsets[row + 1]] = value
    return forces


def _rows_by_source(source_index: np.ndarray) -> list[list[int]]:
    return [np.flatnonzero(source_index == source).tolist() for source in np.unique(source_index)]


def copy_of(atoms: Atoms) -> Atoms:
    """A copy of a structure that keeps its labels."""
    copy: Atoms = atoms.copy()
    if atoms.calc is not None:
        copy.calc = SinglePointCalculator(copy)
        copy.calc.results = {name: np.copy(value)[()] for name, value in current_results(atoms).items()}
    return copy


def current_results(atoms: Atoms) -> dict[str, Any]:
    """Return the calculator's results, unless they belong to other atoms, positions or another cell."""
    calculator = atoms.calc
    reference = getattr(calculator, "atoms", None)
    if reference is None or reference is atoms:
        current = True
    else:
        current = (
            np.array_equal(reference.numbers, atoms.numbers)
            and np.array_equal(reference.positions, atoms.positions, equal_nan=True)
            and np.array_equal(reference.cell.array, atoms.cell.array, equal_nan=True)
        )
    return getattr(calculator, "results", {}) if current else {}


def _find(atoms: Atoms, name: str, store: dict[str, Any]) -> Any:
    """Return the calculator's result of that name, else what the structure itself stores."""
    value = current_results(atoms).get(name)
    return store.get(name) if value is None else value


def _single(value: Any) -> float:
    array = np.asarray(value, dtype=float)
    if array.size != 1:
        raise ValueError("not one number")
    return float(array.reshape(()))


def _names(keys: Keys, usual: tuple[str, ...]) -> tuple[str, ...]:
    if keys is None:
        return usual
    return (keys,) if isinstance(keys, str) else tuple(keys)


def _choose(
    rows: Sequence[int], usual: tuple[str, ...], keys: Keys, value_of: Callable[[int, str], Any]
) -> dict[int, Any]:
    """Return the labelled ones of ``rows`` and their values.

    Names that the caller gives are tried in order for each structure. Without them one usual name is taken
    for all, that which labels most structures (the first of equals): two names may stand for two levels of
    theory, which must not be mixed unasked.
    """
    best: dict[int, Any] = {}
    for name in _names(keys, usual):
        tried = {row: value_of(row, name) for row in rows if keys is None or row not in best}
        found = {row: value for row, value in tried.items() if value is not None}
        if keys is not None:
            best |= found
        elif len(found) > len(best):
            best = found
        if len(best) == len(rows):
            break
    return best


def _missing(
    what: str,
    keys: Keys,
    usual: tuple[str, ...],
    rows: Sequence[int],
    found: dict[int, Any],
    structures: Sequence[Atoms],
    locate: Locate,
) -> str:
    missing = [row for row in rows if row not in found]
    atoms = structures[missing[0]]
    there = {*current_results(atoms), *atoms.info, *atoms.arrays} - {"numbers", "positions"}
    names = " or ".join(_names(keys, usual)) + ("" if keys else ", one name for the whole file")
    return (
        f"{locate(missing[0])}: expected {what}, named {names}, but "
        f"{len(missing)} of its {len(rows)} frames have none; this frame stores "
        f"{', '.join(sorted(map(str, there))) or 'no labels at all'}. Name the key (--{what}-key), or allow "
        "frames without labels (--allow-unlabelled; in the app 'Allow frames without labels')."
    )

"""Structures as extended XYZ without losing digits: for sources that are no extended XYZ themselves.

ASE's own writer cuts every column to eight decimals and fails where a label is stored twice; reading goes
through ASE as ever.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from ase import Atoms
from ase.stress import voigt_6_to_full_3x3_stress

from meagraph.datasets.comment import FULL_MATRICES
from meagraph.datasets.results import PER_ATOM, current_results

COLUMN_TYPES = {"f": "R", "i": "I", "u": "I", "b": "L", "U": "S", "O": "S"}
RESERVED = frozenset({"Lattice", "Properties", "pbc"})
NOT_IN_COLUMN_NAMES = frozenset(": \t\r\n\"'=")


class FormattedFrame(NamedTuple):
    """One frame as UTF-8 text, and the names of what the format cannot hold."""

    text: bytes
    lost: tuple[str, ...]


def format_frame(atoms: Atoms) -> FormattedFrame:
    """Write one structure as an extended XYZ frame with every digit of its numbers.

    Calculator results take their ASE names (``energy``, ``forces``, ``stress`` as nine numbers, ...) and win
    over entries of the same name in ``info`` or ``arrays``. Constraints are not written. ``lost`` names the
    entries that the format cannot hold: arrays of three and more dimensions, texts with spaces in a column,
    line breaks, objects.
    """
    info, arrays = dict(atoms.info), dict(atoms.arrays)
    del arrays["numbers"], arrays["positions"]
    for name, value in current_results(atoms).items():
        (arrays if name in PER_ATOM else info)[name] = value
    lost = []
    columns = {"species": np.array(atoms.get_chemical_symbols()), "pos": atoms.positions}
    for name, values in arrays.items():
        if name not in columns and not set(name) & NOT_IN_COLUMN_NAMES and _fits_column(values, len(atoms)):
            columns[name] = values
        else:
            lost.append(name)
    entries = [f'Lattice="{_numbers(atoms.cell.array.ravel())}"'] if atoms.cell.array.any() else []
    entries.append("Properties=" + ":".join(_declaration(name, values) for name, values in columns.items()))
    entries.append(f'pbc="{_numbers(atoms.pbc)}"')
    for key, value in info.items():
        text = None if key in RESERVED else _text(str(key), value)
        if text is None or "\n" in text or "\r" in text:
            lost.append(str(key))
        else:
            entries.append(f"{_quoted(str(key))}={_quoted(text)}")
    cells = [[_numbers(row) for row in values.reshape(len(atoms), -1)] for values in columns.values()]
    rows = (" ".join(row) for row in zip(*cells, strict=True))
    text = "\n".join([str(len(atoms)), " ".join(entries), *rows]) + "\n"
    return FormattedFrame(text.encode(), tuple(lost))


def _fits_column(values: Any, n_atoms: int) -> bool:
    if not isinstance(values, np.ndarray) or values.dtype.kind not in COLUMN_TYPES:
        return False
    if values.ndim not in (1, 2) or len(values) != n_atoms or values.shape[-1] == 0:
        return False
    if values.dtype.kind in "UO":
        return all(isinstance(value, str) and value.split() == [value] for value in values.flat)
    return True


def _declaration(name: str, values: np.ndarray) -> str:
    return f"{name}:{COLUMN_TYPES[values.dtype.kind]}:{1 if values.ndim == 1 else values.shape[1]}"


def _numbers(values: Iterable[Any]) -> str:
    return " ".join(_scalar(value) for value in values)


def _scalar(value: Any) -> str:
    if isinstance(value, bool | np.bool_):
        return "T" if value else "F"
    return str(value.item() if isinstance(value, np.generic) else value)


def _text(key: str, value: Any) -> str | None:
    """Return a value of the comment line, unquoted, or nothing where extended XYZ has no way to say it."""
    if key not in FULL_MATRICES:
        if isinstance(value, str):
            return value or None  # ASE takes the next key for an empty value
        if isinstance(value, bool | int | float | np.generic) and not isinstance(value, complex):
            return _scalar(value)
    try:
        array = np.asarray(value) if isinstance(value, np.ndarray | list | tuple) else np.empty(0)
        if key in FULL_MATRICES:
            matrix = voigt_6_to_full_3x3_stress(array) if array.shape == (6,) else array
            return _numbers(matrix.ravel(order="F")) if matrix.shape in ((3, 3), (9,)) else None
        if array.ndim == 1 and array.size > 1 and array.dtype.kind in "fiub":
            return _numbers(array)
        return "_JSON " + json.dumps(value, default=_plain)
    except (TypeError, ValueError):  # a ragged list, an object without a JSON form
        return None


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} has no JSON form")


def _quoted(text: str) -> str:
    if text and not set(text) & set(" \t\"'{}[]=\\,"):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'

"""Cell and periodicity as the comment lines of extended XYZ write them."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from ase.cell import Cell
from numpy.typing import NDArray

from meagraph.datasets.comment import CommentError, numbers_of

CELL_NAMES = ("lattice", "cell")
PBC_NAMES = ("pbc",)
PERIODIC = {"t": True, "true": True, "1": True, "p": True, "y": True, "yes": True}
OPEN = {"f": False, "false": False, "0": False, "s": False, "m": False, "n": False, "no": False}
EITHER = PERIODIC | OPEN  # f, s and m are LAMMPS's words for open
WAYS = 'pbc="T T F", three letters T or F, or p and f as in LAMMPS'


def read_cell(key: str, text: str) -> NDArray[np.float64]:
    """The cell (3, 3) in Å, a row a vector, of nine numbers, of three lengths, or of lengths and angles in degrees.

    Raises CommentError for anything else.
    """
    values = numbers_of(text)
    if values is None or len(values) not in (3, 6, 9):
        came = "something else" if values is None else f"{len(values)}"
        raise CommentError(
            f"expected {key} as nine numbers (vectors), three (edges) or six (edges and angles), but came {came}: "
            f"{text[:60]!r}"
        )
    if len(values) == 9:
        return np.array(values).reshape(3, 3)
    return np.asarray(Cell.fromcellpar(values if len(values) == 6 else [*values, 90, 90, 90]).array, dtype=float)


def read_pbc(text: str) -> tuple[bool, bool, bool]:
    """Along which vectors of the cell a structure repeats. Raises CommentError for what says nothing known."""
    parts = text.replace(",", " ").replace("[", " ").replace("]", " ").lower().split()
    if len(parts) == 1 and len(parts[0]) == 3 and all(letter in EITHER for letter in parts[0]):
        parts = list(parts[0])  # TTF
    if all(part == "pp" or (len(part) == 2 and set(part) <= set("fsm")) for part in parts):
        parts = [part[0] for part in parts]  # both borders of a direction, as LAMMPS's dumps have them
    flags = [EITHER.get(part) for part in parts]
    if len(flags) == 1:
        flags *= 3
    if len(flags) != 3 or any(flag is None for flag in flags):
        raise CommentError(f"expected the periodicity as {WAYS}, but came {text[:40]!r}")
    first, second, third = map(bool, flags)
    return first, second, third


def read_box(
    found: dict[str, str | None], cells: Iterable[str], periodicities: Iterable[str]
) -> tuple[NDArray[np.float64] | None, tuple[bool, bool, bool]]:
    """Cell (None where there is none) and periodicity of the entries ``found``.

    ``cells`` and ``periodicities`` are the keys that name one; several must agree. A cell without periodicity repeats
    in all directions, as extended XYZ has it. Raises CommentError.
    """
    cell: NDArray[np.float64] | None = None
    for key in cells:
        if (text := found[key]) is None or not text.strip():
            raise CommentError(f"expected nine numbers in the entry {key}, but it is empty")
        read = read_cell(key, text)
        if cell is not None and not np.allclose(cell, read, rtol=0, atol=1e-6):
            raise CommentError(f"expected one cell, but the entries {', '.join(cells)} say different ones")
        cell = read
    flags = [read_pbc("" if found[key] is None else str(found[key])) for key in periodicities]
    if len(set(flags)) > 1:
        raise CommentError(f"expected one periodicity, but the entries {', '.join(periodicities)} say different ones")
    usual = cell is not None
    return cell, flags[0] if flags else (usual, usual, usual)

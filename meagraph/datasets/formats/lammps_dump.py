"""LAMMPS' text dumps: positions, boxes and forces; never an energy, and elements only where the file has them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers

from meagraph.datasets.dataset import DatasetError, describe_frame
from meagraph.datasets.formats.common import Frames, labelled, lines_of, note
from meagraph.datasets.options import ReadOptions
from meagraph.datasets.units import UNITS, UnitSystem

COORDINATES = {"x": False, "xs": True, "xu": False, "xsu": True}  # whether they are fractions of the box
FORCES = ("fx", "fy", "fz")
NOT_KEPT = {"id", "type", "element", "mass", "ix", "iy", "iz", *FORCES}


def is_lammps_dump(name: Path, head: bytes) -> bool:
    """Whether a file begins like a dump."""
    return head.lstrip().startswith((b"ITEM: TIMESTEP", b"ITEM: UNITS", b"ITEM: TIME\n"))


def read_lammps_dump(plain: Path, *, name: str, options: ReadOptions, notes: list[str]) -> Frames:
    """Read a text dump: any columns in any order, rows in any order, boxes of any shape.

    Atoms are sorted by ``id`` and moved so that the box starts at the origin. Forces are fx, fy and fz; further columns
    of numbers become arrays. Units are those of ``ITEM: UNITS``, of the options, or else ``metal``.
    """
    lines = lines_of(plain)
    said: str | None = None
    head: dict[str, list[str]] = {}
    frame = 0
    line = next(lines, None)
    while line is not None:
        where = describe_frame(name, frame)
        if not line.startswith("ITEM:"):
            if line.strip():
                raise DatasetError(f"{where}: expected a line 'ITEM: ...', but came {line[:60]!r}. Repair the dump.")
            line = next(lines, None)
            continue
        item = line[5:].strip()
        if not item.startswith("ATOMS"):
            rows = list(islice(lines, 3 if item.startswith("BOX") else 1))
            head[item.split()[0]] = [item, *rows]
            said = rows[0].strip() if item == "UNITS" and rows else said
            line = next(lines, None)
            continue
        count = _count(head, where)
        rows, line = _rows(lines, count)
        if len(rows) < count:
            error = DatasetError(
                f"{where}: expected {count} atoms, but the frame ends after {len(rows)}: it is truncated. Remove it."
            )
            if line is None:
                raise error
            yield error
        else:
            system = _units(said, options, name, notes)
            yield _frame(head, item.split()[1:], rows, system, options, notes, where)
        frame += 1
        head = {}
    if head:
        raise DatasetError(
            f"{describe_frame(name, frame)}: expected atoms, but the file ends: it is truncated. Cut off its end."
        )


def _count(head: dict[str, list[str]], where: str) -> int:
    for item in ("NUMBER", "BOX"):
        if item not in head:
            raise DatasetError(f"{where}: expected 'ITEM: {item} ...' before the atoms, but it is missing. Repair it.")
    return int(head["NUMBER"][1])


def _rows(lines: Iterator[str], count: int) -> tuple[list[str], str | None]:
    """At most ``count`` lines up to the next item, and the line after them."""
    rows: list[str] = []
    for line in lines:
        if line.startswith("ITEM:") or len(rows) == count:
            return rows, line
        rows.append(line)
    return rows, None


def _units(said: str | None, options: ReadOptions, name: str, notes: list[str]) -> UnitSystem:
    chosen = options.units or said or "metal"
    if chosen not in UNITS:
        raise DatasetError(
            f"{name}: expected physical units, but the dump is in LAMMPS' units {chosen!r}. Say which they stand for: "
            f"--units with one of {', '.join(UNITS)}."
        )
    system = UNITS[chosen]
    why = "chosen" if options.units else "as the dump says" if said else "assumed, since the dump does not say"
    note(notes, f"Lengths and forces are read in LAMMPS' units '{chosen}' ({system.words}): {why}; see --units.")
    return system


def _frame(
    head: dict[str, list[str]],
    columns: list[str],
    rows: list[str],
    system: UnitSystem,
    options: ReadOptions,
    notes: list[str],
    where: str,
) -> Atoms | DatasetError:
    words = [row.split() for row in rows]
    if any(len(row) != len(columns) for row in words):
        return DatasetError(f"{where}: expected {len(columns)} columns as its head says, but some rows differ.")
    table = dict(zip(columns, zip(*words, strict=True), strict=True)) if words else {}
    order = np.argsort(np.array(table["id"], dtype=int), kind="stable") if "id" in table else np.arange(len(rows))

    def column(key: str) -> np.ndarray:
        return np.array(table[key], dtype=float)[order]

    cell, origin, periodic = _box(head["BOX"])
    start = next((first for first in COORDINATES if first in table), None)
    if start is None:
        raise DatasetError(f"{where}: expected positions (x, xs, xu or xsu), but the columns are {' '.join(columns)}.")
    axes = [start.replace("x", axis, 1) for axis in "xyz"]
    places = np.column_stack([column(axis) for axis in axes])
    places = places @ cell if COORDINATES[start] else places - origin
    atoms = Atoms(
        _elements(table, order, options, where), places * system.length, cell=cell * system.length, pbc=periodic
    )
    forces = None
    if all(axis in table for axis in FORCES):
        forces = np.column_stack([column(axis) for axis in FORCES]) * system.force
    extra = {}
    for key in columns:
        if key not in NOT_KEPT and not any(key in (f"{axis}", f"{axis}s", f"{axis}u", f"{axis}su") for axis in "xyz"):
            try:
                extra[key] = column(key)
            except ValueError:  # words, as of 'typelabel'
                extra[key] = np.array(table[key])[order]
    if extra:
        note(notes, f"Further columns are kept as they are, in the units of the dump: {', '.join(extra)}.")
    return labelled(atoms, {"forces": forces}, info={"timestep": _timestep(head)}, arrays=extra)


def _timestep(head: dict[str, list[str]]) -> int:
    return int(head["TIMESTEP"][1]) if "TIMESTEP" in head else -1


def _elements(table: dict[str, tuple[str, ...]], order: np.ndarray, options: ReadOptions, where: str) -> Sequence[str]:
    if "element" in table:
        symbols = [table["element"][row] for row in order]
        strangers = sorted(set(symbols) - atomic_numbers.keys())
        if not strangers:
            return symbols
        if "type" not in table or not options.elements:
            raise DatasetError(
                f"{where}: expected chemical elements in the column 'element', but {', '.join(strangers[:5])} is none. "
                "Name the element of every type instead, in order: --elements Cu Ag."
            )
    if "type" not in table:
        raise DatasetError(f"{where}: expected a column 'element' or 'type', but there is neither. Dump one of them.")
    return options.symbols([int(table["type"][row]) for row in order], first=1, where=where)


def _box(item: list[str]) -> tuple[np.ndarray, np.ndarray, list[bool]]:
    """Cell (3, 3), origin (3,) and periodicity of ``ITEM: BOX BOUNDS``, orthogonal, restricted or general triclinic."""
    words = item[0].split()[2:]
    values = np.array([[float(word) for word in row.split()] for row in item[1:]])
    flags = [word for word in words if len(word) == 2 and not set(word) - set("pfsm")]
    periodic = [flag == "pp" for flag in flags] if len(flags) == 3 else [True] * 3
    if "abc" in words:
        return values[:, :3], values[:, 3], periodic
    xy, xz, yz = values[:, 2] if values.shape[1] == 3 else (0.0, 0.0, 0.0)
    low = values[:, 0] - [min(0.0, xy, xz, xy + xz), min(0.0, yz), 0.0]
    high = values[:, 1] - [max(0.0, xy, xz, xy + xz), max(0.0, yz), 0.0]
    cell = np.diag(high - low)
    cell[1, 0], cell[2, 0], cell[2, 1] = xy, xz, yz
    return cell, low, periodic

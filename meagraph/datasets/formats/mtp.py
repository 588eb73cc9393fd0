"""MTP's ``.cfg``: configurations of the MLIP packages, whose types have no elements."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from ase import Atoms

from meagraph.datasets.dataset import DatasetError, describe_frame
from meagraph.datasets.formats.common import Frames, labelled, lines_of, note, stress_of_virial
from meagraph.datasets.options import ReadOptions

POSITIONS, DIRECT = ("cartes_x", "cartes_y", "cartes_z"), ("direct_x", "direct_y", "direct_z")
FORCES = ("fx", "fy", "fz")
STRESS = ("xx", "yy", "zz", "yz", "xz", "xy")


def is_mtp(name: Path, head: bytes) -> bool:
    """Whether the file begins with ``BEGIN_CFG``."""
    return head.lstrip().startswith(b"BEGIN_CFG")


def read_mtp(plain: Path, *, name: str, options: ReadOptions, notes: list[str]) -> Frames:
    """Read every configuration. ``PlusStress`` is a virial in eV: stress = -PlusStress / volume.

    Type numbers start at 0; features become entries of ``info``. Surfaces have two lattice vectors and chains one; they
    are periodic along these, and have no volume, hence no stress.
    """
    for frame, lines in enumerate(_configurations(plain, name)):
        where = describe_frame(name, frame)
        try:
            yield _structure(lines, options, notes, where)
        except (KeyError, ValueError, IndexError) as error:
            yield DatasetError(
                f"{where}: expected a whole configuration of MTP, but it could not be read "
                f"({type(error).__name__}: {error}). Remove or repair it."
            )


def _configurations(plain: Path, name: str) -> Iterator[list[str]]:
    inside: list[str] | None = None
    count = 0
    for line in lines_of(plain):
        text = line.strip()
        if text == "BEGIN_CFG":
            inside = []
        elif text == "END_CFG" and inside is not None:
            yield inside
            inside = None
            count += 1
        elif text and inside is not None:
            inside.append(text)
    if inside is not None:
        raise DatasetError(f"{describe_frame(name, count)}: expected END_CFG, but the file ends: it is truncated.")


def _structure(lines: list[str], options: ReadOptions, notes: list[str], where: str) -> Atoms:
    size, cell, row = 0, np.empty((0, 3)), 0
    table: dict[str, np.ndarray] = {}
    energy: float | None = None
    virial: np.ndarray | None = None
    info: dict[str, str] = {}
    while row < len(lines):
        key, *words = lines[row].split()
        row += 1
        if key == "Size":
            size, row = int(lines[row]), row + 1
        elif key.lower() == "supercell":
            count = next((n for n in range(4) if row + n == len(lines) or not _are_numbers(lines[row + n])), 3)
            cell = np.array([lines[row + n].split() for n in range(min(count, 3))], dtype=float).reshape(-1, 3)
            row += len(cell)
        elif key == "AtomData:":
            values = np.array([line.split() for line in lines[row : row + size]], dtype=float)
            if values.shape != (size, len(words)):
                raise ValueError(f"{size} rows of {len(words)} columns announced, {values.shape} there")
            table = dict(zip(words, values.T, strict=True))
            row += size
        elif key == "Energy":
            energy, row = float(lines[row]), row + 1
        elif key == "PlusStress:":
            parts = dict(zip(words, map(float, lines[row].split()), strict=True))
            xx, yy, zz, yz, xz, xy = (parts[name] for name in STRESS)
            virial, row = np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]]), row + 1
        elif key == "Feature" and words:
            info[words[0]] = " ".join(words[1:])
        else:
            note(notes, f"Entries {key.rstrip(':')!r} are not read.")
    if len(cell) < 3 and DIRECT[0] in table:
        raise ValueError(f"direct coordinates need three lattice vectors, but there are {len(cell)}")
    places = np.column_stack([table[axis] for axis in (DIRECT if DIRECT[0] in table else POSITIONS)])
    symbols = options.symbols([int(kind) for kind in table["type"]], first=0, where=where)
    atoms = Atoms(symbols, places @ cell if DIRECT[0] in table else places)
    atoms.cell[: len(cell)] = cell
    atoms.pbc = np.arange(3) < len(cell)
    if virial is not None:
        note(notes, "PlusStress is taken as a virial in eV: stress = -PlusStress / volume.")
    results = {
        "energy": energy,
        "forces": np.column_stack([table[axis] for axis in FORCES]) if FORCES[0] in table else None,
        "stress": None if virial is None else stress_of_virial(virial, atoms),
    }
    return labelled(atoms, results, info=info)


def _are_numbers(line: str) -> bool:
    try:
        return len([float(word) for word in line.split()]) == 3
    except ValueError:
        return False

"""CP2K's trajectories: plain XYZ whose comment lines hold energies in Hartree; forces and cells lie beside them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from ase import Atoms, units

from meagraph.datasets.dataset import DatasetError, describe_frame
from meagraph.datasets.formats.common import Frames, labelled, lines_of, note
from meagraph.datasets.options import ReadOptions
from meagraph.datasets.storage import cp2k_companions

COMMENT = re.compile(
    r"\s*i\s*=\s*(?P<step>\d+)\s*,(?:\s*time\s*=\s*(?P<time>[^,]+),)?.*\bE\s*=\s*(?P<energy>\S+?),?\s*\Z"
)
HEAD = re.compile(rb"\s*\d+\s*\n\s*i\s*=\s*\d+\s*,[^\n]*\bE\s*=\s*[-+\d.]")


def is_cp2k_xyz(name: Path, head: bytes) -> bool:
    """Whether the first comment is CP2K's: ``i = 0, time = 0.000, E = -17.164``."""
    return HEAD.match(head) is not None


def holds_positions(name: Path) -> bool:
    """Whether a file of CP2K's is not by its name one of forces or velocities, which look alike."""
    return re.search(r"-(frc|vel)-\d", name.name) is None


def read_cp2k_xyz(plain: Path, *, name: str, options: ReadOptions, notes: list[str]) -> Frames:
    """Read a trajectory of positions, with the forces and the cells that CP2K wrote beside it, step by step.

    Forces are those of ``x-frc-1.xyz`` beside ``x-pos-1.xyz``, in Hartree/Bohr; cells those of ``x-1.cell``. Steps that
    were not written there have no forces. Energies are converted from Hartree.
    """
    if not holds_positions(plain):
        raise DatasetError(
            f"{name}: expected positions, but CP2K writes forces or velocities there. Give '-pos-' files; the forces "
            "beside them are read, too."
        )
    beside = cp2k_companions(plain)
    cells = _cells(beside.get("cell"), name)
    note(notes, "Energies of CP2K's comment lines are converted from Hartree; positions are in Å.")
    if cells is None:
        note(notes, "There is no cell file of CP2K beside it: structures are read as isolated.")
    else:
        note(notes, f"Cells are those of {beside['cell'].name}; structures are read as periodic in all directions.")
    if "forces" in beside:
        note(notes, f"Forces are those of {beside['forces'].name}, converted from Hartree/Bohr.")
    else:
        note(notes, "There is no file of CP2K's forces beside it.")
    forces = _frames(beside["forces"], beside["forces"].name) if "forces" in beside else iter(())
    other = next(forces, None)
    for frame, here in enumerate(_frames(plain, name)):
        where = describe_frame(name, frame)
        atoms = Atoms(here.symbols, here.values)
        results: dict[str, Any] = {"energy": here.energy}
        if cells is not None:
            cell = cells.get(here.step, cells.get(None))
            if cell is None:
                yield DatasetError(f"{where}: expected a cell of step {here.step}, but {beside['cell'].name} has none.")
                continue
            atoms.cell, atoms.pbc = cell, True
        while other is not None and here.step is not None and (other.step is None or other.step < here.step):
            other = next(forces, None)
        if other is not None and other.step == here.step:
            if other.symbols != here.symbols:
                yield DatasetError(
                    f"{where}: expected the forces of its atoms in {beside['forces'].name}, but those of step "
                    f"{here.step} are of others. Give files of one run."
                )
                continue
            results["forces"] = other.values * (units.Hartree / units.Bohr)
            other = next(forces, None)
        yield labelled(atoms, results, info={} if here.step is None else {"step": here.step})


class _Frame(NamedTuple):
    """What CP2K writes of one step."""

    step: int | None
    energy: float | None  # eV
    symbols: list[str]
    values: np.ndarray  # (n, 3)


def _frames(file: Path, name: str) -> Iterator[_Frame]:
    lines = lines_of(file)
    frame = 0
    for line in lines:
        if not line.strip():
            continue
        comment = next(lines, "")
        count = int(line)
        rows = [row.split() for row in islice(lines, max(count, 0))]
        if count < 1 or len(rows) < count or any(len(row) < 4 for row in rows):
            raise DatasetError(
                f"{describe_frame(name, frame)}: expected {line.strip()} atoms, but there are fewer: the file is "
                "truncated."
            )
        found = COMMENT.match(comment)
        yield _Frame(
            None if found is None else int(found["step"]),
            None if found is None else float(found["energy"]) * units.Hartree,
            [row[0].capitalize() for row in rows],
            np.array([row[1:4] for row in rows], dtype=float),
        )
        frame += 1


def _cells(file: Path | None, name: str) -> dict[int | None, np.ndarray] | None:
    """The cell (3, 3) in Å of each step; one that stands alone is that of all, None. None without a file."""
    if file is None:
        return None
    rows = [line.split() for line in lines_of(file) if line.strip() and not line.lstrip().startswith("#")]
    try:
        found: dict[int | None, np.ndarray] = {
            int(row[0]): np.array(row[2:11], dtype=float).reshape(3, 3) for row in rows
        }
    except (ValueError, IndexError) as error:
        raise DatasetError(
            f"{name}: expected step, time and nine numbers of the cell in each line of {file.name}, but it could not "
            f"be read ({error}). Repair it, or move it elsewhere."
        ) from error
    return {None: next(iter(found.values()))} if len(found) == 1 else found

"""CP2K's trajectories: plain XYZ whose comment lines hold energies in Hartree."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from ase import Atoms, units

from meagraph.datasets.dataset import DatasetError, describe_frame
from meagraph.datasets.formats.common import Frames, labelled, lines_of, note
from meagraph.datasets.options import ReadOptions

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
    """Read a trajectory of positions; energies are converted from Hartree, and there are neither cell nor forces."""
    if not holds_positions(plain):
        raise DatasetError(
            f"{name}: expected positions, but CP2K writes forces or velocities there. Give '-pos-' files."
        )
    note(notes, "Energies of CP2K's comment lines are converted from Hartree; positions are in Å.")
    note(notes, "CP2K's XYZ has no cell and no forces: structures are read as isolated.")
    lines = lines_of(plain)
    frame = 0
    for line in lines:
        if not line.strip():
            continue
        where = describe_frame(name, frame)
        comment = next(lines, "")
        rows = [next(lines, "").split() for _ in range(int(line))]
        if any(len(row) < 4 for row in rows):
            raise DatasetError(f"{where}: expected {line.strip()} atoms, but there are fewer: the file is truncated.")
        found = COMMENT.match(comment)
        atoms = Atoms([row[0].capitalize() for row in rows], np.array([row[1:4] for row in rows], dtype=float))
        energy = None if found is None else float(found["energy"]) * units.Hartree
        info = {} if found is None else {"step": int(found["step"])}
        yield labelled(atoms, {"energy": energy}, info=info)
        frame += 1

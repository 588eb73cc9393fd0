"""VASP's ``ML_AB``: the ab initio data of its machine-learned force fields."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from ase import Atoms, units

from meagraph.datasets.dataset import DatasetError, describe_frame
from meagraph.datasets.formats.common import Frames, labelled, lines_of, note, numbers
from meagraph.datasets.options import ReadOptions

RULE = re.compile(r"\s*[-=*]{10,}\s*\Z")
KBAR = 0.1 * units.GPa


def is_ml_ab(name: Path, head: bytes) -> bool:
    """Whether a file begins with the counts of an ML_AB."""
    return b"The number of configurations" in head


def read_ml_ab(plain: Path, *, name: str, options: ReadOptions, notes: list[str]) -> Frames:
    """Read every configuration; the stress, in kbar and positive under pressure, becomes ASE's.

    ``info`` holds ``system_name``.
    """
    note(notes, "Stress is converted from kbar in VASP's sign (positive when compressed) to eV/Å³ in ASE's.")
    frame = -1
    for frame, parts in enumerate(_configurations(plain)):
        where = describe_frame(name, frame)
        try:
            yield _structure(parts)
        except (KeyError, ValueError, IndexError) as error:
            yield DatasetError(
                f"{where}: expected a whole configuration of ML_AB, but it could not be read "
                f"({type(error).__name__}: {error}). Remove or repair it."
            )
    if frame < 0:
        raise DatasetError(f"{name}: expected configurations, but this ML_AB has none. Give another file.")


def _configurations(plain: Path) -> Iterator[dict[str, list[str]]]:
    """The lines under each title of each configuration; rules between them are passed over."""
    parts: dict[str, list[str]] | None = None
    title: str | None = None
    rule = ""
    for line in lines_of(plain):
        if RULE.match(line):
            rule = line.strip()[0]
            continue
        if line.strip().startswith("Configuration num."):
            if parts is not None:
                yield parts
            parts, title = {}, None
        elif parts is not None:
            # A title stands between '=' or '*' above and '-' or '=' below; XX YY ZZ and XY YZ ZX under '-' are columns.
            if rule in "=*" and rule:
                title = line.strip()
                parts[title] = []
            elif title is not None:
                parts[title].append(line)
        rule = ""
    if parts is not None:
        yield parts


def _structure(parts: dict[str, list[str]]) -> Atoms:
    kinds = [row.split() for row in parts["Atom types and atom numbers"]]
    counts = [(kind, int(count)) for kind, count in kinds]
    if sum(abs(count) for _, count in counts) > len(parts["Atomic positions (ang.)"]):
        raise ValueError("more atoms announced than have positions")
    symbols = [kind for kind, count in counts for _ in range(count)]
    atoms = Atoms(
        symbols,
        numbers(parts["Atomic positions (ang.)"], 3),
        cell=numbers(parts["Primitive lattice vectors (ang.)"], 3),
        pbc=True,
    )
    if int(parts["The number of atoms"][0]) != len(atoms):
        raise ValueError(f"{parts['The number of atoms'][0].strip()} atoms announced, {len(atoms)} typed")
    stress = None
    if "Stress (kbar)" in parts:
        rows = [row for row in parts["Stress (kbar)"] if row.split()[0] not in ("XX", "XY")]
        (xx, yy, zz), (xy, yz, zx) = numbers(rows, 3)
        stress = -KBAR * np.array([xx, yy, zz, yz, zx, xy])
    results = {
        "energy": float(parts["Total energy (eV)"][0].split()[0]),
        "forces": numbers(parts["Forces (eV ang.^-1)"], 3),
        "stress": stress,
    }
    system = " ".join(parts.get("System name", [])).strip()
    return labelled(atoms, results, info={"system_name": system} if system else {})

"""FitSNAP's JSON: a folder a group, a file a structure, and the input of a linear SNAP."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
from ase import units
from ase.data import chemical_symbols
from numpy.typing import NDArray

from meagraph.exports.formats import snippets
from meagraph.exports.formats.kept import Kept, Written, entries_left, said, with_periodic_cells, written
from meagraph.files import leads_out, write_text

STYLES = {
    "EnergyStyle": "electronvolt",
    "StressStyle": "bar",
    "LatticeStyle": "angstrom",
    "PositionsStyle": "angstrom",
    "ForcesStyle": "electronvoltperangstrom",
}


def write_fitsnap(kept: Kept, folder: Path) -> Written:
    """``JSON/<group>/<number>.json``; the stress is a pressure in bar, positive when compressed, as LAMMPS has it."""
    dataset = kept.dataset
    rows, notes = kept.with_labels(kept.rows, "energy", "forces")
    cells, vectors, in_cells = with_periodic_cells(kept, rows)
    names = folder_names(sorted(set(dataset.groups[rows].tolist())))
    spelled = np.array([names[group] for group in dataset.groups[rows].tolist()])
    digits = len(str(dataset.n_structures - 1))
    for name in names.values():
        (folder / "JSON" / name).mkdir(parents=True)
    for place, row in enumerate(kept.each(rows, "fitsnap")):
        text = json.dumps({"Dataset": _dataset(kept, row, cells)})
        write_text(folder / "JSON" / spelled[place] / f"{row:0{digits}}.json", text + "\n")
    stress = bool(kept.has_stress[rows].all() and len(rows))
    order = np.lexsort((rows, spelled))  # as a reader goes through the folders, and the files in each
    means = dict.fromkeys(names.values(), 1.0)
    if kept.weights is not None:
        means = {name: float(kept.weights.structures[rows[spelled == name]].mean()) for name in names.values()}
        notes.append("FitSNAP weighs groups: fitsnap.in has the mean weight of each group's structures as a factor.")
    write_text(folder / "fitsnap.in", snippets.fitsnap(kept, sorted(means.items()), stress=stress))
    if not stress and kept.has_stress[rows].any():
        notes.append("Some structures have no stress, so that fitsnap.in fits energies and forces alone.")
    changed = [f"{group} is {name}" for group, name in names.items() if group != name]
    if changed:
        notes.append(f"Groups are folders, spelled otherwise where they must be: {'; '.join(changed)}.")
    notes += [*in_cells, entries_left(kept)]
    return written(
        kept,
        tuple(f"JSON/{name}" for name in sorted(names.values())),
        rows[order],
        vectors=vectors[order],
        spelled=spelled[order],
        pbc=np.ones((len(rows), 3), bool),
        notes=said(notes),
    )


def folder_names(groups: list[str]) -> dict[str, str]:
    """A folder's name for each group, which FitSNAP's input can hold, too; different for different groups."""
    found: dict[str, str] = {}
    taken: set[str] = set()
    for group in groups:
        plain = re.sub(r"[^\w.+-]+", "_", group).strip(".") or "_"  # Windows drops dots at the end
        plain = f"_{plain}" if leads_out(plain) else plain  # a device of Windows
        name, count = plain, 2
        while name.lower() in taken:
            name, count = f"{plain}_{count}", count + 1
        taken.add(name.lower())
        found[group] = name
    return found


def _dataset(kept: Kept, row: int, cells: dict[int, NDArray[np.float64]]) -> dict[str, Any]:
    dataset = kept.dataset
    inside = dataset.rows_of(row)
    entry: dict[str, Any] = {
        "Positions": dataset.structures.positions[inside].tolist(),
        "Energy": float(dataset.energy[row]),
        "AtomTypes": [chemical_symbols[number] for number in dataset.numbers[inside].tolist()],
        "Lattice": cells.get(row, dataset.structures.cells[row]).tolist(),
        "NumAtoms": int(dataset.sizes[row]),
        "Forces": dataset.forces[inside].tolist(),
    }
    if kept.has_stress[row]:
        entry["Stress"] = (-dataset.stress[row] / units.bar).tolist()
    return {"Data": [entry], "Label": str(dataset.groups[row]), **STYLES}

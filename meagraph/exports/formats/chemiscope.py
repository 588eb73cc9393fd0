"""chemiscope's JSON: the kept structures, a point for each of their atoms, on our map."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from ase.data import chemical_symbols
from numpy.typing import NDArray

from meagraph.exports.formats.kept import Kept, Written, entries_left, said, written
from meagraph.exports.formats.tables import table_of
from meagraph.exports.target import ExportError
from meagraph.files import writable_text, write_text

FILE = "chemiscope.json"
CUTOFF = 3.5  # Å, how much of an environment chemiscope shows at first
OF_ATOMS = ("umap_1", "umap_2", "cluster", "element", "phase", "score", "force", "chosen", "weight", "flagged")
"""Columns of the table of environments that chemiscope gets, where they are there."""


def write_chemiscope(kept: Kept, folder: Path) -> Written:
    """Structures, environments with their place on the map, cluster and scores, energies, groups."""
    dataset, rows = kept.dataset, kept.rows
    atoms = kept.atoms_of(rows)
    table = table_of(kept)
    properties: dict[str, Any] = {"group": _property("structure", dataset.groups[rows])}
    left, columns = [], []
    if kept.has_energy[rows].all():
        properties["energy"] = _property("structure", dataset.energy[rows], "eV")
        properties["energy per atom"] = _property("structure", dataset.energy[rows] / dataset.sizes[rows], "eV/atom")
    else:
        left.append("energy")
    units = table.attrs.get("units", {})
    for name in (name for name in OF_ATOMS if name in table):
        column = table[name].iloc[atoms]
        if column.isna().any():
            left.append(name)
            continue
        columns.append(name)
        properties[name] = _property("atom", _values(column), units.get(name, ""))
    axes = {axis: {"property": name} for axis, name in (("x", "umap_1"), ("y", "umap_2")) if name in properties}
    colour = {"color": {"property": "cluster"}} if "cluster" in properties else {}
    content = {
        "meta": {
            "name": dataset.name,
            "description": f"{len(rows):,} structures kept of {dataset.n_structures:,}, {len(atoms):,} environments",
        },
        "structures": [_structure(kept, row) for row in kept.each(rows, "chemiscope")],
        "properties": properties,
        "environments": [
            {"structure": place, "center": atom, "cutoff": CUTOFF}
            for place, size in enumerate(dataset.sizes[rows].tolist())
            for atom in range(size)
        ],
        "settings": {"target": "atom", "map": {**axes, **colour}},
    }
    write_text(folder / FILE, json.dumps(content, ensure_ascii=False))
    notes = ["chemiscope's file is to look at: it holds the length of forces, and no stress.", entries_left(kept)]
    if left:
        notes.append(f"Not written, for they are missing somewhere: {', '.join(left)}.")
    return written(
        kept,
        (FILE,),
        rows,
        atoms=atoms,
        notes=said(notes),
        details={"energy": "energy" in properties, "columns": columns},
    )


def check_chemiscope(kept: Kept, folder: Path, made: Written) -> None:
    """Raise ExportError where the file does not say what the dataset says; it names structure and field."""
    dataset, rows, atoms = kept.dataset, made.rows, made.atoms
    content = json.loads((folder / FILE).read_text(encoding="utf-8"))
    structures, properties, points = content["structures"], content["properties"], content["environments"]
    cells = dataset.structures.cells[rows]
    there = cells.any(axis=(1, 2))
    symbols = np.array(chemical_symbols)
    fields = {
        "size": ([one["size"] for one in structures], dataset.sizes[rows]),
        "names": (_flat(structures, "names"), symbols[dataset.numbers[atoms]]),
        **{
            axis: (_flat(structures, axis), dataset.structures.positions[atoms, number])
            for number, axis in enumerate("xyz")
        },
        "cell": ([one["cell"] for one in structures if "cell" in one], cells[there].reshape(-1, 9)),
        "pbc": ([one["pbc"] for one in structures], dataset.periodic[rows]),
        "group": (properties["group"]["values"], [writable_text(group) for group in dataset.groups[rows].tolist()]),
        "structure of environments": (
            [one["structure"] for one in points],
            np.repeat(np.arange(len(rows)), dataset.sizes[rows]),
        ),
        "centre of environments": ([one["center"] for one in points], dataset.atom_of[atoms]),
    }
    if made.details["energy"]:
        fields["energy"] = (properties["energy"]["values"], dataset.energy[rows])
    table = table_of(kept)
    for name in made.details["columns"]:
        fields[name] = (properties[name]["values"], _listed(_values(table[name].iloc[atoms])))
    for name, (came, meant) in fields.items():
        same = len(came) == len(meant) and np.array_equal(np.asarray(came).reshape(np.shape(meant)), np.asarray(meant))
        if not same:
            raise ExportError(
                f"{folder.name}/{FILE}: expected {name} as in {dataset.name}, but it was read back otherwise."
            )


def _property(target: str, values: Any, unit: str = "") -> dict[str, Any]:
    return {"target": target, "values": _listed(values), **({"units": unit} if unit else {})}


def _values(column: Any) -> Any:
    """A column of the table of environments as it is written: numbers, or words."""
    return column.to_numpy() if column.dtype.kind in "iuf" else column.astype(str)


def _listed(values: Any) -> list[Any]:
    plain = np.asarray(values)
    return plain.tolist() if plain.dtype.kind in "iuf" else [writable_text(str(value)) for value in plain.tolist()]


def _structure(kept: Kept, row: int) -> dict[str, Any]:
    dataset = kept.dataset
    inside = dataset.rows_of(row)
    x, y, z = dataset.structures.positions[inside].T.tolist()
    cell: NDArray[np.float64] = dataset.structures.cells[row]
    return {
        "size": int(dataset.sizes[row]),
        "names": [chemical_symbols[number] for number in dataset.numbers[inside].tolist()],
        "x": x,
        "y": y,
        "z": z,
        "pbc": dataset.periodic[row].tolist(),
        **({"cell": cell.ravel().tolist()} if cell.any() else {}),
    }


def _flat(structures: list[dict[str, Any]], name: str) -> list[Any]:
    return [value for one in structures for value in one[name]]

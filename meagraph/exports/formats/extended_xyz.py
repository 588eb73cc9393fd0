"""Extended XYZ as MACE, NequIP and GPUMD's NEP want it, each with what a training needs beside it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers
from numpy.typing import NDArray

from meagraph.datasets.entries import LABELLED
from meagraph.datasets.names import label_of
from meagraph.datasets.results import PER_ATOM
from meagraph.datasets.writing import format_frame
from meagraph.exports.formats import snippets
from meagraph.exports.formats.kept import (
    CONSTRAINTS,
    GROUP,
    Kept,
    Written,
    entries_left,
    said,
    with_periodic_cells,
    written,
)
from meagraph.exports.weights import ATOM_WEIGHT
from meagraph.files import write_text

TRAIN = "train.extxyz"
NEP_TRAIN = "train.xyz"
LEAST, MOST = 1e-3, 100.0  # weights of structures that NEP takes
LOWEST = -100.0  # eV an atom, below which NEP's single precision loses digits, by its manual


def write_mace(kept: Kept, folder: Path) -> Written:
    """``REF_energy``, ``REF_forces``, ``REF_stress`` and ``config_type``; all other entries of the frames go along."""
    rows, weights = kept.rows, kept.weights
    lost: set[str] = set()
    with open(folder / TRAIN, "wb") as stream:
        for row in kept.each(rows, "mace"):
            atoms = _labelled(kept, row, "REF_energy", "REF_forces")
            if kept.has_stress[row]:
                atoms.info["REF_stress"] = kept.dataset.stress[row].ravel().tolist()
            for place, name, value in _others(kept, row):
                (atoms.arrays if place == "arrays" else atoms.info)[name] = value
            if weights is not None:
                atoms.info["config_weight"] = float(weights.structures[row])
            text, missing = format_frame(atoms)
            lost.update(missing)
            stream.write(text)
    write_text(folder / "mace.yaml", snippets.mace(kept, TRAIN, _isolated_energies(kept)))
    notes = [kept.without(rows)]
    if kept.has_constraints:
        notes.append(CONSTRAINTS)
    if lost:
        notes.append(f"Entries that extended XYZ cannot hold are left out: {', '.join(sorted(lost))}.")
    if weights is not None:
        notes.append(f"MACE weighs structures (config_weight); it does not read {ATOM_WEIGHT}, the weights of atoms.")
    return written(
        kept,
        (TRAIN,),
        rows,
        weights=None if weights is None else weights.structures[rows],
        weight_name="config_weight",
        notes=said(notes),
    )


def write_nequip(kept: Kept, folder: Path) -> Written:
    """``energy``, ``forces`` and ``stress`` as ASE reads them without being told names."""
    rows, notes = kept.with_labels(kept.rows, "energy", "forces")
    stress = bool(kept.has_stress[rows].all())
    with open(folder / TRAIN, "wb") as stream:
        for row in kept.each(rows, "nequip"):
            atoms = _labelled(kept, row, "energy", "forces")
            if kept.has_stress[row]:
                atoms.info["stress"] = kept.dataset.stress[row]
            stream.write(format_frame(atoms).text)
    write_text(folder / "nequip.yaml", snippets.nequip(kept, TRAIN, stress=stress))
    if not stress and kept.has_stress[rows].any():
        notes.append("Some structures have no stress, so that nequip.yaml trains on energies and forces alone.")
    notes.append(entries_left(kept))
    if kept.weights is not None:
        notes.append(f"NequIP knows no weights of structures; those of atoms stand in the column {ATOM_WEIGHT}.")
    return written(kept, (TRAIN,), rows, notes=said(notes))


def write_nep(kept: Kept, folder: Path) -> Written:
    """``energy``, ``forces`` and ``virial`` in eV, minus stress times volume, in cells that repeat everywhere."""
    rows, notes = kept.with_labels(kept.rows, "energy", "forces")
    cells, vectors, in_cells = with_periodic_cells(kept, rows)
    stress = kept.has_stress[rows] & (kept.volumes[rows] > 1e-6)
    weights = None if kept.weights is None else np.clip(kept.weights.structures, LEAST, MOST)
    with open(folder / NEP_TRAIN, "wb") as stream:
        for place, row in enumerate(kept.each(rows, "nep")):
            atoms = _labelled(kept, row, "energy", "forces")
            if stress[place] and row not in cells:
                atoms.info["virial"] = kept.virial(row)
            if row in cells:
                atoms.cell[:] = cells[row]
                stress[place] = False
            if weights is not None:
                atoms.info["weight"] = float(weights[row])
            stream.write(format_frame(atoms).text)
    write_text(folder / "nep.in", snippets.nep(kept, stress=bool(stress.any())))
    notes += [*in_cells, entries_left(kept)]
    if (count := int((kept.has_stress[rows] & ~stress).sum())) > 0:
        notes.append(f"The stress of {count:,} structures that do not repeat in all directions is not written.")
    per_atom = kept.dataset.energy[rows] / kept.dataset.sizes[rows]
    if len(rows) and per_atom.min() < LOWEST:
        notes.append(
            f"Energies go down to {per_atom.min():.0f} eV an atom; GPUMD's manual warns of lost digits below "
            f"{LOWEST:g}, for NEP is trained in single precision. Subtract reference energies of the atoms."
        )
    if kept.weights is not None:
        clipped = int((weights != kept.weights.structures)[rows].sum()) if weights is not None else 0
        notes.append(
            f"NEP weighs structures (weight), from above 0 to {MOST:g}: {clipped:,} were brought into that range. It "
            f"does not read {ATOM_WEIGHT}, the weights of atoms."
        )
    return written(
        kept,
        (NEP_TRAIN,),
        rows,
        vectors=vectors,
        stress=stress,
        weights=None if weights is None else weights[rows],
        weight_name="weight",
        notes=said(notes),
    )


def _labelled(kept: Kept, row: int, energy: str, forces: str) -> Atoms:
    """A structure with its energy, forces and group under these names, and the weights of its atoms."""
    dataset, atoms = kept.dataset, kept.bare(row)
    if kept.has_energy[row]:
        atoms.info[energy] = float(dataset.energy[row])
    if kept.has_forces[row]:
        atoms.arrays[forces] = dataset.forces[dataset.rows_of(row)]
    atoms.info[GROUP] = str(dataset.groups[row])
    if kept.weights is not None:
        atoms.arrays[ATOM_WEIGHT] = kept.weights.atoms[dataset.rows_of(row)]
    return atoms


def _others(kept: Kept, row: int) -> Iterator[tuple[str, str, Any]]:
    """What else a frame carries, but labels of any family: "arrays" or "info", under which name, and what."""
    for place, name, value in kept.dataset.structures.carried(row):
        if place in LABELLED and name not in (GROUP, ATOM_WEIGHT) and label_of(str(name)) is None:
            of_atoms = place == "arrays" or (place == "results" and name in PER_ATOM)
            yield "arrays" if of_atoms else "info", name, value


def _isolated_energies(kept: Kept) -> dict[int, float]:
    """Energies of isolated atoms by atomic number, where there is one for every element of what is kept; else none."""
    dataset = kept.dataset
    rows = kept.rows[(dataset.isolated & kept.has_energy)[kept.rows]]
    found: NDArray[np.int64] = dataset.numbers[dataset.offsets[rows]]
    energies = dict(zip(found.tolist(), dataset.energy[rows].tolist(), strict=True))
    numbers = [atomic_numbers[symbol] for symbol in kept.symbols]
    return {number: energies[number] for number in numbers} if set(numbers) <= energies.keys() else {}

"""What was written, read back and compared with the dataset, field by field."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meagraph.datasets import AtomicDataset, DatasetError, read_dataset
from meagraph.exports.formats.kept import Kept, Written
from meagraph.exports.target import ExportError

STRESS_TOLERANCE = 1e-9  # of the largest component: a virial is multiplied by the volume, and divided by it again
PRESSURE_DIGITS = 1e-12  # eV/Å³ below which a component is nothing
REMEDY = "Nothing was written. Leave out this format, and report it with the file."


def check_by_reading(kept: Kept, folder: Path, made: Written, format: str | None = None) -> None:
    """Read the files of ``made`` as any dataset is read, and compare. Raises ExportError at the first difference."""
    paths = [folder / name for name in made.files]
    try:
        back = read_dataset(
            paths,
            format=format,
            stress_unit="eV/A^3",
            allow_unlabelled=True,
            max_atoms=sys.maxsize,
            max_bytes=sys.maxsize,
            elements=made.elements,
            fewest=1,
        )
    except DatasetError as error:
        raise ExportError(f"{folder.name}: expected files that can be read back, but: {error} {REMEDY}") from error
    compare(kept, folder, made, back)


def compare(kept: Kept, folder: Path, made: Written, back: AtomicDataset) -> None:
    """Raise ExportError where ``back`` is not what was to be written; it names file, frame, field and atom.

    Elements, positions, cells, energies, forces and groups must be equal to the last bit, stress to STRESS_TOLERANCE
    of its largest component. Labels that a structure lacks must be missing.
    """
    dataset = kept.dataset
    if not np.array_equal(back.sizes, dataset.sizes[made.rows]):
        raise ExportError(
            f"{folder.name}: expected {len(made.rows):,} structures with {len(made.atoms):,} atoms, but "
            f"{back.n_structures:,} with {back.n_environments:,} were read back. {REMEDY}"
        )
    for field, differs, came, meant in _fields(dataset, made, back):
        if differs.any():
            place = int(np.flatnonzero(differs)[0])
            of_atom = len(differs) == back.n_environments and field in ("numbers", "positions", "forces")
            at = int(back.structure_of[place]) if of_atom else place
            atom = f" of atom {int(back.atom_of[place])}" if of_atom else ""
            source = back.sources[back.source_index[at]]
            row = int(made.rows[at])
            raise ExportError(
                f"{folder.name}/{Path(source.path).name}, frame {back.frame_index[at]}: expected the {field}{atom} of "
                f"structure {row} ({dataset.locate(row)}), {np.asarray(meant[place]).tolist()}, but "
                f"{np.asarray(came[place]).tolist()} was read back. {REMEDY}"
            )


def _fields(
    dataset: AtomicDataset, made: Written, back: AtomicDataset
) -> Iterator[tuple[str, NDArray[np.bool_], Any, Any]]:
    """Name, where it differs, what came, what was meant; of atoms or of structures."""
    rows, atoms = made.rows, made.atoms
    of_atoms = np.repeat(made.forces, back.sizes)
    ours, theirs = dataset.structures, back.structures
    yield "numbers", back.numbers != dataset.numbers[atoms], back.numbers, dataset.numbers[atoms]
    meant: NDArray[Any] = ours.positions[atoms]
    yield "positions", (theirs.positions != meant).any(axis=1), theirs.positions, meant
    meant = ours.cells[rows]
    yield "cell", ((theirs.cells != meant).any(axis=2) & made.vectors).any(axis=1), theirs.cells, meant
    if made.pbc is not None:
        yield "pbc", (theirs.pbc != made.pbc).any(axis=1), theirs.pbc, made.pbc
    meant = np.where(made.energy, dataset.energy[rows], np.nan)
    yield "energy", ~_equal(back.energy, meant), back.energy, meant
    meant = np.where(of_atoms[:, None], dataset.forces[atoms], np.nan)
    alone = np.repeat(back.sizes == 1, back.sizes)  # the force on a single atom is nought wherever it is missing
    yield "forces", ~(_equal(back.forces, meant).all(axis=1) | (alone & ~of_atoms)), back.forces, meant
    meant = np.where(made.stress[:, None, None], dataset.stress[rows], np.nan)
    size = np.nan_to_num(np.abs(meant)).max(axis=(1, 2), keepdims=True)
    near = np.abs(back.stress - meant) <= STRESS_TOLERANCE * size + PRESSURE_DIGITS
    yield "stress", ~(near | _equal(back.stress, meant)).all(axis=(1, 2)), back.stress, meant
    if made.groups is not None:
        yield "groups", back.groups != made.groups, back.groups, made.groups
    if made.weights is not None:
        came = np.array([float(back.structures.labels(row).get(made.weight_name, np.nan)) for row in range(len(rows))])
        yield made.weight_name, came != made.weights, came, made.weights


def _equal(came: NDArray[np.float64], meant: NDArray[np.float64]) -> NDArray[np.bool_]:
    return np.asarray((came == meant) | (np.isnan(came) & np.isnan(meant)))

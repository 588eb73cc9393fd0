"""Predicted labels of a dataset: entries of another family in its files, or another file of the same structures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from meagraph.datasets import AtomicDataset, DatasetError, dataset_from_structures
from meagraph.datasets.dataset import Source
from meagraph.datasets.labels import read_labels
from meagraph.datasets.names import by_family
from meagraph.duplicates.alike import nearest
from meagraph.duplicates.comparing import larger_first, lie
from meagraph.duplicates.prints import look_for_prints
from meagraph.duplicates.thresholds import SAME
from meagraph.progress import Progress, part, silent


@dataclass(frozen=True, eq=False)
class Predicted:
    """A second set of labels of S structures with N environments, NaN where there is none."""

    name: str  # of the family, or the file
    energy: NDArray[np.float64]  # (S,) eV
    forces: NDArray[np.float64]  # (N, 3) eV/Å
    stress: NDArray[np.float64]  # (S, 3, 3) eV/Å³
    words: str  # from which entries, or how many structures were found
    family: str = ""  # whose names they stand under in the data's own files
    sources: tuple[Source, ...] = ()  # the files that they come from otherwise


def predicted_by_family(dataset: AtomicDataset, family: str) -> Predicted:
    """The labels that the frames of ``dataset`` carry under the names of a ``family``, as MACE_ of MACE_energy.

    Raises DatasetError where no frame has such a label; the message lists the families that there are.
    """
    families = by_family(dataset.structures.names())
    wanted = family.strip("_- ").lower()
    if wanted not in families:
        listed = ", ".join(f"{name or 'the plain names'} ({', '.join(_names(families[name]))})" for name in families)
        raise DatasetError(
            f"{dataset.name}: expected labels of a family {family!r}, such as {family.rstrip('_-')}_energy, but there "
            f"is none. There are: {listed or 'no labels'}. Name one of these."
        )
    names = families[wanted]
    found = read_labels(
        dataset.structures,
        dataset.source_index,
        energy_key=names.get("energy"),
        forces_key=names.get("forces"),
        stress_key=names.get("stress"),
        required=False,
    )
    energy = found.energy if "energy" in names else np.full(dataset.n_structures, np.nan)
    stress = found.stress if "stress" in names else np.full((dataset.n_structures, 3, 3), np.nan)
    return Predicted(family, energy, found.forces, stress, ", ".join(_names(names)), family=family)


def _names(kinds: dict[str, list[str]]) -> list[str]:
    return [name for spelled in kinds.values() for name in spelled]


def predicted_by_file(dataset: AtomicDataset, other: AtomicDataset, *, progress: Progress = silent) -> Predicted:
    """The labels of the structures of ``dataset`` in another one, whatever their order there.

    Structures are matched by content: equal ones, else those that are one structure in all distances to 0.001 Å and lie
    on each other atom by atom (rounded coordinates, other cells, atoms in another order). Forces and stress are turned
    accordingly. What has no match has no prediction. Raises DatasetError where nothing matches.
    """
    energy = np.full(dataset.n_structures, np.nan)
    forces, stress = np.full((dataset.n_environments, 3), np.nan), np.full((dataset.n_structures, 3, 3), np.nan)
    known = {key: row for row, key in reversed(list(enumerate(other.structure_keys)))}
    exact = [known.get(key, -1) for key in dataset.structure_keys]
    left = []
    for row, match in enumerate(exact):
        if match < 0:
            left.append(row)
            continue
        energy[row], stress[row] = other.energy[match], other.stress[match]
        forces[dataset.rows_of(row)] = other.forces[other.rows_of(match)]
    matched = dataset.n_structures - len(left)
    if left:
        matched += _lay_on(dataset, other, left, (energy, forces, stress), progress)
    if not matched:
        raise DatasetError(
            f"{other.name}: expected predictions for structures of {dataset.name}, but none of its "
            f"{other.n_structures:,} structures is one of them. Give the file of the same structures."
        )
    words = f"{matched:,} of {dataset.n_structures:,} structures found among {other.n_structures:,}"
    return Predicted(other.name, energy, forces, stress, words, sources=other.sources)


def _lay_on(
    dataset: AtomicDataset,
    other: AtomicDataset,
    rows: list[int],
    labels: tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]],
    progress: Progress,
) -> int:
    """Fill ``labels`` of structures that ``other`` holds otherwise; return of how many."""
    energy, forces, stress = labels
    both = dataset_from_structures(
        [_bare(dataset.structures[row]) for row in rows] + [_bare(atoms) for atoms in other.structures],
        name="both",
        allow_unlabelled=True,
    )
    ours = np.arange(both.n_structures) < len(rows)
    prints = look_for_prints(both, progress=part(progress, 0.0, 0.8))
    target, _ = nearest(both, prints, SAME, ours, ~ours, progress=part(progress, 0.8, 0.95))
    count = 0
    for place, row in enumerate(rows):
        if target[place] < 0:
            continue
        match = int(target[place]) - len(rows)
        given = other.forces[other.rows_of(match)]
        turned = _as_they_lie(dataset.structures[row], other.structures[match])
        energy_each = other.energy[match] / other.sizes[match]
        if turned:
            forces[dataset.rows_of(row)], stress[row] = given, other.stress[match]
        elif (found := lie(both, prints, place, int(target[place]))) is None:
            continue
        elif larger_first(both, place, int(target[place]))[0] == place:  # ours lies on theirs
            forces[dataset.rows_of(row)] = given[found.onto] @ found.turn
            stress[row] = found.turn.T @ other.stress[match] @ found.turn
        else:
            _, first = np.unique(found.onto, return_index=True)
            forces[dataset.rows_of(row)] = given[first] @ found.turn.T
            stress[row] = found.turn @ other.stress[match] @ found.turn.T
        energy[row] = energy_each * dataset.sizes[row]
        count += 1
    progress(1, 1, "predictions: matched")
    return count


def _bare(atoms: Atoms) -> Atoms:
    return Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=atoms.pbc)


def _as_they_lie(one: Atoms, other: Atoms) -> bool:
    """Whether two structures are equal but for rounding: atom by atom, in one frame, modulo the cell."""
    if len(one) != len(other) or (one.numbers != other.numbers).any() or (one.pbc != other.pbc).any():
        return False
    if np.abs(one.cell.array - other.cell.array).max() > SAME:
        return False
    away = one.positions - other.positions
    if one.pbc.any():
        cell = np.asarray(one.cell.complete())
        steps = np.rint(away @ np.linalg.inv(cell))
        steps[:, ~one.pbc] = 0.0
        away = away - steps @ cell
    return bool(np.linalg.norm(away, axis=1).max() <= SAME)

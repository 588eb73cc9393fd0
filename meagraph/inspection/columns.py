"""Properties that a dataset itself has: labels, places in its files, and what else its frames carry."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols
from numpy.typing import NDArray

from meagraph.datasets import AtomicDataset
from meagraph.datasets.entries import Column, gathered
from meagraph.datasets.names import by_family
from meagraph.predictions import Errors
from meagraph.predictions.quantities import compared, known_quantities
from meagraph.predictions.reading import Predicted, predicted_by_family

PLAIN = "plain"  # the family of names without any: energy, forces
MOST_CATEGORIES = 5000  # texts of a file with more different values are no property


@dataclass(frozen=True)
class Entry:
    """A property that is not computed yet."""

    title: str
    unit: str
    level: Literal["environment", "structure"]
    kind: Literal["number", "category"]
    make: Callable[[], Any] = field(compare=False)  # numbers (N,) or (S,); of categories (codes, names)


def of_dataset(data: AtomicDataset) -> dict[str, Entry]:
    """What a dataset itself says of its environments and structures."""
    sizes = data.sizes

    def forces() -> NDArray[np.float64]:
        length: NDArray[np.float64] = np.linalg.norm(data.forces, axis=1)
        return length

    def per_structure(values: NDArray[np.float64], reduce: np.ufunc) -> NDArray[np.float64]:
        return np.asarray(reduce.reduceat(values, data.offsets[:-1]))

    def files() -> tuple[NDArray[np.int64], list[str]]:
        return data.source_index.astype(np.int64), [Path(s.path).name or data.name for s in data.sources]

    def elements() -> tuple[NDArray[np.int64], list[str]]:
        species = np.asarray(data.species)
        return np.searchsorted(species, data.numbers), [chemical_symbols[z] for z in species]

    def formulas() -> tuple[NDArray[np.int64], list[str]]:
        _, first, found = np.unique(data.compositions, return_index=True, return_inverse=True)
        named = [Atoms(data.numbers[data.rows_of(int(row))]).get_chemical_formula() for row in first]
        return codes(np.array(named)[found])

    def volumes() -> NDArray[np.float64]:
        cells = data.structures.cells
        return np.where(np.count_nonzero(cells.any(axis=2), axis=1) == 3, np.abs(np.linalg.det(cells)) / sizes, np.nan)

    entries = {
        "group": Entry("Group", "", "structure", "category", lambda: codes(data.groups)),
        "element": Entry("Element", "", "environment", "category", elements),
        "formula": Entry("Formula", "", "structure", "category", formulas),
        "file": Entry("File", "", "structure", "category", files),
        "environment": Entry("Environment", "", "environment", "number", lambda: np.arange(data.n_environments)),
        "structure": Entry("Structure", "", "structure", "number", lambda: np.arange(data.n_structures)),
        "frame": Entry("Frame in its file", "", "structure", "number", lambda: data.frame_index),
        "atom": Entry("Atom", "", "environment", "number", lambda: data.atom_of),
        "n_atoms": Entry("Atoms in the structure", "", "structure", "number", lambda: sizes),
        "energy": Entry("Energy per atom", "eV/atom", "structure", "number", lambda: data.energy / sizes),
        "force": Entry("Force", "eV/Å", "environment", "number", forces),
        "fmax": Entry("Largest force", "eV/Å", "structure", "number", lambda: per_structure(forces(), np.maximum)),
        "net_force": Entry(
            "Net force",
            "eV/Å",
            "structure",
            "number",
            lambda: np.linalg.norm(np.add.reduceat(data.forces, data.offsets[:-1], axis=0), axis=1),
        ),
        "volume": Entry("Volume per atom", "Å³", "structure", "number", volumes),
    }
    if data.known.any():
        entries["known"] = Entry(
            "Known already", "", "structure", "category", lambda: (data.known.astype(np.int64), ("new", "known"))
        )
    if np.isfinite(data.stress).any():
        entries["pressure"] = Entry("Pressure", "GPa", "structure", "number", lambda: data.pressures)
    return entries


def of_predictions(data: AtomicDataset) -> dict[str, Entry]:
    """Labels of other families in the files, as predictions of a model, and how far they are from those taken."""
    names = {name for source in data.sources for name in source.labels.left}
    entries: dict[str, Entry] = {}
    for family in sorted(by_family(names)):
        word = re.sub(r"\W+", "_", family) or PLAIN
        made = cache(partial(predicted_by_family, data, family))
        force, energy = partial(_force_error, data, made), partial(_energy_error, data, made)
        length, share = partial(_predicted_force, made), partial(_predicted_energy, data, made)
        entries[f"energy_{word}"] = Entry(f"Energy per atom, {word}", "eV/atom", "structure", "number", share)
        entries[f"force_{word}"] = Entry(f"Force, {word}", "eV/Å", "environment", "number", length)
        entries[f"force_error_{word}"] = Entry(f"Force error, {word}", "eV/Å", "environment", "number", force)
        entries[f"energy_error_{word}"] = Entry(f"Energy error, {word}", "eV/atom", "structure", "number", energy)
    return entries


def _predicted_force(predicted: Callable[[], Predicted]) -> NDArray[np.float64]:
    return np.asarray(np.linalg.norm(predicted().forces, axis=1))


def _predicted_energy(data: AtomicDataset, predicted: Callable[[], Predicted]) -> NDArray[np.float64]:
    return np.asarray(predicted().energy / data.sizes)


def _force_error(data: AtomicDataset, predicted: Callable[[], Predicted]) -> NDArray[np.float64]:
    return np.asarray(np.linalg.norm(predicted().forces - data.forces, axis=1))


def _energy_error(data: AtomicDataset, predicted: Callable[[], Predicted]) -> NDArray[np.float64]:
    return np.asarray((predicted().energy - data.energy) / data.sizes)


def of_errors(errors: Errors) -> dict[str, Entry]:
    """How far predictions are off: energy and stress of structures, forces of environments."""
    data, there = errors.dataset, {one.name for one in known_quantities(errors)}
    entries: dict[str, Entry] = {}
    if "forces" in there:
        entries["force_error"] = Entry("Force error", "eV/Å", "environment", "number", constant(errors.force))
        length = partial(_force_length, errors)
        entries["force_predicted"] = Entry("Force, predicted", "eV/Å", "environment", "number", length)
    if "energy" in there:
        predicted = data.energy / data.sizes + errors.energy
        entries["energy_error"] = Entry("Energy error", "eV/atom", "structure", "number", constant(errors.energy))
        entries["energy_predicted"] = Entry(
            "Energy per atom, predicted", "eV/atom", "structure", "number", constant(predicted)
        )
    if "stress" in there:
        size = partial(_stress_error, errors)
        entries["stress_error"] = Entry("Stress error, largest component", "GPa", "structure", "number", size)
    return entries


def _force_length(errors: Errors) -> NDArray[np.float64]:
    return np.asarray(np.linalg.norm(errors.dataset.forces + errors.forces, axis=1))


def _stress_error(errors: Errors) -> NDArray[np.float64]:
    return compared(errors, "stress").size


def of_files(data: AtomicDataset) -> dict[str, Entry]:
    """Scalars of all frames (ASE's ``info``) and per-atom scalars (``arrays``), where every structure has them."""
    structures = data.structures
    entries: dict[str, Entry] = {}
    for place, key in dict.fromkeys((column.place, column.name) for column in structures.columns):
        if not str(key).isidentifier() or (place, key) in (("info", "energy"), ("info", "config_type")):
            continue
        columns = structures.named(place, key)
        if sum(len(column.rows) for column in columns) < len(structures):
            continue
        if place == "info" and all(column.is_number for column in columns):
            entries[key] = Entry(key, "", "structure", "number", partial(_numbers, columns, len(structures)))
        elif place == "info" and all(column.kind == "text" and column.texts for column in columns):
            if sum(len(column.texts or ()) for column in columns) <= MOST_CATEGORIES:
                entries[key] = Entry(key, "", "structure", "category", partial(_categories, columns[0]))
        elif place == "arrays" and all(column.is_per_atom for column in columns):
            entries[key] = Entry(key, "", "environment", "number", partial(_per_atom, columns, data.offsets))
    return entries


def _numbers(columns: list[Column], count: int) -> NDArray[np.float64]:
    """The numbers (S,) of columns that share the ``count`` structures among them."""
    found = np.empty(count)
    for column in columns:
        found[column.rows] = column.values
    return found


def _categories(column: Column) -> tuple[NDArray[np.int64], list[str]]:
    """Codes (S,) and names of the texts that a column has for all structures."""
    return codes(np.array(list(column)))


def _per_atom(columns: list[Column], offsets: NDArray[np.int64]) -> NDArray[np.float64]:
    """The numbers (N,) of columns that share the structures among them."""
    found = np.empty(offsets[-1])
    for column in columns:
        found[gathered(offsets, column.rows)[0]] = column.values
    return found


def constant(made: Any) -> Callable[[], Any]:
    """What makes ``made``, which is there already."""
    return lambda: made


def codes(texts: NDArray[np.str_]) -> tuple[NDArray[np.int64], list[str]]:
    """Texts (n,) as categories: codes (n,) and their names."""
    names, found = np.unique(texts, return_inverse=True)
    return found.astype(np.int64), [str(name) for name in names]

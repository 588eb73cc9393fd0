"""Properties that a dataset itself has: labels, places in its files, and what else its frames carry."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from ase.data import chemical_symbols
from numpy.typing import NDArray

from meagraph.datasets import AtomicDataset

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
        return codes(np.array([atoms.get_chemical_formula() for atoms in data.structures]))

    def volumes() -> NDArray[np.float64]:
        return np.array([a.cell.volume / len(a) if a.cell.rank == 3 else np.nan for a in data.structures])

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


def of_files(data: AtomicDataset) -> dict[str, Entry]:
    """Scalars of all frames (ASE's ``info``) and per-atom scalars (``arrays``), where every structure has them."""
    first = data.structures[0]
    entries: dict[str, Entry] = {}
    for key in first.info:
        if not key.isidentifier() or key in ("energy", "config_type"):
            continue
        values = [atoms.info.get(key) for atoms in data.structures]
        if all(isinstance(v, int | float | np.integer | np.floating | np.bool_) for v in values):
            entries[key] = Entry(key, "", "structure", "number", constant(np.array(values, dtype=np.float64)))
        elif all(isinstance(v, str) for v in values) and len(set(values)) <= MOST_CATEGORIES:
            entries[key] = Entry(key, "", "structure", "category", constant(codes(np.array(values))))
    for key in first.arrays:
        if not key.isidentifier() or key in ("numbers", "positions"):
            continue
        columns = [atoms.arrays.get(key, np.empty((0, 0))) for atoms in data.structures]
        if all(column.ndim == 1 and column.dtype.kind in "fiub" for column in columns):
            entries[key] = Entry(key, "", "environment", "number", partial(_gathered, columns))
    return entries


def _gathered(columns: list[NDArray[Any]]) -> NDArray[np.float64]:
    return np.concatenate(columns).astype(np.float64)


def constant(made: Any) -> Callable[[], Any]:
    """What makes ``made``, which is there already."""
    return lambda: made


def codes(texts: NDArray[np.str_]) -> tuple[NDArray[np.int64], list[str]]:
    """Texts (n,) as categories: codes (n,) and their names."""
    names, found = np.unique(texts, return_inverse=True)
    return found.astype(np.int64), [str(name) for name in names]

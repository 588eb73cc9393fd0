"""What readers of formats share: the form of a reader, and how labels are put on structures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.stress import full_3x3_to_voigt_6_stress

from meagraph.datasets.dataset import DatasetError
from meagraph.datasets.options import ReadOptions
from meagraph.datasets.stress import of_virial

Frames = Iterator[Atoms | DatasetError]


class Reader(Protocol):
    """Reads one file, or one folder that stands for a file.

    It yields structures with their labels as calculator results (energy and free_energy eV, forces eV/Å, stress as
    six numbers eV/Å³ in ASE's order and sign), the rest in ``info`` and ``arrays``. In the place of a frame that is
    unusable, yet has frames after it that can be read, it yields the error; it raises the error where nothing can
    follow. ``name`` names the file in messages; ``notes`` collects sentences for the user.
    """

    def __call__(self, plain: Path, *, name: str, options: ReadOptions, notes: list[str]) -> Frames:
        """Read ``plain``, decompressed under its own name."""


@dataclass(frozen=True)
class Format:
    """A format: its reader, and how it is told from others."""

    read: Reader
    is_one: Callable[[Path, bytes], bool]  # by a name and the first bytes, none of a folder
    folder: bool = False  # a whole folder is one dataset
    labels: bool = True  # it holds energies or forces, so that it is read where a folder holds it


def labelled(
    atoms: Atoms,
    results: Mapping[str, Any],
    *,
    info: Mapping[str, Any] | None = None,
    arrays: Mapping[str, np.ndarray] | None = None,
) -> Atoms:
    """Give a structure its labels: ``results`` without those that are None; no label, no calculator."""
    atoms.info.update(info or {})
    for key, values in (arrays or {}).items():
        atoms.set_array(key, values)
    there = {key: value for key, value in results.items() if value is not None}
    if there:
        atoms.calc = SinglePointCalculator(atoms, **there)
    return atoms


def stress_of_virial(virial: np.ndarray, atoms: Atoms) -> np.ndarray | None:
    """(6,) stress eV/Å³ of a virial (3, 3) eV, as ASE's calculators have it; None without a volume."""
    stress = of_virial(np.asarray(virial, dtype=float).reshape(3, 3), atoms)
    return None if stress is None else np.asarray(full_3x3_to_voigt_6_stress(stress))


def note(notes: list[str], text: str) -> None:
    """Add a sentence once."""
    if text not in notes:
        notes.append(text)


def lines_of(plain: Path) -> Iterator[str]:
    """The lines of a text without their ends; bytes that are no UTF-8 do not matter."""
    with open(plain, encoding="utf-8", errors="surrogateescape") as stream:
        for line in stream:
            yield line.rstrip("\r\n")


def numbers(rows: Iterable[str], columns: int) -> np.ndarray:
    """(R, columns) float64 of text rows. Raises ValueError for other counts and for words."""
    array = np.array([[float(word.replace("D", "E")) for word in row.split()] for row in rows], dtype=float)
    if array.ndim != 2 or array.shape[1] != columns:
        raise ValueError(f"expected {columns} numbers a row, came {array.shape}")
    return array

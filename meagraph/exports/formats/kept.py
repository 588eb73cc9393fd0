"""What the writers of other formats are given, and what each says of what it wrote."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols
from numpy.typing import NDArray

from meagraph.datasets import AtomicDataset
from meagraph.datasets.names import label_of
from meagraph.exports.target import stem_of
from meagraph.exports.weights import Weights
from meagraph.progress import Progress, silent

if TYPE_CHECKING:
    import pandas as pd

GROUP = "config_type"
CONSTRAINTS = "Constraints of atoms are not written."
EACH = 200  # structures between two reports of progress
ROOM = 30.0  # Å between the images of what does not repeat, in a cell that must: beyond twice any usual cutoff


@dataclass(frozen=True, eq=False)
class Kept:
    """The K structures that a plan keeps of a dataset's S, and what else is known of them."""

    dataset: AtomicDataset
    structures: NDArray[np.bool_]  # (S,) which of them
    weights: Weights | None = None
    table: Callable[[], pd.DataFrame] | None = None  # a row for each of the N environments of the dataset
    progress: Progress = silent

    @cached_property
    def rows(self) -> NDArray[np.int64]:
        """(K,) the structures kept, in their order."""
        return np.flatnonzero(self.structures)

    @property
    def stem(self) -> str:
        """What names of files may begin with."""
        return stem_of(self.dataset)

    @property
    def symbols(self) -> list[str]:
        """The elements of the kept structures by rising atomic number: the types of formats that number them."""
        kept = self.dataset.numbers[self.structures[self.dataset.structure_of]]
        return [chemical_symbols[number] for number in np.unique(kept).tolist()]

    @cached_property
    def has_energy(self) -> NDArray[np.bool_]:
        """(S,) structures with an energy."""
        return np.asarray(np.isfinite(self.dataset.energy))

    @cached_property
    def has_forces(self) -> NDArray[np.bool_]:
        """(S,) structures with forces on all atoms."""
        finite = np.isfinite(self.dataset.forces).all(axis=1)
        return np.asarray(np.logical_and.reduceat(finite, self.dataset.offsets[:-1]))

    @cached_property
    def has_stress(self) -> NDArray[np.bool_]:
        """(S,) structures with a stress."""
        return np.asarray(np.isfinite(self.dataset.stress).all(axis=(1, 2)))

    @property
    def has_constraints(self) -> bool:
        """Whether some atoms are fixed or otherwise bound."""
        return any(column.place == "constraint" for column in self.dataset.structures.columns)

    @cached_property
    def volumes(self) -> NDArray[np.float64]:
        """(S,) Å³ of the cells, 0 where there is none."""
        return np.asarray(np.abs(np.linalg.det(self.dataset.structures.cells)))

    def virial(self, row: int) -> NDArray[np.float64]:
        """(3, 3) eV: minus the stress times the volume."""
        return np.asarray(-self.dataset.stress[row] * self.volumes[row])

    def atoms_of(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """The environments of structures, one structure after the other."""
        if not len(rows):
            return np.empty(0, np.int64)
        return np.concatenate([np.arange(*self.dataset.offsets[[row, row + 1]]) for row in rows])

    def each(self, rows: NDArray[np.int64], name: str) -> Iterator[int]:
        """``rows`` one by one; progress is reported on the way."""
        for done, row in enumerate(rows.tolist()):
            if done % EACH == 0:
                self.progress(done, len(rows), f"{name}: {done:,} of {len(rows):,} structures written")
            yield row
        self.progress(len(rows), len(rows), f"{name}: {len(rows):,} structures written")

    def with_labels(self, rows: NDArray[np.int64], *kinds: str) -> tuple[NDArray[np.int64], list[str]]:
        """Those of ``rows`` that have all labels of ``kinds``, and a sentence on the others."""
        have = {"energy": self.has_energy, "forces": self.has_forces, "stress": self.has_stress}
        good = np.logical_and.reduce([have[kind][rows] for kind in kinds])
        left = rows[~good]
        words = f"{len(left):,} structures without {' or '.join(kinds)} are left out: {self.named(left)}"
        return rows[good], [words] if len(left) else []

    def named(self, rows: NDArray[np.int64]) -> str:
        """The first of some structures by file and frame."""
        first = ", ".join(self.dataset.locate(int(row)) for row in rows[:3])
        return f"{first}{', ...' if len(rows) > 3 else '.'}"

    def without(self, rows: NDArray[np.int64]) -> str:
        """Which labels some of these structures lack, in a sentence; empty for none."""
        have = (("energy", self.has_energy), ("forces", self.has_forces), ("stress", self.has_stress))
        lacking = [f"{name} in {int((~mask[rows]).sum()):,}" for name, mask in have if not mask[rows].all()]
        return (
            f"Of {len(rows):,} structures labels are missing and not written: {', '.join(lacking)}." if lacking else ""
        )

    def bare(self, row: int) -> Atoms:
        """A structure with nothing but atoms, cell and periodicity."""
        return self.dataset.structures.plain(row)


@dataclass(frozen=True, eq=False)
class Written:
    """What a writer put where, for K structures with n atoms, so that it can be read back and compared."""

    files: tuple[str, ...]  # what is read back, in this order, as seen from the folder of the format
    rows: NDArray[np.int64]  # (K,) structures of the dataset, in the order in which they are read back
    atoms: NDArray[np.int64]  # (n,) environments of the dataset, in the same order
    energy: NDArray[np.bool_]  # (K,) structures that were written with an energy
    forces: NDArray[np.bool_]  # (K,)
    stress: NDArray[np.bool_]  # (K,)
    groups: NDArray[np.str_] | None  # (K,) as the format spells them; None where it holds none
    pbc: NDArray[np.bool_] | None  # (K, 3) as the format says it; None where it says nothing
    vectors: NDArray[np.bool_]  # (K, 3) vectors of the cell that are as they were
    weights: NDArray[np.float64] | None = None  # (K,) read back as ``weight_name``
    weight_name: str = ""
    elements: tuple[str, ...] = ()  # of the types, for formats that number them
    notes: tuple[str, ...] = ()  # what it does not hold, and what was changed, in sentences
    details: dict[str, Any] = field(default_factory=dict)  # for checks of the format's own


def written(
    kept: Kept,
    files: tuple[str, ...],
    rows: NDArray[np.int64],
    *,
    atoms: NDArray[np.int64] | None = None,
    vectors: NDArray[np.bool_] | None = None,
    stress: NDArray[np.bool_] | None = None,
    groups: bool = True,
    spelled: NDArray[np.str_] | None = None,
    pbc: NDArray[np.bool_] | None = None,
    says_pbc: bool = True,
    **others: Any,
) -> Written:
    """:class:`Written` of a format that holds all that the structures ``rows`` have, unless something else is said."""
    dataset = kept.dataset
    return Written(
        files=files,
        rows=rows,
        atoms=kept.atoms_of(rows) if atoms is None else atoms,
        energy=kept.has_energy[rows],
        forces=kept.has_forces[rows],
        stress=kept.has_stress[rows] if stress is None else stress,
        groups=(dataset.groups[rows] if spelled is None else spelled) if groups else None,
        pbc=(dataset.periodic[rows] if pbc is None else pbc) if says_pbc else None,
        vectors=np.ones((len(rows), 3), bool) if vectors is None else vectors,
        **others,
    )


def periodic_cell(kept: Kept, row: int) -> NDArray[np.float64]:
    """(3, 3) Å: the cell of a structure in which its images along vectors that do not repeat lie ROOM apart.

    What repeats stays. A vector along which nothing repeats stays where it leaves that room; else it is made as long
    as it must be, and upright on the others where there is none.
    """
    dataset = kept.dataset
    cell, periodic = dataset.structures.cells[row].copy(), dataset.periodic[row]
    positions = dataset.structures.positions[dataset.rows_of(row)]
    for axis in np.flatnonzero(~periodic & ~cell.any(axis=1)).tolist():
        others = cell[cell.any(axis=1)]
        # The last rows of V span what is upright on all vectors that are there.
        cell[axis] = np.linalg.svd(others)[2][len(others)] if len(others) else np.eye(3)[axis]
    for axis in np.flatnonzero(~periodic).tolist():
        normal = np.cross(cell[axis - 2], cell[axis - 1])
        normal /= np.linalg.norm(normal)
        height = abs(float(cell[axis] @ normal))
        extent = float(np.ptp(positions @ normal))
        if height - extent < ROOM:
            cell[axis] *= (extent + ROOM) / height
    return np.asarray(cell)


def with_periodic_cells(
    kept: Kept, rows: NDArray[np.int64]
) -> tuple[dict[int, NDArray[np.float64]], NDArray[np.bool_], list[str]]:
    """Cells of those structures that do not repeat everywhere, which vectors (K, 3) stay, and a sentence on it."""
    open_rows = rows[~kept.dataset.periodic[rows].all(axis=1)]
    cells = {int(row): periodic_cell(kept, int(row)) for row in open_rows}
    vectors = np.ones((len(rows), 3), bool)
    for place in np.flatnonzero(np.isin(rows, open_rows)).tolist():
        vectors[place] = (cells[int(rows[place])] == kept.dataset.structures.cells[rows[place]]).all(axis=1)
    words = (
        f"{len(open_rows):,} structures do not repeat in all directions, which this format cannot say: they lie in "
        f"cells that leave {ROOM:g} Å between images."
    )
    return cells, vectors, [words] if len(open_rows) else []


def entries_left(kept: Kept) -> str:
    """What else the frames carry, in a sentence; empty for nothing."""
    there = kept.dataset.structures.names(kept.rows.tolist())
    names = sorted(name for name in there if label_of(name) is None and name != GROUP)
    entries = f"Other entries of the frames are not written: {', '.join(names)}." if names else ""
    return " ".join(part for part in (entries, CONSTRAINTS if kept.has_constraints else "") if part)


def said(notes: list[str]) -> tuple[str, ...]:
    """The sentences that say something."""
    return tuple(note for note in notes if note)

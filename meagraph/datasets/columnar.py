"""Structures as arrays: atoms one after the other, and ASE's objects made when they are asked for."""

from __future__ import annotations

import contextlib
import operator
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, SupportsIndex, overload

import numpy as np
from ase import Atoms
from ase.constraints import dict2constraint
from numpy.typing import NDArray

from meagraph.datasets.entries import LABELLED, Column, Gathering, damaged, gathered, kind_of
from meagraph.datasets.results import StoredResults, current_results

OF_ATOMS = ("numbers", "positions")  # arrays that every structure has
BLOCK = 4096  # structures that are objects at a time while they are packed


@dataclass(frozen=True, eq=False, repr=False)
class Structures(Sequence[Atoms]):
    """S structures with N atoms; ``structures[s]`` makes one, a slice or :meth:`taken` are fewer of them.

    What is made is a copy: changing it changes nothing here.
    """

    offsets: NDArray[np.int64]  # (S + 1,) where the atoms of each structure begin
    numbers: NDArray[np.int64]  # (N,) atomic numbers
    positions: NDArray[np.float64]  # (N, 3) Å
    cells: NDArray[np.float64]  # (S, 3, 3) Å, a row a vector
    pbc: NDArray[np.bool_]  # (S, 3) along which vectors each repeats
    layout: NDArray[np.int32]  # (S,) into layouts
    layouts: tuple[tuple[int, ...], ...]  # columns that a structure has, in the order in which it came with them
    columns: tuple[Column, ...]  # all else that structures carry

    def __len__(self) -> int:
        return len(self.layout)

    @overload
    def __getitem__(self, index: SupportsIndex) -> Atoms: ...

    @overload
    def __getitem__(self, index: slice) -> Structures: ...

    def __getitem__(self, index: SupportsIndex | slice) -> Atoms | Structures:
        if isinstance(index, slice):
            return self.taken(np.arange(len(self))[index])
        row = self._row(index)
        atoms = self.plain(row)
        results: dict[str, Any] = {}
        constraints = []
        for place, name, value in self.carried(row):
            if place == "info":
                atoms.info[name] = value
            elif place == "arrays":
                atoms.arrays[name] = value
            elif place == "results":
                results[name] = value
            elif place == "constraint":
                constraints.append(_constraint(value))
            else:
                atoms.set_celldisp(value)
        if constraints:
            atoms.set_constraint(constraints)
        if results:
            atoms.calc = StoredResults(atoms, results)
        return atoms

    def __repr__(self) -> str:
        return f"{len(self):,} structures of {len(self.numbers):,} atoms"

    def __iter__(self) -> Iterator[Atoms]:
        return (self[row] for row in range(len(self)))

    def plain(self, index: SupportsIndex) -> Atoms:
        """A structure with nothing but atoms, cell and periodicity: what neighbours depend on, made faster."""
        row = self._row(index)
        atoms = self.rows_of(row)
        return Atoms(
            numbers=self.numbers[atoms], positions=self.positions[atoms], cell=self.cells[row], pbc=self.pbc[row]
        )

    def rows_of(self, index: int) -> slice:
        """The atoms of a structure."""
        return slice(int(self.offsets[index]), int(self.offsets[index + 1]))

    def carried(self, index: SupportsIndex) -> Iterator[tuple[str, str, Any]]:
        """Place ("info", "arrays", "results", ...), name and value of all that a structure carries, in their order."""
        row = self._row(index)
        for number in self.layouts[self.layout[row]]:
            column = self.columns[number]
            yield column.place, column.name, column.of_row(row)

    def labels(self, index: SupportsIndex) -> dict[str, Any]:
        """Entries, arrays and results of a structure by name; results before the others of equal name."""
        found: dict[str, dict[str, Any]] = {"info": {}, "arrays": {}, "results": {}}
        for place, name, value in self.carried(index):
            if place in found:
                found[place][name] = value
        return {**found["info"], **found["arrays"], **found["results"]}

    def names(self, rows: Iterable[int] | None = None) -> set[str]:
        """All names under which :meth:`labels` of the structures ``rows`` has something, of all by default."""
        used = np.unique(self.layout if rows is None else self.layout[np.fromiter(rows, np.int64)]).tolist()
        numbers = {number for one in used for number in self.layouts[one]}
        return {str(one.name) for one in (self.columns[number] for number in numbers) if one.place in LABELLED}

    def named(self, place: str, name: str) -> list[Column]:
        """The columns of one name, one for each kind of value."""
        return [column for column in self.columns if (column.place, column.name) == (place, name)]

    def taken(self, rows: NDArray[np.integer]) -> Structures:
        """The structures ``rows``, in ascending order or any other, each as often as it is named."""
        chosen: NDArray[np.int64] = np.asarray(rows, dtype=np.int64)
        if np.array_equal(chosen, np.arange(len(self))):
            return self
        if len(chosen) > 1 and (np.diff(chosen) <= 0).any():
            return pack(self[row] for row in chosen.tolist())
        atoms, offsets = gathered(self.offsets, chosen)
        found = [column.taken(chosen) for column in self.columns]
        number = np.cumsum([column is not None for column in found]) - 1
        layouts = tuple(tuple(int(number[one]) for one in layout if found[one] is not None) for layout in self.layouts)
        return Structures(
            offsets,
            self.numbers[atoms],
            self.positions[atoms],
            self.cells[chosen],
            self.pbc[chosen],
            self.layout[chosen],
            layouts,
            tuple(column for column in found if column is not None),
        )

    def _row(self, index: SupportsIndex) -> int:
        row = operator.index(index)
        row += len(self) if row < 0 else 0
        if not 0 <= row < len(self):
            raise IndexError(f"structure {index} of {len(self)}")
        return row


def _constraint(value: Any) -> Any:
    try:
        return dict2constraint(value)
    except Exception as error:  # whatever a damaged one makes of ASE's classes
        raise damaged("a constraint is none") from error


class Packing:
    """Structures on the way to arrays: objects come in one by one and are let go in blocks."""

    def __init__(self) -> None:
        self._layout: list[int] = []
        self._layouts: dict[tuple[int, ...], int] = {}
        self._columns: dict[tuple[Hashable, ...], int] = {}
        self._gathered: list[Gathering] = []
        self._sizes: list[int] = []
        self._waiting: list[Atoms] = []
        self._blocks: list[tuple[NDArray[Any], ...]] = []

    def __len__(self) -> int:
        return len(self._layout)

    @property
    def kinds(self) -> int:
        """Entries of different names or kinds that have come."""
        return len(self._gathered)

    def add(self, atoms: Atoms) -> None:
        """The next structure."""
        row, numbers = len(self._layout), []
        seen: dict[tuple[Hashable, ...], int] = {}
        for place, name, value in _parts(atoms):
            told, value = kind_of(value)
            key: tuple[Hashable, ...] = (place, name, *told)
            nth = seen[key] = seen.get(key, -1) + 1  # two constraints of one kind are two columns
            number = self._columns.setdefault((*key, nth), len(self._columns))
            if number == len(self._gathered):
                self._gathered.append(Gathering(place, name, str(told[0]), str(told[1]) if told[0] == "words" else ""))
            self._gathered[number].add(row, value)
            numbers.append(number)
        self._layout.append(self._layouts.setdefault(tuple(numbers), len(self._layouts)))
        self._sizes.append(len(atoms))
        self._waiting.append(atoms)
        if len(self._waiting) == BLOCK:
            self._settle()

    def extend(self, others: Structures) -> None:
        """Many more structures, as if they came one by one."""
        self._settle()
        row, numbers = len(self._layout), []
        seen: dict[tuple[Hashable, ...], int] = {}
        for column in others.columns:
            key: tuple[Hashable, ...] = (column.place, column.name, *column.told)
            nth = seen[key] = seen.get(key, -1) + 1
            number = self._columns.setdefault((*key, nth), len(self._columns))
            if number == len(self._gathered):
                self._gathered.append(Gathering(column.place, column.name, column.kind, column.dtype))
            self._gathered[number].extend(row, column)
            numbers.append(number)
        layouts = [
            self._layouts.setdefault(tuple(numbers[one] for one in layout), len(self._layouts))
            for layout in others.layouts
        ]
        self._layout += np.array(layouts, dtype=np.int64)[others.layout].tolist()
        self._sizes += np.diff(others.offsets).tolist()
        self._blocks.append((others.numbers, others.positions, others.cells, others.pbc))

    def _settle(self) -> None:
        if self._waiting:
            self._blocks.append(
                (
                    np.concatenate([atoms.numbers for atoms in self._waiting]).astype(np.int64, copy=False),
                    np.concatenate([atoms.positions for atoms in self._waiting]),
                    np.array([atoms.cell.array for atoms in self._waiting], dtype=np.float64),
                    np.array([atoms.pbc for atoms in self._waiting], dtype=bool),
                )
            )
        self._waiting = []
        for column in self._gathered:
            column.settle()

    def structures(self) -> Structures:
        """All that came; nothing is left here."""
        self._settle()
        empty = (np.empty(0, np.int64), np.empty((0, 3)), np.empty((0, 3, 3)), np.empty((0, 3), bool))
        blocks = self._blocks or [empty]
        self._blocks = []
        numbers, positions, cells, pbc = (
            parts[0] if len(parts) == 1 else np.concatenate(parts) for parts in zip(*blocks, strict=True)
        )
        return Structures(
            np.concatenate([[0], np.cumsum(self._sizes)]).astype(np.int64),
            numbers,
            positions,
            cells,
            pbc,
            np.array(self._layout, dtype=np.int32),
            tuple(self._layouts),
            tuple(column.column() for column in self._gathered),
        )


def pack(structures: Iterable[Atoms]) -> Structures:
    """Structures in memory as arrays; results of calculators stay where they belong to the atoms as they are."""
    if isinstance(structures, Structures):
        return structures
    packing = Packing()
    for atoms in structures:
        packing.add(atoms)
    return packing.structures()


def _parts(atoms: Atoms) -> Iterator[tuple[str, str, Any]]:
    """Place, name and value of all that a structure carries beside atoms, cell and periodicity."""
    for key, value in atoms.info.items():
        yield "info", key, value
    for name, value in atoms.arrays.items():
        if name not in OF_ATOMS:
            yield "arrays", name, value
    for name, value in current_results(atoms).items():
        yield "results", name, value
    for constraint in atoms.constraints:
        with contextlib.suppress(AttributeError, NotImplementedError):  # the rarer kinds cannot be written down
            yield "constraint", "", constraint.todict()
    displaced = atoms.get_celldisp()
    if displaced.any():
        yield "celldisp", "", displaced

"""The atom lines of an extended XYZ frame: columns as the comment line declares them."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import orjson
from ase.data import atomic_numbers, chemical_symbols
from numpy.typing import NDArray

PLAIN = "species:S:1:pos:R:3"  # what a file without a declaration has, as in the older XYZ
SPECIES = {"species", "symbol", "symbols", "element", "elements"}
POSITIONS = {"pos", "position", "positions", "coordinates"}
NUMBERS = {"z", "numbers", "atomic_numbers"}
SYMBOLS = {symbol.encode(): number for number, symbol in enumerate(chemical_symbols) if number}
ISOTOPES = {b"D": 1, b"T": 1}  # chemically hydrogen
TRUTH = dict.fromkeys((b"T", b"True", b"true", b"TRUE", b"1"), True)
TRUTH |= dict.fromkeys((b"F", b"False", b"false", b"FALSE", b"0"), False)
KINDS = "RISL"
WIDTH = re.compile(r"0*[1-9][0-9]{0,6}")
WIDEST = 10_000  # columns of a property


class ColumnError(ValueError):
    """A declaration or an atom line that cannot be used; the message says which atom and what came."""


class Column(NamedTuple):
    """One property of the atoms: ``width`` columns from ``first`` on."""

    name: str
    kind: str  # R, I, S or L
    first: int
    width: int


class Table(NamedTuple):
    """What the atom lines of a frame hold."""

    numbers: NDArray[np.int64]  # (n,) atomic numbers
    positions: NDArray[np.float64]  # (n, 3) Å
    arrays: dict[str, NDArray[Any]]  # the other properties by their names in the file, (n,) or (n, width)


@functools.lru_cache(maxsize=256)
def declared(text: str) -> tuple[Column, ...]:
    """The columns of a declaration ``name:type:count:...``. Raises ColumnError."""
    fields = text.split(":")
    columns: list[Column] = []
    first = 0
    if len(fields) % 3:
        raise ColumnError(f"expected Properties as name:type:count, repeated, but came {text[:80]!r}")
    for name, kind, count in zip(fields[::3], fields[1::3], fields[2::3], strict=True):
        kind = kind.strip().upper()
        if kind not in tuple(KINDS) or not WIDTH.fullmatch(count.strip()) or int(count) > WIDEST:
            raise ColumnError(
                f"expected Properties as name:type:count with a type of R, I, S or L and a count up to {WIDEST:,}, but "
                f"came {name}:{kind}:{count[:40]}"
            )
        columns.append(Column(name.strip(), kind, first, int(count)))
        first += int(count)
    return tuple(columns)


def _element(word: bytes) -> int | None:
    """The atomic number of a species, None where it is none."""
    name = word.decode("ascii", "replace")
    if name.isdigit():
        return int(name) if len(name) < 4 and 0 < int(name) < len(chemical_symbols) else None
    return ISOTOPES.get(word) or atomic_numbers.get(name.capitalize())


def is_atom(line: bytes) -> bool:
    """Whether a line looks like one of an atom: a species and three numbers at least."""
    words = line.split()
    try:
        return len(words) > 3 and words[0] in SYMBOLS and all(map(np.isfinite, map(float, words[1:4])))
    except ValueError:
        return False


def read_table(block: bytes, n_atoms: int, columns: tuple[Column, ...]) -> Table:
    """The properties of the atoms in the ``n_atoms`` lines of ``block``; columns beyond the declared are left out.

    Raises ColumnError naming atom and column.
    """
    if (table := _usual_table(block, n_atoms, columns)) is not None:
        return table
    lines = block.split(b"\n")[:n_atoms]
    rows = [line.split() for line in lines]
    width = columns[-1].first + columns[-1].width
    if any(len(row) < width for row in rows):
        atom = next(atom for atom, row in enumerate(rows) if len(row) < width)
        named = ", ".join(f"{column.name} {column.width}" for column in columns)
        raise ColumnError(
            f"atom {atom}: expected {width} columns ({named}), but came {len(rows[atom])}: {_shown(lines[atom])}"
        )
    places = list(zip(*rows, strict=False))  # by column
    numbers: NDArray[np.int64] | None = None
    positions: NDArray[np.float64] | None = None
    charges: NDArray[np.int64] | None = None
    arrays: dict[str, NDArray[Any]] = {}
    for column in columns:
        words = places[column.first : column.first + column.width]
        if _is_species(column) and numbers is None:
            numbers = _elements(words[0])
        elif _is_positions(column) and positions is None:
            positions = _values(column, words)
        elif column.name.lower() in NUMBERS and column.width == 1 and column.kind in "IS" and charges is None:
            charges = _elements(words[0])
        else:
            arrays[column.name] = _values(column, words)
    if positions is None:
        raise ColumnError("expected the positions in three columns pos:R:3, but Properties declares none")
    if numbers is None:
        numbers = charges
    if numbers is None:
        raise ColumnError("expected the elements in a column species:S:1 or Z:I:1, but Properties declares none")
    if charges is not None and not np.array_equal(numbers, charges):
        atom = int(np.argmax(numbers != charges))
        raise ColumnError(
            f"atom {atom}: expected one element, but the column of species says {chemical_symbols[numbers[atom]]} and "
            f"the atomic number {charges[atom]}"
        )
    return Table(numbers, positions, arrays)


def _is_species(column: Column) -> bool:
    return column.kind in "SI" and column.width == 1 and column.name.lower() in SPECIES


def _is_positions(column: Column) -> bool:
    return column.kind == "R" and column.width == 3 and column.name.lower() in POSITIONS


def _usual_table(block: bytes, n_atoms: int, columns: tuple[Column, ...]) -> Table | None:
    """A table of species, positions and more numbers, which nearly all files hold, in a fraction of the time.

    None where it is another one, or where anything is wrong with it: a line too short or too long puts a number
    where a species must stand.
    """
    if not (_is_species(columns[0]) and len(columns) > 1 and _is_positions(columns[1])):
        return None
    width = columns[-1].first + columns[-1].width
    words = block.split()
    if len(words) != n_atoms * width or any(column.kind != "R" for column in columns[1:]):
        return None
    species = words[::width]
    del words[::width]
    try:
        numbers = np.array([SYMBOLS[word] for word in species])
        # as JSON, numbers are read several times as fast; what JSON does not know (nan, +1, 1.) takes the other way
        values = np.array(orjson.loads(b"[" + b",".join(words) + b"]"), float).reshape(n_atoms, width - 1)
    except (KeyError, ValueError, TypeError):
        return None
    arrays = {
        column.name: values[:, column.first - 1] if column.width == 1 else values[:, at : at + column.width].copy()
        for column in columns[2:]
        for at in (column.first - 1,)
    }
    return Table(numbers, values[:, :3].copy(), arrays)


def _elements(words: Sequence[bytes]) -> NDArray[np.int64]:
    known = {word: _element(word) for word in set(words)}
    for atom, word in enumerate(words):
        if known[word] is None:
            name = word.decode("utf-8", "replace")
            letters = name.rstrip("+-0123456789_*").capitalize()
            advice = f"; write {letters}" if atomic_numbers.get(letters) and letters != name else ""
            raise ColumnError(f"atom {atom}: species {name!r} is no element{advice}")
    return np.array([known[word] for word in words], dtype=np.int64)


def _real(word: bytes) -> float:
    return float(word.replace(b"D", b"E").replace(b"d", b"e"))  # Fortran's way to write an exponent


def _integer(word: bytes) -> int:
    value = float(word)
    if not value.is_integer():
        raise ValueError("no whole number")
    return int(value)


def _truth(word: bytes) -> bool:
    if word not in TRUTH:
        raise ValueError("neither T nor F")
    return TRUTH[word]


WAYS: dict[str, tuple[Any, Callable[[bytes], Any], Callable[[bytes], Any]]] = {
    "R": (np.float64, float, _real),
    "I": (np.int64, int, _integer),
    "L": (np.bool_, TRUTH.__getitem__, _truth),
}


def _values(column: Column, words: Sequence[Sequence[bytes]]) -> NDArray[Any]:
    """A property (n,) or (n, width) of its words by column."""
    if column.kind == "S":
        found = np.array([[word.decode("utf-8", "replace") for word in column] for column in words], dtype=object)
        return found[0] if column.width == 1 else found.T.copy()
    kind, usual, patient = WAYS[column.kind]
    values = np.empty((len(words[0]), column.width), kind)
    for place, row in enumerate(words):
        try:
            values[:, place] = np.fromiter(map(usual, row), kind, len(row))
        except (ValueError, KeyError, OverflowError):
            for atom, word in enumerate(row):
                try:
                    values[atom, place] = patient(word)
                except (ValueError, OverflowError) as error:
                    what = {"R": "a number", "I": "a whole number", "L": "T or F"}[column.kind]
                    raise ColumnError(
                        f"atom {atom}, column {column.name}: expected {what}, but came {_shown(word)}"
                    ) from error
    return values[:, 0] if column.width == 1 else values


def _shown(text: bytes) -> str:
    return repr(text.strip()[:60].decode("utf-8", "replace"))

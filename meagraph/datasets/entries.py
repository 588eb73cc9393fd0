"""What frames carry beside atoms and cell, by column: entries of ``info``, arrays, results of a calculator.

A column holds one name in one place, and values of one kind: numbers as an array, texts once each with their codes, all
else as JSON. What comes out is what went in, type for type.
"""

from __future__ import annotations

import copy
import json
from bisect import bisect_left
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meagraph.errors import MEAGraphError
from meagraph.files import from_json

LABELLED = ("info", "arrays", "results")
PLACES = (*LABELLED, "constraint", "celldisp")
SCALARS: dict[str, tuple[type, Any]] = {"float": (float, np.float64), "int": (int, np.int64), "bool": (bool, np.bool_)}
KINDS = (*SCALARS, "number", "array", "text", "words", "json", "object")
IN_MEMORY = "object"  # the kind of what has no form that a file can hold
NUMERIC = "fiubc"


def damaged(what: str) -> MEAGraphError:
    """What to raise where an entry of a folder of arrays, read when it is asked for, is not what was written."""
    return MEAGraphError(f"The folder of arrays that the dataset lies in is damaged: {what}. Convert the files again.")


def _content(text: str) -> Any:
    try:
        return from_json(text)
    except ValueError as error:
        raise damaged("an entry is no JSON") from error


@dataclass(frozen=True, eq=False, repr=False)
class Texts:
    """Texts one after the other, as UTF-8."""

    letters: NDArray[np.uint8]
    bounds: NDArray[np.int64]  # (n + 1,)

    def __repr__(self) -> str:
        return f"{len(self):,} texts"

    @staticmethod
    def of(texts: Sequence[str]) -> Texts:
        """Pack ``texts``."""
        encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
        bounds = np.concatenate([[0], np.cumsum([len(text) for text in encoded])]).astype(np.int64)
        return Texts(np.frombuffer(b"".join(encoded), np.uint8), bounds)

    def __len__(self) -> int:
        return len(self.bounds) - 1

    def __getitem__(self, index: int) -> str:
        letters = self.letters[self.bounds[index] : self.bounds[index + 1]].tobytes()
        try:
            return letters.decode("utf-8", "surrogatepass")
        except UnicodeDecodeError as error:
            raise damaged("a text is no UTF-8") from error


@dataclass(frozen=True, eq=False, repr=False)
class Column:
    """One name in one place, with values of one kind, of the k frames ``rows``."""

    place: str  # one of PLACES
    name: str
    kind: str  # one of KINDS
    rows: NDArray[np.int64]  # (k,) ascending
    values: NDArray[Any]  # (k,), of texts codes; of arrays and words (n, ...), those of all frames together
    bounds: NDArray[np.int64] | None = None  # (k + 1,) of arrays and words: where those of each frame begin
    texts: Texts | None = None
    dtype: str = ""  # of words

    def __repr__(self) -> str:
        return f"{self.name!r} of {len(self.rows):,} frames"

    def at(self, place: int) -> Any:
        """The value of frame ``rows[place]``."""
        if self.kind in SCALARS:
            return self.values[place].item()
        if self.kind == "number":
            return self.values[place]
        if self.bounds is not None:
            found = self.values[self.bounds[place] : self.bounds[place + 1]]
            if self.texts is None:
                return found.copy()
            words = [self.texts[code] for code in found.ravel().tolist()]
            return np.array(words, dtype=self.dtype).reshape(found.shape)
        if self.texts is not None:
            text = self.texts[int(self.values[place])]
            return text if self.kind == "text" else _content(text)
        return copy.deepcopy(self.values[place])

    @property
    def told(self) -> tuple[Hashable, ...]:
        """What tells it from other columns of its name, as :func:`kind_of` has it."""
        if self.kind == "number":
            return (self.kind, self.values.dtype.str)
        if self.kind == "array":
            return (self.kind, self.values.dtype.str, self.values.shape[1:])
        return (self.kind, self.dtype, self.values.shape[1:]) if self.kind == "words" else (self.kind,)

    @property
    def is_number(self) -> bool:
        """Whether it holds one real number, or truth value, a frame."""
        return self.kind in SCALARS or (self.kind == "number" and self.values.dtype.kind in "fiub")

    @property
    def is_per_atom(self) -> bool:
        """Whether it holds one real number, or truth value, for each of a frame's atoms, where it lies in arrays."""
        return self.kind == "array" and self.values.ndim == 1 and self.values.dtype.kind in "fiub"

    def __iter__(self) -> Iterator[Any]:
        return (self.at(place) for place in range(len(self.rows)))

    def of_row(self, row: int) -> Any:
        """The value of the frame ``row``, which must have one."""
        return self.at(row if len(self.rows) > row and self.rows[row] == row else bisect_left(self.rows, row))

    def taken(self, rows: NDArray[np.int64]) -> Column | None:
        """The same of the frames ``rows`` (ascending), which count from 0 then; None where none of them has it."""
        place = np.searchsorted(self.rows, rows)
        there = place < len(self.rows)
        there[there] = self.rows[place[there]] == rows[there]
        if not there.any():
            return None
        place, renamed = place[there], np.flatnonzero(there)
        if self.bounds is None:
            return Column(self.place, self.name, self.kind, renamed, self.values[place], None, self.texts)
        inside, bounds = gathered(self.bounds, place)
        return Column(self.place, self.name, self.kind, renamed, self.values[inside], bounds, self.texts, self.dtype)


def gathered(bounds: NDArray[np.int64], chosen: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The places of what the ``chosen`` of several runs between ``bounds`` hold, and the bounds of these."""
    sizes = np.diff(bounds)[chosen]
    after = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    places = np.arange(after[-1]) + np.repeat(bounds[chosen] - after[:-1], sizes)
    return places, after


@dataclass(eq=False)
class Gathering:
    """A column while frames come in."""

    place: str
    name: str
    kind: str
    dtype: str = ""
    rows: list[int] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)  # since the last block
    blocks: list[NDArray[Any]] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    codes: dict[str, int] = field(default_factory=dict)

    def add(self, row: int, value: Any) -> None:
        """The next frame's value, as :func:`kind_of` has it."""
        self.rows.append(row)
        if self.kind == "array":
            self.sizes.append(len(value))
        elif self.kind == "words":
            self.sizes.append(len(value))
            codes = [self.codes.setdefault(str(word), len(self.codes)) for word in value.flat]
            value = np.array(codes, dtype=np.int32).reshape(value.shape)
        elif self.kind in ("text", "json"):
            value = self.codes.setdefault(value, len(self.codes))
        self.values.append(value)

    def extend(self, row: int, column: Column) -> None:
        """Many more values, those of a ``column`` whose first frame is the frame ``row`` here."""
        self.settle()
        self.rows += (column.rows + row).tolist()
        values = column.values
        if column.texts is not None:
            texts = (column.texts[code] for code in range(len(column.texts)))
            codes = [self.codes.setdefault(text, len(self.codes)) for text in texts]
            values = np.array(codes, dtype=np.int32)[values] if codes else values
        if column.bounds is not None:
            self.sizes += np.diff(column.bounds).tolist()
        self.blocks.append(values)

    def settle(self) -> None:
        """Join what has come in since the last time, so that nothing but arrays is kept."""
        if self.values:
            self.blocks.append(self._joined(self.values))
            self.values = []

    def _joined(self, values: list[Any]) -> NDArray[Any]:
        if self.kind in ("array", "words"):
            return np.concatenate(values)
        if self.kind == IN_MEMORY:
            together = np.empty(len(values), dtype=object)
            together[:] = [copy.deepcopy(value) for value in values]
            return together
        if self.kind in SCALARS:
            return np.array(values, dtype=SCALARS[self.kind][1])
        return np.array(values, dtype=np.int32 if self.kind in ("text", "json") else values[0].dtype)

    def column(self) -> Column:
        """What has come in; nothing is left here."""
        self.settle()
        values = self.blocks[0] if len(self.blocks) == 1 else np.concatenate(self.blocks)
        self.blocks = []
        bounds = np.concatenate([[0], np.cumsum(self.sizes)]).astype(np.int64) if self.sizes else None
        texts = Texts.of(list(self.codes)) if self.codes or self.kind == "words" else None
        rows = np.array(self.rows, dtype=np.int64)
        return Column(self.place, self.name, self.kind, rows, values, bounds, texts, self.dtype)


def kind_of(value: Any) -> tuple[tuple[Hashable, ...], Any]:
    """What tells the column of a value from others of the same name (the kind first), and what is put into it."""
    kind = type(value)
    for name, (scalar, _) in SCALARS.items():
        if kind is scalar and (name != "int" or -(2**63) <= value < 2**63):
            return (name,), value
    if kind is str:
        return ("text",), value
    if isinstance(value, np.generic) and value.dtype.kind in NUMERIC:
        return ("number", value.dtype.str), value
    if kind is np.ndarray and value.ndim > 0:
        if value.dtype.kind in NUMERIC:
            return ("array", value.dtype.str, value.shape[1:]), value
        if value.dtype.kind in "UO" and all(type(word) is str or type(word) is np.str_ for word in value.flat):
            return ("words", value.dtype.str, value.shape[1:]), value
    try:
        text = json.dumps(value)
        if repr(json.loads(text)) == repr(value):
            return ("json",), text
    except (TypeError, ValueError, RecursionError):
        pass
    return (IN_MEMORY,), value


def passing(column: Column, test: Callable[[Any], bool]) -> NDArray[np.bool_]:
    """Which of the column's rows (k,) pass a test of their value; texts are tested once each."""
    if column.texts is not None and column.bounds is None:
        texts = (column.texts[code] for code in range(len(column.texts)))
        found = [test(text if column.kind == "text" else _content(text)) for text in texts]
        return np.asarray(np.array(found, dtype=bool)[column.values])
    return np.array([test(column.at(place)) for place in range(len(column.rows))], dtype=bool)

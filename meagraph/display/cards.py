"""Results in words: a few lines for a terminal, the same as HTML for a notebook, tables included.

What comes from a file (a path, the name of a group) is shown as text: escaped in HTML, and without control characters
on a terminal. The HTML holds no script and refers to nothing outside itself.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

NAME, VALUE = 60, 160  # characters of a name and of a line at most
LISTED = 6  # names in a line, the most frequent
DIGITS = tuple("0123456789-–")  # what numbers begin with
ROWS = 20  # of a table on a card
STYLE = (
    ".meagraph{font-size:13px;line-height:1.5;max-width:1000px}"
    ".meagraph .title{font-weight:600;font-size:15px;margin:0 0 4px}"
    ".meagraph table{border-collapse:collapse;margin:0 0 8px;font-variant-numeric:tabular-nums}"
    ".meagraph th,.meagraph td{text-align:left!important;padding:2px 14px 2px 0;vertical-align:top;"
    "overflow-wrap:break-word;background:none;border:0}.meagraph .number{text-align:right!important;white-space:nowrap}"
    ".meagraph td:first-child{white-space:nowrap}.meagraph .facts td:first-child{opacity:.7}"
    ".meagraph .note{opacity:.7;margin:0 0 8px}"
    ".meagraph .parts{display:flex;flex-wrap:wrap;gap:24px;align-items:flex-start}"
    ".meagraph img{max-width:100%;height:auto}"
)

NO_FORMULAS = "tex2jax_ignore mathjax_ignore"  # classes in which Jupyter leaves $x$ as it stands

Facts = list[tuple[str, str]]
"""Names and values, as text."""


@dataclasses.dataclass(frozen=True)
class Table:
    """Heads and rows of cells, all of them text."""

    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


class Shown:
    """A result that shows itself: ``repr`` and ``print`` give a few lines, a notebook a card.

    A class says what is on them by ``_title``, ``_facts`` and ``_parts``, and what it is on the card of another by
    ``_line``. A dataclass that derives from this one turns its own ``repr`` off. Without more, its fields are listed,
    arrays by their type and shape.
    """

    def _title(self) -> str:
        return type(self).__name__

    def _facts(self) -> Facts:
        names = [field.name for field in dataclasses.fields(self)]  # type: ignore[arg-type]
        return [(name, brief(getattr(self, name))) for name in names]

    def _line(self) -> str:
        """The result as a fact of another."""
        return type(self).__name__

    def _parts(self) -> list[str]:
        """HTML below the facts: tables and pictures side by side."""
        return []

    def __repr__(self) -> str:
        return as_text(self._title(), self._facts())

    def _repr_html_(self) -> str:
        return as_html(self._title(), self._facts(), self._parts())


def as_text(title: str, facts: Facts) -> str:
    """The title and a line for each fact, values below each other."""
    names = [printable(name) for name, _ in facts]
    width = max(map(len, names), default=0)
    lines = (f"  {name:<{width}}  {printable(value, VALUE)}" for name, (_, value) in zip(names, facts, strict=True))
    return "\n".join([printable(title, VALUE), *lines])


def as_html(title: str, facts: Facts, parts: Sequence[str] = ()) -> str:
    """A card: title, facts and, side by side below them, ``parts``, which are HTML already."""
    rows = "".join(f"<tr><td>{as_cell(name)}</td><td>{as_cell(value)}</td></tr>" for name, value in facts)
    below = "".join(f"<div>{part}</div>" for part in parts)
    return (
        f'<div class="meagraph {NO_FORMULAS}"><style>{STYLE}</style><p class="title">{as_cell(title)}</p>'
        f'<table class="facts">{rows}</table><div class="parts">{below}</div></div>'
    )


def html_table(table: Table, most: int | None = None) -> str:
    """A table as HTML, its cells as text; of more than ``most`` rows the first ones, and how many more there are.

    Columns of numbers, but not the first column, are of the class ``number``.
    """
    shown = table.rows[:most]
    columns = list(zip(*shown, strict=True)) or [()] * len(table.heads)
    numbers = [index > 0 and all(cell[:1] in DIGITS for cell in column) for index, column in enumerate(columns)]

    def line(kind: str, cells: Sequence[str]) -> str:
        marks = [' class="number"' if number else "" for number in numbers]
        made = (f"<{kind}{mark}>{as_cell(cell, None)}</{kind}>" for mark, cell in zip(marks, cells, strict=True))
        return f"<tr>{''.join(made)}</tr>"

    more = f'<p class="note">{len(table.rows) - len(shown):,} more</p>' if len(table.rows) > len(shown) else ""
    return f"<table>{line('th', table.heads)}{''.join(line('td', row) for row in shown)}</table>{more}"


def text_table(table: Table) -> list[str]:
    """A table as lines of text, the first column to the left and all others to the right."""
    lines = [table.heads, *table.rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(table.heads))]

    def line(cells: tuple[str, ...]) -> str:
        first, *rest = (printable(cell, None) for cell in cells)
        ends = (f"{cell:>{width}}" for cell, width in zip(rest, widths[1:], strict=True))
        return "  " + "  ".join([f"{first:<{widths[0]}}", *ends])

    return [line(cells) for cells in lines]


def as_cell(text: str, limit: int | None = VALUE) -> str:
    """Text as HTML that shows it."""
    return escape(printable(text, limit))


def printable(text: str, limit: int | None = NAME) -> str:
    """``text`` with a mark for every character that is none to read, cut to ``limit`` characters."""
    shown = "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
    return shown if limit is None or len(shown) <= limit else shown[: limit - 1] + "…"


def counted(counts: Mapping[str, int]) -> str:
    """Names with their numbers, the most frequent first: ``bcc 7, fcc 4 and 3 more``."""
    names = sorted(counts, key=lambda name: -counts[name])
    listed = ", ".join(f"{printable(name, 24)} {counts[name]:,}" for name in names[:LISTED])
    return listed if len(names) <= LISTED else f"{listed} and {len(names) - LISTED:,} more"


def percent(part: float, whole: float) -> str:
    """A share: ``20.0 %``."""
    return f"{100 * part / whole:.1f} %" if whole else "–"


def brief(value: Any) -> str:
    """A value on one line; an array by its type and shape."""
    if isinstance(value, Shown):
        return value._line()
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return f"{value.dtype} {tuple(value.shape)}"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, str | int | None):
        return "none" if value is None else str(value)
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {brief(entry)}" for key, entry in value.items()) or "none"
    if isinstance(value, tuple | list):
        if all(isinstance(entry, str | int | float) for entry in value):
            return ", ".join(map(brief, value)) or "none"
        return f"{len(value):,} entries"
    return type(value).__name__

"""Names on the map: each stands where its points lie densest, and none on another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from bokeh.core.properties import value
from bokeh.models import ColumnDataSource
from bokeh.plotting import figure
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from meaviz.components.map.layers import View
from meaviz.components.map.legend import shorten
from meaviz.style.palette import Theme
from meaviz.style.text import plain

MOST = 300  # names that are looked for a place, the largest
LONGEST = 30  # letters
CELLS, SMOOTHING = 64, 3.0  # a side of the plane in which points are counted, and how far a count spreads, in cells
GAP = 4  # pixels beside a name that others keep free
BESIDE = 8  # pixels between a place and a name beside it
COARSE = 4  # pixels of a cell in which points are looked for under a name
LINE = 1.25  # height of a line, in letters
HALO = 4  # pixels
SMALL, LARGE, WIDE_FRAME = 12, 14, 900  # pixels: letters of a map up to this wide, and beyond
# of bold letters in their height, of the widest of the fonts that may stand in for the page's: never too little
_WIDTHS = {0.41: " iljI.,:;'|/·", 0.5: "tfr!()[]-", 1.11: "mwMW%@…—"}
_OTHER_WIDTH, _CAPITAL, _BEYOND_LATIN = 0.72, 0.86, 1.11


_Box = tuple[float, float, float, float]  # left, right, bottom, top in pixels from the lower left


@dataclass(frozen=True)
class Placed:
    """A name on the map: its middle in data units, and its size in pixels."""

    index: int  # of the name
    text: str
    x: float
    y: float
    width: float
    height: float


def label_texts(count: int, names: Sequence[str] = ()) -> tuple[tuple[str, ...], ...]:
    """What may stand for each of ``count`` clusters, the longest first: number and name, or else the number alone.

    ``names`` in words may be there for some of them only; a cluster without is "cluster 3".
    """
    known = [*names[:count], *[""] * (count - len(names))]
    return tuple(
        (f"{number} · {shorten(name, LONGEST)}" if name else f"cluster {number}", str(number))
        for number, name in enumerate(known)
    )


def densest_places(xy: NDArray[np.float32], codes: NDArray[np.integer], count: int) -> NDArray[np.float64]:
    """Where the points of each code lie densest: the place (count, 2) of one of them, NaN for a code without any.

    ``codes`` (N,) below 0 and points ``xy`` (N, 2) without a place belong to none. The points of a code are counted in
    cells of a 64th of the plane's sides, and the square roots of the counts smoothed, lest a pile of copies outweighs
    the rest: around the cell where that gives most, the point nearest to the mean of those up to one cell away.
    """
    places = np.full((count, 2), np.nan)
    rows = np.flatnonzero((codes >= 0) & (codes < count) & np.isfinite(xy).all(axis=1))
    if not rows.size:
        return places
    xy, codes = xy[rows].astype(np.float64), codes[rows]
    low = xy.min(axis=0)
    side = np.maximum(xy.max(axis=0) - low, np.finfo(np.float64).tiny)
    cells = np.minimum((xy - low) / side * CELLS, CELLS - 1).astype(np.int64)
    order = np.argsort(codes, kind="stable")
    ends = np.searchsorted(codes[order], np.arange(count + 1))
    for code in range(count):
        members = order[ends[code] : ends[code + 1]]
        if members.size:
            i, j = cells[members].T
            counts = np.bincount(i * CELLS + j, minlength=CELLS**2).reshape(CELLS, CELLS)
            around = gaussian_filter(np.sqrt(counts), SMOOTHING, mode="constant")
            around[counts == 0] = -1.0  # it holds some itself
            a, b = divmod(int(np.round(around, 9).argmax()), CELLS)
            near = xy[members[(np.abs(i - a) <= 1) & (np.abs(j - b) <= 1)]]
            away = (((near - near.mean(axis=0)) / side) ** 2).sum(axis=1)
            first = np.lexsort((*near.T, np.round(away, 9)))[0]  # of equals always the same, whatever their order
            places[code] = near[first]
    return places


def text_width(text: str, letters: float) -> float:
    """Pixels that bold ``text`` of this height takes at most, whichever of the page's fonts there is."""
    return letters * sum(_letter_width(letter) for letter in text)


def _letter_width(letter: str) -> float:
    for width, those in _WIDTHS.items():
        if letter in those:
            return width
    if ord(letter) > 0x24F:
        return _BEYOND_LATIN
    return _CAPITAL if letter.isupper() else _OTHER_WIDTH


def letter_height(view: View) -> int:
    """Pixels of the letters on a map of this size."""
    return SMALL if view.width <= WIDE_FRAME else LARGE


def occupied(xy: NDArray[np.float32], view: View) -> NDArray[np.int64]:
    """Cells of COARSE pixels with a point of ``xy`` (N, 2), counted from the lower left: (rows + 1, columns + 1)."""
    shape = (view.height // COARSE + 1, view.width // COARSE + 1)
    with np.errstate(invalid="ignore"):
        column = np.floor((xy[:, 0] - view.x[0]) * view.scale[0] / COARSE)
        row = np.floor((xy[:, 1] - view.y[0]) * view.scale[1] / COARSE)
        inside = (column >= 0) & (column < shape[1]) & (row >= 0) & (row < shape[0])
    there = np.zeros(shape, dtype=np.int64)
    there[row[inside].astype(np.int64), column[inside].astype(np.int64)] = 1
    return np.pad(there.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))


def _hidden(box: _Box, counted: NDArray[np.int64]) -> int:
    """Occupied cells under a box."""
    rows, columns = counted.shape[0] - 1, counted.shape[1] - 1
    left, right = (int(np.clip(round(edge / COARSE), 0, columns)) for edge in box[:2])
    low, high = (int(np.clip(round(edge / COARSE), 0, rows)) for edge in box[2:])
    return int(counted[high, right] - counted[low, right] - counted[high, left] + counted[low, left])


def place_labels(
    places: NDArray[np.float64],
    order: Sequence[int],
    texts: Sequence[Sequence[str]],
    view: View,
    counted: NDArray[np.int64] | None = None,
) -> list[Placed]:
    """Names on the part of the plane that is in ``view``, none on another.

    One after the other, in ``order``: the first of a name's ``texts`` that fits between those already there, or none.
    A name stands at its place of ``places`` (C, 2), or right beside it where another one is in the way, or where it
    hides less than half as many cells with points, as ``counted`` by :func:`occupied`; and wholly in view. One whose
    place is out of view, or NaN, is left out. The same input gives the same names.
    """
    letters = letter_height(view)
    height = LINE * letters
    placed: list[Placed] = []
    taken = np.zeros((0, 4))
    per_x, per_y = view.scale
    for index in order:
        x, y = places[index]
        if not (view.x[0] <= x <= view.x[1] and view.y[0] <= y <= view.y[1]):
            continue
        at = (x - view.x[0]) * per_x, (y - view.y[0]) * per_y
        for text in texts[index]:
            width = text_width(text, letters)
            free = [box for box in _boxes(*at, width, height, view) if _apart(box, taken)]
            if not free:
                continue
            box = free[0]
            if counted is not None:
                hidden = [_hidden(one, counted) for one in free]
                if 2 * min(hidden) < hidden[0]:
                    box = free[hidden.index(min(hidden))]
            taken = np.vstack([taken, box])
            middle = view.x[0] + (box[0] + box[1]) / 2 / per_x, view.y[0] + (box[2] + box[3]) / 2 / per_y
            placed.append(Placed(index, text, *middle, width, height))
            break
    return placed


def _boxes(x: float, y: float, width: float, height: float, view: View) -> list[_Box]:
    """Where a name of this size may stand: at (x, y), above, below, right, left; none if the view is too small."""
    if width > view.width or height > view.height:
        return []
    up, aside = height / 2 + BESIDE, width / 2 + BESIDE
    boxes = []
    for dx, dy in ((0.0, 0.0), (0.0, up), (0.0, -up), (aside, 0.0), (-aside, 0.0)):
        middle = float(np.clip(x + dx, width / 2, view.width - width / 2))
        line = float(np.clip(y + dy, height / 2, view.height - height / 2))
        boxes.append((middle - width / 2, middle + width / 2, line - height / 2, line + height / 2))
    return boxes


def _apart(box: _Box, taken: NDArray[np.float64]) -> bool:
    left, right, low, high = box
    beside = (taken[:, 0] >= right + GAP) | (taken[:, 1] <= left - GAP)
    return bool((beside | (taken[:, 2] >= high) | (taken[:, 3] <= low)).all())


class LabelLayer:
    """The names on a figure, with a halo in the colour of the ground."""

    def __init__(self, plot: figure) -> None:
        self._source = ColumnDataSource({"x": [], "y": [], "text": []})
        look: dict[str, Any] = {
            "text_align": "center",
            "text_baseline": "middle",
            "text_font_style": "bold",
            "source": self._source,
        }
        self._halo = plot.text("x", "y", "text", text_outline_width=HALO, **look)
        self._letters = plot.text("x", "y", "text", **look)
        self.shown: list[Placed] = []
        self.forget()

    def forget(self) -> None:
        """Show no names."""
        self._texts: Sequence[Sequence[str]] = ()
        self._places = np.zeros((0, 2))
        self._order: list[int] = []
        self._xy = np.zeros((0, 2), dtype=np.float32)
        self._put([])

    def take(self, xy: NDArray[np.float32], codes: NDArray[np.integer], texts: Sequence[Sequence[str]]) -> None:
        """Name the points ``xy`` (N, 2) of each of the ``codes`` (N,) by one of its ``texts``; then look."""
        self._texts, self._xy = texts, xy
        there = codes[(codes >= 0) & np.isfinite(xy).all(axis=1)]
        sizes = np.bincount(there, minlength=len(texts))
        self._order = np.argsort(-sizes, kind="stable")[:MOST].tolist()
        wanted = np.full(len(texts) + 1, -1)  # the last for those in none
        wanted[self._order] = np.arange(len(self._order))
        places = densest_places(xy, wanted[codes], len(self._order))
        self._places = np.full((len(texts), 2), np.nan)
        self._places[self._order] = places

    def look(self, view: View) -> None:
        """Show the names for which ``view`` has room."""
        letters = f"{letter_height(view)}px"
        for renderer in (self._halo, self._letters):
            renderer.glyph.text_font_size = letters
        counted = occupied(self._xy, view) if self._texts else None
        self._put(place_labels(self._places, self._order, self._texts, view, counted))

    def style(self, theme: Theme) -> None:
        """Take the colours of ``theme``."""
        for renderer in (self._halo, self._letters):
            renderer.glyph.update(text_color=theme.text, text_font=value(theme.font))
        self._halo.glyph.text_outline_color = theme.raised

    def _put(self, placed: list[Placed]) -> None:
        self.shown = placed
        self._source.data = {
            "x": [one.x for one in placed],
            "y": [one.y for one in placed],
            "text": [plain(one.text) for one in placed],
        }

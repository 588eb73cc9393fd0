"""Names on the map: each stands where its points lie densest, and none on another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from bokeh.models import ColumnDataSource
from bokeh.plotting import figure
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

from meaviz.components.map.layers import View
from meaviz.components.map.legend import shorten
from meaviz.style.palette import Theme

MOST = 300  # names that are looked for a place, the largest
LONGEST = 30  # letters
CELLS = 64  # a side of the plane, in which points are counted
GAP = 3  # pixels around a name that others keep free
HALO = 4  # pixels
SMALL, LARGE, WIDE_FRAME = 12, 14, 900  # pixels: letters of a map up to this wide, and beyond
_WIDTHS = {0.4: " iljtfrI.,:;'|!()[]-/·", 0.95: "mwMW%@…—"}  # of a bold letter, in its height; never too little
_OTHER_WIDTH, _CAPITAL, _BEYOND_LATIN = 0.63, 0.74, 1.05


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
        (f"{number} {shorten(name, LONGEST)}" if name else f"cluster {number}", str(number))
        for number, name in enumerate(known, start=1)
    )


def densest_places(xy: NDArray[np.float32], codes: NDArray[np.integer], count: int) -> NDArray[np.float64]:
    """Where the points of each code lie densest: the place (count, 2) of one of them, NaN for a code without any.

    ``codes`` (N,) below 0 and points ``xy`` (N, 2) without a place belong to none. The plane is counted in cells of a
    64th of its sides: of the three by three cells that hold most points of a code, the point nearest to their mean.
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
            around = uniform_filter(counts.astype(np.float64), 3, mode="constant")
            around[counts == 0] = -1.0  # the middle holds some itself
            a, b = divmod(int(np.round(around, 6).argmax()), CELLS)
            near = members[(np.abs(i - a) <= 1) & (np.abs(j - b) <= 1)]
            away = (xy[near] - xy[near].mean(axis=0)) / side
            places[code] = xy[near[int((away**2).sum(axis=1).argmin())]]
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


def place_labels(
    places: NDArray[np.float64], order: Sequence[int], texts: Sequence[Sequence[str]], view: View
) -> list[Placed]:
    """Names on the part of the plane that is in ``view``, none on another.

    One after the other, in ``order``: the first of a name's ``texts`` that fits between those already there, or none.
    A name stands at its place of ``places`` (C, 2), moved inwards where the edge of the view would cut it; one whose
    place is out of view, or NaN, is left out. The same input gives the same names.
    """
    letters = letter_height(view)
    height = 1.25 * letters
    placed: list[Placed] = []
    taken = np.zeros((0, 4))  # left, right, bottom, top in pixels
    per_x, per_y = view.scale
    for index in order:
        x, y = places[index]
        if not (view.x[0] <= x <= view.x[1] and view.y[0] <= y <= view.y[1]):
            continue
        for text in texts[index]:
            width = text_width(text, letters)
            if width > view.width or height > view.height:
                continue
            right = float(np.clip((x - view.x[0]) * per_x, width / 2, view.width - width / 2))
            up = float(np.clip((y - view.y[0]) * per_y, height / 2, view.height - height / 2))
            reach_x, reach_y = width / 2 + GAP, height / 2
            apart = (
                (taken[:, 0] >= right + reach_x)
                | (taken[:, 1] <= right - reach_x)
                | (taken[:, 2] >= up + reach_y)
                | (taken[:, 3] <= up - reach_y)
            )
            if apart.all():
                box = [right - width / 2, right + width / 2, up - height / 2, up + height / 2]
                taken = np.vstack([taken, box])
                middle = view.x[0] + right / per_x, view.y[0] + up / per_y
                placed.append(Placed(index, text, *middle, width, height))
                break
    return placed


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
        self._put([])

    def take(self, xy: NDArray[np.float32], codes: NDArray[np.integer], texts: Sequence[Sequence[str]]) -> None:
        """Name the points ``xy`` (N, 2) of each of the ``codes`` (N,) by one of its ``texts``; then look."""
        self._texts = texts
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
        self._put(place_labels(self._places, self._order, self._texts, view))

    def style(self, theme: Theme) -> None:
        """Take the colours of ``theme``."""
        for renderer in (self._halo, self._letters):
            renderer.glyph.update(text_color=theme.text, text_font=theme.font)
        self._halo.glyph.text_outline_color = theme.raised

    def _put(self, placed: list[Placed]) -> None:
        self.shown = placed
        self._source.data = {name: [getattr(one, name) for one in placed] for name in ("x", "y", "text")}

"""How the map draws N points: a scatter, or above ``SCATTER_MAX`` an image made here.

Both look alike and both draw by levels, from the faintest below to the brightest on top; within a level the
order is a fixed random one, so that where points overlap no group hides another for coming later in the file.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import numba as nb
import numpy as np
from bokeh.models import ColumnDataSource, GlyphRenderer
from bokeh.plotting import figure
from numpy.typing import NDArray

from meaviz.components.map.hits import inside_box
from meaviz.components.map.pixels import disc, stamp, topmost
from meaviz.style.palette import Theme, pack

SCATTER_MAX = 50_000
USUAL_SIDE = 700.0  # pixels of a map, the square root of its area
SCALES = (0.8, 1.35)  # of points on the smallest and the largest map
OPACITY = (0.5, 0.6, 0.55, 0.8)  # of one point, by level: not selected and pruned, not selected, pruned, plain
PASTEL = (0.4, 0.0, 0.7, 0.0)  # share of the background in the colour, by level
SIZES = (0.5, 0.8, 1.2, 1.7, 2.3)  # diameter by size class, in units of that of equal points

_Columns = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int32]]  # x, y and row of each point


@dataclass(frozen=True)
class View:
    """The part of the plane a figure shows, and its size in pixels."""

    x: tuple[float, float]
    y: tuple[float, float]
    width: int
    height: int

    @property
    def scale(self) -> tuple[float, float]:
        """Pixels per data unit along x and y."""
        return self.width / (self.x[1] - self.x[0]), self.height / (self.y[1] - self.y[0])

    @property
    def side(self) -> float:
        """Pixels of a side if it were a square."""
        return float(np.sqrt(self.width * self.height))


def levels(n: int, selected: NDArray[np.bool_] | None, pruned: NDArray[np.bool_] | None) -> NDArray[np.uint8]:
    """Level of each of ``n`` points: 2 if selected (or nothing is), plus 1 unless pruned."""
    shown = np.ones(n, dtype=np.bool_) if selected is None or not selected.any() else selected
    kept = np.ones(n, dtype=np.bool_) if pruned is None else ~pruned
    return 2 * shown.astype(np.uint8) + kept.astype(np.uint8)


def point_size(n: int, side: float = USUAL_SIDE) -> float:
    """Diameter in pixels that suits ``n`` visible points: 8 for 200, 4 for 14,000, 2 from 180,000 on.

    On a map whose ``side`` is longer or shorter than usual they are larger or smaller, though never below 2.
    """
    scale = np.clip(side / USUAL_SIDE, *SCALES)
    return float(max(np.clip(12.5 - 2.0 * np.log10(max(n, 1)), 2.0, 9.0) * scale, 2.0))


def size_classes(values: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Size class (N,) of each value: fifths of the range of their ranks, the smallest where there is none."""
    known = np.isfinite(values)
    classes = np.zeros(len(values), dtype=np.uint8)
    if known.any():
        count = len(SIZES)
        edges = np.quantile(values[known], np.arange(1, count) / count)
        classes[known] = np.searchsorted(edges, values[known], side="left")
    return classes


def shade(
    rgba: NDArray[np.uint32], level: NDArray[np.uint8], theme: Theme, opacity: NDArray[np.floating]
) -> NDArray[np.uint32]:
    """Colours (K,) as drawn, packed, with ``opacity`` (K,) from 0 to 1.

    What is not selected is grey. What is pruned turns pastel as well as transparent, so that no pile of
    pruned points passes for a kept one.
    """
    colour = np.where(level >= 2, rgba, pack([theme.dim])[0])
    for value in (0, 2):
        colour[level == value] = _towards(colour[level == value], theme.surface, PASTEL[value])
    alpha = np.round(255.0 * opacity).astype(np.uint32)
    return colour & np.uint32(0x00FFFFFF) | alpha << np.uint32(24)


def _towards(rgba: NDArray[np.uint32], colour: str, share: float) -> NDArray[np.uint32]:
    """Mix packed colours (K,) with ``share`` of another one."""
    other = pack([colour]).view(np.uint8).astype(np.float32)
    mixed = (1.0 - share) * rgba.view(np.uint8).reshape(-1, 4) + share * other
    return np.round(mixed).astype(np.uint8).view(np.uint32).ravel()


class Layer(Protocol):
    """What the map asks of every way of drawing."""

    renderer: GlyphRenderer

    def place(self, xy: NDArray[np.float32], sizes: NDArray[np.uint8] | None) -> None:
        """Take other coordinates (N, 2), NaN for a point that is not drawn, and size classes (N,); then arrange."""

    def arrange(self, level: NDArray[np.uint8]) -> None:
        """Take new levels (N,) of the points."""

    def look(self, view: View) -> bool:
        """Take another view; say whether it must be painted."""

    def paint(self, rgba: NDArray[np.uint32], theme: Theme) -> None:
        """Draw in the colours (N,)."""


class ScatterLayer:
    """Every point a disc, drawn by the graphics card."""

    def __init__(self, plot: figure, xy: NDArray[np.float32], view: View) -> None:
        self.source = ColumnDataSource({"x": [], "y": [], "fill": [], "size": []})
        self._size = point_size(len(xy), view.side)
        self.renderer: GlyphRenderer = plot.scatter(
            "x", "y", fill_color="fill", line_color=None, size=self._size, source=self.source
        )
        self.place(xy, None)

    def place(self, xy: NDArray[np.float32], sizes: NDArray[np.uint8] | None) -> None:
        """Take other coordinates and size classes; sent with the next paint."""
        self._xy = xy
        self._shuffled = _shuffle(xy)
        self._factors = None if sizes is None else np.asarray(SIZES, dtype=np.float32)[sizes]
        self.renderer.glyph.size = self._size if sizes is None else "size"

    def arrange(self, level: NDArray[np.uint8]) -> None:
        """Sort the points by level; sent with the next paint."""
        self._level = level
        self._x, self._y, self._rows = _by_level(*self._shuffled, level, len(OPACITY))
        self._rearranged = True

    def look(self, view: View) -> bool:
        """Fit the size of the discs to what is in view; the browser has all points."""
        size = point_size(int(np.count_nonzero(inside_box(self._xy, view.x, view.y))), view.side)
        if abs(size - self._size) > 0.2:
            self._size = size
            if self._factors is None:
                self.renderer.glyph.size = size
            else:
                self.source.data["size"] = size * self._factors[self._rows]
        return False

    def paint(self, rgba: NDArray[np.uint32], theme: Theme) -> None:
        """Send the colours, and the coordinates where their order changed."""
        level = self._level[self._rows]
        packed = shade(rgba[self._rows], level, theme, np.asarray(OPACITY)[level])
        fill = packed.view(np.uint8).reshape(-1, 4)
        if self._rearranged:
            factors = np.ones(len(self._rows), dtype=np.float32) if self._factors is None else self._factors[self._rows]
            self.source.data = {"x": self._x, "y": self._y, "fill": fill, "size": self._size * factors}
            self._rearranged = False
        else:
            self.source.data["fill"] = fill


class RasterLayer:
    """An image: each pixel's topmost point is found here, and its colour then looked up."""

    def __init__(self, plot: figure, xy: NDArray[np.float32], view: View) -> None:
        self._view = view
        self.place(xy, None)
        self.source = ColumnDataSource({"image": [], "x": [], "y": [], "dw": [], "dh": []})
        self.renderer: GlyphRenderer = plot.image_rgba("image", "x", "y", "dw", "dh", source=self.source)

    def place(self, xy: NDArray[np.float32], sizes: NDArray[np.uint8] | None) -> None:
        """Take other coordinates and size classes; aggregated with the next paint."""
        self._xy = xy
        self._sizes = sizes
        self._stale = True

    def arrange(self, level: NDArray[np.uint8]) -> None:
        """Sort the points by level; aggregated with the next paint."""
        self._level = level
        self._stale = True

    def look(self, view: View) -> bool:
        """Take another view; aggregated with the next paint."""
        self._view = view
        self._stale = True
        return True

    def paint(self, rgba: NDArray[np.uint32], theme: Theme) -> None:
        """Send the image; only its colours are new if neither view nor levels changed."""
        if self._stale:  # the sorted points are not kept: each page on a server would hold its own
            points = _by_level(*_shuffle(self._xy), self._level, len(OPACITY))
            self._rows, self._alpha = _aggregate(points, self._level, self._view, self._sizes)
            self._stale = False
        image = _coloured(self._rows, self._alpha, rgba, self._level, theme)
        (x0, x1), (y0, y1) = self._view.x, self._view.y
        self.source.data = {"image": [image], "x": [x0], "y": [y0], "dw": [x1 - x0], "dh": [y1 - y0]}


def make_layer(plot: figure, xy: NDArray[np.float32], view: View) -> Layer:
    """The way of drawing that suits the number of points ``xy`` (N, 2)."""
    return ScatterLayer(plot, xy, view) if len(xy) <= SCATTER_MAX else RasterLayer(plot, xy, view)


def picture(
    xy: NDArray[np.float32],
    rgba: NDArray[np.uint32],
    level: NDArray[np.uint8],
    sizes: NDArray[np.uint8] | None,
    view: View,
    theme: Theme,
) -> NDArray[np.uint8]:
    """What the raster of ``view`` looks like, as (height, width, 4) RGBA, the highest y last."""
    rows, alpha = _aggregate(_by_level(*_shuffle(xy), level, len(OPACITY)), level, view, sizes)
    return _coloured(rows, alpha, rgba, level, theme).view(np.uint8).reshape(*rows.shape, 4)


def _coloured(
    rows: NDArray[np.int32],
    alpha: NDArray[np.uint8],
    rgba: NDArray[np.uint32],
    level: NDArray[np.uint8],
    theme: Theme,
) -> NDArray[np.uint32]:
    drawn = rows >= 0
    image = np.zeros(rows.shape, dtype=np.uint32)
    image[drawn] = shade(rgba[rows[drawn]], level[rows[drawn]], theme, alpha[drawn] / 255.0)
    return image


def _shuffle(xy: NDArray[np.float32]) -> _Columns:
    """Columns x, y and row of the points (N, 2), in the same random order each time."""
    rows = _order(len(xy))
    return xy[rows, 0], xy[rows, 1], rows


@lru_cache(maxsize=2)
def _order(n: int) -> NDArray[np.int32]:
    """The rows of n points in their random order."""
    return np.random.default_rng(0).permutation(n).astype(np.int32)


@nb.njit(cache=True, nogil=True)
def _by_level(x: Any, y: Any, rows: Any, level: Any, n_levels: int) -> Any:
    """Sort the columns by rising ``level`` of the row; equal levels keep their order."""
    place = np.zeros(n_levels + 1, np.int64)
    for row in rows:
        place[level[row] + 1] += 1
    place = np.cumsum(place)
    sorted_x, sorted_y, sorted_rows = np.empty_like(x), np.empty_like(y), np.empty_like(rows)
    for i in range(rows.size):
        k = place[level[rows[i]]]
        place[level[rows[i]]] += 1
        sorted_x[k], sorted_y[k], sorted_rows[k] = x[i], y[i], rows[i]
    return sorted_x, sorted_y, sorted_rows


def _aggregate(
    columns: _Columns, level: NDArray[np.uint8], view: View, sizes: NDArray[np.uint8] | None = None
) -> tuple[NDArray[np.int32], NDArray[np.uint8]]:
    """Row (height, width) of the point seen at each pixel, -1 for none, and its opacity in parts of 255.

    Of the points in ``columns``, later ones lie above earlier ones; ``level`` and ``sizes`` (N,) go by row.
    """
    last, count = topmost(*columns, *view.x, *view.y, view.width, view.height)
    size = point_size(int(count.sum()), view.side)
    discs = [disc(size * factor) for factor in ((1.0,) if sizes is None else SIZES)]
    start = np.cumsum([0, *(len(cover) for _, cover in discs)])
    offsets, cover = (np.concatenate(parts) for parts in zip(*discs, strict=True))
    classes = np.zeros(1, dtype=np.uint8) if sizes is None else sizes
    opacity = np.asarray(OPACITY, dtype=np.float32)
    rows, alpha = stamp(last, count, level, classes, start, offsets, cover, opacity)
    return rows, np.round(255.0 * alpha).astype(np.uint8)  # as drawn: each page on a server holds its own


def warm(n: int) -> None:
    """Compile what the drawing of ``n`` points needs."""
    level = np.zeros(2, dtype=np.uint8)
    columns = _by_level(*_shuffle(np.zeros((2, 2), dtype=np.float32)), level, len(OPACITY))
    if n > SCATTER_MAX:
        _aggregate(columns, level, View((-1.0, 1.0), (-1.0, 1.0), 8, 8))

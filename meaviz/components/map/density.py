"""The map as a picture of density: how many environments lie around each pixel, on a logarithmic scale."""

from __future__ import annotations

import numpy as np
from bokeh.models import ColumnDataSource, GlyphRenderer
from bokeh.plotting import figure
from numpy.typing import NDArray

from meaviz.components.map.hits import inside_box
from meaviz.components.map.layers import View, point_size
from meaviz.style.palette import SEQUENTIAL, Colouring, Theme, pack

LEAST, MOST = 3, 8  # pixels: the radius of the disc as large as the window that counts
DIAMETERS = 1.1  # of that radius, in those that suit as many points in view
FAINT, FULL = 0.3, 0.9  # environments at which a pixel begins to show, and at which nothing shines through
DARKEST_ON_DARK = 40  # colours at the lower end that a dark ground would swallow


def reach_of(xy: NDArray[np.float32], view: View) -> int:
    """Pixels within which environments are counted: the more of the points (N, 2) are in ``view``, the finer."""
    count = int(np.count_nonzero(inside_box(xy, view.x, view.y)))
    return round(float(np.clip(DIAMETERS * point_size(count, view.side), LEAST, MOST)))


def density(xy: NDArray[np.float32], view: View, reach: float) -> NDArray[np.float64]:
    """Environments around each pixel of ``view`` (height, width), the lowest y first.

    Each of the points ``xy`` (N, 2), NaN for none, counts by 1 - d² / 2 ``reach``² at the distance of d pixels, and not
    at all where that is below 0: alone it makes a peak of 1, and within a region of one density the sum is the number
    of environments within ``reach``. Points outside the view count as far as they reach into it.
    """
    from scipy.signal import oaconvolve  # here, for it takes a while, and most maps show points

    edge = int(np.ceil(np.sqrt(2.0) * reach))
    height, width = view.height + 2 * edge, view.width + 2 * edge
    with np.errstate(invalid="ignore"):
        column = np.floor((xy[:, 0] - view.x[0]) * view.scale[0]) + edge
        row = np.floor((xy[:, 1] - view.y[0]) * view.scale[1]) + edge
        inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    cell = row[inside].astype(np.int64) * width + column[inside].astype(np.int64)
    counts = np.bincount(cell, minlength=height * width).reshape(height, width).astype(np.float64)
    across = np.arange(-edge, edge + 1) ** 2
    window = np.maximum(1.0 - (across[:, None] + across) / (2.0 * reach**2), 0.0)
    around: NDArray[np.float64] = oaconvolve(counts, window, mode="valid")
    return around


def density_picture(
    xy: NDArray[np.float32], level: NDArray[np.uint8], view: View, theme: Theme, fineness: int = 1
) -> tuple[NDArray[np.uint32], Colouring]:
    """The picture (height, width), packed, of the points ``xy`` (N, 2), and what its colours mean.

    The points of the highest of the levels (N,) are counted, so that a selection is, or what a plan keeps; where only
    others lie is grey. A ``fineness`` of 2 gives the same picture in twice as many pixels along each side.
    """
    pixels = reach_of(xy, view)
    view = View(view.x, view.y, fineness * view.width, fineness * view.height)
    reach = fineness * pixels
    first = level == level.max()
    counted = density(xy[first], view, reach)
    low, high = 1.0, max(10.0, float(counted.max()))
    palette = SEQUENTIAL if theme.name == "light" else SEQUENTIAL[DARKEST_ON_DARK:]
    place = np.log(np.maximum(counted, low)) / np.log(high) * len(palette)
    colours = pack(palette)[np.minimum(place, len(palette) - 1).astype(np.int64)]
    alpha = _opacity(counted)
    if not first.all():
        colours, alpha = _over(colours, alpha, theme.dim, _opacity(density(xy[~first], view, reach)))
    image = colours & np.uint32(0x00FFFFFF) | np.round(255.0 * alpha).astype(np.uint32) << np.uint32(24)
    unit = f"environments within {pixels} pixels"
    rgba = np.zeros(0, dtype=np.uint32)  # points have no colours
    return image, Colouring(
        rgba, "continuous", label="Density", low=low, high=high, unit=unit, log=True, palette=palette
    )


def _opacity(counted: NDArray[np.float64]) -> NDArray[np.float64]:
    part = np.clip((counted - FAINT) / (FULL - FAINT), 0.0, 1.0)
    smooth: NDArray[np.float64] = part * part * (3.0 - 2.0 * part)
    return smooth


def _over(
    above: NDArray[np.uint32], alpha: NDArray[np.float64], below: str, other: NDArray[np.float64]
) -> tuple[NDArray[np.uint32], NDArray[np.float64]]:
    """Packed colours of opacity ``alpha`` over the colour ``below`` of opacity ``other``."""
    whole = alpha + (1.0 - alpha) * other
    share = np.divide(alpha, whole, out=np.zeros_like(alpha), where=whole > 0)[..., None]
    ground = pack([below]).view(np.uint8).astype(np.float32)
    mixed = share * np.ascontiguousarray(above).view(np.uint8).reshape(*above.shape, 4) + (1.0 - share) * ground
    return np.round(mixed).astype(np.uint8).view(np.uint32)[..., 0], whole


class DensityLayer:
    """The density of the points as an image, made anew for every view."""

    def __init__(self, plot: figure) -> None:
        self.source = ColumnDataSource({"image": [], "x": [], "y": [], "dw": [], "dh": []})
        self.renderer: GlyphRenderer = plot.image_rgba("image", "x", "y", "dw", "dh", source=self.source, visible=False)
        self.colouring: Colouring | None = None  # of what was painted last

    def place(self, xy: NDArray[np.float32], sizes: NDArray[np.uint8] | None) -> None:
        """Take other coordinates; a point counts as one, whatever its size."""
        self._xy = xy

    def arrange(self, level: NDArray[np.uint8]) -> None:
        """Take new levels."""
        self._level = level

    def look(self, view: View) -> bool:
        """Take another view, which must be painted."""
        self._view = view
        return True

    def paint(self, rgba: NDArray[np.uint32], theme: Theme) -> None:
        """Count and send the image; colours of points play no part."""
        image, self.colouring = density_picture(self._xy, self._level, self._view, theme)
        (x0, x1), (y0, y1) = self._view.x, self._view.y
        self.source.data = {"image": [image], "x": [x0], "y": [y0], "dw": [x1 - x0], "dh": [y1 - y0]}

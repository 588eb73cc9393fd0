"""Which environments a drawn box or lasso encloses, and which lies under the pointer.

Exact, on all points: what the map happens to draw plays no part. NaN coordinates are never inside anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numba as nb
import numpy as np
from numpy.typing import NDArray

_SLABS = 512


def geometry_mask(xy: NDArray[np.float32], geometry: Mapping[str, Any]) -> NDArray[np.bool_]:
    """Points ``xy`` (N, 2) enclosed by a Bokeh selection geometry, as a mask (N,).

    ``geometry`` is ``{"type": "rect", "x0", "x1", "y0", "y1"}`` or ``{"type": "poly", "x", "y"}``, in data
    units. Raises ValueError for another type.
    """
    match geometry["type"]:
        case "rect":
            return inside_box(xy, (geometry["x0"], geometry["x1"]), (geometry["y0"], geometry["y1"]))
        case "poly":
            return inside_lasso(xy, np.column_stack([geometry["x"], geometry["y"]]))
        case other:
            raise ValueError(f"A selection geometry is a 'rect' or a 'poly', got {other!r}.")


def inside_box(xy: NDArray[np.float32], x: tuple[float, float], y: tuple[float, float]) -> NDArray[np.bool_]:
    """Points ``xy`` (N, 2) in the box, its border included; the corners may come in any order."""
    return _inside_box(xy, float(min(x)), float(max(x)), float(min(y)), float(max(y)))


def inside_lasso(xy: NDArray[np.float32], polygon: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Points ``xy`` (N, 2) that the closed ``polygon`` (V, 2) winds around at least once.

    With the winding rule a lasso whose end overlaps its beginning keeps the overlap; the even-odd rule would
    cut it out. Fewer than three vertices enclose nothing.
    """
    polygon = np.ascontiguousarray(polygon, dtype=np.float64)
    if len(polygon) < 3:
        return np.zeros(len(xy), dtype=np.bool_)
    return _inside_lasso(xy, polygon)


def nearest(xy: NDArray[np.float32], point: tuple[float, float], scale: tuple[float, float], reach: float) -> int:
    """Row of ``xy`` (N, 2) nearest to ``point`` on the screen, or -1 if none lies within ``reach`` pixels.

    ``scale`` holds pixels per data unit along x and y.
    """
    return int(_nearest(xy, float(point[0]), float(point[1]), abs(float(scale[0])), abs(float(scale[1])), float(reach)))


@nb.njit(cache=True, nogil=True)
def _inside_box(xy: Any, x0: float, x1: float, y0: float, y1: float) -> Any:
    inside = np.zeros(xy.shape[0], np.bool_)
    for i in range(xy.shape[0]):
        inside[i] = x0 <= xy[i, 0] <= x1 and y0 <= xy[i, 1] <= y1
    return inside


@nb.njit(cache=True, nogil=True)
def _inside_lasso(xy: Any, polygon: Any) -> Any:
    """Winding number by signed crossings of a ray towards +x; horizontal slabs list the edges to test."""
    n_edges = polygon.shape[0]
    x0, x1 = polygon[:, 0].min(), polygon[:, 0].max()
    y0, y1 = polygon[:, 1].min(), polygon[:, 1].max()
    inside = np.zeros(xy.shape[0], np.bool_)
    if not (x1 > x0 and y1 > y0):
        return inside
    per_unit = _SLABS / (y1 - y0)
    first = np.empty(n_edges, np.int64)
    last = np.empty(n_edges, np.int64)
    start = np.zeros(_SLABS + 1, np.int64)
    for e in range(n_edges):
        a, b = polygon[e, 1], polygon[(e + 1) % n_edges, 1]
        first[e] = min(int((min(a, b) - y0) * per_unit), _SLABS - 1)
        last[e] = min(int((max(a, b) - y0) * per_unit), _SLABS - 1)
        for s in range(first[e], last[e] + 1):
            start[s + 1] += 1
    start = np.cumsum(start)
    edges = np.empty(start[-1], np.int64)
    free = start[:-1].copy()
    for e in range(n_edges):
        for s in range(first[e], last[e] + 1):
            edges[free[s]] = e
            free[s] += 1
    for i in range(xy.shape[0]):
        x, y = np.float64(xy[i, 0]), np.float64(xy[i, 1])
        if not (x0 <= x <= x1 and y0 <= y <= y1):
            continue
        s = min(int((y - y0) * per_unit), _SLABS - 1)
        winding = 0
        for k in range(start[s], start[s + 1]):
            e = edges[k]
            ax, ay = polygon[e, 0], polygon[e, 1]
            bx, by = polygon[(e + 1) % n_edges, 0], polygon[(e + 1) % n_edges, 1]
            if (ay > y) != (by > y):
                side = (bx - ax) * (y - ay) - (x - ax) * (by - ay)
                if by > ay and side > 0:
                    winding += 1
                elif by < ay and side < 0:
                    winding -= 1
        inside[i] = winding != 0
    return inside


@nb.njit(cache=True, nogil=True)
def _nearest(xy: Any, x: float, y: float, per_x: float, per_y: float, reach: float) -> int:
    best, square = -1, reach * reach
    for i in range(xy.shape[0]):
        dx, dy = (xy[i, 0] - x) * per_x, (xy[i, 1] - y) * per_y
        d = dx * dx + dy * dy
        if d <= square:
            best, square = i, d
    return best


def warm() -> None:
    """Compile the kernels (or load them from numba's cache), so that the first gesture does not wait."""
    xy = np.zeros((1, 2), dtype=np.float32)
    inside_box(xy, (0.0, 1.0), (0.0, 1.0))
    inside_lasso(xy, np.array([[-1.0, -1.0], [1.0, -1.0], [0.0, 1.0]]))
    nearest(xy, (0.0, 0.0), (1.0, 1.0), 1.0)

"""Points on pixels: which lies on top, and the discs that they are drawn as."""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np
from numpy.typing import NDArray


@nb.njit(cache=True, nogil=True)
def topmost(
    x: Any, y: Any, rows: Any, low_x: float, high_x: float, low_y: float, high_y: float, width: int, height: int
) -> Any:
    """Row (height, width) of the last point on each pixel, -1 for none, and how many lie on it."""
    last, count = np.full((height, width), -1, np.int32), np.zeros((height, width), np.int64)
    along, up = width / (high_x - low_x), height / (high_y - low_y)
    for k in range(rows.size):
        if low_x <= x[k] <= high_x and low_y <= y[k] <= high_y:  # and so not NaN
            j = min(int((x[k] - low_x) * along), width - 1)
            i = min(int((y[k] - low_y) * up), height - 1)
            last[i, j] = rows[k]
            count[i, j] += 1
    return last, count


def disc(diameter: float) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Pixel offsets (K, 2) of a disc and how much of each pixel it covers (K,).

    A disc of two pixels is centred on a corner of four, since a cross around one pixel looks like a cross.
    """
    radius, fine = diameter / 2, 8
    centre = 0.5 if round(diameter) == 2 else 0.0
    span = np.arange(-int(np.ceil(radius)), int(np.ceil(radius)) + 2)
    within = (np.arange(fine) + 0.5) / fine - 0.5  # sample points of a pixel
    samples = (span[:, None] + within - centre).ravel()
    filled = np.hypot(*np.meshgrid(samples, samples, indexing="ij")) <= radius
    cover = filled.reshape(len(span), fine, len(span), fine).mean(axis=(1, 3))
    offsets = np.stack(np.meshgrid(span, span, indexing="ij"), axis=-1)
    touched = cover > 0.02
    return offsets[touched].astype(np.int64), cover[touched].astype(np.float32)


@nb.njit(cache=True, nogil=True)
def stamp(rows: Any, count: Any, level: Any, classes: Any, start: Any, offsets: Any, cover: Any, opacity: Any) -> Any:
    """Grow every occupied pixel to a disc and lay the discs over each other.

    ``classes`` (N,) are size classes, or (1,) where all are alike; the disc of class c is ``start[c]`` to
    ``start[c + 1]`` of ``offsets`` and ``cover``.

    A pixel shows the disc of the highest level that covers at least half of it, or else the one that covers
    most; its opacity is that of all discs on it together, as if each had been drawn.
    """
    height, width = rows.shape
    top = np.full((height, width), -1, np.int32)
    best = np.zeros((height, width), np.float32)  # rank of the disc seen so far: level and cover
    clear = np.ones((height, width), np.float32)
    for i in range(height):
        for j in range(width):
            row = rows[i, j]
            if row < 0:
                continue
            one = opacity[level[row]]
            size = classes[row] if classes.size > 1 else classes[0]
            for k in range(start[size], start[size + 1]):
                a, b = i + offsets[k, 0], j + offsets[k, 1]
                if a < 0 or b < 0 or a >= height or b >= width:
                    continue
                clear[a, b] *= (1.0 - one * cover[k]) ** count[i, j]
                rank = cover[k]
                if rank >= 0.5:
                    rank += 1.0 + level[row]
                if rank > best[a, b]:
                    best[a, b] = rank
                    top[a, b] = row
    return top, np.float32(1.0) - clear

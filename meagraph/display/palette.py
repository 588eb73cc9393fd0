"""A palette of any length, safe for colour-blind eyes, and colours as packed integers.

A packed colour is ``r | g << 8 | b << 16 | a << 24``: the four bytes lie in memory in the order r, g, b, a on a
little-endian machine, which is what browsers expect.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from meagraph.display.pictures import CATEGORIES

_RGB_TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)  # linear sRGB, IEC 61966-2-1
_WHITE = _RGB_TO_XYZ.sum(axis=1)  # D65
_POOL, _SPREAD = 800, 128  # colours to choose from, and how many are chosen to lie far apart


def palette(n: int) -> tuple[str, ...]:
    """Return ``n`` colours ``#RRGGBB``; a longer palette begins with the shorter one.

    The first 12 are told apart by colour-blind eyes too, the first 24 by most; up to 128 each is the farthest
    from all before it. From there on lightness, chroma and hue follow the R3 sequence, which fills the colour
    solid evenly: no colour repeats and neighbours in the list lie far apart, but no eye tells a thousand of
    them from each other.
    """
    if n < 0:
        raise ValueError(f"palette expects a number of colours of 0 or more, got {n}.")
    return _palette(1 << max(n - 1, 0).bit_length())[:n]


@lru_cache(maxsize=32)
def _palette(size: int) -> tuple[str, ...]:
    if size <= len(CATEGORIES):
        return CATEGORIES[:size]
    root = 1.2207440846057596  # solves x**4 = x + 1 (M. Roberts, 2018)
    steps = (0.5 + np.outer(np.arange(2 * max(size, _POOL)), [1 / root, 1 / root**2, 1 / root**3])) % 1.0
    hue, lightness, chroma = 2 * np.pi * steps[:, 0], 38 + 42 * steps[:, 1], 30 + 28 * steps[:, 2]
    linear = _lab_to_linear(np.stack([lightness, chroma * np.cos(hue), chroma * np.sin(hue)], axis=1))
    linear = linear[((linear >= 0) & (linear <= 1)).all(axis=1)]  # what a screen can show: seven in ten
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    rest = [f"#{r:02X}{g:02X}{b:02X}" for r, g, b in np.round(255 * encoded).astype(int)]
    spread = _farthest(CATEGORIES, rest[:_POOL], _SPREAD)
    return tuple(dict.fromkeys((*spread, *rest)))[:size]


def _farthest(chosen: Sequence[str], pool: Sequence[str], n: int) -> list[str]:
    """Extend ``chosen`` to ``n`` colours, each the one of ``pool`` farthest from all before it."""
    chosen, lab = list(chosen), _lab(pool)
    distance = np.linalg.norm(lab[:, None] - _lab(chosen)[None], axis=-1).min(axis=1)
    while len(chosen) < n:
        best = int(distance.argmax())
        chosen.append(pool[best])
        distance = np.minimum(distance, np.linalg.norm(lab - lab[best], axis=1))
    return chosen


def _lab(colours: Sequence[str]) -> NDArray[np.float64]:
    """CIELAB (K, 3), D65, of ``#RRGGBB``."""
    encoded = pack(colours).view(np.uint8).reshape(-1, 4)[:, :3] / 255
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    f = np.cbrt(linear @ _RGB_TO_XYZ.T / _WHITE)  # no colour of ours is dark enough for the linear piece
    return np.asarray(np.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], axis=1))


def _lab_to_linear(lab: NDArray[np.float64]) -> NDArray[np.float64]:
    """CIELAB (K, 3), D65, to linear sRGB (K, 3); outside 0..1 where the screen cannot show it."""
    fy = (lab[:, 0] + 16) / 116
    f = np.stack([fy + lab[:, 1] / 500, fy, fy - lab[:, 2] / 200], axis=1)
    xyz = _WHITE * np.where(f > 6 / 29, f**3, 3 * (6 / 29) ** 2 * (f - 4 / 29))
    return np.asarray(xyz @ np.linalg.inv(_RGB_TO_XYZ).T)


def pack(colours: Sequence[str]) -> NDArray[np.uint32]:
    """Pack ``#rrggbb`` strings into opaque RGBA integers (K,)."""
    rgb = np.array([int(colour.lstrip("#"), 16) for colour in colours], dtype=np.uint32)
    return (rgb >> 16 | rgb & 0xFF00 | (rgb & 0xFF) << 16 | 0xFF000000).astype(np.uint32)

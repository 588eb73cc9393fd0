"""Colours of the app: themes, a palette safe for colour-blind eyes, and what colours the environments.

A colour of an environment is a packed RGBA integer, ``r | g << 8 | b << 16 | a << 24``: the four bytes lie in
memory in the order r, g, b, a on a little-endian machine, which is what browsers expect.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np
from bokeh.palettes import Viridis256
from numpy.typing import ArrayLike, NDArray

from meagraph.display.pictures import CATEGORIES


@dataclass(frozen=True, eq=False)
class Theme:
    """Colours and font of one appearance; every colour is ``#rrggbb``."""

    name: Literal["light", "dark"]
    text: str
    muted: str  # secondary text: axis names, counts
    surface: str  # behind plots
    raised: str  # behind tooltips and cards
    border: str
    accent: str
    good: str
    warning: str
    bad: str
    dim: str  # environments outside the selection
    font: str = "Roboto, 'Helvetica Neue', Helvetica, Arial, sans-serif"


LIGHT = Theme(
    name="light",
    text="#1B1F24",
    muted="#5B6570",
    surface="#FFFFFF",
    raised="#FFFFFF",
    border="#D5DAE0",
    accent="#0072B2",
    good="#007A59",
    warning="#A05A00",
    bad="#C0392B",
    dim="#D0D6DC",
)
DARK = Theme(
    name="dark",
    text="#E8EBEE",
    muted="#9DA7B1",
    surface="#14171B",
    raised="#22272E",
    border="#3A424C",
    accent="#56B4E9",
    good="#35C69A",
    warning="#F0B04F",
    bad="#FF7B6B",
    dim="#3C444D",
)


def theme(dark: bool) -> Theme:
    """Return the tokens of the dark or the light appearance."""
    return DARK if dark else LIGHT


NEUTRAL = "#B0B5BA"  # noise, unclustered, no value: grey in either theme, never a category

KNOWN, KNOWN_GREY = "Known already", "#8A939C"  # a darker grey, in either theme

# without the darkest violet, lost on a dark surface, and the brightest yellow, lost on a white one
SEQUENTIAL: tuple[str, ...] = tuple(Viridis256[20:251])

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
    return np.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], axis=1)


def _lab_to_linear(lab: NDArray[np.float64]) -> NDArray[np.float64]:
    """CIELAB (K, 3), D65, to linear sRGB (K, 3); outside 0..1 where the screen cannot show it."""
    fy = (lab[:, 0] + 16) / 116
    f = np.stack([fy + lab[:, 1] / 500, fy, fy - lab[:, 2] / 200], axis=1)
    xyz = _WHITE * np.where(f > 6 / 29, f**3, 3 * (6 / 29) ** 2 * (f - 4 / 29))
    return xyz @ np.linalg.inv(_RGB_TO_XYZ).T


def pack(colours: Sequence[str]) -> NDArray[np.uint32]:
    """Pack ``#rrggbb`` strings into opaque RGBA integers (K,)."""
    rgb = np.array([int(colour.lstrip("#"), 16) for colour in colours], dtype=np.uint32)
    return (rgb >> 16 | rgb & 0xFF00 | (rgb & 0xFF) << 16 | 0xFF000000).astype(np.uint32)


def rgb24(rgba: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Packed RGBA (N,) to ``0xRRGGBB`` (N,), which the 3D viewer takes; alpha is dropped."""
    rgba = np.asarray(rgba, dtype=np.uint32)
    return ((rgba & 0xFF) << 16 | rgba & 0xFF00 | rgba >> 16 & 0xFF).astype(np.uint32)


class Entry(NamedTuple):
    """One line of a categorical legend."""

    name: str
    colour: str  # #RRGGBB
    size: int  # environments


@dataclass(frozen=True, eq=False)
class Colouring:
    """A colour for each of N environments and what a legend needs to explain it."""

    rgba: NDArray[np.uint32]  # (N,) packed
    kind: Literal["categorical", "continuous"]
    label: str  # what is coloured: "Configuration type", "Energy"
    entries: tuple[Entry, ...] = ()  # categorical: by falling count, noise last
    low: float = float("nan")  # continuous: value of the first colour of the palette
    high: float = float("nan")  # and of the last
    unit: str = ""
    log: bool = False
    palette: tuple[str, ...] = field(default=(), repr=False)
    missing: int = 0  # continuous: environments without a value, in neutral grey

    @classmethod
    def categorical(
        cls,
        codes: ArrayLike,
        names: Sequence[str],
        *,
        label: str = "",
        noise: str = "Unclustered",
        known: NDArray[np.bool_] | None = None,
    ) -> Colouring:
        """Colour by category: ``codes`` (N,) index ``names``, -1 is noise and neutral grey.

        What is ``known`` (N,) already is grey, too, a darker one, and an entry of its own at the end.
        A category keeps its colour, ``palette(len(names))[code]``, whatever its size. Names with no
        environment do not appear in the entries. Raises ValueError for a code outside ``names``.
        """
        codes = np.asarray(codes)
        if codes.size and not (codes.min() >= -1 and codes.max() < len(names)):
            raise ValueError(
                f"categorical expects codes from -1 to {len(names) - 1} for {len(names)} names, "
                f"got {codes.min()} to {codes.max()}."
            )
        colours = palette(len(names))
        shown = codes if known is None else codes[~known]
        counts = np.bincount(shown.astype(np.int64) + 1, minlength=len(names) + 1)
        order = np.argsort(-counts[1:], kind="stable")
        entries = [Entry(str(names[i]), colours[i], int(counts[i + 1])) for i in order if counts[i + 1]]
        if counts[0]:
            entries.append(Entry(noise, NEUTRAL, int(counts[0])))
        rgba = pack((*colours, NEUTRAL))[codes]  # code -1 is the last
        if known is not None:
            rgba[known] = pack([KNOWN_GREY])[0]
            entries.append(Entry(KNOWN, KNOWN_GREY, int(known.sum())))
        return cls(rgba=rgba, kind="categorical", label=label, entries=tuple(entries))

    @classmethod
    def continuous(
        cls, values: ArrayLike, *, label: str, unit: str, log: bool = False, known: NDArray[np.bool_] | None = None
    ) -> Colouring:
        """Colour by ``values`` (N,) in ``unit`` from the 1st to the 99th percentile; beyond, the end colours.

        What has no finite value, or with ``log`` none above 0, is neutral grey and counted in ``missing``; so is what
        is ``known`` (N,) already.
        """
        values = np.asarray(values, dtype=np.float64)
        valid = np.isfinite(values) & (values > 0) if log else np.isfinite(values)
        if known is not None:
            valid &= ~known
        finite = values[valid]
        low, high = _robust_range(finite)
        scale = np.log if log else np.asarray
        table = pack((*SEQUENTIAL, NEUTRAL))
        index = np.full(values.shape, len(SEQUENTIAL), dtype=np.int64)
        if finite.size:
            start, stop = float(scale(low)), float(scale(high))
            fraction = (scale(finite) - start) / (stop - start) if stop > start else np.full(finite.shape, 0.5)
            index[valid] = np.clip(fraction * len(SEQUENTIAL), 0, len(SEQUENTIAL) - 1).astype(np.int64)
        return cls(
            rgba=table[index],
            kind="continuous",
            label=label,
            low=low,
            high=high,
            unit=unit,
            log=log,
            palette=SEQUENTIAL,
            missing=int(values.size - finite.size),
        )


def _robust_range(values: NDArray[np.float64]) -> tuple[float, float]:
    """1st and 99th percentile; the extremes where these coincide; NaN without values."""
    if not values.size:
        return float("nan"), float("nan")
    low, high = (float(q) for q in np.percentile(values, [1, 99]))
    return (low, high) if high > low else (float(values.min()), float(values.max()))

"""Colours of the app: themes, and what colours the environments; the palette itself is the library's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np
from bokeh.palettes import Viridis256
from numpy.typing import ArrayLike, NDArray

from meagraph.display.palette import pack as pack
from meagraph.display.palette import palette as palette


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

"""What the colours of the map mean: a list of categories with their counts, or a colour bar."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from bokeh.models import ColorMapper, ColumnDataSource, FixedTicker, LinearColorMapper, LogColorMapper
from bokeh.models.annotations import ColorBar, Legend, LegendItem
from bokeh.plotting import figure

from meaviz.style import NEUTRAL, Colouring, Entry, Theme

MOST_ENTRIES = 12
LONGEST_NAME = 22
WIDTH = 200  # reserved at the right, so that the map keeps its shape when the colouring changes
# Material UI's theme for Bokeh writes larger sizes into the models; a map needs the room
_STYLESHEET = """
.bk-title { font-size: 12px !important; font-weight: bold !important }
.bk-label { font-size: 12px !important }
.bk-grid { gap: 3px !important }
"""


def shorten(name: str, length: int = LONGEST_NAME) -> str:
    """Cut the middle out of a long name: its ends tell more."""
    if len(name) <= length:
        return name
    head = (length - 1) * 2 // 3
    return f"{name[:head]}…{name[len(name) - (length - 1 - head) :]}"


def bar_ticks(low: float, high: float, log: bool) -> dict[float, str]:
    """Positions and labels of about five round values from ``low`` to ``high``; one if they coincide."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return {}
    if high <= low:
        return {low: _number(low, abs(low) * 1e-4)}
    if log and high / low >= 10:
        return _log_ticks(low, high)
    raw = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= raw * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return {i * step: _number(i * step, step) for i in range(first, last + 1)}


def _log_ticks(low: float, high: float) -> dict[float, str]:
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    stride = max(1, (last - first) // 5)
    factors = (1, 2, 5) if last - first <= 3 else (1,)
    values = [factor * 10.0**p for p in range(first, last + 1, stride) for factor in factors]
    return {value: _number(value, value) for value in values if low <= value * (1 + 1e-9) and value <= high}


def _number(value: float, step: float) -> str:
    """``value`` with the digits that tell it from its neighbours a ``step`` away."""
    if value == 0 or step == 0:
        return "0"
    power = math.floor(math.log10(step) + 1e-9)
    digits = 0 if math.isclose(step / 10.0**power, round(step / 10.0**power)) else 1  # one more for 2.5
    if -5 <= power < 6:
        text = f"{value:,.{max(0, digits - power)}f}"
    else:
        digits += max(0, math.floor(math.log10(abs(value)) + 1e-9) - power)
        mantissa, exponent = f"{value:.{digits}e}".split("e")
        text = _power_of_ten(mantissa, int(exponent))
    return text.replace("-", "\N{MINUS SIGN}")


def _power_of_ten(mantissa: str, exponent: int) -> str:
    raised = str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"10{raised}" if mantissa == "1" else f"{mantissa}×10{raised}"


def listed_entries(entries: Sequence[Entry]) -> tuple[list[Entry], list[Entry]]:
    """The entries a legend has room for, noise always among them, and the rest."""
    if len(entries) <= MOST_ENTRIES:
        return list(entries), []
    noise = [entry for entry in entries if entry.colour == NEUTRAL]
    categories = [entry for entry in entries if entry.colour != NEUTRAL]
    room = MOST_ENTRIES - 1 - len(noise)
    return categories[:room] + noise, categories[room:]


class MapLegend:
    """Owns the right side of a figure."""

    def __init__(self, plot: figure) -> None:
        self._plot = plot
        self._swatches = ColumnDataSource({"x": [], "y": [], "fill": []})
        self._renderer: Any = plot.scatter(
            "x", "y", fill_color="fill", line_color=None, size=11, source=self._swatches
        )  # drawn nowhere: it lends its glyphs to the legend
        plot.min_border_right = WIDTH

    def show(self, colouring: Colouring | None, theme: Theme) -> None:
        """Explain ``colouring``; None explains nothing."""
        if colouring is None:
            self._plot.right = []
        elif colouring.kind == "categorical":
            self._plot.right = [self._categories(colouring, theme)]
        else:
            self._plot.right = [self._bar(colouring, theme)]

    def _categories(self, colouring: Colouring, theme: Theme) -> Legend:
        listed, rest = listed_entries(colouring.entries)
        nowhere = [math.nan] * len(listed)
        self._swatches.data = {"x": nowhere, "y": nowhere, "fill": [entry.colour for entry in listed]}
        items = [
            LegendItem(label=f"{shorten(entry.name)}  {entry.size:,}", renderers=[self._renderer], index=i)
            for i, entry in enumerate(listed)
        ]
        if rest:
            count = sum(entry.size for entry in rest)
            items.append(LegendItem(label=f"+ {len(rest):,} more  {count:,}", renderers=[]))
        return Legend(
            items=items,
            title=shorten(colouring.label, 28) or None,
            location="top_left",
            stylesheets=[_STYLESHEET],
            glyph_width=16,
            glyph_height=16,
            spacing=3,
            margin=6,
            background_fill_color=None,
            border_line_color=None,
            label_text_font=theme.font,
            label_text_font_size="12px",
            label_text_color=theme.text,
            title_text_font=theme.font,
            title_text_font_size="12px",
            title_text_font_style="bold",
            title_text_color=theme.muted,
        )

    def _bar(self, colouring: Colouring, theme: Theme) -> ColorBar:
        low, high = colouring.low, colouring.high
        ticks = bar_ticks(low, high, colouring.log)
        if not math.isfinite(low):
            low, high = (1.0, 10.0) if colouring.log else (0.0, 1.0)
        elif high <= low:
            low, high = (low / 2, low * 2) if colouring.log else (low - 0.5, low + 0.5)
        mapper_type: type[ColorMapper] = LogColorMapper if colouring.log else LinearColorMapper
        labels: dict[Any, Any] = dict(ticks)
        title = f"{colouring.label} ({colouring.unit})" if colouring.unit else colouring.label
        if colouring.missing:
            title += f"\n{colouring.missing:,} without a value: grey"
        return ColorBar(
            color_mapper=mapper_type(palette=list(colouring.palette), low=low, high=high),
            ticker=FixedTicker(ticks=list(ticks)),
            major_label_overrides=labels,
            title=title,
            width=14,
            height=260,
            location="top_left",
            padding=4,
            background_fill_color=None,
            bar_line_color=None,
            border_line_color=None,
            major_tick_line_color=theme.muted,
            major_tick_in=0,
            major_tick_out=4,
            major_label_text_font=theme.font,
            major_label_text_font_size="12px",
            major_label_text_color=theme.text,
            title_text_font=theme.font,
            title_text_font_size="12px",
            title_text_font_style="bold",
            title_text_color=theme.muted,
            title_standoff=10,
        )

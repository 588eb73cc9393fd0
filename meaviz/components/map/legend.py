"""What the colours of the map mean: a list of categories with their counts, or a colour bar."""

from __future__ import annotations

import math
from collections.abc import Sequence

from markupsafe import Markup

from meaviz.style.palette import NEUTRAL, Colouring, Entry, Theme
from meaviz.style.text import TextPane, join, markup

MOST_ENTRIES = 12
LONGEST_NAME = 19
WIDTH = 200  # reserved at the right, so that the map keeps its shape when the colouring changes
TOP, GAP = 6, 6  # pixels above and below the legend, and beside it
UNDER_TOOLS = 46  # pixels from above where it floats, below the tools of the map
_BESIDE = {
    "position": "absolute",
    "right": f"{GAP}px",
    "top": f"{TOP}px",
    "height": f"calc(100% - {2 * TOP}px)",
    **dict.fromkeys(("background", "border", "border-radius", "padding", "max-height"), "unset"),
}
_STYLESHEET = """
:host { pointer-events: none; overflow: hidden }
div:has(> .legend) { height: 100% }
.legend { display: flex; flex-direction: column; height: 100%; font-size: 12px; line-height: 17px; color: var(--text) }
b { color: var(--muted) }
em { color: var(--muted); font-style: normal }
.entry { display: flex; align-items: center; white-space: nowrap; flex: none; pointer-events: auto }
.entry { width: calc(100% - 18px) } /* what the card around it takes of the pane's width */
.entry span { overflow: hidden; text-overflow: ellipsis; min-width: 0 }
i { flex: none; width: 9px; height: 9px; border-radius: 50%; margin: 0 9px 0 4px }
.bar { position: relative; flex: 0 1 260px; min-height: 60px; width: 14px; margin: 8px 0 8px 2px }
.bar span { position: absolute; left: 19px; transform: translateY(50%); white-space: nowrap; line-height: 1 }
.bar span::before { content: ""; position: absolute; left: -5px; top: 50%; width: 4px }
.bar span::before { border-top: 1px solid var(--muted) }
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


def floating_card(theme: Theme) -> dict[str, str]:
    """Styles of what floats on the map."""
    return {
        "background": f"color-mix(in srgb, {theme.raised} 88%, transparent)",
        "border": f"1px solid {theme.border}",
        "border-radius": "8px",
        "padding": "8px 0 8px 10px",
        "box-sizing": "border-box",
    }


class MapLegend:
    """The legend at the right side of a map.

    It is no part of the figure: other annotations there would make Bokeh look through all models of the page and lay
    the figure out again, half a second for a change of colours.
    """

    def __init__(self) -> None:
        self.pane = TextPane(
            "",
            margin=0,
            width=WIDTH - 2 * GAP,
            css_classes=["map-legend"],
            stylesheets=[_STYLESHEET],
            styles=_BESIDE,
        )

    def set_floating(self, floating: bool, theme: Theme) -> None:
        """Lie on the map, as a card in the colours of ``theme``, or beside it."""
        card = {"top": f"{UNDER_TOOLS}px", "height": "auto", "max-height": f"calc(100% - {2 * UNDER_TOOLS}px)"}
        self.pane.styles = {**_BESIDE, **card, **floating_card(theme)} if floating else _BESIDE

    def show(self, colouring: Colouring | None, theme: Theme) -> None:
        """Explain ``colouring``; None explains nothing."""
        self.pane.object = "" if colouring is None else legend_html(colouring, theme)


def legend_html(colouring: Colouring, theme: Theme) -> Markup:
    """The legend of ``colouring`` as HTML in the colours of ``theme``."""
    style = f"--text:{theme.text};--muted:{theme.muted};font-family:{theme.font}"
    content = _categories(colouring) if colouring.kind == "categorical" else _bar(colouring)
    return markup('<div class="legend" style="{}">{}</div>', style, content)


def _categories(colouring: Colouring) -> Markup:
    listed, rest = listed_entries(colouring.entries)
    rows = [
        markup(
            '<div class="entry" title="{}"><i style="background:{}"></i><span>{}</span>&ensp;{:,}</div>',
            entry.name,
            entry.colour,
            shorten(entry.name),
            entry.size,
        )
        for entry in listed
    ]
    if rest:
        size = sum(entry.size for entry in rest)
        rows.append(markup('<div class="entry"><i></i><span>+ {:,} more</span>&ensp;{:,}</div>', len(rest), size))
    if colouring.label:
        rows.insert(0, markup('<b title="{}">{}</b>', colouring.label, shorten(colouring.label, 28)))
    return join(rows)


def _bar(colouring: Colouring) -> Markup:
    """A bar of the colours, and round values beside it where they lie along it."""
    low, high = colouring.low, colouring.high
    place = math.log if colouring.log else float
    labels = Markup()
    for value, text in bar_ticks(low, high, colouring.log).items():  # of one value in the middle
        part = (place(value) - place(low)) / (place(high) - place(low)) if high > low else 0.5
        labels += markup('<span style="bottom:{:.2f}%">{}</span>', 100 * part, text)
    unit = f" ({colouring.unit})" if colouring.unit else ""
    missing = markup("<em>{:,} without a value: grey</em>", colouring.missing) if colouring.missing else ""
    return markup(
        '<b>{}</b>{}<div class="bar" style="background:linear-gradient(to top,{})">{}</div>',
        colouring.label + unit,
        missing,
        ",".join(colouring.palette),
        labels,
    )

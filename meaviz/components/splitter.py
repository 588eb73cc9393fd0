"""The bar between two panes of the page, whose place the browser remembers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import param
from panel.custom import JSComponent

THICKNESS = 10  # pixels; the gap between two panes

_STYLE = """
:host { display: flex }
.bar { flex: 1; align-self: stretch; height: 100%; position: relative; touch-action: none; outline: none }
.bar::after { content: ""; position: absolute; border-radius: 2px; background: #8a949e; opacity: .35 }
.bar.vertical { cursor: col-resize }
.bar.vertical::after { left: 4px; right: 4px; top: calc(50% - 20px); height: 40px }
.bar.horizontal { cursor: row-resize }
.bar.horizontal::after { top: 4px; bottom: 4px; left: calc(50% - 20px); width: 40px }
.bar:hover::after, .bar.held::after { opacity: 1 }
.bar:focus-visible { box-shadow: inset 0 0 0 2px var(--mui-palette-primary-main, #0072b2); border-radius: 3px }
.bar:focus-visible::after { opacity: 1 }
"""


class Splitter(JSComponent):
    """Sets the CSS variable ``--pane-<pane>``: the share of the pane before it in per cent, or its width in pixels.

    The panes are the neighbours of the bar in a row or column; :func:`before` and :func:`after` style them.
    """

    pane = param.String(constant=True, doc="The name under which the browser remembers the place.")
    label = param.String(doc="What is resized, for screen readers and the tooltip.")
    orientation = param.Selector(default="vertical", objects=["vertical", "horizontal"], doc="Of the bar.")
    initial = param.Number(default=50.0, doc="Where it stands at first, and after a reset.")
    low = param.Number(default=20.0)
    high = param.Number(default=80.0)
    pixels = param.Boolean(default=False, doc="The place is in pixels from the left of the window, not in per cent.")
    value = param.Number(default=50.0, doc="Where it stands.")

    _esm = Path(__file__).with_suffix(".js")
    _stylesheets = [_STYLE]

    def __init__(self, **values: Any) -> None:
        values.setdefault("value", values.get("initial", 50.0))
        upright = values.get("orientation", "vertical") == "vertical"
        size = {"width": THICKNESS, "sizing_mode": "stretch_height"}
        flat = {"height": THICKNESS, "sizing_mode": "stretch_width"}
        super().__init__(**{**(size if upright else flat), "margin": 0, **values})


def before(pane: str, initial: float) -> dict[str, str]:
    """Styles of the pane before the bar of this name."""
    return {"flex": f"var(--pane-{pane}, {initial}) 1 0"}


def after(pane: str, initial: float) -> dict[str, str]:
    """Styles of the pane after the bar of this name."""
    return {"flex": f"calc(100 - var(--pane-{pane}, {initial})) 1 0"}

"""A tour of the page on the first start."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import param
from panel.custom import JSComponent

from meaviz.style.palette import DARK, LIGHT

STORE = "meaviz.tour"  # key of the browser's storage; whatever it holds, the tour does not start by itself

_STYLE = f"""
.layer {{ position: fixed; inset: 0; z-index: 2000; font-family: {LIGHT.font} }}
.layer.plain {{ background: rgb(0 0 0 / .55) }}
.light {{ position: fixed; border-radius: 8px; box-shadow: 0 0 0 200vmax rgb(0 0 0 / .55), 0 0 0 3px {DARK.accent} }}
.box {{ position: fixed; width: 340px; max-width: calc(100vw - 24px); box-sizing: border-box; padding: 16px 18px;
  border-radius: 8px; background: {LIGHT.raised}; color: {LIGHT.text}; box-shadow: 0 6px 30px rgb(0 0 0 / .4) }}
.dark .box {{ background: {DARK.raised}; color: {DARK.text} }}
.count {{ font-size: 12px; color: {LIGHT.muted} }}
.dark .count {{ color: {DARK.muted} }}
h2 {{ font-size: 16px; font-weight: 600; margin: 2px 0 6px }}
p {{ font-size: 14px; line-height: 1.5; margin: 0 0 14px }}
.buttons {{ display: flex; gap: 8px }}
button {{ font: 500 14px {LIGHT.font}; padding: 6px 14px; border-radius: 6px; cursor: pointer;
  border: 1px solid {LIGHT.accent}; background: transparent; color: {LIGHT.accent} }}
.dark button {{ border-color: {DARK.accent}; color: {DARK.accent} }}
button.skip {{ border-color: transparent; margin: 0 auto 0 -14px }}
button.next {{ background: {LIGHT.accent}; color: {LIGHT.surface} }}
.dark button.next {{ background: {DARK.accent}; color: {DARK.surface} }}
button:disabled {{ opacity: .4; cursor: default }}
button:focus-visible {{ outline: 2px solid currentColor; outline-offset: 2px }}
button.next:focus-visible {{ outline-color: {LIGHT.accent} }}
.dark button.next:focus-visible {{ outline-color: {DARK.accent} }}
"""


class Stop(NamedTuple):
    """One step: what it lights up, and what it says."""

    selector: str  # CSS, looked for in every shadow root
    title: str
    text: str
    holds: str = ""  # the text with which the element begins


class Tour(JSComponent):
    """Starts by itself in a browser that has not seen it, or by :meth:`start`."""

    steps = param.List(default=[], doc="What the browser needs of each Stop.")
    dark = param.Boolean(default=False)

    _esm = Path(__file__).with_suffix(".js")
    _stylesheets = [_STYLE]

    def __init__(self, *stops: Stop) -> None:
        steps = [{"selector": at.selector, "title": at.title, "text": at.text, "starts": at.holds} for at in stops]
        super().__init__(steps=steps, width=0, height=0, margin=0)

    def start(self) -> None:
        """Show it from the beginning."""
        self._send_msg("start")

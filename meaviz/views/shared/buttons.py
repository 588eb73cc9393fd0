"""The small buttons above and inside the views."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import panel_material_ui as pmui

from meaviz.jobs.runner import held
from meaviz.style.page import DENSE, ICON, TIP_LETS_THROUGH

WORDS = {"&.MuiButton-root": DENSE}  # as it stands, so that the toolkit's own padding gives way
LOOK: dict[str, Any] = {"size": "small", "margin": 0, "stylesheets": [TIP_LETS_THROUGH]}


def small_button(label: str, act: Callable[[], object], **options: Any) -> pmui.Button:
    """An outlined button of words that does ``act``; ``options`` are the toolkit's."""
    widget = pmui.Button(label=label, **LOOK | {"variant": "outlined", "sx": WORDS} | options)
    widget.on_click(held(lambda event: act()))  # for what views change of Bokeh's own models
    return widget


def icon_button(icon: str, description: str, act: Callable[[], object], **options: Any) -> pmui.IconButton:
    """A button that is a picture, named by its description; disabled until there is something to do."""
    widget = pmui.IconButton(icon=icon, description=description, sx=ICON, disabled=True, **LOOK | options)
    widget.on_click(held(lambda event: act()))
    return widget


def toggle(label: str, description: str = "", *, icon: str | None = None, **options: Any) -> pmui.Toggle:
    """A button for what is on or off; with a picture it takes its name from the description."""
    look = DENSE if icon is None else {**DENSE, "padding": "3px 5px"}
    named = {"description": description} if description else {}
    picture = {} if icon is None else {"icon": icon, "icon_size": "18px"}
    return pmui.Toggle(label=label, **LOOK | {"variant": "outlined", "sx": look} | named | picture | options)

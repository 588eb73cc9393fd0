"""What the app says while it works and when something goes wrong, and widgets that keep the state they were given."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import Any

import panel_material_ui as pmui


def progress_bar(per_cent: int, label: str) -> str:
    """A bar as HTML; the toolkit's own has no name for screen readers."""
    return (
        f'<div class="progress" role="progressbar" aria-label="{escape(label)}" aria-valuenow="{per_cent}" '
        f'aria-valuemin="0" aria-valuemax="100"><div style="width:{per_cent}%"></div></div>'
    )


def alert(message: str) -> pmui.Alert:
    """An error; a new one each time, for one that is hidden and shown again within a moment may stay hidden."""
    return pmui.Alert(object=message, severity="error", margin=(4, 0), sizing_mode="stretch_width")


def keep_state(update: Callable[..., None], *widgets: Any, what: str = "disabled") -> None:
    """Let ``update`` set a parameter of ``widgets`` again where the browser reports something else.

    The toolkit answers each change with the state that it then shows, which may be late: a button that was disabled for
    a moment would stay so.
    """
    for widget in widgets:
        widget.param.watch(update, what)

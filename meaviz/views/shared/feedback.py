"""What the app says while it works and when something goes wrong, and widgets that keep the state they were given."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import panel_material_ui as pmui
from markupsafe import Markup

from meaviz.jobs.runner import DETAILS, end_of_log, log_to_show
from meaviz.style.text import TextPane, markup


def progress_bar(per_cent: int, label: str) -> Markup:
    """A bar as HTML; the toolkit's own has no name for screen readers."""
    return markup(
        '<div class="progress" role="progressbar" aria-label="{label}" aria-valuenow="{per_cent}" '
        'aria-valuemin="0" aria-valuemax="100"><div style="width:{per_cent}%"></div></div>',
        label=label,
        per_cent=per_cent,
    )


def alert(message: str) -> pmui.Alert:
    """An error; a new one each time, for one that is hidden and shown again within a moment may stay hidden.

    The toolkit's own text of an alert is Markdown, and so HTML; ours is a pane within.
    """
    words = TextPane(message, margin=0, sizing_mode="stretch_width", styles={"overflow-wrap": "anywhere"})
    offered = [_log_button()] if DETAILS in message and log_to_show() else []
    return pmui.Alert(words, *offered, severity="error", margin=(4, 0), sizing_mode="stretch_width")


def _log_button() -> pmui.FileDownload:
    """The end of the log, as a file: what a report of the error needs."""
    return pmui.FileDownload(
        callback=lambda: io.BytesIO(end_of_log()),
        filename="meaviz.log",
        label="Save the log",
        variant="outlined",
        size="small",
        margin=(6, 0, 0, 0),
    )


def keep_state(update: Callable[..., None], *widgets: Any, what: str = "disabled") -> None:
    """Let ``update`` set a parameter of ``widgets`` again where the browser reports something else.

    The toolkit answers each change with the state that it then shows, which may be late: a button that was disabled for
    a moment would stay so.
    """
    for widget in widgets:
        widget.param.watch(update, what)

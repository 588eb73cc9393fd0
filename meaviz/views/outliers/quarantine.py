"""The frames of the files that cannot be used: the first thing that the inbox tells."""

from __future__ import annotations

import panel as pn

from meaviz.session import Session
from meaviz.style.page import WHY_CSS
from meaviz.style.text import TextPane, join, markup

SHOWN = 50  # frames that are listed
CSS = """
details { border-left: 3px solid; padding: 2px 0 2px 10px; font-size: 13px }
summary { cursor: pointer; font-weight: 600 }
ol { max-height: 180px; overflow: auto; margin: 4px 0; padding-left: 22px; overflow-wrap: anywhere }
li { margin-bottom: 4px }
"""


class Quarantine(pn.viewable.Viewer):
    """How many frames are left out, and of each, when asked for, place and cause; hidden where there are none."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self.pane = TextPane(
            "", visible=False, sizing_mode="stretch_width", margin=(8, 0, 0, 12), stylesheets=[WHY_CSS, CSS]
        )
        session.data.param.watch(self._show, "dataset")
        self._show()

    def __panel__(self) -> TextPane:
        """Return the pane for Panel to lay out."""
        return self.pane

    def _show(self, *events: object) -> None:
        data = self.session.data.dataset
        aside = () if data is None else data.quarantined
        rows = [markup("<li>{}{}</li>", f"Line {one.line}: " if one.line else "", one.cause) for one in aside[:SHOWN]]
        if len(aside) > SHOWN:
            rows.append(markup("<li>and {:,} more: meagraph info --json lists all</li>", len(aside) - SHOWN))
        self.pane.object = markup(
            "<details><summary>{:,} frame{} in quarantine: cannot be used, never exported</summary>"
            '<ol tabindex="0">{}</ol></details>',
            len(aside),
            "s" * (len(aside) != 1),
            join(rows),
        )
        self.pane.visible = bool(aside)

"""A text that the user's browser remembers between visits."""

from __future__ import annotations

from pathlib import Path

import param
from panel.custom import JSComponent


class BrowserMemory(JSComponent):
    """Holds ``value`` under ``key``; it takes no room on the page.

    The browser, not the server: several people may use one server, each with a browser of their own.
    """

    key = param.String(constant=True, doc="Name in the browser's storage.")
    tab = param.Boolean(constant=True, default=False, doc="Until the tab is closed only, and by it alone.")
    value = param.String(default="", doc="What is remembered; empty for nothing.")

    _esm = Path(__file__).with_suffix(".js")

    def __init__(self, key: str, *, tab: bool = False) -> None:
        super().__init__(key=key, tab=tab, width=0, height=0, margin=0)

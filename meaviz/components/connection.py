"""Says on the page that the server is gone, and goes on once it is back."""

from __future__ import annotations

from meaviz.components.themed import Themed, script


class Connection(Themed):
    """Takes no room until the web socket breaks. The server must answer ``session/ID``, as ours do."""

    _esm = script("connection.js")

    def __init__(self) -> None:
        super().__init__(width=0, height=0, margin=0)

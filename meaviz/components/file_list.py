"""The content of a folder: folders are entered, files ticked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import param

from meaviz.components.themed import Themed, script


class FileList(Themed):
    """Rows of names. Arrows, Home and End move, Space ticks, Enter enters a folder or opens, Backspace goes up."""

    rows = param.List(default=[], item_type=dict, doc="Each name, folder (bool) and size, all plain text.")
    ticked = param.List(default=[], item_type=str, doc="Names of files.")
    note = param.String(default="", doc="Below the rows.")

    _esm = script("file_list.js")

    def __init__(
        self,
        *,
        on_enter: Callable[[str], object],
        on_open: Callable[[], object],
        on_up: Callable[[], object],
        **params: Any,
    ) -> None:
        super().__init__(**params)
        self._on_enter, self._on_open, self._on_up = on_enter, on_open, on_up

    def _handle_msg(self, data: dict[str, Any]) -> None:
        names = {row["name"]: row["folder"] for row in self.rows}
        match data["type"]:
            case "tick":
                self.ticked = [str(name) for name in data["names"] if names.get(name) is False]
            case "enter" if names.get(data["name"]):
                self._on_enter(str(data["name"]))
            case "open":
                self._on_open()
            case "up":
                self._on_up()

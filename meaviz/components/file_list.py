"""The content of a folder: folders are entered, files ticked."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import param
from panel.custom import JSComponent

from meaviz.style.palette import DARK, LIGHT


class FileList(JSComponent):
    """Rows of names. Arrows, Home and End move, Space ticks, Enter enters a folder or opens, Backspace goes up."""

    rows = param.List(default=[], item_type=dict, doc="Each name, folder (bool) and size, all plain text.")
    ticked = param.List(default=[], item_type=str, doc="Names of files.")
    note = param.String(default="", doc="Below the rows.")
    dark = param.Boolean(default=False)

    _esm = Path(__file__).with_suffix(".js")
    _constants: ClassVar[dict[str, Any]] = {theme.name: dataclasses.asdict(theme) for theme in (LIGHT, DARK)}

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

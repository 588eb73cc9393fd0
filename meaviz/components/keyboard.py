"""The keys of the page, wherever the focus is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import param
from panel.custom import JSComponent


class Keyboard(JSComponent):
    """Calls ``on_key(name)`` for every key of ``keys`` that no field, menu or dialog has a use for.

    Those of ``in_fields`` it calls while somebody types, too.
    """

    keys = param.List(default=[], item_type=str, doc="Names as in :class:`meaviz.components.shortcuts.Shortcuts`.")

    in_fields = param.List(default=[], item_type=str, doc="Keys of these that no field has a use for.")

    _esm = Path(__file__).with_suffix(".js")

    def __init__(self, on_key: Callable[[str], None]) -> None:
        super().__init__(width=0, height=0, margin=0)
        self._on_key = on_key

    def remember_focus(self) -> None:
        """Note what has the focus, before a dialog takes it."""
        self._send_msg("remember")

    def return_focus(self) -> None:
        """Give the focus back to what had it."""
        self._send_msg("return")

    def _handle_msg(self, data: str) -> None:
        if data in self.keys:
            self._on_key(data)

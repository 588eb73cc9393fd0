"""Files and folders from the user's own machine: dropped on the page, or chosen with a button."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import Any, ClassVar

import param

from meaviz.components.themed import THEMES, Themed, script

PART = 1_000_000  # bytes of a message


class FileDrop(Themed):
    """Sends files part by part; each next part is asked for, so that nothing piles up.

    ``on_begin(files)`` is told names and sizes, ``on_part(bytes)`` each part, ``on_cancel()`` that the user gave up.
    Whoever owns the files answers with :meth:`ask` for the part of a file at an offset, or sets ``status``.
    """

    limit = param.Integer(default=0, doc="Bytes of all files together; said before anything is dropped.")
    share = param.Number(default=-1.0, doc="Fraction that has come, below 0 while nothing comes.")
    anywhere = param.Boolean(default=True, doc="What is dropped anywhere on the page is taken, not only on this.")
    status = param.String(default="", doc="What came or why not; plain text.")

    _esm = script("file_drop.js")
    _constants: ClassVar[dict[str, Any]] = {
        **THEMES,
        "part": PART,
    }

    def __init__(
        self,
        *,
        on_begin: Callable[[list[tuple[str, int]]], object],
        on_part: Callable[[bytes], object],
        on_cancel: Callable[[], object] = lambda: None,
        **params: Any,
    ) -> None:
        super().__init__(**params)
        self._on_begin, self._on_part, self._on_cancel = on_begin, on_part, on_cancel

    def ask(self, file: int, offset: int) -> None:
        """Ask for the part of ``file`` (by its place in the list) that begins at ``offset``."""
        self._send_msg({"file": file, "offset": offset})

    def _handle_msg(self, data: Any) -> None:
        match data.get("type") if isinstance(data, dict) else None:
            case "begin":
                try:
                    files = [(str(one["name"]), int(one["size"])) for one in data["files"]]
                except (LookupError, TypeError, ValueError, OverflowError):  # no browser of ours sent that
                    files = []
                self._on_begin(files)
            case "part":
                try:
                    part = base64.b64decode(data["data"], validate=True)
                except (binascii.Error, ValueError, LookupError, TypeError):
                    part = b""
                self._on_part(part)
            case "cancel":
                self._on_cancel()

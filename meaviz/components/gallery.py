"""Rows of small pictures; a click on one tells which."""

from __future__ import annotations

from typing import Any, ClassVar

import param

from meaviz.components.themed import Themed, script


class Gallery(Themed):
    """Sections of thumbnails that can be clicked, or chosen with Tab and Enter."""

    sections = param.List(
        default=[],
        item_type=dict,
        doc='Each {"title", "note", "items": [{"row", "svg", "label", "tip"}]}; texts are plain.',
    )
    current = param.Integer(default=-1, doc="The row whose picture is framed.")
    clicked = param.Integer(default=-1, doc="Row of the picture that was clicked last.")

    _rename: ClassVar[dict[str, str | None]] = {"clicked": None}
    _esm = script("gallery.js")

    def _handle_msg(self, data: dict[str, Any]) -> None:
        row = int(data["row"])
        if any(item["row"] == row for section in self.sections for item in section["items"]):
            if self.clicked == row:
                self.param.trigger("clicked")
            else:
                self.clicked = row

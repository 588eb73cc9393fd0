"""A list of rows of which one is chosen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import param

from meaviz.components.themed import Themed, script


class ChoiceList(Themed):
    """Rows that are chosen by a click, or while the list has the focus by the arrow keys, Home and End."""

    rows: Any = param.List(
        default=[],
        doc="Dictionaries of id, mark, kind (error, warning or other), text, count; with heads of id, text, cells.",
    )
    heads = param.List(default=[], doc="Of a table: that of the text, then of each number in the cells.")
    current = param.Integer(default=-1, doc="Id of the row that is marked.")
    empty = param.String(default="", doc="Text in place of rows.")
    label = param.String(default="", doc="What is listed, for screen readers.")

    _esm = script("choice_list.js")

    def __init__(self, on_choose: Callable[[int], object], **params: Any) -> None:
        super().__init__(**params)
        self._on_choose = on_choose

    def _handle_msg(self, data: dict[str, Any]) -> None:
        if any(row["id"] == data["id"] for row in self.rows):  # else of rows that have gone meanwhile
            self._on_choose(int(data["id"]))

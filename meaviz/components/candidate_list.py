"""The list of candidates, and the keys that work on it wherever the focus is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import param

from meaviz.components.themed import Themed, script

JUDGING = ("a", "r")  # keys that mean the row that is current on the screen


class CandidateList(Themed):
    """Rows that can be chosen, one of them current.

    Keys: J and K, or the arrows while the list has the focus, go down and up; A, R and U are handed on. They work while
    the list is in sight, but not while somebody types, chooses from a menu, or holds Ctrl, Alt or Meta.
    """

    rows: Any = param.List(default=[], doc="Dictionaries of row, rank, title, text, and verdict or ''.")
    current = param.Integer(default=-1, doc="Row that is marked.")
    empty = param.String(default="", doc="Text in place of rows.")

    _esm = script("candidate_list.js")

    def __init__(
        self,
        *,
        on_choose: Callable[[int], object] = lambda row: None,
        on_key: Callable[[str], object] = lambda key: None,
        **params: Any,
    ) -> None:
        super().__init__(**params)
        self._on_choose, self._on_key = on_choose, on_key

    def _handle_msg(self, data: dict[str, Any]) -> None:
        if data["type"] == "choose":
            self._on_choose(int(data["row"]))
        elif data["key"] not in JUDGING or data["current"] == self.current:  # else meant for a row left meanwhile
            self._on_key(str(data["key"]))

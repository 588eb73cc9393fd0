"""A field for paths that offers what they may become."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import param

from meaviz.components.themed import Themed, script


@dataclasses.dataclass(frozen=True)
class Offer:
    """A completion: what is shown, and the whole text that takes the field's place."""

    name: str
    text: str
    folder: bool


class PathField(Themed):
    """A text with completions: arrows choose one, Tab or Enter takes it, Enter without a choice opens.

    ``complete(text)`` gives the completions of a text and how many more there are.
    """

    label = param.String(default="Files")
    placeholder = param.String(default="")
    value = param.String(default="", doc="What stands in the field, as it is typed.")

    _esm = script("path_field.js")

    def __init__(
        self,
        *,
        complete: Callable[[str], tuple[Sequence[Offer], int]],
        on_enter: Callable[[], object] = lambda: None,
        **params: Any,
    ) -> None:
        super().__init__(**params)
        self._complete, self._on_enter = complete, on_enter

    def _handle_msg(self, data: dict[str, Any]) -> None:
        text = str(data["text"])
        if data["type"] == "enter":
            self.value = text
            self._on_enter()
        else:
            offers, more = self._complete(text)
            self._send_msg({"text": text, "offers": [dataclasses.asdict(one) for one in offers], "more": more})

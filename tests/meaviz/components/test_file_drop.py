"""What a page says of files is taken as far as it makes sense, whoever wrote the page."""

from __future__ import annotations

from typing import Any

import pytest

from meaviz.components.file_drop import FileDrop
from tests.support.messages import from_browser


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ({"type": "begin", "files": [{"name": "a", "size": 3.0}]}, [("begin", [("a", 3)])]),
        ({"type": "begin", "files": [{"name": "a", "size": float("inf")}]}, [("begin", [])]),
        ({"type": "begin", "files": None}, [("begin", [])]),
        ({"type": "part", "data": "YWI="}, [("part", b"ab")]),
        *(({"type": "part", "data": data}, [("part", b"")]) for data in ("=", "Ü", None, 3, ["YWI="])),
        ({"type": "part"}, [("part", b"")]),
        ({"type": "cancel"}, [("cancel",)]),
        *((message, []) for message in (None, [], "begin", {}, {"type": []}, {"files": []})),
    ],
)
def test_messages(message: Any, told: list[Any]) -> None:
    heard: list[Any] = []
    drop = FileDrop(
        on_begin=lambda files: heard.append(("begin", files)),
        on_part=lambda part: heard.append(("part", part)),
        on_cancel=lambda: heard.append(("cancel",)),
    )
    from_browser(drop, message)
    assert heard == told

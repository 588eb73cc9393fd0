"""The registry of keys."""

from __future__ import annotations

import pytest

from meagraph.errors import MEAGraphError
from meaviz.components.shortcuts import Shortcuts, shown
from tests.support.messages import from_browser


def test_a_key_does_what_it_was_given_for_and_is_listed() -> None:
    pressed: list[str] = []
    keys = Shortcuts()
    keys.add("Ctrl+Shift+z", "Redo <all>", lambda: pressed.append("redo"), "Edit")
    keys.press("Ctrl+Shift+z")
    assert pressed == ["redo"]
    keys.show()
    text = keys.list.object
    assert "<kbd>Ctrl</kbd> + <kbd>Shift</kbd> + <kbd>Z</kbd>" in text
    assert "Redo &lt;all&gt;" in text
    assert set(keys.keyboard.keys) == {"?", "Ctrl+Shift+z"}
    keys.add("Ctrl+s", "Save", lambda: pressed.append("save"), in_fields=True)
    assert keys.keyboard.in_fields == ["Ctrl+s"]


def test_only_known_keys_come_through() -> None:
    pressed: list[str] = []
    keys = Shortcuts()
    keys.add("f", "Flag", lambda: pressed.append("f"))
    for key in ("g", "f", "__class__"):
        from_browser(keys.keyboard, key)
    assert pressed == ["f"]


def test_help_opens_the_list() -> None:
    keys = Shortcuts()
    keys.press("?")
    assert keys.dialog.open


@pytest.mark.parametrize("key", ["?", "F", "Shift+Ctrl+z", "Meta+k", "Ctrl+", ""])
def test_taken_or_malformed_keys_are_refused(key: str) -> None:
    with pytest.raises(MEAGraphError):
        Shortcuts().add(key, "Something", lambda: None)


def test_arrows_are_shown_as_arrows() -> None:
    assert shown("ArrowLeft") == "<kbd>←</kbd>"

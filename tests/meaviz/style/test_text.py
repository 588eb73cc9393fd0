"""Text stays text: in the pane that shows it, in what the app writes around it, and in labels of toolkits."""

from __future__ import annotations

from html import unescape

import pytest
from markupsafe import Markup

from meaviz.style.text import TextPane, caption, join, markup, plain

EVIL = "<img src=q onerror=run()>&amp;![i](http://evil.invalid)"


def shown(pane: TextPane) -> str:
    """The HTML that the browser gets, which Panel wraps once for the way."""
    return unescape(pane.get_root().text)


@pytest.mark.parametrize("make", [TextPane, caption])
def test_a_pane_shows_text_as_it_stands(make: type[TextPane]) -> None:
    pane = make(EVIL)
    assert shown(pane) == EVIL.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    pane.object = markup("<b>{}</b>", "<i>")
    assert shown(pane) == "<b>&lt;i&gt;</b>"
    pane.object = None
    assert shown(pane) == ""


def test_what_fills_markup_is_text_unless_it_is_markup() -> None:
    made = markup("<td title='{tip}'>{:,} {}</td>", 1234, Markup("<br>"), tip="'\"<")
    assert made == "<td title='&#39;&#34;&lt;'>1,234 <br></td>"
    assert isinstance(made, Markup)
    assert join(["<", Markup("<b>")], Markup("<br>")) == "&lt;<br><b>"
    assert join(["a", "b"], "<") == "a&lt;b"
    assert markup("<p>{}</p>", None) + "<" == "<p>None</p>&lt;"


@pytest.mark.parametrize("text", [":material/home:", "$$x$$", "$$$$", r"\(x\)", r"\[x\]"])
def test_labels_hold_nothing_that_toolkits_look_for(text: str) -> None:
    label = plain(f"a {text} b")
    assert not any(mark in label for mark in (":material/", "$$", r"\(", r"\["))
    assert label.replace("\u2060", "") == f"a {text} b"
    assert plain("a: $x$ (b) [c]") == "a: $x$ (b) [c]"

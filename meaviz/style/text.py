"""Text and markup: files, names and errors are shown as they stand, and only what the app itself writes is markup."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import panel as pn
from markupsafe import Markup, escape

JOINER = "\u2060"  # takes no room
SPECIAL = re.compile(r":(?=material/)|\$(?=\$)|\\(?=[(\[])")  # begins a picture of Material UI, a formula of Bokeh


class TextPane(pn.pane.HTML):
    """Shows ``object`` as the text that it is; only :class:`Markup`, made by :func:`markup`, is markup."""

    def _transform_object(self, obj: Any) -> dict[str, Any]:
        return dict(super()._transform_object(str(escape("" if obj is None else obj))))


def markup(template: str, *values: object, **named: object) -> Markup:
    """HTML of the app's own: ``template`` is a constant, and what fills its ``{}`` is text unless it is Markup itself.

    A test reads all calls: nothing can be written into the template itself.
    """
    return Markup(template).format(*values, **named)


def join(parts: Iterable[object], between: object = "") -> Markup:
    """One after the other, each text unless it is Markup; so is what stands ``between``."""
    return escape(between).join(escape(part) for part in parts)


def caption(text: str = "", **layout: Any) -> TextPane:
    """Text in small letters that may change; ``layout`` is Panel's."""
    return TextPane(text, **{"styles": {"font-size": "12px", "line-height": "1.66"}, **layout})


def plain(text: str) -> str:
    """``text`` for labels in which toolkits look for pictures (``:material/home:``) and formulas (``$$x$$``)."""
    return SPECIAL.sub(rf"\g<0>{JOINER}", text)

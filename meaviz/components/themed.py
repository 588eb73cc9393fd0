"""Components of our own in JavaScript that take the theme's colours."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, ClassVar

import param
from panel.custom import JSComponent

from meaviz.style.palette import DARK, LIGHT

THEMES: dict[str, dict[str, Any]] = {theme.name: dataclasses.asdict(theme) for theme in (LIGHT, DARK)}
"""The colours of both themes by name, as ``esm_constants`` gives them to the page."""
HERE = Path(__file__).parent


def script(name: str) -> str:
    """The text of a component, after that of ``common.js``, whose functions it may call."""
    return (HERE / "common.js").read_text(encoding="utf-8") + (HERE / name).read_text(encoding="utf-8")


class Themed(JSComponent):
    """A component whose script paints itself in the colours of the theme."""

    dark = param.Boolean(default=False)

    _constants: ClassVar[dict[str, Any]] = THEMES

    __abstract = True

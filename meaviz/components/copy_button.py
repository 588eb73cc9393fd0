"""A button that copies a text."""

from __future__ import annotations

import param

from meaviz.components.themed import Themed, script


class CopyButton(Themed):
    """Puts ``text`` into the clipboard of whoever looks at the page; disabled while there is none."""

    label = param.String(default="Copy")
    text = param.String(default="")

    _esm = script("copy_button.js")

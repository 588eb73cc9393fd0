"""A HoloViews chart that is redrawn in place when its data changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import holoviews as hv
import panel as pn
from holoviews.streams import Pipe

from meaviz.style import Theme, theme


class Chart(pn.viewable.Viewer):
    """Shows ``draw(data, tokens)``, an element of HoloViews; nothing before the first data.

    New data goes into the figure that is there, so a slider can move it; only another theme makes a new figure.
    """

    def __init__(self, draw: Callable[[Any, Theme], hv.core.Dimensioned], **layout: Any) -> None:
        super().__init__()
        self._draw = draw
        self._pipe: Pipe | None = None
        self._tokens = theme(False)
        self._pane = pn.pane.HoloViews(None, linked_axes=False, visible=False, **layout)

    def __panel__(self) -> pn.pane.HoloViews:
        """Return the chart for Panel to lay out."""
        return self._pane

    def show(self, data: Any, *, dark: bool) -> None:
        """Draw ``data``; None hides the chart."""
        self._pane.visible = data is not None
        if data is None:
            return
        tokens = theme(dark)
        if self._pipe is not None and tokens is self._tokens:
            self._pipe.send(data)
            return
        self._tokens = tokens
        self._pipe = Pipe(data=data)
        self._pane.object = hv.DynamicMap(lambda data: self._draw(data, tokens), streams=[self._pipe])

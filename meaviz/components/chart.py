"""A HoloViews chart that is redrawn in place when its data or the theme changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import holoviews as hv
import panel as pn
from holoviews.streams import Pipe

from meaviz.style import Theme, theme


class Chart(pn.viewable.Viewer):
    """Shows ``draw(data, tokens)``, an element of HoloViews; hidden before the first data.

    The figure is made once, from ``empty`` data, and only its content changes: a slider can move it, and Bokeh never
    has to exchange one figure for another within a page that is being updated.
    """

    def __init__(self, draw: Callable[[Any, Theme], hv.core.Dimensioned], empty: Any, **layout: Any) -> None:
        super().__init__()
        self._pipe = Pipe(data=(empty, theme(False)))
        figure = hv.DynamicMap(lambda data: draw(*data), streams=[self._pipe])
        # a pane of HoloViews cannot be hidden itself: Panel passes it on to the figure together with what that lacks
        pane = pn.pane.HoloViews(figure, linked_axes=False, **layout)
        self._holder = pn.Column(pane, visible=False, margin=0, **layout)

    def __panel__(self) -> pn.Column:
        """Return the chart for Panel to lay out."""
        return self._holder

    def show(self, data: Any, *, dark: bool) -> None:
        """Draw ``data``; None hides the chart."""
        self._holder.visible = data is not None
        if data is not None:
            self._pipe.send((data, theme(dark)))

"""A HoloViews chart that is redrawn in place when its data or the theme changes."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import holoviews as hv
import panel as pn
from bokeh.models import ColumnDataSource
from holoviews.core.util import dimension_sanitizer
from holoviews.streams import Pipe
from panel.io import hold

from meaviz.style.palette import Theme, theme

hv.extension("bokeh")  # once, for all charts of this process: it loads what draws them


class Content(Protocol):
    """What a chart shows."""

    def shape(self) -> object:
        """What axes and title depend on; only values differ between contents of equal shape."""

    def layers(self) -> Sequence[Mapping[str, Sequence[Any]]]:
        """The columns of each layer of the chart, by the names of HoloViews' dimensions."""


Hook = Callable[[Any, Any], None]


class Chart(pn.viewable.Viewer):
    """Shows ``draw(content, tokens, hook)``, an overlay of HoloViews with that hook; hidden before the first content.

    The figure is made once, from ``empty`` content, and only what it shows changes: a slider can move it, and Bokeh
    never has to exchange one figure for another within a page that is being updated. Of content of the shape that is
    drawn only the values are sent: to draw anew takes HoloViews half a second on a large page.
    """

    def __init__(self, draw: Callable[[Any, Theme, Hook], hv.core.Dimensioned], empty: Content, **layout: Any) -> None:
        super().__init__()
        self.sources: list[ColumnDataSource] = []
        self._drawn: object = None
        self._pipe = Pipe(data=(empty, theme(False)))
        remember = _weakly(self._remember)
        figure = hv.DynamicMap(lambda data: draw(data[0], data[1], remember), streams=[self._pipe])
        # a pane of HoloViews cannot be hidden itself: Panel passes it on to the figure together with what that lacks
        pane = pn.pane.HoloViews(figure, linked_axes=False, **layout)
        self._holder = pn.Column(pane, visible=False, margin=0, **layout)

    def __panel__(self) -> pn.Column:
        """Return the chart for Panel to lay out."""
        return self._holder

    def show(self, content: Content | None, *, dark: bool) -> None:
        """Draw ``content``; None hides the chart."""
        self._holder.visible = content is not None
        if content is None:
            return
        shape = content.shape(), dark
        if self.sources and shape == self._drawn:
            with hold():  # a watcher of Panel has no lock of the document
                self._fill(content)
        else:
            self._pipe.send((content, theme(dark)))
            self._drawn = shape if self.sources else None

    def _fill(self, content: Content) -> None:
        for source, columns in zip(self.sources, content.layers(), strict=True):
            # points go by the name of the dimension, bars by what an identifier can hold of it
            keys = {name if name in source.data else dimension_sanitizer(name): name for name in columns}
            source.data = {**source.data, **{key: list(columns[name]) for key, name in keys.items()}}

    def _remember(self, plot: Any, element: object) -> None:
        """Keep the sources of the layers, in their order."""
        self.sources = [layer.handles["source"] for layer in plot.subplots.values()]


def _weakly(hook: Hook) -> Hook:
    """Do what the bound method ``hook`` does while its object lives: HoloViews' options outlive a page's charts."""
    method = weakref.WeakMethod(hook)

    def call(plot: Any, element: object) -> None:
        if (alive := method()) is not None:
            alive(plot, element)

    return call

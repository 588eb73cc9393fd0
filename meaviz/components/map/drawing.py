"""One set of points on a figure: their layers, names, marker, tip and legend, as they are to be drawn now."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from bokeh.models import ColumnDataSource
from numpy.typing import NDArray

from meaviz.components.map import layers as map_layers
from meaviz.components.map.density import DensityLayer
from meaviz.components.map.figure import (
    SPARE,
    apply_theme,
    empty_figure,
    enclose,
    select_tools,
    show_all,
    shows_all,
    view_of,
)
from meaviz.components.map.labels import LabelLayer
from meaviz.components.map.legend import WIDTH, MapLegend
from meaviz.components.map.tip import make_tip, show_tip, style_tip
from meaviz.style.palette import Colouring, Theme, pack

RING = 17  # pixels around the marked point


class Drawing:
    """What is drawn of the points ``xy`` (N, 2), NaN for those without a place."""

    def __init__(
        self, xy: NDArray[np.float32], labels: tuple[str, str], *, ticks: bool, theme: Theme, floating: bool
    ) -> None:
        self.xy = self.shown_xy = xy
        self.redraw_due = False
        self.plot = plot = empty_figure(xy, labels, ticks=ticks)
        self.legend = MapLegend()
        self.tip = make_tip()
        self._theme, self._floating = theme, False
        self._sizes: NDArray[np.uint8] | None = None
        self._colouring: Colouring | None = None
        self._selected: NDArray[np.bool_] | None = None
        self._pruned: NDArray[np.bool_] | None = None
        self._named: tuple[NDArray[np.integer], Sequence[Sequence[str]]] | None = None
        self._layer = self._points = map_layers.make_layer(plot, xy, self.view)
        self._density = DensityLayer(plot)
        self._marker = ColumnDataSource({"x": [], "y": []})
        self._halo = plot.scatter("x", "y", size=RING, line_width=5, fill_color=None, source=self._marker)
        self._ring = plot.scatter("x", "y", size=RING, line_width=2, fill_color=None, source=self._marker)
        self.names = LabelLayer(plot)
        plot.add_layout(self.tip)
        plot.min_border_right = WIDTH
        self._layer.arrange(self._levels())
        self.set_floating(floating)
        self.style(theme)

    @property
    def view(self) -> map_layers.View:
        """What part of the plane is in sight."""
        return view_of(self.plot)

    # ---- what is drawn

    def colour(self, colouring: Colouring) -> None:
        """Colour the points and explain the colours."""
        self._colouring = colouring
        self.legend.show(colouring, self._theme)
        self._draw_by(self._points)

    def colour_by_density(self) -> None:
        """Colour the plane by how many points lie around, and explain that."""
        self._colouring = None
        self._draw_by(self._density)

    def select(self, mask: NDArray[np.bool_] | None) -> None:
        """Dim all points outside ``mask`` (N,)."""
        self._selected = mask
        self._layer.arrange(self._levels())
        self._paint()

    def prune(self, mask: NDArray[np.bool_] | None) -> None:
        """Draw the points of ``mask`` (N,) pale."""
        if mask is None and self._pruned is None:
            return  # another plan, while what it prunes is not shown
        self._pruned = mask
        self._layer.arrange(self._levels())
        self._paint()

    def show(self, mask: NDArray[np.bool_] | None) -> None:
        """Draw only the points of ``mask`` (N,)."""
        self.shown_xy = self.xy if mask is None else np.where(mask[:, None], self.xy, np.float32(np.nan))
        self._place()
        self._name()

    def resize(self, classes: NDArray[np.uint8] | None) -> None:
        """Draw the points in sizes (N,)."""
        self._sizes = classes
        self._place()

    def name(self, codes: NDArray[np.integer] | None, texts: Sequence[Sequence[str]]) -> None:
        """Write ``texts`` where the points of their ``codes`` (N,) lie densest."""
        self._named = None if codes is None else (codes, texts)
        self._name()

    def mark(self, row: int) -> None:
        """Draw a ring around a point, -1 for none."""
        rows = self.xy[row : row + 1] if row >= 0 else self.xy[:0]
        self._marker.data = {"x": rows[:, 0], "y": rows[:, 1]}

    def tell(self, row: int, text: str) -> None:
        """Show ``text`` beside the point ``row``; no text, no tip."""
        if not text:
            self.tip.visible = False
            return
        x, y = (float(value) for value in self.xy[row])
        show_tip(self.tip, text, x, y, self.view)

    # ---- how, and which part of the plane

    def style(self, theme: Theme) -> None:
        """Take the colours of ``theme``."""
        self._theme = theme
        apply_theme(self.plot, theme)
        self._halo.glyph.line_color = theme.raised
        self._ring.glyph.line_color = theme.text
        self.names.style(theme)
        style_tip(self.tip, theme)
        self.legend.show(self._colouring, theme)
        self.legend.set_floating(self._floating, theme)
        self._paint()

    def set_floating(self, floating: bool) -> None:
        """Let the legend lie on the map instead of beside it, and what is to be seen leave room for it."""
        if floating == self._floating:
            return
        everything = shows_all(self.plot)
        self._floating = floating
        self.plot.min_border_right = None if floating else WIDTH
        self.legend.set_floating(floating, self._theme)
        show_all(self.plot, self.xy, self._spare, look=everything)

    def zoom(self, mask: NDArray[np.bool_] | None) -> None:
        """Let the view hold the points of ``mask`` (N,) that are shown; None, or none of them, for all."""
        xy = self.xy if mask is None else self.shown_xy[mask]
        if not np.isfinite(xy).all(axis=1).any():
            xy = self.xy
        enclose(self.plot, xy, self.xy, self._spare)

    def look(self) -> None:
        """Draw what is in sight now."""
        view = self.view
        if self._layer.look(view):
            self._paint()
        self.names.look(view)

    def combine(self, mode: str) -> None:
        """Let the tools of the figure show Bokeh's ``mode`` of selecting."""
        for tool in select_tools(self.plot):
            tool.update(mode=mode)

    @property
    def _spare(self) -> tuple[float, float]:
        return SPARE if self._floating else (0.0, 0.0)

    def _levels(self) -> NDArray[np.uint8]:
        return map_layers.levels(len(self.xy), self._selected, self._pruned)

    def _draw_by(self, layer: map_layers.Layer) -> None:
        if layer is not self._layer:
            self._layer.renderer.visible, layer.renderer.visible = False, True
            self._layer = layer
            layer.place(self.shown_xy, self._sizes)
            layer.arrange(self._levels())
            layer.look(self.view)
        self._paint()

    def _place(self) -> None:
        self._layer.place(self.shown_xy, self._sizes)
        self._layer.arrange(self._levels())
        self._paint()

    def _name(self) -> None:
        if self._named is None:
            self.names.forget()
        else:
            self.names.take(self.shown_xy, *self._named)
            self.names.look(self.view)

    def _paint(self) -> None:
        if self._colouring is not None:
            rgba: NDArray[Any] = self._colouring.rgba
        else:
            rgba = np.full(len(self.xy), pack([self._theme.accent])[0])
        self._layer.paint(rgba, self._theme)
        if self._layer is self._density:
            self.legend.show(self._density.colouring, self._theme)

"""Predicted against reference as density: any number of points, box and lasso on all, the selection in colour."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import panel as pn
from bokeh.events import RangesUpdate, Tap
from bokeh.models import (
    BoxSelectTool,
    ColorBar,
    ColumnDataSource,
    LassoSelectTool,
    LogColorMapper,
    NoOverlap,
    PanTool,
    Range1d,
    ResetTool,
    Slope,
    WheelZoomTool,
)
from bokeh.plotting import figure
from numpy.typing import NDArray

from meaviz.components.charts.brushing import report_shapes
from meaviz.components.map.density import density_picture
from meaviz.components.map.figure import extent, select_tools, view_of
from meaviz.components.map.hits import geometry_mask, nearest
from meaviz.components.map.layers import View
from meaviz.style.page import style_chart
from meaviz.style.palette import SEQUENTIAL, theme

LOW = 130  # pixels at least
REACH = 8.0  # pixels between the pointer and the point it means
DELAY = 30  # ms; wheel and resize come in bursts
_TOOLBAR = ".bk-divider { display: none }"  # Bokeh forgets their width and hides the last tool


class ParityChart(pn.viewable.Viewer):
    """P points; ``on_select(mask, mode)`` hears of boxes and lassos, ``on_tap(point)`` of clicks, -1 for none near."""

    def __init__(
        self, on_select: Callable[[NDArray[np.bool_], str], object], on_tap: Callable[[int], object], *, dark: bool
    ) -> None:
        super().__init__()
        self._on_select, self._on_tap, self._dark = on_select, on_tap, dark
        self._points = np.zeros((0, 2), dtype=np.float32)  # less the centre, so that single precision suffices
        self._centre = np.zeros(2)
        self._level = np.zeros(0, dtype=np.uint8)
        self._due = False
        self.source = ColumnDataSource({"image": [], "x": [], "y": [], "dw": [], "dh": []})
        self.figure = plot = figure(
            name="parity",
            x_range=Range1d(0, 1),
            y_range=Range1d(0, 1),
            tools=[],
            toolbar_location="right",
            outline_line_color=None,
            lod_threshold=None,
            lod_timeout=100,  # ms from the last turn of the wheel to the report of the new ranges
            min_height=LOW,
            sizing_mode="stretch_both",
        )
        lasso, wheel = LassoSelectTool(continuous=False, renderers=[]), WheelZoomTool(visible=False)
        plot.add_tools(lasso, BoxSelectTool(renderers=[]), PanTool(), wheel, ResetTool())
        plot.toolbar.update(active_drag=lasso, active_scroll=wheel, active_tap=None, logo=None)
        plot.toolbar.stylesheets = [_TOOLBAR]
        plot.grid.visible = False
        plot.axis.major_label_policy = NoOverlap(min_distance=6)
        plot.axis.ticker.desired_num_ticks = 5
        self._line = Slope(gradient=1, y_intercept=0, line_width=1, level="underlay")
        plot.add_layout(self._line)
        plot.image_rgba("image", "x", "y", "dw", "dh", source=self.source)
        self._mapper = LogColorMapper(palette=SEQUENTIAL, low=1, high=10)
        self._bar = ColorBar(
            color_mapper=self._mapper, width=8, padding=4, background_fill_alpha=0, border_line_alpha=0
        )
        plot.add_layout(self._bar, "right")
        report_shapes(plot, self._select)
        plot.on_event(Tap, lambda event: self.tap(event.x, event.y))
        plot.on_event(RangesUpdate, lambda event: self._look())
        for side in ("inner_width", "inner_height"):
            plot.on_change(side, lambda attr, old, new: self._look())
        self._pane = pn.pane.Bokeh(plot, sizing_mode="stretch_both", min_height=LOW, margin=0)
        self.style(dark)

    def __panel__(self) -> pn.pane.Bokeh:
        """Return the chart for Panel to lay out."""
        return self._pane

    def show(
        self,
        xy: NDArray[np.float64],
        selected: NDArray[np.bool_] | None,
        labels: tuple[str, str],
        *,
        difference: bool,
    ) -> None:
        """Draw the points ``xy`` (P, 2), all of them in view; NaN for what has no place.

        Both axes show the same range, or with ``difference`` y is the difference, and 0 the line of no error.
        """
        known = np.isfinite(xy).all(axis=1)
        self._centre = np.median(xy[known], axis=0) if known.any() else np.zeros(2)
        self._points = (xy - self._centre).astype(np.float32)
        x, y = (extent(column[known]) if known.any() else (0.0, 1.0) for column in xy.T)
        if not difference:
            x = y = (min(x[0], y[0]), max(x[1], y[1]))
        for axis, (start, end) in zip((self.figure.x_range, self.figure.y_range), (x, y), strict=True):
            axis.update(start=start, end=end, reset_start=start, reset_end=end)
        self._line.gradient = 0 if difference else 1
        self.figure.xaxis.axis_label, self.figure.yaxis.axis_label = labels
        self.select(selected)

    def select(self, selected: NDArray[np.bool_] | None) -> None:
        """Draw the points ``selected`` (P,) in colour, all others in grey; None, or none of them, dims none."""
        self._level = np.zeros(len(self._points), dtype=np.uint8) if selected is None else selected.astype(np.uint8)
        self._paint()

    def style(self, dark: bool) -> None:
        """Take the colours of the theme."""
        self._dark = dark
        tokens = theme(dark)
        style_chart(self.figure, tokens)
        self.figure.styles = {"--bokeh-icon-color": tokens.muted}
        self._line.line_color = tokens.muted
        self._bar.update(
            major_label_text_color=tokens.text,
            major_label_text_font=tokens.font,
            major_label_text_font_size="11px",
            bar_line_color=None,
        )
        for tool in select_tools(self.figure):
            tool.overlay.update(
                fill_color=tokens.accent, fill_alpha=0.12, line_color=tokens.accent, line_width=1.5, line_dash="solid"
            )
        self._paint()

    def tap(self, x: float | None, y: float | None) -> None:
        """A click at (x, y) in data units, None outside, means the nearest point within REACH."""
        if x is None or y is None:
            return
        view, (left, low) = self._view(), self._centre
        at = x - float(left), y - float(low)
        inside = all(start <= here <= end for here, (start, end) in zip(at, (view.x, view.y), strict=True))
        self._on_tap(nearest(self._points, at, view.scale, REACH) if inside else -1)

    def _view(self) -> View:
        """What is in sight, less the centre."""
        view, (x, y) = view_of(self.figure), self._centre
        return View((view.x[0] - x, view.x[1] - x), (view.y[0] - y, view.y[1] - y), view.width, view.height)

    def _paint(self) -> None:
        if not len(self._points):
            return
        view, (x, y) = self._view(), self._centre
        image, colouring = density_picture(self._points, self._level, view, theme(self._dark))
        self._mapper.update(palette=colouring.palette, low=colouring.low, high=colouring.high)
        self.source.data = {
            "image": [image],
            "x": [view.x[0] + x],
            "y": [view.y[0] + y],
            "dw": [view.x[1] - view.x[0]],
            "dh": [view.y[1] - view.y[0]],
        }

    def _look(self) -> None:
        """Paint anew for another view, once for all changes within the delay."""
        document = self.figure.document
        if document is None or self._due:
            return

        def paint() -> None:
            self._due = False
            self._paint()

        self._due = True
        document.add_timeout_callback(paint, DELAY)

    def _select(self, shape: Mapping[str, Any], mode: str) -> None:
        x, y = self._centre
        moved = {key: np.asarray(value) - (x if key[0] == "x" else y) for key, value in shape.items() if key != "type"}
        self._on_select(geometry_mask(self._points, {"type": shape["type"], **moved}), mode)

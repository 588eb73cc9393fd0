"""Bars of one property: all environments, those selected, and a brush along the axis."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import panel as pn
from bokeh.models import BoxSelectTool, ColumnDataSource, HoverTool
from bokeh.plotting import figure

from meagraph.inspection.summaries import Histogram
from meaviz.components.charts.brushing import report_shapes
from meaviz.style.page import style_chart
from meaviz.style.palette import theme

LOW = 110  # pixels


class HistogramChart(pn.viewable.Viewer):
    """The chart of one :class:`Histogram`; a drag along the axis calls ``on_brush(low, high, mode)``.

    ``counts`` says what is counted.
    """

    def __init__(
        self, name: str, on_brush: Callable[[float, float, str], None], *, log: bool, counts: str = "environments"
    ) -> None:
        super().__init__()
        self._on_brush = on_brush
        self._source = ColumnDataSource({"left": [], "right": [], "all": [], "selected": []})
        self.figure = plot = figure(
            name=f"histogram-{name}",
            sizing_mode="stretch_both",
            tools=[],
            toolbar_location=None,
            outline_line_color=None,
            x_axis_type="log" if log else "linear",
            y_axis_label=counts,
            y_range=(0, 1),
            x_range=(0.1, 1),
        )
        bars = {"left": "left", "right": "right", "bottom": 0, "source": self._source, "line_color": None}
        self._all = plot.quad(top="all", **bars)
        self._selected = plot.quad(top="selected", **bars)
        brush = BoxSelectTool(dimensions="width", renderers=[])
        tips = [
            ("from", "@left{0.000a}"),
            ("to", "@right{0.000a}"),
            ("all", "@all{0,0}"),
            ("selected", "@selected{0,0}"),
        ]
        plot.add_tools(brush, HoverTool(renderers=[self._all], tooltips=tips))
        plot.toolbar.active_drag = brush
        plot.yaxis.formatter.use_scientific = False
        self._brush = brush
        report_shapes(plot, self._report)
        self._pane = pn.pane.Bokeh(plot, sizing_mode="stretch_both", min_height=LOW, margin=(0, 6))

    def __panel__(self) -> pn.pane.Bokeh:
        """Return the chart for Panel to lay out."""
        return self._pane

    def show(self, found: Histogram, label: str, *, dark: bool) -> None:
        """Draw the bars of all environments, none selected."""
        tokens = theme(dark)
        style_chart(self.figure, tokens)
        self.figure.xaxis.axis_label = label
        self.figure.xgrid.grid_line_color = None
        self._all.glyph.update(fill_color=tokens.muted, fill_alpha=0.5)
        self._selected.glyph.update(fill_color=tokens.accent)
        self._brush.overlay.update(
            fill_color=tokens.accent, fill_alpha=0.12, line_color=tokens.accent, line_dash="solid"
        )
        self.figure.x_range.update(start=float(found.edges[0]), end=float(found.edges[-1]))
        self.figure.y_range.update(start=0, end=1.05 * float(found.counts.max()))
        self._source.data = {
            "left": found.edges[:-1],
            "right": found.edges[1:],
            "all": found.counts,
            "selected": np.zeros(len(found.counts), dtype=np.int64),
        }

    def select(self, counts: np.ndarray) -> None:
        """Draw how many of each bar (B,) are selected."""
        self._source.data["selected"] = counts

    def _report(self, shape: Mapping[str, Any], mode: str) -> None:
        low, high = sorted((float(shape["x0"]), float(shape["x1"])))
        self._on_brush(low, high, mode)

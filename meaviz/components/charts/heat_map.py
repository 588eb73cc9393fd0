"""A table of counts in colour: rows against columns, a click on a cell reports it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import panel as pn
from bokeh.models import ColorBar, ColumnDataSource, CustomJS, FactorRange, HoverTool, LinearColorMapper
from bokeh.plotting import figure
from numpy.typing import NDArray

from meaviz.style.page import style_chart
from meaviz.style.palette import SEQUENTIAL, theme

ROW, FOOT = 12, 62  # pixels of a row at least, and of axis and label below
_SEND = "tapped.data = {x: [cb_obj.x], y: [cb_obj.y], time: [performance.now()]}"


class HeatMap(pn.viewable.Viewer):
    """Counts (rows, columns) coloured by a share in per cent; ``on_tap(row, column)`` hears of clicks."""

    def __init__(self, name: str, on_tap: Callable[[int, int], None]) -> None:
        super().__init__()
        self._on_tap = on_tap
        self._source = ColumnDataSource({"x": [], "y": [], "share": [], "count": []})
        self._mapper = LinearColorMapper(palette=SEQUENTIAL, low=0, high=100)
        self.figure = plot = figure(
            name=name,
            x_range=FactorRange(),
            y_range=FactorRange(),
            min_height=ROW,
            sizing_mode="stretch_both",
            tools=[],
            toolbar_location=None,
            outline_line_color=None,  # from the start, or the toolkit draws one in the dark
        )
        self._cells = plot.rect(
            "x",
            "y",
            0.96,
            0.92,
            source=self._source,
            line_color=None,
            fill_color={"field": "share", "transform": self._mapper},
        )
        self._bar = ColorBar(color_mapper=self._mapper, width=10, padding=6, title_text_font_style="normal")
        plot.add_layout(self._bar, "right")
        self._hover = HoverTool(renderers=[self._cells])
        plot.add_tools(self._hover)
        plot.grid.visible = False
        tapped = ColumnDataSource({"x": [], "y": [], "time": []})
        plot.js_on_event("tap", CustomJS(args={"tapped": tapped}, code=_SEND))
        tapped.on_change("data", lambda attr, old, new: self._tap(new))
        self._pane = pn.pane.Bokeh(plot, min_height=ROW, sizing_mode="stretch_both", margin=(0, 6))

    def __panel__(self) -> pn.pane.Bokeh:
        """Return the heat map for Panel to lay out."""
        return self._pane

    def show(
        self,
        counts: NDArray[np.integer],
        share: NDArray[np.floating],
        rows: Sequence[str],
        columns: Sequence[str],
        *,
        labels: tuple[str, str, str],
        dark: bool,
    ) -> None:
        """Draw ``share`` (R, C) in per cent; empty cells stay blank. ``labels`` name columns, rows and the share."""
        tokens = theme(dark)
        style_chart(self.figure, tokens)
        self.figure.xaxis.axis_label, self.figure.yaxis.axis_label = labels[0], labels[1]
        self.figure.x_range.factors = list(columns)
        self.figure.y_range.factors = list(rows)[::-1]
        self._bar.update(
            title=labels[2],
            background_fill_alpha=0,
            title_text_color=tokens.text,
            title_text_font=tokens.font,
            title_text_font_size="11px",
            major_label_text_color=tokens.text,
            major_label_text_font=tokens.font,
        )
        self._pane.min_height = self.figure.min_height = FOOT + ROW * max(4, len(rows))
        there = np.argwhere(counts > 0)
        self._hover.tooltips = [
            (labels[1], "@y"),
            (labels[0], "@x"),
            ("environments", "@count{0,0}"),
            (labels[2], "@share{0.0}"),
        ]
        self._source.data = {
            "x": [columns[column] for _, column in there],
            "y": [rows[row] for row, _ in there],
            "share": share[tuple(there.T)],
            "count": counts[tuple(there.T)],
        }

    def _tap(self, event: Mapping[str, Any]) -> None:
        """Categories lie at 0.5, 1.5, ... along an axis; rows run downwards."""
        x, y = event["x"][0], event["y"][0]
        columns, rows = len(self.figure.x_range.factors), len(self.figure.y_range.factors)
        if x is None or y is None or not (0 <= x < columns and 0 <= y < rows):
            return
        self._on_tap(rows - 1 - int(y), int(x))

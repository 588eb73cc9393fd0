"""The error of the quick force field, and the coverage, along the keep fraction."""

from __future__ import annotations

import numpy as np
import panel as pn
from bokeh.models import ColumnDataSource, FixedTicker, HoverTool, Legend, LegendItem, Range1d, Span
from bokeh.plotting import figure

from meagraph.evaluation.error_curve import CostCurves, median
from meaviz.style.page import FILL, style_chart, style_legend
from meaviz.style.palette import palette, theme

LINES = 3  # at most
LOW = 150  # pixels at least


class CostChart(pn.viewable.Viewer):
    """Two charts of the same fractions: force error with the band of random selections, and coverage with entropy."""

    def __init__(self) -> None:
        super().__init__()
        colours = palette(LINES)
        self._band = ColumnDataSource({"keep": [], "low": [], "high": [], "middle": []})
        self._lines = [ColumnDataSource({"keep": [], "rmse": [], "covered": [], "entropy": []}) for _ in colours]
        self.error = self._figure("cost-curve", "force RMSE / meV/Å", log=True)
        self._area = self.error.varea("keep", "low", "high", source=self._band, fill_alpha=0.35, legend_label="random")
        self._middle = self.error.line("keep", "middle", source=self._band, line_width=1, legend_label="random")
        self.coverage = self._figure("coverage-curve", "covered / %", log=False)
        self.coverage.y_range = Range1d(0, 102)
        self._drawn = []
        for source, colour, mark in zip(self._lines, colours, ("circle", "square", "triangle"), strict=True):
            for plot, column in ((self.error, "rmse"), (self.coverage, "covered")):
                line = plot.line("keep", column, source=source, line_color=colour, line_width=2)
                points = plot.scatter("keep", column, source=source, color=colour, size=6, marker=mark)
                self._drawn.append((line, points))
        self._spans = []
        for plot in (self.error, self.coverage):
            span = Span(dimension="height", location=20, line_dash="dashed", line_width=1)
            plot.add_layout(span)
            self._spans.append(span)
        self._whole = Span(dimension="width", location=1, line_dash="dotted", line_width=1.5)
        self.error.add_layout(self._whole)
        for plot, corner in ((self.error, "top_right"), (self.coverage, "bottom_right")):
            plot.legend.update(location=corner, padding=3, spacing=0, glyph_width=16, border_line_alpha=0)
        panes = [
            pn.pane.Bokeh(plot, min_height=LOW, sizing_mode="stretch_both", margin=(0, 6))
            for plot in (self.error, self.coverage)
        ]
        self._layout = pn.Column(
            pn.Row(*panes, **FILL),
            visible=False,
            styles={"flex": "1 0 100%"},  # what is said of it follows below
            **FILL,
        )

    def __panel__(self) -> pn.Column:
        """Return the charts for Panel to lay out."""
        return self._layout

    def show(self, curves: CostCurves | None, *, keep: float, dark: bool) -> None:
        """Draw ``curves``, with a mark at the fraction ``keep``; None hides the charts."""
        self._layout.visible = curves is not None
        if curves is None:
            return
        tokens = theme(dark)
        percent = 100 * curves.keep
        known = np.isfinite(curves.random).any(axis=1)
        rows = 1e3 * curves.random[known]
        self._band.data = {
            "keep": percent[known],
            "low": np.nanmin(rows, axis=1) if len(rows) else [],
            "high": np.nanmax(rows, axis=1) if len(rows) else [],
            "middle": [median(row) for row in rows],
        }
        for source, line in zip(self._lines, curves.lines, strict=False):
            source.data = {
                "keep": percent,
                "rmse": 1e3 * line.rmse(),
                "covered": [100 * one.covered_environments for one in line.measures],
                "entropy": [one.entropy for one in line.measures],
            }
        for source in self._lines[len(curves.lines) :]:
            source.data = {"keep": [], "rmse": [], "covered": [], "entropy": []}
        self._whole.update(location=1e3 * curves.whole, line_color=tokens.muted)
        self._area.glyph.fill_color = tokens.dim
        self._middle.glyph.line_color = tokens.muted
        for number, plot in enumerate((self.error, self.coverage)):
            style_chart(plot, tokens)
            plot.xaxis.ticker = FixedTicker(ticks=percent.tolist())
            plot.xaxis.major_label_overrides = {float(value): f"{value:g}" for value in percent}
            self._name_lines(plot, number, [line.selector for line in curves.lines])
            style_legend(plot, tokens, alpha=0.6)
        for span in self._spans:
            span.update(location=100 * keep, line_color=tokens.text)

    def mark(self, keep: float) -> None:
        """Move the mark to the fraction ``keep``."""
        for span in self._spans:
            span.location = 100 * keep

    def _name_lines(self, plot: figure, number: int, names: list[str]) -> None:
        items = [item for item in plot.legend[0].items if item.label.value == "random"]
        for index, name in enumerate(names):
            line, points = self._drawn[2 * index + number]
            items.append(LegendItem(label=name, renderers=[line, points]))
        plot.legend[0].items = items

    @staticmethod
    def _figure(name: str, label: str, *, log: bool) -> figure:
        plot = figure(
            name=name,
            min_height=LOW,
            sizing_mode="stretch_both",
            x_axis_type="log",
            y_axis_type="log" if log else "linear",
            x_axis_label="keep fraction / %",
            y_axis_label=label,
            x_range=Range1d(1.5, 100),
            tools=[],
            toolbar_location=None,
            outline_line_color=None,
        )
        tips = [("keep", "@keep{0.0} %"), ("force RMSE", "@rmse{0.0} meV/Å"), ("covered", "@covered{0.0} %")]
        plot.add_tools(HoverTool(tooltips=[*tips, ("entropy", "@entropy{0.00} nats")], mode="mouse"))
        if not log:
            plot.add_layout(Legend(items=[]))
        return plot

"""Errors along how far other data lies: one point for each fifth of the environments, or structures."""

from __future__ import annotations

import panel as pn
from bokeh.models import ColumnDataSource, HoverTool, Range1d
from bokeh.plotting import figure

from meagraph.evaluation.error_by_novelty import ErrorByNovelty
from meaviz.style.page import FILL, style_chart
from meaviz.style.palette import theme

LOW = 90  # pixels at least


class NoveltyChart(pn.viewable.Viewer):
    """The root mean square error of each bin against the median distance in it."""

    def __init__(self) -> None:
        super().__init__()
        self.source = ColumnDataSource({"novelty": [], "error": [], "share": []})
        self.figure = plot = figure(
            name="error-by-novelty",
            min_height=LOW,
            sizing_mode="stretch_both",
            x_range=Range1d(0, 1),
            y_range=Range1d(0, 1),
            tools=[],
            toolbar_location=None,
            outline_line_color=None,
        )
        self._line = plot.line("novelty", "error", source=self.source, line_width=2)
        self._points = plot.scatter("novelty", "error", source=self.source, size=8)
        tips = [("distance", "@novelty{0.00}"), ("RMSE", "@error{0.00}"), ("of the squared error", "@share{0} %")]
        plot.add_tools(HoverTool(tooltips=tips, renderers=[self._points], mode="vline"))
        pane = pn.pane.Bokeh(plot, min_height=LOW, sizing_mode="stretch_both", margin=(0, 6))
        self._layout = pn.Column(pane, visible=False, **FILL)

    def __panel__(self) -> pn.Column:
        """Return the chart for Panel to lay out."""
        return self._layout

    def show(self, found: ErrorByNovelty | None, labels: tuple[str, str], scale: float, *, dark: bool) -> None:
        """Draw the errors times ``scale``; None, or what says nothing, hides the chart. ``labels`` name the axes."""
        self._layout.visible = found is not None and len(found.error) > 0
        if found is None or not len(found.error):
            return
        tokens = theme(dark)
        style_chart(self.figure, tokens)
        for renderer in (self._line, self._points):
            renderer.glyph.line_color = tokens.accent
        self._points.glyph.fill_color = tokens.accent
        self.figure.xaxis.axis_label, self.figure.yaxis.axis_label = labels
        error = scale * found.error
        self.figure.y_range.end = 1.08 * float(error.max()) or 1.0
        room = 0.06 * float(found.novelty[-1] - found.novelty[0]) or 0.5
        self.figure.x_range.update(start=float(found.novelty[0]) - room, end=float(found.novelty[-1]) + room)
        self.source.data = {"novelty": found.novelty, "error": error, "share": 100 * found.share}

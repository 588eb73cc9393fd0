"""Errors along how far other data lies: a bar for each fifth of the environments, or structures."""

from __future__ import annotations

import numpy as np
import panel as pn
from bokeh.models import ColumnDataSource, FixedTicker, HoverTool, Range1d
from bokeh.plotting import figure

from meagraph.evaluation.error_by_novelty import ErrorByNovelty
from meaviz.style.page import FILL, style_chart
from meaviz.style.palette import theme

LOW = 80  # pixels at least


class NoveltyChart(pn.viewable.Viewer):
    """The root mean square error of each bin, from the nearest to other data to the farthest; medians name the bins."""

    def __init__(self) -> None:
        super().__init__()
        self.source = ColumnDataSource({"place": [], "novelty": [], "error": [], "share": []})
        self.figure = plot = figure(
            name="error-by-novelty",
            min_height=LOW,
            sizing_mode="stretch_both",
            x_range=Range1d(-0.5, 0.5),
            y_range=Range1d(0, 1),
            tools=[],
            toolbar_location=None,
            outline_line_color=None,
        )
        self._bars = plot.vbar("place", width=0.7, top="error", source=self.source, line_color=None)
        tips = [("distance", "@novelty{0.00}"), ("RMSE", "@error{0.00}"), ("of the squared error", "@share{0} %")]
        plot.add_tools(HoverTool(tooltips=tips, renderers=[self._bars]))
        plot.xgrid.visible = False
        plot.yaxis.ticker.desired_num_ticks = 3
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
        self._bars.glyph.fill_color = tokens.accent
        error, places = scale * found.error, np.arange(len(found.error))
        axis = self.figure.xaxis
        axis.ticker = FixedTicker(ticks=places.tolist())
        axis.major_label_overrides = {place: f"{value:.3g}" for place, value in enumerate(found.novelty.tolist())}
        axis.axis_label, self.figure.yaxis.axis_label = labels
        self.figure.x_range.end = len(error) - 0.5
        self.figure.y_range.end = 1.08 * float(error.max()) or 1.0
        self.source.data = {"place": places, "novelty": found.novelty, "error": error, "share": 100 * found.share}

"""How much of what is new is covered, along the number of structures that are chosen."""

from __future__ import annotations

import panel as pn
from bokeh.models import ColumnDataSource, HoverTool, Range1d, Span
from bokeh.plotting import figure

from meagraph.evaluation.novelty import Curve
from meaviz.style.page import FILL, style_chart
from meaviz.style.palette import palette, theme

LOW = 150  # pixels at least


class CoverChart(pn.viewable.Viewer):
    """The share of the new environments that the known cover alone (at 0), and with ever more structures chosen."""

    def __init__(self) -> None:
        super().__init__()
        self.source = ColumnDataSource({"structures": [], "environments": [], "covered": []})
        colour = palette(1)[0]
        self.figure = plot = figure(
            name="cover-curve",
            min_height=LOW,
            sizing_mode="stretch_both",
            x_axis_label="structures chosen beside the known",
            y_axis_label="new environments covered / %",
            x_range=Range1d(0, 1),
            y_range=Range1d(0, 102),
            tools=[],
            toolbar_location=None,
            outline_line_color=None,
        )
        plot.line("structures", "covered", source=self.source, line_color=colour, line_width=2)
        points = plot.scatter("structures", "covered", source=self.source, color=colour, size=7)
        tips = [
            ("chosen", "@structures{0,0} structures, @environments{0,0} environments"),
            ("covered", "@covered{0.0} % of the new"),
        ]
        plot.add_tools(HoverTool(tooltips=tips, renderers=[points], mode="vline"))
        self._alone = Span(dimension="width", location=0, line_dash="dotted", line_width=1.5)
        self._now = Span(dimension="height", location=0, line_dash="dashed", line_width=1)
        plot.add_layout(self._alone)
        plot.add_layout(self._now)
        pane = pn.pane.Bokeh(plot, min_height=LOW, sizing_mode="stretch_both", margin=(0, 6))
        self._layout = pn.Column(pane, visible=False, **FILL)

    def __panel__(self) -> pn.Column:
        """Return the chart for Panel to lay out."""
        return self._layout

    def show(self, curve: Curve | None, *, chosen: int, dark: bool) -> None:
        """Draw ``curve``, with a mark at so many ``chosen`` structures; None hides the chart."""
        self._layout.visible = curve is not None
        if curve is None:
            return
        tokens = theme(dark)
        percent = 100 * curve.covered
        self.source.data = {
            "structures": curve.structures,
            "environments": curve.environments,
            "covered": percent,
        }
        self.figure.x_range.end = 1.03 * max(int(curve.structures.max()), chosen, 1)
        style_chart(self.figure, tokens)
        self._alone.update(location=float(percent[0]), line_color=tokens.muted)
        self._now.update(location=chosen, line_color=tokens.text)

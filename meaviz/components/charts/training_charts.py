"""The charts that compare trainings, and those of the pooling rate."""

from __future__ import annotations

from bokeh.models import BasicTicker, BoxAnnotation, ColumnDataSource, HoverTool, Range1d, Span
from bokeh.plotting import figure

from meaviz.style.page import style_chart, style_legend, tick_decades
from meaviz.style.palette import Theme


def runs_figure(lines: ColumnDataSource) -> figure:
    """The loss of every run against its epochs; ``lines`` has the columns epoch, loss, run, colour, width."""
    plot = figure(
        sizing_mode="stretch_both",
        y_axis_type="log",
        x_axis_label="epoch",
        y_axis_label="held-out loss",
        toolbar_location=None,
        outline_line_color=None,
        tools=[HoverTool(tooltips=[("model", "@run")], line_policy="nearest")],
    )
    plot.xaxis.ticker = BasicTicker(min_interval=1, desired_num_ticks=6)
    tick_decades(plot)
    plot.multi_line("epoch", "loss", line_color="colour", line_width="width", legend_field="run", source=lines)
    plot.legend.update(location="top_right", padding=2, spacing=0, glyph_height=12, glyph_width=18, border_line_alpha=0)
    return plot


def style_runs(plot: figure, tokens: Theme) -> None:
    """Give the chart of :func:`runs_figure` the colours and the font of the page."""
    style_chart(plot, tokens)
    style_legend(plot, tokens)


class RateCharts:
    """Number of clusters and their agreement against the pooling rate, with a mark at one rate.

    ``points`` has the columns rate and clusters, ``pairs`` rate and agreement, between two rates each.
    """

    def __init__(self, points: ColumnDataSource, pairs: ColumnDataSource, tokens: Theme) -> None:
        x_range = Range1d(0.0, 1.0)
        count = figure(y_axis_type="log", y_axis_label="clusters", **_layout(x_range, "@rate{0.00}", "@clusters{0}"))
        same = figure(
            y_range=Range1d(-0.03, 1.06),
            y_axis_label="agreement (ARI)",
            **_layout(x_range, "@rate{0.00}", "@agreement{0.00}"),
        )
        self.figures = count, same
        self._glyphs = []
        for plot, source, column in ((count, points, "clusters"), (same, pairs, "agreement")):
            line = plot.line("rate", column, source=source, line_width=2)
            dots = plot.scatter("rate", column, source=source, size=5)
            self._glyphs.append((line.glyph, dots.glyph))
        tick_decades(count)
        self.marks = [Span(dimension="height", location=0.5, line_width=2) for _ in self.figures]
        self.plateaus = [BoxAnnotation(left=0, right=0, visible=False, line_alpha=0) for _ in self.figures]
        for plot, mark, plateau in zip(self.figures, self.marks, self.plateaus, strict=True):
            plot.add_layout(plateau)
            plot.add_layout(mark)
        self.style(tokens)

    def show_rate(self, rate: float) -> None:
        """Move the mark."""
        for mark in self.marks:
            mark.location = rate

    def show_plateau(self, plateau: tuple[float, float] | None) -> None:
        """Shade the rates between which clusters hardly change; None shades nothing."""
        for box in self.plateaus:
            box.visible = plateau is not None
            if plateau is not None:
                box.left, box.right = plateau

    def style(self, tokens: Theme) -> None:
        """Give the charts the colours and the font of the page."""
        for plot, glyphs, mark, box in zip(self.figures, self._glyphs, self.marks, self.plateaus, strict=True):
            style_chart(plot, tokens)
            line, dots = glyphs
            line.line_color = dots.line_color = dots.fill_color = tokens.accent
            mark.line_color = tokens.text
            box.fill_color, box.fill_alpha = tokens.good, 0.15


def _layout(x_range: Range1d, *facts: str) -> dict[str, object]:
    return {
        "x_range": x_range,
        "x_axis_label": "pooling rate",
        "outline_line_color": None,
        "sizing_mode": "stretch_both",
        "toolbar_location": None,
        "tools": [HoverTool(tooltips=" · ".join(facts))],
    }

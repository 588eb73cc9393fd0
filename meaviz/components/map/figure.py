"""The empty figure of the map: ranges, tools, appearance, and what part of the plane it shows."""

from __future__ import annotations

from typing import Any, TypeAlias, cast

import numpy as np
from bokeh.core.property.descriptors import UnsetValueError
from bokeh.models import (
    BoxSelectTool,
    LassoSelectTool,
    PanTool,
    PolySelectTool,
    Range1d,
    ResetTool,
    WheelZoomTool,
)
from bokeh.plotting import figure
from numpy.typing import NDArray

from meaviz.components.map.layers import View
from meaviz.style.palette import Theme

NAME = "map"  # for those who look for the figure in the browser
MARGIN = 0.04  # of the extent, around all points
UNLAID_SIZE = (800, 600)  # pixels, until the browser has laid the figure out
SMALLEST_SIDE, LARGEST_SIDE = 100, 4000  # pixels
SPARE = (0.16, 0.17)  # of width and height, right and above, where legend and tools float over the whole window

_STYLESHEET = ".bk-Canvas { --outline-style: none }"  # no dotted frame around the map after a click
_TOOLBAR_STYLESHEET = ".bk-divider { display: none }"  # Bokeh forgets their width and hides the last tool


SelectTool: TypeAlias = BoxSelectTool | LassoSelectTool | PolySelectTool


def empty_figure(xy: NDArray[np.float32], axis_labels: tuple[str, str], *, ticks: bool = False) -> figure:
    """Return a figure with tools and without points, in whose ranges all of ``xy`` (N, 2) lie.

    ``ticks`` says that the coordinates themselves have a meaning.

    The browser tests no point against box and lasso: that is done on all points, in ``hits.py``. It draws on its
    canvas: by WebGL a redraw of 20,000 points takes seconds where software plays the graphics card, as over ssh.
    """
    x_range, y_range = (_range_around(column) for column in xy.T)
    plot = figure(
        name=NAME,
        x_range=x_range,
        y_range=y_range,
        tools=[],
        toolbar_location="above",
        lod_timeout=100,  # ms from the last turn of the wheel to the report of the new ranges
        lod_threshold=None,  # never draw a part of the points
        sizing_mode="stretch_both",
        x_axis_label=axis_labels[0],
        y_axis_label=axis_labels[1],
    )
    lasso, wheel = LassoSelectTool(continuous=False, renderers=[]), WheelZoomTool()
    polygon = PolySelectTool(renderers=[], description="Polygon Select: click the corners, double click the last")
    plot.add_tools(lasso, BoxSelectTool(renderers=[]), polygon, PanTool(), wheel, ResetTool())
    plot.toolbar.update(active_drag=lasso, active_scroll=wheel, active_tap=None)
    plot.toolbar.logo = None
    plot.toolbar.stylesheets = [_TOOLBAR_STYLESHEET]
    plot.stylesheets = [_STYLESHEET]
    plot.grid.visible = False
    if not ticks:  # the coordinates have no meaning, only nearness has
        plot.axis.ticker = []
        plot.axis.axis_line_color = None
    plot.axis.axis_label_text_font_style = "normal"
    plot.axis.axis_label_text_font_size = "12px"
    return plot


def apply_theme(plot: figure, theme: Theme) -> None:
    """Give the figure, its axes, and the shapes drawn by its tools the colours of ``theme``."""
    plot.styles = {"--bokeh-icon-color": theme.muted}
    plot.background_fill_color = theme.raised  # the map lies on a card
    plot.border_fill_color = theme.raised
    plot.outline_line_color = None
    plot.axis.axis_label_text_color = theme.muted
    plot.axis.axis_label_text_font = theme.font
    for axis in plot.axis:
        axis.update(
            major_label_text_color=theme.muted,
            major_label_text_font=theme.font,
            major_label_text_font_size="11px",
            major_tick_line_color=theme.border,
            minor_tick_line_color=None,
        )
        if axis.axis_line_color is not None:
            axis.axis_line_color = theme.border
    for tool in select_tools(plot):
        tool.overlay.update(
            fill_color=theme.accent,
            fill_alpha=0.12,
            line_color=theme.accent,
            line_width=1.5,
            line_dash="solid",
        )


def select_tools(plot: figure) -> list[SelectTool]:
    """Return the tools that draw a box, a lasso or a polygon."""
    return [tool for tool in plot.toolbar.tools if isinstance(tool, SelectTool)]


def view_of(plot: figure) -> View:
    """Return what the browser shows of the figure now."""
    size = []
    for side, default in zip(("inner_width", "inner_height"), UNLAID_SIZE, strict=True):
        try:
            size.append(getattr(plot, side))
        except UnsetValueError:  # not laid out yet
            size.append(default)
    width, height = np.clip(size, SMALLEST_SIDE, LARGEST_SIDE).astype(int).tolist()
    x, y = cast(Any, plot.x_range), cast(Any, plot.y_range)
    return View((x.start, x.end), (y.start, y.end), width, height)


def extent(values: NDArray[np.floating], spare: float = 0.0) -> tuple[float, float]:
    """The range of an axis on which all finite ``values`` lie, with a margin, and a ``spare`` share of it beyond."""
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    margin = MARGIN * (high - low) or 1.0
    low, high = low - margin, high + margin
    return low, high + (high - low) * spare / (1.0 - spare)


def shows_all(plot: figure) -> bool:
    """Whether the view is what a reset goes back to."""
    return all(
        np.allclose((axis.start, axis.end), (axis.reset_start, axis.reset_end))
        for axis in (cast(Any, plot.x_range), cast(Any, plot.y_range))
    )


def show_all(plot: figure, xy: NDArray[np.floating], spare: tuple[float, float], *, look: bool) -> None:
    """Let a reset go back to all of ``xy`` (N, 2) with ``spare`` room right and above; ``look`` goes there now."""
    for axis, column, more in zip((plot.x_range, plot.y_range), xy.T, spare, strict=True):
        start, end = extent(column, more)
        axis.update(reset_start=start, reset_end=end, **({"start": start, "end": end} if look else {}))


def enclose(plot: figure, xy: NDArray[np.floating], whole: NDArray[np.floating], spare: tuple[float, float]) -> None:
    """Let the view hold ``xy`` (K, 2), of one point its surroundings within ``whole`` (N, 2)."""
    for axis, column, every, more in zip((plot.x_range, plot.y_range), xy.T, whole.T, spare, strict=True):
        start, end = extent(column, more)
        if not np.nanmax(column) > np.nanmin(column):
            (low, high), (first, last) = extent(every), extent(column)
            middle, reach = (first + last) / 2, 0.02 * (high - low)
            start, end = middle - reach, middle + reach
        axis.update(start=start, end=end)


def _range_around(values: NDArray[np.float32]) -> Range1d:
    low, high = extent(values)
    return Range1d(start=low, end=high, reset_start=low, reset_end=high)

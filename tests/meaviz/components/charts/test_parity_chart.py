"""What a box, a lasso and a click on a parity plot mean: the points themselves, however far from zero they lie."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from bokeh.models import ColumnDataSource

from meaviz.components.charts.parity_chart import ParityChart
from meaviz.style.palette import DARK, LIGHT

SHIFT = -123_456.0  # at which single precision knows steps of 0.008 only
XY = np.array([[0.0, 0.001], [0.002, 0.002], [0.004, 0.009], [np.nan, 1.0]]) + SHIFT


class Heard:
    def __init__(self) -> None:
        self.selected: list[tuple[list[int], str]] = []
        self.tapped: list[int] = []
        self.chart = ParityChart(
            lambda mask, mode: self.selected.append((np.flatnonzero(mask).tolist(), mode)),
            self.tapped.append,
            dark=False,
        )
        self.chart.show(XY, None, ("reference", "predicted"), difference=False)

    def draw(self, shape: Mapping[str, Any], *, shift: bool = False) -> None:
        """As the browser reports it."""
        callbacks = self.chart.figure.js_event_callbacks["selectiongeometry"]
        gesture: ColumnDataSource = callbacks[0].args["gesture"]
        gesture.data = {"shape": [shape], "shift": [shift], "ctrl": [False], "time": [0.0]}


@pytest.fixture
def heard() -> Heard:
    return Heard()


def test_a_box_and_a_lasso_enclose_points(heard: Heard) -> None:
    heard.draw({"type": "rect", "x0": SHIFT + 0.001, "x1": SHIFT + 0.005, "y0": SHIFT, "y1": SHIFT + 0.005})
    corners = np.array([[-0.001, 0.0], [0.001, 0.0], [0.001, 0.002], [-0.001, 0.002]]) + SHIFT
    heard.draw({"type": "poly", "x": corners[:, 0].tolist(), "y": corners[:, 1].tolist()}, shift=True)
    assert heard.selected == [([1], "replace"), ([0], "add")]


def test_a_click_means_the_nearest_point(heard: Heard) -> None:
    for x, y in ((0.00395, 0.009), (0.0, 0.009), (9.0, 9.0)):
        heard.chart.tap(SHIFT + x, SHIFT + y)
    heard.chart.tap(None, None)
    assert heard.tapped == [2, -1, -1]


def test_both_axes_show_one_range_and_the_line_of_no_error(heard: Heard) -> None:
    plot = heard.chart.figure
    assert (plot.x_range.start, plot.x_range.end) == (plot.y_range.start, plot.y_range.end)
    assert plot.x_range.start < SHIFT
    assert plot.x_range.end > SHIFT + 0.009
    apart = XY - np.array([0.0, 1.0]) * XY[:, :1]
    heard.chart.show(apart, None, ("reference", "error"), difference=True)
    assert plot.y_range.start < 0.0 < plot.y_range.end < 0.01
    assert plot.x_range.end < 0.0


def colours(chart: ParityChart) -> set[int]:
    """All that are drawn, without their opacity."""
    image = chart.source.data["image"][0]
    return {int(value) & 0xFFFFFF for value in np.unique(image[image >> 24 == 255])}


def test_what_is_not_selected_is_grey(heard: Heard) -> None:
    for tokens in (LIGHT, DARK):
        heard.chart.style(tokens is DARK)
        red, green, blue = (int(tokens.dim[place : place + 2], 16) for place in (1, 3, 5))
        dim = red | green << 8 | blue << 16
        heard.chart.select(None)
        assert dim not in colours(heard.chart)
        heard.chart.select(np.array([True, False, False, False]))
        assert dim in colours(heard.chart)
        assert len(colours(heard.chart)) > 1

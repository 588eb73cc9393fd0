"""The bar charts of pruning: what a slider moves is what a new drawing would show."""

from __future__ import annotations

import holoviews as hv
import numpy as np
import panel as pn
import pytest

from meagraph.pruning.tally import Tally
from meaviz.components.charts.chart import Chart
from meaviz.views.pruning.bars import BARS, PlanBars, draw


@pytest.fixture(autouse=True)
def backend() -> None:
    hv.extension("bokeh")


def bars(names: list[str], seed: int) -> PlanBars:
    rng = np.random.default_rng(seed)
    whole = rng.integers(50, 100, len(names))
    chosen, kept = rng.integers(0, 50, (2, len(names)))
    return PlanBars("group", Tally(tuple(names), whole, chosen, kept))


def shown(*contents: PlanBars) -> tuple[Chart, list[object]]:
    """A chart on a page that has shown one content after the other, and its sources after each."""
    chart = Chart(draw, PlanBars("group", None), height=200)
    pn.Column(chart).get_root()
    sources = []
    for content in contents:
        chart.show(content, dark=False)
        sources.append(tuple(chart.sources))
    return chart, sources


def columns(chart: Chart) -> list[dict[str, list[object]]]:
    return [{name: list(values) for name, values in source.data.items()} for source in chart.sources]


def test_values_that_change_are_what_a_new_drawing_shows() -> None:
    names = ["a", "b", "c / d"]
    moved, (before, after) = shown(bars(names, 0), bars(names, 1))
    assert len(after) == 2
    assert before == after  # the figure stays, and so do its sources
    drawn, _ = shown(bars(names, 1))
    assert columns(moved) == columns(drawn)
    assert columns(moved) != columns(shown(bars(names, 0))[0])


@pytest.mark.parametrize("names", [["a", "b"], ["a", "c"], [f"g{i}" for i in range(BARS + 3)]])
def test_other_categories_are_drawn(names: list[str]) -> None:
    moved, _ = shown(bars(["a", "b", "c"], 0), bars(["a", "b", "c"], 1), bars(names, 2))
    drawn, _ = shown(bars(names, 2))
    assert columns(moved) == columns(drawn)
    assert len(columns(moved)[0]["group"]) == min(len(names), BARS)

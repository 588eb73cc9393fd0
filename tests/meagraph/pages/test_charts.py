"""Charts of a page: bars as long as the shares they stand for, points where the errors are."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from meagraph.evaluation.against_random import PlanCost
from meagraph.evaluation.error_curve import CostCurves
from meagraph.evaluation.force_error import Cost
from meagraph.pages.charts import cost_chart, curves_chart, tally_table
from meagraph.pruning.tally import Tally


def cost(rmse: float) -> Cost:
    return Cost(9, 3, rmse, 0.1, 0.3, {}, 0.01, np.zeros(2), np.zeros(1))


def test_bars_are_as_long_as_what_stays() -> None:
    tally = Tally(("<b>big", "small"), np.array([200, 10]), np.array([20, 1]), np.array([50, 10]))
    root = ET.fromstring(f"<div>{tally_table('group', tally)}</div>")
    assert [float(bar.get("width", "")) for bar in root.iter("rect") if bar.get("class") == "part"] == [25.0, 100.0]
    assert "<b>big" in [cell.text for cell in root.iter("td")]


def test_errors_stand_in_their_order_along_the_axis() -> None:
    found = PlanCost(cast(Any, None), cost(0.02), (cost(0.05), cost(0.03), cost(0.04)), cost(0.01))
    root = ET.fromstring(cost_chart(found))
    at: dict[str | None, list[float]] = {}
    for one in root.iter("circle"):
        at.setdefault(one.get("class"), []).append(float(one.get("cx", "")))
    whole, kept, last, first, middle = *at["whole"], *at["kept"], *at["random"]
    assert np.allclose(np.diff([whole, kept, first, middle, last]), kept - whole, atol=0.2)
    lines = [float(one.get("x1", "")) for one in root.iter("line") if one.get("class") == "random"]
    assert lines == pytest.approx([middle], abs=0.1)
    assert cost_chart(PlanCost(cast(Any, None), cost(np.nan), (), cost(np.nan))) == ""


def test_curves_leave_out_what_was_not_fitted() -> None:
    line = SimpleNamespace(selector="<i>fps", rmse=lambda: np.array([np.nan, 0.02, 0.01]))
    random = np.array([[np.nan, np.nan], [0.04, 0.02], [0.02, 0.01]])
    curves = CostCurves(np.array([0.1, 0.2, 0.5]), cast(Any, (line,)), random, 0.008)
    root = ET.fromstring(curves_chart(curves, 0.2))
    points = {one.get("class"): one.get("points", "").split() for one in root.iter() if "points" in one.keys()}  # noqa: SIM118
    assert len(points["kept line"]) == 2
    assert len(points["random band"]) == 4
    heights = [float(point.split(",")[1]) for point in points["kept line"]]
    assert heights[0] < heights[1]  # an error that falls goes down
    assert "<i>fps" in [one.text for one in root.iter("text")]

"""Figures for papers: as wide as asked for, text as text, the same bytes, and what they show is true."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

import meagraph as mg
from meagraph.evaluation.error_curve import CostCurves
from meagraph.figures.compositions import composition_figure
from meagraph.figures.curves import curves_figure
from meagraph.figures.histograms import histogram_figure
from meagraph.figures.maps import map_figure
from meagraph.figures.style import file_of, inches
from meagraph.inspection.property import Property
from meagraph.latent.clustering import Clusters
from tests.support.finished import Finished

N = 400
NAMES = ("$x$ & <b>", "_hidden", "a name that is much too long to be read on any map of this width")
RNG = np.random.default_rng(0)
XY = RNG.normal(size=(N, 2))
GROUP = Property("group", "Group", "", "structure", "category", np.arange(N) % 4 - 1, NAMES)
ENERGY = Property("energy", "Energy per atom", "eV/atom", "structure", "number", RNG.normal(-9, 0.2, N))
LINE = SimpleNamespace(selector="meagraph", rmse=lambda: np.array([0.03, 0.02, 0.011]))
CURVES = CostCurves(np.array([0.05, 0.1, 0.5]), cast(Any, (LINE,)), np.array([[0.05, 0.04]] * 3), 0.01)
CLUSTERS = Clusters(np.arange(N) % 3 - 1, np.array([134, 133]), "by hand")


def figures(width: float) -> dict[str, Any]:
    return {
        "map": map_figure(XY, GROUP, width=width),
        "numbers": map_figure(XY, ENERGY, width=width),
        "histogram": histogram_figure([ENERGY], GROUP, width=width),
        "curves": curves_figure(CURVES, 0.1, width=width),
        "composition": composition_figure(GROUP, CLUSTERS, ("first", "second"), width=width),
    }


@pytest.mark.parametrize("width", [3.4, 7.0])
def test_figures_are_as_wide_as_a_column_and_legends_hide_nothing(width: float) -> None:
    for kind, figure in figures(width).items():
        assert figure.get_figwidth() == width
        svg = file_of(figure, ".svg").decode()
        assert float(re.search(r'width="([\d.]+)pt"', svg)[1]) == pytest.approx(72 * width)  # type: ignore[index]
        whole = figure.bbox
        for legend in figure.legends:
            box = legend.get_window_extent()
            assert box.width > 0
            assert box.x0 >= whole.x0 - 1, kind
            assert box.x1 <= whole.x1 + 1, kind
            for axes in figure.axes:
                assert not box.overlaps(axes.bbox), kind


def test_text_stays_text_and_is_what_it_was() -> None:
    svg = file_of(map_figure(XY, GROUP, width=3.4), ".svg").decode()
    assert "$x$ &amp; &lt;b&gt; (100)" in svg
    assert "_hidden (100)" in svg
    assert "UMAP 1" in svg
    pdf = file_of(map_figure(XY, ENERGY, width=3.4), ".pdf")
    assert b"/FontFile2" in pdf  # TrueType, embedded
    assert b"/Type3" not in pdf


@pytest.mark.parametrize("suffix", [".svg", ".pdf", ".png"])
def test_the_same_input_gives_the_same_bytes(suffix: str) -> None:
    first, again = (file_of(map_figure(XY, GROUP, width=3.4), suffix) for _ in range(2))
    assert first == again


def test_points_of_large_maps_are_an_image_within_lines_and_text() -> None:
    xy = RNG.normal(size=(6000, 2))
    many = Property("group", "Group", "", "structure", "category", np.zeros(6000, dtype=int), ("all",))
    svg = file_of(map_figure(xy, many, width=3.4), ".svg")
    assert svg.count(b"<image") == 1
    assert len(svg) < 2e6
    assert b"all (6,000)" in svg


def test_bars_of_a_histogram_hold_all_that_is_known() -> None:
    values = np.append(np.repeat([1.0, 2.0, 3.0], [5, 3, 2]), np.nan)
    found = Property("n", "Number", "", "environment", "number", values)
    by = Property("half", "Half", "", "environment", "category", np.array([0] * 6 + [1] * 5), ("a", "b"))
    (axes,) = histogram_figure([found], width=3.4).axes
    assert axes.patches[0].get_data().values.tolist() == [5, 3, 2]
    assert axes.get_xlabel() == "Number"
    (axes,) = histogram_figure([found], by, width=3.4).axes
    stacked = [np.asarray(one.get_data().values - one.get_data().baseline).tolist() for one in axes.patches]
    assert stacked[:2] == [[5, 1, 0], [0, 2, 2]]
    with pytest.raises(mg.MEAGraphError, match="expects numbers"):
        histogram_figure([by], width=3.4)
    nothing = Property("n", "Number", "", "environment", "number", np.full(3, np.nan))
    with pytest.raises(mg.MEAGraphError, match="nothing is of 'n'"):
        histogram_figure([nothing], width=3.4)


def test_parts_of_a_composition_are_shares_of_each_cluster() -> None:
    figure = composition_figure(GROUP, CLUSTERS, ("first", "second"), width=7.0)
    (axes,) = figure.axes
    widths = np.array([[bar.get_width() for bar in one] for one in axes.containers])
    assert widths.sum(axis=0) == pytest.approx([100, 100, 100])
    inside = GROUP.values[CLUSTERS.labels == 0]
    largest = np.argsort(-np.bincount(GROUP.values + 1)[1:], kind="stable")[0]
    assert widths[0, 0] == pytest.approx(100 * (inside == largest).mean())
    assert [text.get_text() for text in axes.get_yticklabels()] == ["0 first", "1 second", "in no cluster"]


def test_a_figure_of_an_analysis(finished: Finished, tmp_path: Path) -> None:
    found, plan = finished.analysis, mg.prune(finished.analysis, keep=0.3, alpha=0.5)
    path = mg.plot(found, "map", tmp_path / "a.svg", colour_by="plan", plan=plan)
    assert f"in kept structures ({int(plan.structures[found.dataset.structure_of].sum()):,})" in path.read_text()
    mg.plot(found, "histogram", path, properties=("energy", "force"), by="group", width=7)  # over one of ours
    assert "Energy per atom / eV/atom" in path.read_text()
    for wrong, words in (
        ({"kind": "pie"}, "no figure 'pie'"),
        ({"colour_by": "colour"}, "no property 'colour'"),
        ({"colour_by": "plan"}, "no property 'plan'"),
        ({"width": "wide"}, "width of 'single' or 'double'"),
        ({"kind": "composition", "by": "energy"}, "has numbers"),
        ({"path": tmp_path / "a.gif"}, "ends in .svg"),
    ):
        with pytest.raises(mg.MEAGraphError, match=words):
            mg.plot(found, **{"kind": "map", "path": path} | wrong)
    (tmp_path / "mine.png").write_bytes(b"mine")
    with pytest.raises(mg.MEAGraphError, match="another one"):
        mg.plot(found, "map", tmp_path / "mine.png")


def test_widths() -> None:
    assert [inches(width) for width in ("single", "double", 5, "4.5")] == [3.4, 7.0, 5.0, 4.5]
    for wrong in ("triple", 0.5, float("nan")):
        with pytest.raises(mg.MEAGraphError, match="width"):
            inches(wrong)

"""The tab of predictions without a browser: what it lists, what clicks and lassos select, and where it has nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from meagraph.outliers.suspects import Suspect
from meaviz.jobs import predictions_job
from meaviz.jobs.workflow import Workflow
from meaviz.session import Session
from meaviz.views.predictions.view import PredictionsView
from tests.support.jobs import RunsAtOnce
from tests.support.made_up import session_of
from tests.support.predicted import errors_off


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(predictions_job, "JobRunner", RunsAtOnce)
    monkeypatch.setenv("MEAVIZ_DATA_HOME", str(tmp_path))


@pytest.fixture
def session() -> Session:
    made = session_of(1200, 20)
    found = made.data.survey.outliers
    signal = replace(found.signals[0], name="isolation", value=np.linspace(0.1, 4.0, 1200))
    made.data.survey = replace(made.data.survey, outliers=replace(found, signals=(signal,)))
    return made


@pytest.fixture
def view(session: Session) -> PredictionsView:
    made = PredictionsView(session, Workflow(session))
    session.set_errors(errors_off(session.data.dataset))
    return made


def test_it_says_how_to_bring_predictions(session: Session) -> None:
    view = PredictionsView(session, Workflow(session))
    assert view.empty.visible
    for way in ("MACE_energy", "another file", "meagraph predict"):
        assert way in view.empty.object
    assert "dataset" in PredictionsView(Session(), Workflow(Session())).empty.object


def test_a_part_is_selected_by_a_click(view: PredictionsView, session: Session) -> None:
    assert not view.empty.visible
    labels, data = session.data.survey.clusters.labels, session.data.dataset
    view.quantity.value = "forces"
    assert [row["cells"][0] for row in view.parts.rows if row["id"] == 3] == [f"{(labels == 3).sum():,}"]
    assert view.parts.rows[0]["id"] == labels[7]  # the one environment that is off lies there
    view.choose_part(3)
    np.testing.assert_array_equal(session.selection.mask, labels == 3)
    assert view.parts.current == 3
    view.kind.value = "Size"
    assert [row["text"] for row in view.parts.rows] == ["20 atoms"]
    view.kind.value = "Group"
    view.choose_part(2)
    assert set(data.groups[data.structure_of[session.selection.mask]]) == {"group 2"}


def test_the_worst_is_selected_and_shown_in_3d(view: PredictionsView, session: Session) -> None:
    data = session.data.dataset
    assert view.worst.rows[0]["id"] == 2
    view.choose_worst(2)
    assert (session.selection.inspected, session.selection.asked) == (40, "structure")
    np.testing.assert_array_equal(session.selection.mask, data.structure_of == 2)
    assert view.worst.current == 2
    view.quantity.value = "forces"
    view.choose_worst(view.worst.rows[0]["id"])
    assert (session.selection.inspected, session.selection.asked) == (7, "environment")
    assert np.flatnonzero(session.selection.mask).tolist() == [7]


def test_brush_and_click_on_the_plot(view: PredictionsView, session: Session) -> None:
    points = np.zeros(60, dtype=bool)
    points[[2, 5]] = True
    view.brush(points, "replace")
    assert set(session.data.dataset.structure_of[session.selection.mask]) == {2, 5}
    assert session.selection.mask.sum() == 40
    view.tap(-1)
    assert session.selection.inspected == -1
    view.quantity.value = "forces"
    view.tap(3 * 7 + 2)
    assert session.selection.inspected == 7
    session.selection.select_rows([3, 4])
    drawn = view.chart.source.data["image"][0]
    session.selection.clear()
    assert not np.array_equal(view.chart.source.data["image"][0], drawn)


def test_difference_and_units_are_named(view: PredictionsView) -> None:
    plot = view.chart.figure
    assert (plot.xaxis[0].axis_label, plot.yaxis[0].axis_label) == (
        "energy, reference / eV/atom",
        "predicted / eV/atom",
    )
    view.difference.value = True
    assert plot.yaxis[0].axis_label == "error / eV/atom"
    assert plot.y_range.end == pytest.approx(0.4 * 1.04)
    assert "worst 400.0 meV/atom" in view.summary.object
    assert view.parts.heads[0] == "meV/atom"
    view.quantity.value = "forces"
    assert view.parts.heads[0] == "meV/Å"
    assert "worst 5,000 meV/Å" in view.summary.object
    assert list(view.quantity.options.values()) == ["energy", "forces"]  # nothing has a stress


def test_map_and_atoms_are_coloured_by_the_error(view: PredictionsView, session: Session) -> None:
    view.quantity.value = "forces"
    view.colour_by_error()
    assert (session.appearance.colour_by, session.appearance.atoms_by) == ("force_error", "force_error")


def test_the_question_is_answered_in_a_sentence(view: PredictionsView, session: Session) -> None:
    found = session.data.thin["forces"]
    view.quantity.value = "forces"
    view.side.value = view.side.options[1]
    assert view.deeper.answer.object == found.sentence
    np.testing.assert_allclose(view.deeper.chart.source.data["error"], 1000 * found.error)
    assert view.deeper.chart.figure.yaxis[0].axis_label == "meV/Å"
    session.data.thin = {}
    assert "once there is a map" in view.deeper.answer.object


def test_labels_that_may_be_wrong_are_listed_with_the_reason(view: PredictionsView, session: Session) -> None:
    found = session.data.suspects
    assert {one.structure for one in found} == {0, 2}  # the two that are off
    assert view.deeper.suspects.rows[0]["text"].startswith("group 2, frame 2: the model is +0.4 eV/atom off")
    session.data.suspects = (Suspect(3, 65, 1.5, "off by <b>much</b>"),)
    assert view.deeper.suspects.rows[0]["text"] == "group 3, frame 3: off by <b>much</b>"
    view.deeper.choose(65)
    assert set(session.data.dataset.structure_of[session.selection.mask]) == {3}
    assert session.selection.inspected == view.deeper.suspects.current == 65
    session.data.suspects = ()
    assert "No label stands out" in view.deeper.suspects.empty
    session.data.suspects = None
    assert "once there is a map" in view.deeper.suspects.empty


def test_what_goes_wrong_is_said_and_nothing_else_changes(view: PredictionsView, session: Session) -> None:
    before = session.data.errors
    view.source.path.value = ""
    view.source.open_typed()
    assert "Name a file first" in session.activity.not_predicted
    view.source.path.value = "<b>missing</b>.extxyz"
    view.source.open_typed()
    assert "<b>missing</b>.extxyz" in session.activity.not_predicted
    assert session.data.errors is before


def test_text_of_files_is_text() -> None:
    session = session_of(600, 20)
    data = session.data.dataset
    groups = data.groups.astype(object)
    groups[:] = "<img src=x onerror=alert(1)>"
    session.set_dataset(replace(data, groups=groups.astype(str)))
    session.set_errors(errors_off(session.data.dataset))
    view = PredictionsView(session, Workflow(session))
    view.kind.value = "Group"
    assert view.parts.rows[0]["text"] == "<img src=x onerror=alert(1)>"  # which the list sets as text
    assert view.worst.rows[0]["text"].startswith("<img")

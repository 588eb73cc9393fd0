"""The steps to a map hand over each result when it is there, and leave a sound session wherever they are stopped."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from meagraph.errors import Cancelled
from meagraph.pipeline.sight import Sight, continues
from meaviz.jobs.opening import Ahead
from meaviz.jobs.workflow import Workflow
from meaviz.session import Session
from meaviz.session.appearance import PLACES, QUICK
from tests.support.finished import CONFIG, Finished
from tests.support.jobs import AtOnce


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Session:
    """One that has computed nothing yet, nor has anybody else."""
    monkeypatch.setenv("MEAVIZ_DATA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MEAVIZ_CACHE", str(tmp_path / "cache"))
    session = Session()
    session.data.next_config = CONFIG
    return session


def stop_at(word: str) -> AtOnce:
    """What cancels at a report that begins so."""

    def progress(done: int, total: int, message: str) -> None:
        if message.startswith(word):
            raise Cancelled

    return progress  # type: ignore[return-value]


def test_cancelling_after_the_quick_map_leaves_it_and_what_was_selected_on_it(
    session: Session, finished: Finished
) -> None:
    job = AtOnce(session)
    workflow = Workflow(session, job)
    job.progress = stop_at("epoch 1")  # type: ignore[assignment, method-assign]
    workflow.open([finished.path])

    data, selection, appearance = session.data, session.selection, session.appearance
    assert session.activity.problem == ("model", "Cancelled.")
    assert session.activity.running == ""
    assert data.sight is data.quick
    assert data.sight.quick
    assert data.sight.config == CONFIG
    assert (data.learned, data.survey, data.analysis, session.planning.plan) == (None, None, None, None)
    assert data.missing_step() == "model"
    assert (appearance.axes, appearance.colour_by) == (QUICK, "group")
    assert data.properties.plane(*QUICK).tolist() == data.sight.projection.xy.tolist()
    assert not {"umap_1", "cluster", "score", "kept"} & set(data.properties)

    selection.select(data.dataset.structure_of == 2)
    selection.set_filters(selection.filters.with_range("structure", 1, 3))
    selection.inspected = 40
    chosen = selection.mask.copy()
    assert "cluster" not in session.describe(40)

    job.progress = lambda done, total, message: None  # type: ignore[assignment, method-assign]
    workflow.run("map")
    assert session.activity.problem == ("", "")
    assert data.sight is data.survey
    assert data.survey.config.seed == CONFIG.seed
    assert (selection.mask == chosen).all()
    assert (selection.inspected, selection.history.can_undo) == (40, True)
    assert selection.shown is not None
    assert (appearance.axes, appearance.colour_by) == (PLACES, "cluster")
    assert {"umap_1", "pca_1", "cluster", "score", "kept"} <= set(data.properties)
    assert session.planning.plan is not None


def test_cancelling_between_clusters_and_ranking_leaves_what_is_known(session: Session, finished: Finished) -> None:
    job = AtOnce(session)
    job.progress = stop_at("ranking")  # type: ignore[assignment, method-assign]
    Workflow(session, job).open([finished.path])
    data = session.data
    assert session.activity.problem[0] == "map"
    assert data.survey is None
    assert not data.sight.quick
    assert data.sight.outliers is not None
    assert data.sight.config.training == data.learned.config.training == CONFIG.training
    assert session.describe(0)["outlier score"] == f"{data.sight.outliers.score[0]:.2f}"
    assert session.judging.flags is None
    session.selection.select(np.arange(145) < 3)
    session.selection.grow()
    assert session.selection.mask.sum() > 3


def test_a_model_trained_anew_shows_the_quick_map_again_without_the_old_selection(
    session: Session, finished: Finished
) -> None:
    Workflow(session, AtOnce(session)).open([finished.path])
    session.selection.select(np.arange(145) < 3)
    session.set_learned(session.data.learned)
    assert session.data.sight is session.data.quick
    assert session.data.survey is None
    assert not session.selection.any
    assert session.appearance.axes == QUICK


def test_a_part_does_not_replace_a_whole_map(session: Session, finished: Finished) -> None:
    Workflow(session, AtOnce(session)).open([finished.path])
    survey = session.data.survey
    session.set_part(Sight(survey.projection, survey.config))
    assert session.data.sight is survey


def test_what_was_opened_ahead_is_taken_once(
    session: Session, known: Finished, monkeypatch: pytest.MonkeyPatch
) -> None:
    ahead = Ahead([known.path])
    ahead.thread.join()
    assert ahead.claim()
    assert not ahead.claim()
    Workflow(session, AtOnce(session)).open([known.path], ahead=ahead)
    assert session.data.dataset.n_environments == 145
    assert session.data.asked.paths == (str(known.path),)
    bad = Ahead(["nowhere.extxyz"])
    bad.thread.join()
    Workflow(session, AtOnce(session)).open(["nowhere.extxyz"], ahead=bad)
    assert "nowhere.extxyz" in session.activity.problem[1]
    assert session.data.dataset.n_environments == 145


def test_continuing() -> None:
    places = object()
    config = CONFIG
    bare = Sight(places, config, quick=True)  # type: ignore[arg-type]
    assert continues(bare, Sight(None, config))  # type: ignore[arg-type]
    assert not continues(None, bare)
    assert not continues(bare, None)

"""Pruning in a session: the plan follows settings and judgements, undo, names, comparison, shares by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from meagraph.errors import MEAGraphError
from meagraph.pipeline.planning import prune as prune_for
from meagraph.pruning.plan import prune
from meaviz.session import Session
from tests.support.made_up import session_of
from tests.support.predicted import errors_off


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Session:
    monkeypatch.setenv("MEAVIZ_DATA_HOME", str(tmp_path))
    return session_of(1200, 12)


def test_the_plan_follows_the_settings_and_undo_goes_back(session: Session) -> None:
    first = session.planning.settings
    for keep in (0.3, 0.5):
        session.planning.settings = replace(session.planning.settings, keep=keep)
        expected = prune(
            session.data.survey.ranking, session.data.survey.clusters, session.data.dataset, session.planning.settings
        )
        assert np.array_equal(session.planning.plan.structures, expected.structures)
    session.planning.move_in_history(-1)
    assert session.planning.settings.keep == session.planning.plan.config.keep == 0.3
    session.planning.move_in_history(-1)
    assert session.planning.settings == first
    assert not session.planning.history.can_undo
    session.planning.move_in_history(1)
    session.planning.settings = replace(session.planning.settings, alpha=0.2)
    assert not session.planning.history.can_redo


def test_judgements_bind_the_plan(session: Session) -> None:
    session.planning.settings = replace(session.planning.settings, keep=0.1)
    out = int(np.flatnonzero(~session.planning.plan.structures)[0])
    row = int(session.data.dataset.offsets[out])
    session.judging.judge(np.array([row]), "ordinary")
    assert not session.planning.plan.structures[out]
    session.planning.keep_ordinary = True
    assert session.planning.plan.structures[out]
    assert session.planning.plan.keep[row]
    session.judging.judge(np.array([row]), "outlier")
    assert not session.planning.plan.structures[out]


def test_two_plans_are_compared_by_what_they_keep(session: Session) -> None:
    session.planning.settings = replace(session.planning.settings, keep=0.1)
    session.planning.keep(" small ")
    session.planning.settings = replace(session.planning.settings, keep=0.4)
    session.planning.keep("large")
    session.planning.compare("small", "large")
    assert session.appearance.colour_by == "difference"
    found = session.data.properties["difference"]
    of = session.data.dataset.structure_of
    small, large = session.planning.plans["small"].structures[of], session.planning.plans["large"].structures[of]
    assert found.names == ("kept by neither", "kept by both", "only by small", "only by large")
    assert np.array_equal(found.values == 1, small & large)
    assert np.array_equal(found.values == 2, small & ~large)
    assert np.array_equal(found.values == 3, large & ~small)
    assert np.array_equal(session.data.properties.find("difference == 'kept by both'"), small & large)
    session.planning.use("small")
    assert session.planning.settings.keep == 0.1
    session.planning.forget("large")
    assert session.planning.compared == ("", "")
    assert session.appearance.colour_by == "cluster"
    assert "difference" not in session.data.properties
    with pytest.raises(MEAGraphError, match="no plan called 'large'"):
        session.planning.compare("small", "large")
    with pytest.raises(MEAGraphError, match="name"):
        session.planning.keep("  ")


def test_shares_of_clusters_are_kept_by_the_plan_and_end_with_the_map(session: Session) -> None:
    session.planning.settings = replace(session.planning.settings, fractions=((0, 1.0), (1, 0.0)))
    labels = session.data.survey.clusters.labels
    assert session.planning.plan.keep[labels == 0].all()
    assert not session.planning.plan.keep[labels == 1].any()
    session.set_survey(session.data.survey)
    assert session.planning.settings.by_hand == ()
    assert session.planning.plan.config == session.planning.settings


def test_a_selector_without_ranking_leaves_the_plan_until_it_comes(session: Session) -> None:
    old = session.planning.plan
    session.planning.settings = replace(session.planning.settings, selector="random")
    assert session.planning.plan is old
    ranking = replace(
        session.data.survey.ranking, selector="random", bin=np.zeros(1200, dtype=int), sizes=np.array([1200])
    )
    session.planning.add_ranking(replace(ranking, rank=np.arange(1200), worth=None))
    assert session.planning.plan.config.selector == "random"
    assert session.planning.plan is not old


def test_shares_grow_with_the_error_of_predictions_while_there_are_some(session: Session) -> None:
    planning, data = session.planning, session.data.dataset
    planning.settings = replace(planning.settings, alpha=0.5)
    usual = planning.plan
    errors = errors_off(data)
    session.set_errors(errors)
    assert planning.plan is usual  # nobody has asked
    planning.settings = replace(planning.settings, by_error=errors.predicted.name)
    expected = prune_for(
        session.data.found, ranking=planning.rankings[0], config=replace(planning.settings, by_error=""), errors=errors
    )
    np.testing.assert_array_equal(planning.plan.keep, expected.keep)
    assert planning.plan.weighed == expected.weighed != ""
    session.data.errors = None
    assert planning.settings.by_error == ""
    np.testing.assert_array_equal(planning.plan.keep, usual.keep)

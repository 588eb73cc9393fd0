"""Pruning in a session: the plan follows settings and judgements, undo, names, comparison, shares by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from meagraph.errors import MEAGraphError
from meagraph.pruning import prune
from meaviz.session import Session
from tests.app.made_up import session_of


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Session:
    monkeypatch.setenv("MEAVIZ_DATA_HOME", str(tmp_path))
    return session_of(1200, 12)


def test_the_plan_follows_the_settings_and_undo_goes_back(session: Session) -> None:
    first = session.pruning
    for keep in (0.3, 0.5):
        session.pruning = replace(session.pruning, keep=keep)
        expected = prune(session.survey.ranking, session.survey.clusters, session.dataset, session.pruning)
        assert np.array_equal(session.plan.structures, expected.structures)
    session.move_in_settings(-1)
    assert session.pruning.keep == session.plan.config.keep == 0.3
    session.move_in_settings(-1)
    assert session.pruning == first
    assert not session.can_move_in_settings(-1)
    session.move_in_settings(1)
    session.pruning = replace(session.pruning, alpha=0.2)
    assert not session.can_move_in_settings(1)


def test_judgements_bind_the_plan(session: Session) -> None:
    session.pruning = replace(session.pruning, keep=0.1)
    out = int(np.flatnonzero(~session.plan.structures)[0])
    row = int(session.dataset.offsets[out])
    session.judge(np.array([row]), "ordinary")
    assert not session.plan.structures[out]
    session.keep_ordinary = True
    assert session.plan.structures[out]
    assert session.plan.keep[row]
    session.judge(np.array([row]), "outlier")
    assert not session.plan.structures[out]


def test_two_plans_are_compared_by_what_they_keep(session: Session) -> None:
    session.pruning = replace(session.pruning, keep=0.1)
    session.keep_plan(" small ")
    session.pruning = replace(session.pruning, keep=0.4)
    session.keep_plan("large")
    session.compare("small", "large")
    assert session.colour_by == "difference"
    found = session.properties["difference"]
    of = session.dataset.structure_of
    small, large = session.plans["small"].structures[of], session.plans["large"].structures[of]
    assert found.names == ("kept by neither", "kept by both", "only by small", "only by large")
    assert np.array_equal(found.values == 1, small & large)
    assert np.array_equal(found.values == 2, small & ~large)
    assert np.array_equal(found.values == 3, large & ~small)
    assert np.array_equal(session.properties.find("difference == 'kept by both'"), small & large)
    session.use_plan("small")
    assert session.pruning.keep == 0.1
    session.forget_plan("large")
    assert session.compared == ("", "")
    assert session.colour_by == "cluster"
    assert "difference" not in session.properties
    with pytest.raises(MEAGraphError, match="no plan called 'large'"):
        session.compare("small", "large")
    with pytest.raises(MEAGraphError, match="name"):
        session.keep_plan("  ")


def test_shares_of_clusters_are_kept_by_the_plan_and_end_with_the_map(session: Session) -> None:
    session.pruning = replace(session.pruning, fractions=((0, 1.0), (1, 0.0)))
    labels = session.survey.clusters.labels
    assert session.plan.keep[labels == 0].all()
    assert not session.plan.keep[labels == 1].any()
    session.set_survey(session.survey)
    assert session.pruning.by_hand == ()
    assert session.plan.config == session.pruning


def test_a_selector_without_ranking_leaves_the_plan_until_it_comes(session: Session) -> None:
    old = session.plan
    session.pruning = replace(session.pruning, selector="random")
    assert session.plan is old
    ranking = replace(session.survey.ranking, selector="random", bin=np.zeros(1200, dtype=int), sizes=np.array([1200]))
    session.add_ranking(replace(ranking, rank=np.arange(1200), worth=None))
    assert session.plan.config.selector == "random"
    assert session.plan is not old

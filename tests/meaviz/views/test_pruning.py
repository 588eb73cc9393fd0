"""The tab Pruning: shares as the dataset asks for, or by hand, and why."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import panel_material_ui as pmui
import pytest

from meagraph.pruning.shares import CHANCE, Chosen, Shares, Trial
from meaviz.jobs.workflow import Workflow
from meaviz.session import Session
from meaviz.style.text import TextPane
from meaviz.views.pruning.view import PruningView
from tests.support.made_up import session_of
from tests.support.predicted import errors_off


@pytest.fixture
def session() -> Session:
    return session_of(1200, 12)


def words(view: PruningView) -> str:
    return " ".join(str(pane.object) for pane in view.__panel__().select(TextPane))


def switch(view: PruningView, label: str = "shares by hand") -> pmui.Switch:
    return next(one for one in view.__panel__().select(pmui.Switch) if label in one.label)


def alpha(view: PruningView) -> pmui.FloatSlider:
    return next(one for one in view.__panel__().select(pmui.FloatSlider) if "α" in one.label)


def test_switches_follow_what_is_undone(session: Session) -> None:
    session.appearance.show_pruned = True
    view = PruningView(session, Workflow(session))
    assert switch(view, "Show what is pruned").value
    for label, part, name in (
        ("Leave out", session.planning, "leave_out_flagged"),
        ("Always keep", session.planning, "keep_ordinary"),
        ("Show what is pruned", session.appearance, "show_pruned"),
    ):
        before = getattr(part, name)
        switch(view, label).value = not before
        assert getattr(part, name) is not before
        session.past.move(-1)
        assert switch(view, label).value is before


def test_the_exponent_is_the_datasets_unless_it_is_set(session: Session) -> None:
    view = PruningView(session, Workflow(session))
    assert session.planning.settings.alpha is None
    assert not alpha(view).visible
    assert "usual exponent 0.75" in words(view)
    switch(view).value = True
    assert session.planning.settings.alpha == 0.75
    assert alpha(view).visible
    assert "usual exponent" not in words(view)
    switch(view).value = False
    assert session.planning.settings.alpha is None
    session.planning.settings = replace(session.planning.settings, alpha=0.3)  # by undo, or a plan with a name
    assert switch(view).value


def test_what_was_found_out_changes_the_plan_and_is_said(session: Session) -> None:
    view = PruningView(session, Workflow(session))
    ranking = session.planning.rankings[0]
    worth = np.ones(len(ranking.rank), dtype=np.float32)
    errors = np.ones((1, 2, 4))
    errors[:, 1] = 0.8
    trial = Trial(np.array([0.2]), (CHANCE, Shares(0.0, 0.5)), errors)
    session.planning.know(replace(ranking, worth=worth, chosen=Chosen(trial, trial)))
    assert len(session.planning.rankings) == 1
    plan = session.planning.plan
    assert plan is not None
    assert plan.chosen is not None
    assert "Environments: each part of a cluster has its share by its variety, whatever its size" in words(view)
    assert "(variety^0.5)" in words(view)
    assert "20 % below" in words(view)
    switch(view).value = True
    assert "20 % below" not in words(view)


@pytest.mark.parametrize("alpha", [None, 0.4])
def test_shares_by_error_are_offered_with_predictions_and_said(session: Session, alpha: float | None) -> None:
    session.planning.settings = replace(session.planning.settings, alpha=alpha)
    view = PruningView(session, Workflow(session))
    by_error = switch(view, "the model gets wrong")
    assert not by_error.visible
    session.set_errors(errors_off(session.data.dataset))
    assert by_error.visible
    by_error.value = True
    assert session.planning.plan.config.by_error == "made"
    assert "error of made" in words(view)
    session.planning.move_in_history(-1)
    assert not by_error.value
    assert "error of made" not in words(view)
    view.__panel__().select(lambda one: isinstance(one, pmui.Select) and one.label == "Selector")[0].value = "random"
    assert not by_error.visible

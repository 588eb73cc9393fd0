"""What single views show is kept, undone and done again; what is no choice any more is left aside."""

from __future__ import annotations

from dataclasses import replace

import panel_material_ui as pmui

from meaviz.jobs.workflow import Workflow
from meaviz.session import Session
from meaviz.views.histograms import HistogramsView
from meaviz.views.shared.remembered import remember
from meaviz.views.steps.training import ModelStep
from tests.support.made_up import session_of


def timed(session: Session) -> list[float]:
    now = [0.0]
    session.past.clock = lambda: now[0]
    return now


def test_a_widget_follows_the_session_and_the_session_it() -> None:
    session = session_of(100, 10)
    now = timed(session)
    widget = pmui.Select(options={"One": 1, "Two": 2}, value=1)
    remember(session, made=widget)
    widget.value = 2
    now[0] += 10
    assert session.appearance.views == {"made": 2}
    assert session.past.move(-1) == "how something is shown"
    assert widget.value == 1
    session.past.move(1)
    assert widget.value == 2
    session.appearance.views = {"made": 3}
    assert widget.value == 2


def test_a_tab_that_is_opened_later_shows_what_was_kept() -> None:
    session = session_of(100, 10)
    usual = HistogramsView(session, Workflow(session)).choice.value
    other = [name for name in session.data.properties.titles("number").values() if name not in usual][:2]
    session.appearance.views = {"histograms": tuple(other)}
    view = HistogramsView(session, Workflow(session))
    assert view.choice.value == other
    session.appearance.views = {}
    assert view.choice.value == usual


def test_settings_of_the_next_model_follow_what_is_undone() -> None:
    session = session_of(100, 10)
    now, step, data = timed(session), ModelStep(session, Workflow(session)), session.data
    first = step.seed.value
    training = replace(data.next_config.training, epochs=7)
    data.next_config = replace(data.next_config, seed=first + 3, training=training)
    assert (step.seed.value, step.epochs.value) == (first + 3, 7)
    now[0] += 10
    assert session.past.move(-1) == "settings of the next computation"
    assert step.seed.value == first

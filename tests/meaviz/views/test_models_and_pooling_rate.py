"""Comparing trainings, going back to one, and the pooling rate beside its stability curve, without a browser."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from meagraph.latent.stability import Stability
from meagraph.model.results import EpochRecord
from meagraph.pipeline.config import PipelineConfig
from meagraph.pipeline.learned import Learned
from meaviz.jobs.workflow import Workflow
from meaviz.session import Session
from meaviz.session.runs import remember
from meaviz.views.models import RunsView
from meaviz.views.pooling_rate import StabilityView, rate_facts


def learned(key: str, *losses: float, seed: int = 0) -> Learned:
    history = tuple(EpochRecord(i + 1, 2 * loss, 0.5, loss) for i, loss in enumerate(losses))
    nothing: Any = None
    return Learned(nothing, lambda: nothing, history, nothing, nothing, key, "trained", PipelineConfig(seed=seed))


CURVE = Stability(
    parameter="pooling_rate",
    values=np.array([0.2, 0.4, 0.6, 0.8]),
    labels=np.zeros((4, 1), dtype=np.int32),
    clusters=np.array([1, 12, 12, 700]),
    alone=np.array([0.0, 0.01, 0.02, 0.6]),
    largest=np.array([1.0, 0.25, 0.25, 0.01]),
    agreement=np.array([0.1, 0.97, 0.2]),
)


class FakeWorkflow(Workflow):
    """Takes note of the steps that would run."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.ran: list[str] = []

    def run(self, step: str, **training: Any) -> None:
        self.ran.append(step)


@pytest.fixture
def session() -> Session:
    return Session()


@pytest.fixture
def workflow(session: Session) -> FakeWorkflow:
    return FakeWorkflow(session)


def test_each_model_is_remembered_once_and_shares_the_descriptors() -> None:
    first, second = learned("a", 0.5), replace(learned("b", 0.4, seed=3), points=np.zeros(3))
    runs = remember((), first)
    runs = remember(runs, second)
    runs = remember(runs, first)
    assert [run.number for run in runs] == [1, 2]
    assert runs[1].learned.points is first.points
    assert runs[1].learned.config.seed == 3
    assert runs[0].seconds == 0.5


def test_runs_are_listed_and_one_is_taken_again(session: Session, workflow: FakeWorkflow) -> None:
    view = RunsView(session, workflow)
    assert view.empty.visible
    session.set_learned(learned("a", 0.5, 0.3, 0.4))
    session.set_learned(learned("b", 0.6, 0.2, seed=7))
    assert not view.empty.visible
    table = view.table.value
    assert table["seed"].tolist() == [0, 7]
    assert table["epochs"].tolist() == [3, 2]
    assert table["held_out"].tolist() == [0.3, 0.2]  # of the best epoch, whose weights are kept
    assert table["loss"].tolist() == [0.6, 0.4]
    assert table["seconds"].tolist() == [1.5, 1.0]
    assert view.lines.data["loss"] == [[0.5, 0.3, 0.4], [0.6, 0.2]]
    assert view.use.disabled  # the second is in use
    view.table.selection = [0]
    assert not view.use.disabled
    view.take()
    assert session.data.learned.key == "a"
    assert session.data.next_config.seed == 0
    assert workflow.ran == ["map"]  # and nothing is trained
    assert len(session.data.runs) == 2


def test_a_training_is_drawn_while_it_runs(session: Session, workflow: FakeWorkflow) -> None:
    view = RunsView(session, workflow)
    session.set_learned(learned("a", 0.5))
    session.activity.running = "model"
    session.data.history = (EpochRecord(1, 0.9, 0.1, 0.8),)
    assert view.lines.data["loss"] == [[0.5], [0.8]]
    session.data.history = ()
    session.activity.running = ""
    assert view.lines.data["loss"] == [[0.5]]


def test_new_descriptors_forget_the_runs(session: Session) -> None:
    session.set_learned(learned("a", 0.5))
    session.data.stability = CURVE
    session.set_dataset(None)
    assert session.data.runs == ()
    assert session.data.stability is None


def test_another_model_forgets_the_curve(session: Session) -> None:
    session.set_learned(learned("a", 0.5))
    session.data.stability = CURVE
    session.set_learned(learned("b", 0.5))
    assert session.data.stability is None


def test_the_rate_moves_the_mark_and_the_figures(session: Session, workflow: FakeWorkflow) -> None:
    view = StabilityView(session, workflow)
    assert not view.chosen.visible
    assert view.measure.disabled  # there is no model
    session.set_learned(learned("a", 0.5))
    assert not view.measure.disabled
    session.data.stability = CURVE
    assert view.chosen.visible
    view.rate.value = 0.42
    assert [mark.location for mark in view.charts.marks] == [0.42, 0.42]
    assert "<b>12</b><span>clusters" in view.facts.object
    assert "<b>0.10 · 0.97</b>" in view.facts.object
    assert "from 0.40 to 0.60" in view.facts.object
    assert {box.right for box in view.charts.plateaus} == {0.6}
    view.use(published=True)
    assert session.data.next_config.pooling_rate == 0.42
    assert session.data.next_config.clustering.method == "components"
    assert workflow.ran == ["map"]


def test_ends_of_the_curve_have_one_neighbour() -> None:
    assert "<b>0.10</b>" in rate_facts(CURVE, 0.0)
    assert "<b>0.20</b>" in rate_facts(CURVE, 1.0)

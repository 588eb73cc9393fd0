"""Pruning in a session: the plan follows settings and judgements, undo, names, comparison, shares by hand, QUESTS."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from meagraph.datasets import AtomicDataset
from meagraph.errors import Cancelled, MEAGraphError
from meagraph.evaluation.quests import SETS, QuestsConfig, QuestsMeasures, SetFigures
from meagraph.progress import Progress, silent
from meagraph.pruning.plan import PruningPlan, prune
from meaviz.jobs import plan_jobs as planwork
from meaviz.jobs import workflow
from meaviz.jobs.workflow import EXPORT, Workflow
from meaviz.session import Session
from meaviz.views.cost import CostView
from tests.support.made_up import session_of


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


# ---- QUESTS


class AtOnce(Workflow):
    """Jobs run at once, on this thread; ``progress`` may cancel them."""

    progress: Progress = staticmethod(silent)

    def _start(self, step: str, work: Callable[[Progress], Any], take: Callable[[Any], Any]) -> None:
        try:
            take(work(self.progress))
        except MEAGraphError as error:
            self._fail(step, str(error))


def made_up(
    dataset: AtomicDataset, plan: PruningPlan, config: QuestsConfig, *, progress: Progress = silent
) -> QuestsMeasures:
    progress(0, 1, "QUESTS entropy")
    sets = {name: SetFigures(dataset.n_environments, 7, 1.25, 2.5, 0.375) for name in SETS}
    return QuestsMeasures(plan, sets, config, "quests 1.2.3")


def cancel(done: int, total: int, message: str) -> None:
    raise Cancelled


def test_quests_measures_belong_to_their_plan(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planwork, "measure_quests", made_up)
    work = AtOnce(session)
    view = CostView(session, work)
    assert view._entropy.object == ""
    view._used.value = "5,000 of each set"
    view._quests.param.trigger("clicks")
    found = session.quests
    assert found.plan is session.plan
    assert found.config == QuestsConfig(sample=5000)
    for words in ("1.250", "2.500", "37.5 %", "kept structures", "bandwidth 0.015 1/Å", "at most 5,000"):
        assert words in view._entropy.object
    assert "earlier plan" not in view._entropy.object
    session.pruning = replace(session.pruning, keep=0.5)
    assert "earlier plan" in view._entropy.object
    session.set_survey(session.survey)  # another map: nothing is left
    assert session.quests is None
    assert view._entropy.object == ""


def test_cancelled_or_missing_quests_changes_nothing(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planwork, "measure_quests", made_up)
    work = AtOnce(session)
    view = CostView(session, work)
    work.progress = cancel
    work.measure_quests()
    assert session.quests is None
    assert session.problem == ("quests", "Cancelled.")

    def missing(*arguments: Any, **options: Any) -> None:
        raise MEAGraphError('Run pip install "meaviz[quests]"')

    monkeypatch.setattr(planwork, "measure_quests", missing)
    work.measure_quests()
    assert session.quests is None
    assert 'pip install "meaviz[quests]"' in view._problem.objects[0][0].object
    session.plan = None
    work.measure_quests()
    assert "no plan yet" in session.problem[1]


def test_an_export_reports_quests_of_its_own_plan_only(
    session: Session, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(planwork, "measure_quests", made_up)
    monkeypatch.setattr(workflow, "describe_settings", lambda *arguments: {})
    seen: list[QuestsMeasures | None] = []

    def report(*arguments: Any, quests: QuestsMeasures | None, **options: Any) -> str:
        seen.append(quests)
        return ""

    monkeypatch.setattr(workflow, "report_html", report)
    work = AtOnce(session)
    work.measure_quests()
    work.export(str(tmp_path / "one"), overwrite=False)
    session.pruning = replace(session.pruning, keep=0.5)
    work.export(str(tmp_path / "two"), overwrite=False)
    assert session.problem[0] != EXPORT
    assert seen == [session.quests, None]

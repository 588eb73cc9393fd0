"""The jobs of pruning work on what the session was when they were started."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from meagraph.datasets import AtomicDataset
from meagraph.errors import Cancelled, MEAGraphError
from meagraph.evaluation.quests import SETS, QuestsConfig, QuestsMeasures, SetFigures
from meagraph.progress import Progress, silent
from meagraph.pruning.plan import PruningPlan
from meaviz.common import Shared
from meaviz.jobs import plan_jobs
from meaviz.jobs import shared as in_common
from meaviz.jobs.chain import RANK
from meaviz.jobs.workflow import EXPORT, Workflow
from meaviz.session import Session
from meaviz.views.cost import CostView
from tests.support.jobs import AtOnce, Held
from tests.support.made_up import session_of


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEAVIZ_DATA_HOME", str(tmp_path / "home"))


@pytest.fixture
def session() -> Session:
    return session_of(1200, 12)


@pytest.fixture
def computed(niobium: AtomicDataset, survey_by_hand: Callable[..., Any]) -> Session:
    """A session at the map of the tiny niobium, which has forces that fit each other."""
    descriptors, learned, survey = survey_by_hand(niobium, {20: 4.0})
    session = Session(author="Ana")
    session.set_dataset(niobium)
    session.set_descriptors(descriptors)
    session.set_learned(learned)
    session.set_survey(survey)
    session.planning.settings = replace(session.planning.settings, keep=0.8)
    return session


def test_curves_are_those_of_the_session_as_it_was(computed: Session) -> None:
    """What is judged, set or closed while the job works changes nothing in its result."""
    basis, settings = computed.planning.basis(), computed.planning.settings
    job = Held(computed)
    workflow = Workflow(computed, job)
    workflow.plans.trace_curves(["random"])
    computed.judging.judge(np.arange(100), "outlier")  # leaves hardly anything of the dataset
    computed.planning.settings = replace(settings, alpha=0.0, rule="any")
    computed.planning.leave_out_flagged = False
    gauge, made, curves = job.finish()
    assert [ranking.selector for ranking in made] == ["random"]
    expected = basis.plan(replace(settings, keep=0.5), basis.analysis.survey.ranking)
    assert curves.lines[0].selector == "meagraph"
    place = curves.keep.tolist().index(0.5)
    assert curves.lines[0].environments[place] == plan_jobs.cost(gauge.prepared, expected.structures).environments
    measured = plan_jobs.measure(gauge.stick, expected.keep)
    assert curves.lines[0].measures[place].covered_environments == measured.covered_environments
    assert computed.planning.curves is curves
    assert {ranking.selector for ranking in computed.planning.rankings} == {"meagraph", "random"}


@pytest.mark.parametrize("start", ["measure_cost", "measure_quests", "trace_curves"])
def test_what_comes_after_the_data_are_gone_is_dropped(
    computed: Session, monkeypatch: pytest.MonkeyPatch, start: str
) -> None:
    monkeypatch.setattr(plan_jobs, "measure_quests", made_up)
    plan, job = computed.planning.plan, Held(computed)
    plans = Workflow(computed, job).plans
    getattr(plans, start)(*([["fps"]] if start == "trace_curves" else []))
    computed.set_dataset(None)
    result = job.finish()
    if start == "measure_cost":
        assert result[1].plan is plan
    planning = computed.planning
    assert planning.cost is planning.curves is planning.quests is planning.figures is None
    assert planning.rankings == ()


def test_a_ranking_of_an_earlier_map_is_dropped(computed: Session) -> None:
    job = Held(computed)
    Workflow(computed, job)
    computed.planning.settings = replace(computed.planning.settings, selector="fps")
    step, *_ = job.held
    assert step == RANK
    survey = computed.data.survey
    job.held, wait = None, job.held  # another map comes first; it asks for the same
    computed.set_survey(replace(survey, embedding=replace(survey.embedding)))
    (job.held, wait) = (wait, job.held)
    job.finish()
    assert [ranking.selector for ranking in computed.planning.rankings] == ["meagraph"]
    job.held = wait
    job.finish()
    assert computed.planning.plan.config.selector == "fps"


def test_the_equations_are_computed_once_a_dataset_and_seed(computed: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """The held-out structures are drawn by the seed of the map, as on the command line."""
    prepare, seeds, ours = in_common.prepare, [], Shared()

    def noted(dataset: AtomicDataset, *, seed: int, progress: Progress) -> Any:
        seeds.append(seed)
        return prepare(dataset, seed=seed, progress=progress)

    monkeypatch.setattr(in_common, "prepare", noted)
    monkeypatch.setattr(in_common, "shared", lambda: ours)  # what earlier tests made is not known
    monkeypatch.setattr(plan_jobs, "JobRunner", lambda report: SimpleNamespace(busy=True))  # no figures beside
    workflow = Workflow(computed, AtOnce(computed))
    for seed in (0, 0, 5):
        survey = computed.data.survey
        computed.set_survey(replace(survey, config=replace(survey.config, seed=seed)))
        computed.planning.settings = replace(computed.planning.settings, seed=survey.ranking.seed)
        workflow.plans.measure_cost()
    assert seeds == [0, 5]


# ---- QUESTS


def made_up(
    dataset: AtomicDataset, plan: PruningPlan, config: QuestsConfig, *, progress: Progress = silent
) -> QuestsMeasures:
    progress(0, 1, "QUESTS entropy")
    sets = {name: SetFigures(dataset.n_environments, 7, 1.25, 2.5, 0.375) for name in SETS}
    return QuestsMeasures(plan, sets, config, "quests 1.2.3")


def cancel(done: int, total: int, message: str) -> None:
    raise Cancelled


def test_quests_measures_belong_to_their_plan(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan_jobs, "measure_quests", made_up)
    view = CostView(session, Workflow(session, AtOnce(session)))
    assert view.entropy.object == ""
    view.used.value = "5,000 of each set"
    view.quests.param.trigger("clicks")
    found = session.planning.quests
    assert found.plan is session.planning.plan
    assert found.config == QuestsConfig(sample=5000)
    for words in ("1.250", "2.500", "37.5 %", "kept structures", "bandwidth 0.015 1/Å", "at most 5,000"):
        assert words in view.entropy.object
    assert "earlier plan" not in view.entropy.object
    session.planning.settings = replace(session.planning.settings, keep=0.5)
    assert "earlier plan" in view.entropy.object
    session.set_survey(session.data.survey)  # another map: nothing is left
    assert session.planning.quests is None
    assert view.entropy.object == ""


def test_cancelled_or_missing_quests_changes_nothing(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan_jobs, "measure_quests", made_up)
    job = AtOnce(session)
    workflow = Workflow(session, job)
    view = CostView(session, workflow)
    job.progress = cancel
    workflow.plans.measure_quests()
    assert session.planning.quests is None
    assert session.activity.problem == ("quests", "Cancelled.")

    def missing(*arguments: Any, **options: Any) -> None:
        raise MEAGraphError('Run pip install "meaviz[quests]"')

    monkeypatch.setattr(plan_jobs, "measure_quests", missing)
    workflow.plans.measure_quests()
    assert session.planning.quests is None
    assert 'pip install "meaviz[quests]"' in view.problem.objects[0][0].object
    session.planning.plan = None
    workflow.plans.measure_quests()
    assert "no plan yet" in session.activity.problem[1]


def test_an_export_reports_quests_of_its_own_plan_only(
    session: Session, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(plan_jobs, "measure_quests", made_up)
    workflow = Workflow(session, AtOnce(session))
    workflow.plans.measure_quests()
    reports = []
    for name in ("one", "two"):
        workflow.export(str(tmp_path / name), overwrite=False)
        reports.append(session.planning.exported.report.read_text(encoding="utf-8"))
        session.planning.settings = replace(session.planning.settings, keep=0.5)
    assert session.activity.problem[0] != EXPORT
    assert ["quests 1.2.3" in report for report in reports] == [True, False]

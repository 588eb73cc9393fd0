"""What somebody does in the app is a recipe, and the recipe done again writes the same bytes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from meagraph.errors import MEAGraphError
from meagraph.pipeline.planning import ranking_for
from meagraph.recipe import Recipe, Report, replay
from meaviz.jobs import plan_jobs, predictions_job
from meaviz.jobs.workflow import Workflow
from meaviz.session import Session
from meaviz.session.recipe import recipe_of
from tests.support.finished import CONFIG, Finished
from tests.support.jobs import AtOnce, RunsAtOnce
from tests.support.made_up import session_of


@pytest.fixture(autouse=True)
def at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEAVIZ_DATA_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(plan_jobs, "JobRunner", RunsAtOnce)
    monkeypatch.setattr(predictions_job, "JobRunner", RunsAtOnce)


@pytest.fixture
def session() -> Session:
    session = Session(author="Ana")
    session.data.next_config = CONFIG
    return session


@pytest.fixture
def workflow(session: Session, known: Finished) -> Workflow:
    """At the map of the tiny niobium."""
    workflow = Workflow(session, AtOnce(session))
    workflow.open([known.path], energy_key="energy")
    assert session.activity.problem == ("", "")
    return workflow


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def set_by_hand(session: Session) -> None:
    """A flag, an environment that stays, another level, a cluster kept whole, a slider."""
    data, planning = session.data, session.planning
    session.set_level(data.survey.clusters.hierarchy.finest)
    session.judging.judge(np.array([3, 4, 40]), "outlier", reason="far off", note="two\nlines: # no comment")
    session.judging.judge(np.array([100]), "ordinary")
    planning.keep_ordinary = True
    planning.settings = replace(planning.settings, keep=0.35, fractions={1: 1.0})


def test_a_session_and_its_replay_write_equal_bytes(session: Session, workflow: Workflow, tmp_path: Path) -> None:
    set_by_hand(session)
    session.selection.select(np.arange(145) % 50 < 2)
    session.selection.keep("a few")
    workflow.plans.measure_cost()
    workflow.plans.trace_curves(["random"])
    workflow.export_parts(str(tmp_path / "app"), ["flagged", "dropped", "a few"], overwrite=False)
    workflow.export(str(tmp_path / "app"), overwrite=False)
    assert session.activity.problem == ("", "")
    assert session.planning.exported is not None
    written = recipe_of(session)
    assert Recipe.from_yaml(session.planning.exported.recipe.read_text()) == written
    assert written.report == Report(
        measures=True, cost=len(session.planning.cost.random), curves=("meagraph", "random")
    )
    done = replay(tmp_path / "app" / "recipe.yaml", out=tmp_path / "again", cache=False)
    assert done.notes == ()
    assert np.array_equal(done.plan.structures, session.planning.plan.structures)
    first, second = contents(tmp_path / "app"), contents(tmp_path / "again")
    assert len(first) == 10
    assert first == second


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda s: s.judging.judge(np.array([7]), "outlier"), 'verdict: outlier, structure: 0, atoms: 7, by: "Ana"'),
        (lambda s: setattr(s.planning, "leave_out_flagged", False), "  leave_out_flagged: false\n"),
        (lambda s: setattr(s.planning, "settings", replace(s.planning.settings, keep=0.7)), "  keep: 0.7\n"),
        (lambda s: s.set_level(1), "clustering: {clusters: 1}\n"),
    ],
)
def test_each_action_is_a_line(session: Session, workflow: Workflow, change: object, says: str) -> None:
    """It appears with the action, and nothing else changes; taken back, it is gone."""
    before = recipe_of(session).to_yaml()
    assert says not in before
    change(session)  # type: ignore[operator]
    after = recipe_of(session).to_yaml()
    assert says in after
    session.judging.undo()
    new = [line for line in after.splitlines() if line not in before.splitlines()]
    assert [line for line in new if line != "judgements:"] == [
        line for line in after.splitlines() if says.strip() in line
    ]


def test_undone_is_gone_and_the_newest_word_counts(session: Session, workflow: Workflow) -> None:
    before = recipe_of(session)
    session.judging.judge(np.array([7, 8]), "outlier")
    session.judging.judge(np.array([7]), "ordinary", reason="strained")
    said = [(one.verdict, one.atoms, one.reason) for one in recipe_of(session).judgements]
    assert said == [("outlier", (8,), ""), ("ordinary", (7,), "strained")]
    session.judging.undo()
    assert [(one.verdict, one.atoms) for one in recipe_of(session).judgements] == [("outlier", (7, 8))]
    session.judging.undo()
    assert recipe_of(session) == before


def test_curves_of_other_settings_and_figures_of_another_plan_are_not_in_the_report(
    session: Session, workflow: Workflow, tmp_path: Path
) -> None:
    session.planning.settings = replace(session.planning.settings, keep=0.5)
    workflow.plans.measure_cost()
    workflow.plans.trace_curves([])
    session.planning.settings = replace(session.planning.settings, keep=0.6)
    assert recipe_of(session).report == Report(measures=True, curves=("meagraph",)), "the curves are the same"
    session.planning.settings = replace(session.planning.settings, alpha=0.0)
    assert recipe_of(session).report == Report(measures=True)
    workflow.export(str(tmp_path / "out"), overwrite=False)
    assert "Along the keep fraction" not in session.planning.exported.report.read_text()


def test_shares_that_were_not_tried_are_not_tried_again(session: Session, known: Finished, tmp_path: Path) -> None:
    """Whoever stops the work before they are known exports a plan of the usual exponent."""
    workflow = Workflow(session, AtOnce(session))
    workflow.open([known.path])
    asked = ranking_for(known.analysis, session.planning.settings, cache=True)
    assert asked.chosen is not None
    session.planning.know(replace(asked, chosen=None))
    workflow.export(str(tmp_path / "app"), overwrite=False)
    assert "try_shares: false" in (tmp_path / "app" / "recipe.yaml").read_text()
    replay(tmp_path / "app" / "recipe.yaml", out=tmp_path / "again")
    assert contents(tmp_path / "app") == contents(tmp_path / "again")
    assert json.loads((tmp_path / "app" / "manifest.json").read_text())["shares"] is None


def test_without_a_plan_there_is_no_recipe(session: Session) -> None:
    with pytest.raises(MEAGraphError, match="no plan to write a recipe of"):
        recipe_of(session)


def test_structures_from_memory_ask_for_a_file(tmp_path: Path) -> None:
    recipe = recipe_of(session_of(1200, 12))
    assert recipe == Recipe.from_yaml(recipe.to_yaml())
    with pytest.raises(MEAGraphError, match="from memory"):
        replay(recipe, out=tmp_path / "out")

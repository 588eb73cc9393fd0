"""What several people judged, planned and selected comes together; where they disagree is said, and nothing is lost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from meagraph.errors import MEAGraphError
from meaviz.cli import main
from meaviz.projects.merging import merge_into_session, merge_projects
from meaviz.projects.project import Project
from meaviz.projects.snapshot import Snapshot, restore
from meaviz.session import Session
from tests.support.projects import save

Shown = Callable[[], Session]


def person(shown: Shown, monkeypatch: pytest.MonkeyPatch, folder: Path, name: str, verdict: str, keep: float) -> Path:
    """The project of somebody who works on a machine of his own."""
    monkeypatch.setenv("MEAVIZ_DATA_HOME", str(folder / f"home of {name}"))
    session = shown()
    session.judging.author = name
    session.judging.judge(np.array([3]), verdict)
    session.judging.judge(np.array([10 if name == "ada" else 11]), "outlier")
    session.planning.settings = replace(session.planning.settings, keep=keep)
    session.planning.keep("final")
    session.planning.keep(f"of {name}")
    session.selection.select_rows([1, 2])
    session.selection.keep("same")
    return save(session, folder / f"{name}.meaviz")


@pytest.fixture
def two(shown: Shown, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> tuple[Path, Path]:
    return (
        person(shown, monkeypatch, tmp_path, "ada", "outlier", 0.5),
        person(shown, monkeypatch, tmp_path, "bob", "ordinary", 0.25),
    )


def test_projects_merge_and_say_where_they_disagree(
    two: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    mine, theirs = two
    assert main([str(mine), "--merge", str(theirs)]) == 0
    said = capsys.readouterr().out
    assert "2 judgements, 2 plans" in said
    ours, other = (Project(path).read().shot.state["plans"]["final"].structures for path in two)
    apart = int((ours != other).sum())
    assert f"The plan 'final' differs ({apart} of {len(ours)} structures are kept by one alone)" in said
    assert "theirs is kept as 'final (bob)'" in said
    assert "1 environments are judged differently" in said
    again = merge_projects(mine, theirs)
    assert (again.judgements, again.plans, again.selections, again.conflicts) == (0, (), (), ())
    shot = Project(mine).read().shot
    plans, kept = shot.state["plans"], Project(theirs).read().shot.state["plans"]
    assert sorted(plans) == ["final", "final (bob)", "of ada", "of bob"]
    np.testing.assert_array_equal(plans["final (bob)"].keep, kept["final"].keep)
    assert plans["final"].config.keep == 0.5
    assert list(shot.state["named"]) == ["same"]


def test_a_session_takes_over_what_others_did(
    two: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, theirs = two
    monkeypatch.setenv("MEAVIZ_DATA_HOME", str(tmp_path / "home of ada"))
    session = Session(author="ada")
    restore(session, Project(mine).read().shot)
    found = merge_into_session(session, theirs)
    assert (found.judgements, found.disputed) == (2, 1)
    assert sorted(session.planning.plans) == ["final", "final (bob)", "of ada", "of bob"]
    assert np.flatnonzero(session.judging.flags).tolist() == [10, 11]  # bob's word on 3 is the newer one
    assert session.judging.verdicts(3) == "ordinary (bob), outlier (ada)"
    dataset = session.data.dataset
    assert all(plan.dataset is dataset for plan in session.planning.plans.values())
    session.planning.compare("final", "final (bob)")
    both = Project(save(session, tmp_path / "both.meaviz")).read().shot
    assert sorted(both.state["plans"]) == sorted(session.planning.plans)


def test_other_data_does_not_merge(two: tuple[Path, Path], tmp_path: Path, write_dataset: Callable) -> None:
    project = Project(tmp_path / "empty.meaviz", write=True)
    project.save(Snapshot(state={"plans": {}, "named": {}}))
    project.close()
    with pytest.raises(MEAGraphError, match="expected a project of the same data"):
        merge_projects(two[0], tmp_path / "empty.meaviz")
    Project(two[0], write=True).close()


def test_shares_of_other_clusters_do_not_come(
    shown: Shown, two: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEAVIZ_DATA_HOME", str(tmp_path / "home of eve"))
    session = shown()
    session.planning.settings = replace(session.planning.settings, fractions=((0, 0.9),))
    session.planning.keep("by hand")
    same = merge_projects(two[0], save(session, tmp_path / "eve.meaviz"))
    assert (same.plans, same.conflicts) == (("by hand",), ())
    usual = session.data.survey.clusters.n_clusters
    session.set_level(usual - 1 if usual > 1 else 2)
    session.planning.settings = replace(session.planning.settings, fractions=((0, 0.9),))
    session.planning.keep("by hand, coarser")
    other = merge_projects(two[0], save(session, tmp_path / "coarse.meaviz"))
    assert other.plans == ()
    assert "'by hand, coarser' stays in their project" in other.conflicts[0]


def test_a_long_name_merges_once(shown: Shown, two: tuple[Path, Path], tmp_path: Path) -> None:
    long = "n" * 80
    for path, keep in zip(two, (0.3, 0.6), strict=True):
        session = shown()
        session.planning.settings = replace(session.planning.settings, keep=keep)
        session.planning.keep(long)
        save(session, path)
    assert len(merge_projects(*two).plans) == 1
    assert merge_projects(*two).plans == ()

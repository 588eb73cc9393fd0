"""Opening files goes on with what was kept of them; what has changed is put aside, and what forbids saving is said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from meagraph.errors import MEAGraphError
from meagraph.progress import silent
from meaviz.jobs.kept import Kept, find_kept
from meaviz.jobs.opening import Ahead
from meaviz.jobs.workflow import Workflow
from meaviz.judgements.ledger import ledger_path
from meaviz.projects.keeper import Keeper
from meaviz.projects.places import unnamed, unnamed_path
from meaviz.projects.project import Project
from meaviz.session import Session
from tests.support.finished import Finished
from tests.support.loops_of_pages import Loop
from tests.support.projects import save, session_that_shows


@pytest.fixture
def path(known: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of which work was kept without a name: three environments are selected."""
    monkeypatch.setenv("MEAVIZ_DATA_HOME", str(tmp_path / "home"))
    session = session_that_shows(known)
    session.selection.select_rows([1, 2, 3])
    save(session, unnamed_path([known.path], {}))
    return known.path


def opened(path: Path, notes: list[str], **options: Any) -> Kept | None:
    return find_kept([path], {}, notes, **{"resume": True, "progress": silent, **options})


def change(project: Path, old: str, new: str) -> None:
    state = project / "project.json"
    state.write_text(state.read_text().replace(old, new))


def test_work_without_a_name_goes_on(path: Path) -> None:
    notes: list[str] = []
    kept = opened(path, notes)
    assert kept is not None
    assert kept.shot.analysis is not None
    assert (kept.named, kept.refused, notes) == (False, "", [])
    assert np.unpackbits(np.frombuffer(kept.shot.state["selected"], np.uint8)).sum() == 3
    assert opened(path, notes) is None  # it is held; a second server begins afresh
    kept.project.close()
    assert opened(path, notes, resume=False) is None
    assert find_kept([path], {"known": ("a",)}, notes, resume=True, progress=silent) is None
    assert [one.data for one in unnamed()] == [path.name]


@pytest.mark.parametrize("damage", ["content", "state"])
def test_what_fits_no_more_is_put_aside_and_that_is_told(path: Path, damage: str) -> None:
    project = unnamed_path([path], {})
    sha256 = json.loads((project / "project.json").read_text())["data"]["sources"][0]["sha256"]
    if damage == "content":
        change(project, sha256, "0" * 64)
    else:
        change(project, '"record": "', '"record": "../')
    notes: list[str] = []
    assert opened(path, notes) is None
    assert "What was done before is kept in" in notes[0]
    assert ("have changed" in notes[0]) == (damage == "content")
    aside = Path(notes[0].split("kept in ")[1].rstrip("."))
    assert (aside / "project.json").is_file()
    assert not project.exists()


def test_a_named_project_that_another_writes_is_opened_to_look_at(known: Finished, path: Path, tmp_path: Path) -> None:
    named = save(session_that_shows(known), tmp_path / "a.meaviz")
    writer = Project(named, write=True)
    kept = opened(named, [])
    assert kept is not None
    assert kept.named
    assert not kept.project.writes
    assert "open elsewhere" in kept.refused
    writer.close()
    again = opened(named, [])
    assert again is not None
    assert again.project.writes
    again.project.close()


def test_what_cannot_be_shown_in_full_is_not_overwritten(
    known: Finished, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = save(session_that_shows(known), tmp_path / "a.meaviz")
    before = (named / "project.json").read_bytes()
    session, loop = Session(author="ada"), Loop()
    keeper = Keeper(session, loop.later)
    ahead = Ahead([named])
    ahead.thread.join()
    ledger_path().unlink(missing_ok=True)
    ledger_path().write_text("no database")
    Workflow(session, keeper=keeper).open([named], ahead=ahead)
    loop.turn()
    assert "judgements" in session.activity.problem[1]
    assert session.keeping.state == "read-only"
    session.selection.inspect(3)
    loop.turn()
    keeper.close()
    assert (named / "project.json").read_bytes() == before


def test_data_outside_of_the_root_does_not_count(known: Finished, path: Path, tmp_path: Path) -> None:
    named = save(session_that_shows(known), tmp_path / "a.meaviz")
    kept = opened(named, [], within=tmp_path)
    assert kept is not None
    assert kept.missing == (str(known.path),)
    kept.project.close()


def test_a_project_is_opened_alone_and_must_be_there(path: Path, tmp_path: Path) -> None:
    with pytest.raises(MEAGraphError, match="opened alone"):
        find_kept([tmp_path / "a.meaviz", path], {}, [], resume=True, progress=silent)
    with pytest.raises(MEAGraphError, match="there is none"):
        opened(tmp_path / "a.meaviz", [])

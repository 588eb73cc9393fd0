"""The menu of the project: it saves under a name, undoes, merges, and says what went wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from meaviz.jobs.workflow import Workflow
from meaviz.projects.keeper import Keeper
from meaviz.projects.project import Project
from meaviz.session import Session
from meaviz.session.places import Places
from meaviz.style.text import TextPane
from meaviz.views import ProjectMenu
from tests.support.finished import Finished
from tests.support.loops_of_pages import Loop
from tests.support.projects import save, session_that_shows


def said(menu: ProjectMenu) -> str:
    """What the dialog says of the last thing that was tried."""
    return " ".join(str(pane.object) for pane in menu.told.select(TextPane))


def test_the_menu_saves_undoes_and_merges(known: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEAVIZ_DATA_HOME", str(tmp_path / "home"))
    theirs: Session = session_that_shows(known)
    theirs.planning.keep("theirs")
    save(theirs, tmp_path / "theirs.meaviz")
    session, loop = session_that_shows(known), Loop()
    session.places = Places.at(tmp_path)
    keeper = Keeper(session, loop.later)
    menu = ProjectMenu(session, Workflow(session, keeper=keeper))
    assert menu.undo.disabled
    session.selection.select_rows([1, 2])
    assert menu.button.label == "no name · saving"
    loop.turn()
    assert menu.button.label == "no name · saved"
    menu.button.label = "no name · saving"  # the browser's late word of what it showed
    assert menu.button.label == "no name · saved"
    menu.move(-1)
    assert not session.selection.any
    assert menu.said.object == "Undone: selection"
    assert menu.undo.disabled
    assert not menu.redo.disabled
    menu.move(1)
    menu.target.value = "../outside"
    menu.save()
    assert "lies outside" in said(menu)
    menu.target.value = "mine"
    menu.save()
    loop.turn()
    assert menu.button.label == "mine · saved"
    bits = Project(tmp_path / "mine.meaviz").read().shot.state["selected"]
    assert np.unpackbits(np.frombuffer(bits, np.uint8)).sum() == 2
    menu.other.value = "theirs.meaviz"
    menu.merge()
    assert "1 plans" in said(menu)
    assert list(session.planning.plans) == ["theirs"]
    assert not menu.strip.visible
    session.keeping.param.update(state="failed", message="The disk is full.")
    assert menu.strip.visible
    assert menu.button.label == "mine · NOT SAVED"
    keeper.close()

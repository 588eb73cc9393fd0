"""What is done in a session is saved by itself, in one project at a time; a killed process leaves a whole one."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from meagraph.errors import MEAGraphError
from meaviz.projects.keeper import Keeper, held
from meaviz.projects.places import fits_data, put_aside, unnamed_path
from meaviz.projects.project import Project
from meaviz.projects.snapshot import restore, taken
from meaviz.session import Session
from tests.support.finished import Finished
from tests.support.killed import kill_while
from tests.support.loops_of_pages import Loop
from tests.support.projects import save

Shown = Callable[[], Session]


def kept(session: Session) -> tuple[Keeper, Loop]:
    loop = Loop()
    return Keeper(session, loop.later), loop


def selected(path: str | Path) -> int:
    bits = Project(path).read().shot.state["selected"]
    return int(np.unpackbits(np.frombuffer(bits, np.uint8)).sum())


def test_every_action_is_saved_without_a_name(shown: Shown, home: Path) -> None:
    session = shown()
    keeper, loop = kept(session)
    session.selection.select_rows([1, 2, 3])
    assert session.keeping.state == "saving"
    loop.turn()
    assert session.keeping.state == "saved"
    path = Path(session.keeping.path)
    assert path.parent == home / "unnamed"
    assert not session.keeping.named
    assert selected(path) == 3
    session.selection.select_rows([4], "add")
    keeper.close()  # at once, as a closed tab
    assert selected(path) == 4


def test_a_name_is_chosen_once_and_other_tabs_go_on(shown: Shown, tmp_path: Path) -> None:
    first = shown()
    keeper, loop = kept(first)
    keeper.save_as(tmp_path / "mine.meaviz")
    loop.turn()
    assert (first.keeping.named, first.keeping.state) == (True, "saved")
    first.selection.select_rows([5])
    held().release(tmp_path / "mine.meaviz")  # as a second tab does
    loop.turn()
    assert first.keeping.state == "elsewhere"
    assert selected(tmp_path / "mine.meaviz") == 1
    Project(tmp_path / "mine.meaviz", write=True).close()  # nobody holds it
    first.selection.select_rows([6], "add")
    loop.turn()
    assert selected(tmp_path / "mine.meaviz") == 1
    keeper.go_on_here()
    loop.turn()
    assert selected(tmp_path / "mine.meaviz") == 2
    second = shown()
    other, _ = kept(second)
    with pytest.raises(MEAGraphError, match="open elsewhere"):
        other.save_as(tmp_path / "mine.meaviz")
    keeper.close()
    with pytest.raises(MEAGraphError, match="a project is there"):
        other.save_as(tmp_path / "mine.meaviz")


def test_a_folder_that_cannot_be_written_is_told(shown: Shown, tmp_path: Path) -> None:
    session = shown()
    keeper, loop = kept(session)
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(MEAGraphError, match="cannot be written"):
        keeper.save_as(tmp_path / "file" / "a.meaviz")
    session.keeping.path = str(tmp_path / "file" / "b.meaviz")
    session.selection.select_rows([1])
    loop.turn()
    assert session.keeping.state == "failed"
    assert "cannot be written" in session.keeping.message
    session.keeping.path = ""
    keeper.save()  # once there is room
    loop.turn()
    assert (session.keeping.state, session.keeping.message) == ("saved", "")
    keeper.close()


def test_changed_files_put_what_was_kept_aside(known: Finished, shown: Shown, tmp_path: Path) -> None:
    copy = tmp_path / "copy.extxyz"
    copy.write_bytes(known.path.read_bytes())
    one, two = unnamed_path([copy], {}), unnamed_path([copy], {"known": ("a",)})
    assert one != two
    session = shown()
    keeper, loop = kept(session)
    session.selection.select_rows([1])
    loop.turn()
    keeper.close()
    path = Path(session.keeping.path)
    assert fits_data(path)
    text = (path / "project.json").read_text()
    (path / "project.json").write_text(text.replace(session.data.dataset.sources[0].sha256, "0" * 64))
    assert not fits_data(path)
    aside = put_aside(path)
    assert aside is not None
    assert selected(aside) == 1
    assert not path.exists()


def keep_saving(path: Path, tell: Callable[[int], object]) -> None:
    """What the process does that is killed: one action after the other, each told once it is saved."""
    session = Session(author="ada")
    project = Project(path, write=True)
    restore(session, project.read().shot)
    for count in range(1, 100_000):
        session.selection.select_rows(range(count % 140))
        if count % 3 == 0:
            session.planning.keep(f"plan {count % 2}")
        project.save(taken(session))
        tell(count)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_process_killed_while_it_saves_leaves_what_it_said_was_saved(shown: Shown, tmp_path: Path) -> None:
    path = save(shown(), tmp_path / "a.meaviz")
    kills = int(os.environ.get("MEAVIZ_KILLS", "5"))
    for moment in np.random.default_rng(0).uniform(0.0, 0.3, kills):
        count = kill_while(partial(keep_saving, path), moment)
        assert selected(path) in (count % 140, (count + 1) % 140)
        project = Project(path, write=True)  # the lock went with the process
        assert not list(path.rglob(".*-*"))
        project.close()

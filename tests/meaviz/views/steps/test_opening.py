"""Opening in the app takes what the command line takes: files, folders, patterns and archives."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import ase.io
import pytest
from ase import Atoms

from meagraph.errors import MEAGraphError
from meagraph.files import sha256_file
from meagraph.pipeline.opening import open_with_known
from meaviz.jobs.workflow import Workflow
from meaviz.session import Session
from meaviz.session.data import Asked
from meaviz.session.places import Places
from meaviz.session.recent import read_recent
from meaviz.views.steps.data import DataStep
from tests.support.jobs import AtOnce

Opening = tuple[DataStep, Session, Path]


@pytest.fixture(params=[True, False], ids=["root", "free"])
def opening(
    request: pytest.FixtureRequest, tmp_path: Path, structures: tuple[Atoms, ...], monkeypatch: pytest.MonkeyPatch
) -> Opening:
    """The step, over a folder with two files, an archive of both, and a file outside of it."""
    monkeypatch.setenv("MEAVIZ_DATA_HOME", str(tmp_path / "home"))
    root = tmp_path / "root"
    (root / "two").mkdir(parents=True)
    for name, some in (("a", structures[:5]), ("b", structures[5:])):
        ase.io.write(root / "two" / f"{name}.extxyz", some, format="extxyz")
    with zipfile.ZipFile(root / "two.zip", "w") as packed:
        for name in ("a", "b"):
            packed.write(root / "two" / f"{name}.extxyz", f"inner/{name}.extxyz")
    monkeypatch.chdir(root)
    session = Session(author="Ana", places=Places.at(root if request.param else None))
    workflow = Workflow(session, AtOnce(session))

    def read(paths: Sequence[str], **reading: Any) -> None:
        session.data.asked = Asked(tuple(paths), reading)
        session.set_dataset(open_with_known(list(paths), **reading))

    monkeypatch.setattr(workflow, "open", read)
    return DataStep(session, workflow), session, root


def names(session: Session) -> list[str]:
    """What was read, by the last two parts of each path."""
    assert session.data.dataset is not None
    return ["/".join(Path(source.path).parts[-2:]) for source in session.data.dataset.sources]


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("two", ["two/a.extxyz", "two/b.extxyz"]),
        ("two/", ["two/a.extxyz", "two/b.extxyz"]),
        ("two/*.extxyz", ["two/a.extxyz", "two/b.extxyz"]),
        ("**/b.extxyz", ["two/b.extxyz"]),
        ("two.zip", ["inner/a.extxyz", "inner/b.extxyz"]),
        ("two.zip/inner/b.extxyz, two/a.extxyz", ["inner/b.extxyz", "two/a.extxyz"]),
    ],
)
def test_a_typed_path_may_be_a_folder_a_pattern_an_archive(opening: Opening, typed: str, found: list[str]) -> None:
    step, session, root = opening
    step.path.value = typed
    step.open_typed()
    assert names(session) == found
    [entry] = read_recent()
    assert entry.paths == tuple(str(root / part.strip()).rstrip("/") for part in typed.split(","))
    session.set_dataset(None)
    step.recent.open(entry)
    assert names(session) == found


def test_what_is_in_the_training_set_already(opening: Opening) -> None:
    step, session, root = opening
    step.path.value, step.known.value = "two/b.extxyz", "two/a.extxyz"
    step.open_typed()
    data = session.data.dataset
    assert data is not None
    assert data.known.tolist() == [False] * 7 + [True] * 5
    step.known.value = "two/c.extxyz"
    with pytest.raises(MEAGraphError, match=r"c\.extxyz"):  # the workflow makes it the step's problem
        step.open_typed()
    assert session.data.dataset is data
    step.known.value = ""
    session.data.asked = Asked(("two/b.extxyz",), {"known": (str(root / "two/a.extxyz"),)})  # by the command line
    assert step.known.value == str(root / "two/a.extxyz")


def test_a_folder_of_the_browser_is_opened_whole(opening: Opening) -> None:
    step, session, root = opening
    step.browser.start()
    step.browser.show(root / "two")
    step.browser.open_folder()
    assert not step.browser.dialog.open
    assert names(session) == ["two/a.extxyz", "two/b.extxyz"]


def test_a_folder_that_was_dropped_is_opened_as_one(opening: Opening) -> None:
    """It comes file by file; what is read of it is what lies in the folder itself."""
    step, session, root = opening
    files = [root / "two" / name for name in ("b.extxyz", "a.extxyz")]
    step.upload.begin([(f"two/{path.name}", path.stat().st_size) for path in files])
    for path in files:
        step.upload.take(path.read_bytes())
    assert names(session) == ["two/a.extxyz", "two/b.extxyz"]
    assert session.data.dataset is not None
    assert [source.sha256 for source in session.data.dataset.sources] == [sha256_file(path) for path in files[::-1]]
    assert step.upload.drop.status == "two: all there, until this page is closed."
    assert read_recent() == ()  # it goes with the session
    session.uploads.close()


def test_a_link_that_leads_out_of_the_root_is_told(opening: Opening) -> None:
    step, session, root = opening
    outside = root.parent / "outside.extxyz"
    outside.write_bytes((root / "two" / "a.extxyz").read_bytes())
    (root / "two" / "c.extxyz").symlink_to(outside)
    openings: list[Callable[[], None]] = [step.open_typed, step.browser.open_folder]
    step.path.value = "two/*"
    step.browser.show(root / "two")
    for act in openings:
        act()
        if session.places.confined:
            assert "c.extxyz: expected a file under" in session.activity.problem_of("data")
            assert session.data.dataset is None
        else:
            assert names(session)[0] == "two/a.extxyz"
            assert len(names(session)) == 3

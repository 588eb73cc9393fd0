"""Names that lead elsewhere, through every place where a name becomes a path: nothing is reached but what may be."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from meagraph.cache import place
from meagraph.datasets import DatasetError, read_dataset
from meagraph.errors import MEAGraphError
from meagraph.exports import verify
from meagraph.exports.parts import claim_parts
from meagraph.exports.target import stem_of
from meagraph.recipe import File, Recipe
from meagraph.recipe.finding import check_data, located, located_files
from meaviz.options import folder_name, home_of
from meaviz.projects.keeper import Held, Keeper
from meaviz.projects.places import unnamed_folder, unnamed_path
from meaviz.session import Session
from meaviz.session.places import Places
from meaviz.session.uploads import Uploads
from tests.support.finished import Finished
from tests.support.projects import session_that_shows

NAMES = [
    *("..", ".", "../out", "a/../../out", "../../../../../../etc/passwd", "/etc/passwd", "//etc/passwd", "~", "~root"),
    *(
        "link",
        "link/passwd",
        "a\0b",
        "\0",
        "a\nb",
        "con",
        "nul.xyz",
        "C:\\out",
        "..\\out",
        "\\\\host\\share",
        "%2e%2e/x",
    ),
    *("$(touch out)", "`touch out`", "; touch out", "| touch out", "-rf", "*", "a" * 300, "Ü" * 200, "\u202egpj.xyz"),
    *("．．/out", "‥/out", "\ud800", "e\u0301", "\uff0fetc", ".hidden", " ", "a ", "a\u2028b"),
]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder beside which nothing may appear, with a link that leads out of it."""
    folder = tmp_path / "all" / "root"
    folder.mkdir(parents=True)
    (folder / "link").symlink_to("/etc")
    (tmp_path / "all" / "secret").write_text("secret")
    monkeypatch.setenv("MEAVIZ_DATA_HOME", str(folder / "home"))
    monkeypatch.chdir(folder)
    yield folder
    assert sorted(path.name for path in (tmp_path / "all").iterdir()) == ["root", "secret"]


def inside(path: str | Path, folder: Path) -> bool:
    return Path(os.path.realpath(path)).is_relative_to(folder.resolve())


def test_what_is_typed_stays_under_a_root(root: Path) -> None:
    shared = Places.at(root, results=root / "results")
    for name in NAMES:
        for places, act in (
            (Places.at(root), "written"),
            (shared, "written"),
            (shared, "path_of"),
            (shared, "openable"),
        ):
            try:
                found = getattr(places, act)([name] if act == "openable" else name)
            except MEAGraphError:
                continue
            for path in [found] if isinstance(found, Path) else found:
                assert inside(path, root), (name, act)
                assert act != "written" or places.results is None or inside(path, root / "results")
        assert all(
            inside(entry.path, root) for entry in Places.at(root).completions(name).entries if entry.path[0] == "/"
        )


def test_what_is_brought_stays_in_the_sessions_folder(root: Path) -> None:
    uploads = Uploads()
    taken = 0
    for name in NAMES:
        try:
            (path,) = uploads.begin([(name, 0)]).paths
        except MEAGraphError:
            continue
        taken += 1
        assert uploads.holds(os.path.realpath(path)), name
    uploads.close()
    assert 0 < taken < len(NAMES)


def test_names_of_data_parts_users_and_requests_are_names_of_files(known: Finished, root: Path) -> None:
    folder = root / "out"
    folder.mkdir()
    homes = set()
    for name in NAMES:
        data = replace(known.analysis.dataset, name=name)
        assert not {"/", "\\", "\0"} & set(stem_of(data))
        try:
            paths = claim_parts(data, [name], folder, "selection").paths
        except MEAGraphError:
            paths = ()
        assert all(path.parent == folder and inside(path, folder) for path in paths), name
        assert all(len(os.fsencode(path.name)) <= 255 for path in paths if "\ud800" not in name), name
        assert inside(
            place("predictions", {"name": name.encode("utf-8", "replace").decode()}).parent, root.parent.parent
        )
        if name != "\ud800":
            assert unnamed_path([name], {}).parent == unnamed_folder()
            homes.add(home_of(folder_name(name)))
            assert home_of(folder_name(name)).parent.name == "users", name  # type: ignore[union-attr]
    assert len(homes) == len(NAMES) - 1, "no two users have one folder"


def test_names_in_archives_manifests_and_recipes(known: Finished, root: Path) -> None:
    data = Path(shutil.copy(known.path, root / "a.extxyz"))
    for name in (one for one in NAMES if "\0" not in one and one != "\ud800"):
        with zipfile.ZipFile(root / "a.zip", "w") as packed:
            packed.writestr(zipfile.ZipInfo(name), b"1\nenergy=1\nNb 0 0 0\n")
        with contextlib.suppress(DatasetError):
            assert read_dataset(root / "a.zip", fewest=1, format="extxyz").n_structures == 1
    recipe = Recipe(data=(File("a.extxyz"),), analysis=known.analysis.config)
    for name in NAMES:
        manifest = {"kind": "meagraph export", "version": 1, "outputs": [{"file": name, "bytes": 6, "sha256": "0"}]}
        (root / "manifest.json").write_text(json.dumps(manifest))
        assert all(str(root) in problem and "secret" not in problem for problem in verify(root))
        wrong = replace(recipe, data=(File(name, "0" * 64),), others=(File(name, "0" * 64),))
        for act in (
            lambda wrong=wrong: check_data(wrong, [located(wrong.paths[0], root)]),
            lambda w=wrong: located_files(w, root),
        ):
            with pytest.raises(MEAGraphError, match=r"has changed|is not there|came from memory"):
                act()
    assert data.read_bytes() == known.path.read_bytes()


def test_a_page_asks_for_its_own_users_projects_alone(known: Finished, root: Path) -> None:
    """A path that a page remembers comes from the browser, which its user may have say anything."""
    held, homes = Held(), (root / "home" / "ann", root / "home" / "bob", None)
    session = session_that_shows(known)
    session.home = homes[0]
    keeper = Keeper(session, lambda act, seconds: None)
    keeper.save_as(root / "ann.meaviz")
    held.take(keeper)
    assert [held.knows(str(root / "ann.meaviz"), home) for home in homes] == [True, False, False]
    assert not held.knows(str(root / "other.meaviz"), homes[0])
    keeper.close()


def test_names_of_plans_and_selections_are_no_paths(known: Finished, root: Path) -> None:
    session: Session = session_that_shows(known)
    before = sorted(path for path in root.rglob("*"))
    for name in NAMES:
        for act in (session.planning.keep, session.selection.keep):
            session.selection.select_rows(np.arange(3))
            try:
                act(name)
            except MEAGraphError:
                continue
    written = {path.relative_to(root).parts[0] for path in root.rglob("*") if path not in before}
    assert written <= {"home"}
    assert all(inside(path, root / "home") for path in (root / "home").rglob("*"))

"""Where files may be opened from: a root confines, whatever the path looks like."""

from __future__ import annotations

from pathlib import Path

import pytest

from meagraph.errors import MEAGraphError
from meaviz.session.places import Places, missing


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with files, folders and links, one of which leads out."""
    folder = tmp_path / "root"
    (folder / "sub" / "deep").mkdir(parents=True)
    (tmp_path / "secret.extxyz").write_text("no")
    for name in ("b.extxyz", "A.extxyz", "ab,c.extxyz", ".hidden", "sub/d.extxyz"):
        (folder / name).write_text("1234")
    (folder / "inside").symlink_to(folder / "sub")
    (folder / "outside").symlink_to(tmp_path)
    (folder / "out.extxyz").symlink_to(tmp_path / "secret.extxyz")
    (folder / "loop").symlink_to(folder / "loop")
    return folder


@pytest.mark.parametrize(
    "text",
    ["../secret.extxyz", "sub/../../secret.extxyz", "outside/secret.extxyz", "out.extxyz", "..", "~", "/etc/passwd"],
)
def test_nothing_leads_out_of_a_root(root: Path, text: str) -> None:
    with pytest.raises(MEAGraphError, match=r"expected a file under .*--root"):
        Places.at(root).path_of(text)


def test_a_path_that_leads_nowhere_is_refused(root: Path) -> None:
    with pytest.raises(MEAGraphError, match="leads nowhere"):
        Places.at(root).path_of("a\0b")
    for text in ("nowhere", "b.extxyz"):
        with pytest.raises(MEAGraphError, match="expected a folder that can be read"):
            Places.at(root).listed(root / text)


def test_folders_patterns_and_members_are_opened_unless_something_in_them_leads_out(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(root)
    places, real = Places.at(root), root.resolve()
    (root / "sub" / "b.extxyz").symlink_to(root / "b.extxyz")
    for text in ("sub", "sub/", "s?b", "sub/**", "sub/*.extxyz", "b.extxyz/inner.xyz"):
        assert places.paths_in(text) == (str(real / text.rstrip("/")),)
        assert Places(root).paths_in(text) == (text,)
    for text in (".", "*", "out*", "outside/*", "[o]utside/secret.extxyz", "**/secret.extxyz"):
        with pytest.raises(MEAGraphError, match=r"it lies outside\. Copy it there"):
            places.paths_in(text)
    (root / "sub" / "deep" / "x.extxyz").symlink_to(root.parent / "secret.extxyz")
    with pytest.raises(MEAGraphError, match=r"sub/deep/x.extxyz: expected a file under .* it lies outside"):
        places.openable([str(root / "sub")])


def test_what_is_written_stays_under_the_root(root: Path) -> None:
    places = Places.at(root)
    assert places.written("new/export") == root.resolve() / "new" / "export"
    for text in ("../export", "outside/export", "/tmp/export", "~/export"):
        with pytest.raises(
            MEAGraphError, match=rf"{text}: expected a file under {root.resolve()}, .*Choose a place there"
        ):
            places.written(text)
    assert Places(root).written("../export") == Path("../export")
    assert Places(root).written("~/export") == Path.home() / "export"


def test_what_lies_inside_is_found_by_any_way(root: Path) -> None:
    places = Places.at(root)
    for text in ("sub/d.extxyz", str(root / "sub" / "d.extxyz"), "inside/d.extxyz", "sub/../sub/./d.extxyz"):
        assert places.path_of(text) == (root / "sub" / "d.extxyz").resolve()


def test_without_a_root_everything_may_be_opened(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)
    places = Places.at(None)
    assert places.paths_in("../secret.extxyz, b.extxyz") == ("../secret.extxyz", "b.extxyz")
    assert places.path_of("/etc") == Path("/etc")


def test_a_session_begins_at_home_where_the_current_folder_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Places.at(None).root == tmp_path
    monkeypatch.chdir(tmp_path)


def test_a_root_must_be_a_folder(root: Path) -> None:
    for wrong in ("b.extxyz", "nowhere"):
        with pytest.raises(MEAGraphError, match="expected a folder"):
            Places.at(root / wrong)


def test_folders_come_first_and_what_leads_out_not_at_all(root: Path) -> None:
    found = Places.at(root).listed(root)
    assert [(entry.name, entry.folder, entry.size) for entry in found.entries] == [
        ("inside", True, 0),
        ("sub", True, 0),
        ("A.extxyz", False, 4),
        ("ab,c.extxyz", False, 4),
        ("b.extxyz", False, 4),
    ]
    assert "outside" in [entry.name for entry in Places(root).listed(root).entries]  # where nothing confines
    few = Places.at(root).listed(root, most=2)
    assert (len(few.entries), few.more) == (2, 3)


def test_completions_are_what_the_field_may_hold_next(root: Path) -> None:
    places = Places.at(root)

    def texts(text: str) -> list[str]:
        return [entry.path for entry in places.completions(text).entries]

    assert texts("a") == ["A.extxyz", "ab,c.extxyz"]
    assert texts("su") == ["sub/"]
    assert texts("sub/") == ["sub/deep/", "sub/d.extxyz"]
    assert texts("b.extxyz, s") == ["b.extxyz, sub/"]
    assert texts(f"{root}/su") == [f"{root}/sub/"]
    assert texts(".h") == [".hidden"]
    assert texts("../") == texts("outside/") == texts("/etc/") == texts("nowhere/") == []


def test_a_comma_within_a_name_separates_nothing(root: Path) -> None:
    places = Places.at(root)
    assert places.paths_in("ab,c.extxyz") == (str(root.resolve() / "ab,c.extxyz"),)
    assert len(places.paths_in("A.extxyz, b.extxyz,")) == 2
    assert places.paths_in(" , ") == ()


def test_the_way_up_ends_at_the_root(root: Path) -> None:
    places = Places.at(root)
    assert places.above(places.root / "sub") == places.root
    assert places.above(places.root) is None
    assert Places(Path("/tmp")).above(Path("/tmp")) == Path("/")
    assert Places(Path("/tmp")).above(Path("/")) is None


def test_missing(root: Path) -> None:
    assert not missing([str(root / "b.extxyz")])
    assert missing([str(root / "b.extxyz"), str(root / "gone")])
    assert not missing([str(root / "*.extxyz"), str(root / "sub"), str(root / "b.extxyz" / "member.xyz")])
    assert missing([str(root / "*.traj")])


def test_results_are_written_in_a_folder_of_their_own(root: Path, tmp_path: Path) -> None:
    places = Places.at(root, results=tmp_path / "results" / "ana")
    assert places.written("run") == tmp_path / "results" / "ana" / "run"
    for outside in ("../bo/run", str(root / "run"), "/etc/passwd"):
        with pytest.raises(MEAGraphError, match="lies outside"):
            places.written(outside)
    made = tmp_path / "results" / "ana" / "kept.extxyz"
    made.write_text("1234")
    assert places.openable([str(made)]) == (str(made),)
    (tmp_path / "results" / "bo").mkdir()
    with pytest.raises(MEAGraphError, match="lies outside"):
        places.openable([str(tmp_path / "results" / "bo")])


def test_a_server_that_only_shows_writes_nothing(root: Path) -> None:
    places = Places.at(root, writable=False)
    assert places.openable(["b.extxyz"])
    with pytest.raises(MEAGraphError, match="only shows"):
        places.written("run")


def test_a_path_without_end_is_refused(tmp_path: Path) -> None:
    """As a pattern it would be looked for ever longer."""
    places = Places.at(tmp_path)
    for ask in (places.path_of, places.written, places.paths_in):
        with pytest.raises(MEAGraphError, match="at most 4,096 characters"):
            ask("[" * 4097)
    assert places.completions("[" * 5000).entries == ()

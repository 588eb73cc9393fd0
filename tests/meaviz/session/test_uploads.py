"""Files that a user brings: whole or not at all, within a limit, in a folder that goes with the session."""

from __future__ import annotations

from pathlib import Path

import pytest

from meagraph.errors import MEAGraphError
from meagraph.limits import UPLOAD, UPLOADED
from meaviz.session.uploads import Uploads


def test_files_come_part_by_part_and_go_with_the_session() -> None:
    uploads = Uploads(limit=100)
    batch = uploads.begin([("a.extxyz", 5), ("empty", 0), ("b.extxyz", 3)])
    batch.add(b"12")
    assert (batch.file, batch.done, batch.share) == (0, 2, 0.25)
    batch.add(b"345")
    assert (batch.file, batch.done) == (2, 0)
    batch.add(b"678")
    assert batch.complete
    assert [path.read_bytes() for path in batch.paths] == [b"12345", b"", b"678"]
    assert all(uploads.holds(str(path)) for path in batch.paths)
    assert not uploads.holds("/etc/passwd")
    folder = batch.paths[0].parent.parent
    uploads.close()
    assert not folder.exists()


def test_the_limit_counts_all_that_is_there() -> None:
    uploads = Uploads(limit=10)
    first = uploads.begin([("a", 6)])
    with pytest.raises(MEAGraphError, match=r"b: .* at most 0 MB .* open them by their path"):
        uploads.begin([("b", 5)])
    uploads.drop(first)
    uploads.begin([("b", 5)])
    uploads.close()


def test_more_than_was_announced_is_refused() -> None:
    uploads = Uploads()
    batch = uploads.begin([("a", 3)])
    with pytest.raises(MEAGraphError, match="More came"):
        batch.add(b"1234")
    batch.add(b"123")
    with pytest.raises(MEAGraphError, match="More came"):
        batch.add(b"4")
    uploads.close()


@pytest.mark.parametrize("name", ["../../etc/passwd", "C:\\data\\passwd", "/etc/passwd", "passwd"])
def test_a_name_is_no_path(name: str) -> None:
    uploads = Uploads()
    [path] = uploads.begin([(name, 1)]).paths
    assert path.name == "passwd"
    assert uploads.holds(str(path.resolve()))
    uploads.close()


@pytest.mark.parametrize("names", [["", "b"], ["a/"], [".."], ["a\nb"], ["x/a", "x/a"], []])
def test_files_without_a_name_of_their_own_are_refused(names: list[str]) -> None:
    with pytest.raises(MEAGraphError, match="Expected"):
        Uploads().begin([(name, 1) for name in names])


def test_a_folder_keeps_its_files_in_their_places() -> None:
    uploads = Uploads()
    batch = uploads.begin([("set/a.xyz", 1), ("set/deep/a.xyz", 0), ("b.xyz", 1)])
    batch.add(b"1")
    batch.add(b"2")
    assert [path.name for path in batch.opened] == ["set", "b.xyz"]
    assert (batch.opened[0] / "a.xyz").read_bytes() == b"1"
    assert (batch.opened[0] / "deep" / "a.xyz").read_bytes() == b""
    assert batch.opened[1].read_bytes() == b"2"
    assert all(uploads.holds(str(path)) for path in batch.opened)
    uploads.close()


def test_too_many_files_are_refused_before_any_comes() -> None:
    with pytest.raises(MEAGraphError, match=r"s/0, s/1, s/2 and 9,998 more: .* 10,000 files at once"):
        Uploads().begin([(f"s/{k}", 0) for k in range(10_001)])


def test_equal_names_of_two_batches_are_two_files() -> None:
    uploads = Uploads()
    one, two = uploads.begin([("a", 1)]), uploads.begin([("a", 1)])
    assert one.paths != two.paths
    uploads.close()
    assert not Path(one.paths[0]).exists()


@pytest.mark.parametrize("name", ["nul", "a/con.xyz", "\ud800.xyz", "x" * 256, "a/\x7f\x01", "Ü" * 128])
def test_names_that_some_system_does_not_take_are_refused(name: str) -> None:
    uploads = Uploads(limit=10)
    with pytest.raises(MEAGraphError, match="Rename it"):
        uploads.begin([(name, 6)])
    uploads.begin([("a.xyz", 6)])  # what was refused takes no room
    uploads.close()


@pytest.mark.parametrize("names", [["A.xyz", "a.XYZ"], ["e\u0301.xyz", "\u00e9.xyz"], ["a", "a/b"], ["s/a/b", "S/A"]])
def test_two_files_that_are_one_on_some_system_are_refused(names: list[str]) -> None:
    with pytest.raises(MEAGraphError, match="twice"):
        Uploads().begin([(name, 1) for name in names])


def test_the_limits_can_be_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(UPLOAD.variable, "5")
    monkeypatch.setenv(UPLOADED.variable, "2")
    with pytest.raises(MEAGraphError, match=rf"{UPLOAD.variable}, {UPLOADED.variable}"):
        Uploads().begin([("a", 6)])
    with pytest.raises(MEAGraphError, match="2 files at once"):
        Uploads().begin([("a", 1), ("b", 1), ("c", 1)])
    uploads = Uploads()
    uploads.begin([("a", 2), ("b", 3)])
    uploads.close()

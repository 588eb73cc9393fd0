"""What is written is there whole or not at all; arrays and texts are read back as they were, or refused."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from meagraph import files
from meagraph.files import Stacked, read_arrays, write_arrays


def test_an_archive_gives_back_every_array(tmp_path: Path) -> None:
    rows = [np.arange(5.0), np.full(5, np.nan), np.arange(10.0)[::2]]
    arrays = {
        "plain": np.arange(6, dtype=np.int32).reshape(2, 3),
        "turned": np.arange(6.0).reshape(2, 3).T,
        "flags": np.array([True, False]),
        "number": np.float64(3.5),
        "nothing": np.empty((0, 2)),
        "words": np.array(["a", "bcd"]),
    }
    write_arrays(tmp_path / "a.npz", {**arrays, "stacked": Stacked(rows)})
    found = read_arrays(tmp_path / "a.npz")
    for name, array in {**arrays, "stacked": np.stack(rows)}.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == np.asarray(array).dtype


def test_a_file_appears_whole_or_stays_what_it_was(tmp_path: Path) -> None:
    target = tmp_path / "new" / "a.txt"
    with files.atomic_path(target) as path:
        path.write_text("old")
        assert not target.exists()
    assert target.read_text() == "old"
    with pytest.raises(OSError), files.atomic_path(target) as path:  # noqa: PT011, PT012
        path.write_text("half of the n")
        raise OSError
    assert target.read_text() == "old"
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.skipif(os.name != "posix", reason="modes are of Unix")
def test_a_file_may_be_read_as_the_user_wants_it(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        with files.atomic_path(tmp_path / "a"):
            pass
        assert os.umask(0o027) == 0o027  # which is as it was
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640


def test_a_folder_appears_whole_and_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    target = tmp_path / "a"
    for name in ("old", "new"):
        with files.atomic_folder(target) as folder:
            (folder / name).touch()
    assert [path.name for path in target.iterdir()] == ["new"]
    with pytest.raises(OSError), files.atomic_folder(target) as folder:  # noqa: PT011, PT012
        (folder / "half").touch()
        raise OSError
    assert [path.name for path in tmp_path.rglob("*")] == ["a", "new"]


@pytest.mark.parametrize("there", [True, False])
def test_a_folder_that_cannot_take_its_place_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: bool
) -> None:
    target, rename = tmp_path / "a", Path.rename
    if there:
        target.mkdir()
        (target / "old").touch()

    def fails(path: Path, to: Path) -> Path:
        if path.name == target.name and path != target:
            raise OSError("no room")
        return rename(path, to)

    monkeypatch.setattr(Path, "rename", fails)
    with pytest.raises(OSError, match="no room"), files.atomic_folder(target):
        pass
    assert [path.name for path in tmp_path.rglob("*")] == (["a", "old"] if there else [])


def test_what_is_no_array_is_a_value_error(tmp_path: Path) -> None:
    write_arrays(tmp_path / "several.npy", {"a": np.zeros(3)})
    with pytest.raises(ValueError, match="no single array"):
        files.read_array(tmp_path / "several.npy")
    files.write_array(tmp_path / "one.npy", np.arange(4.0))
    np.testing.assert_array_equal(files.read_array(tmp_path / "one.npy"), np.arange(4.0))
    text = (tmp_path / "one.npy").read_bytes()
    (tmp_path / "one.npy").write_bytes(text.replace(b"{", b"(", 1))
    with pytest.raises(ValueError, match="header"):
        files.read_array(tmp_path / "one.npy")


def test_json_without_an_end_is_a_value_error() -> None:
    assert files.from_json(b'{"a": [1]}') == {"a": [1]}
    with pytest.raises(ValueError, match="nested too deeply"):
        files.from_json("[" * 200_000)


@pytest.mark.parametrize("array", [np.arange(6, dtype="<i4").reshape(2, 3), np.array([np.nan, -0.0]), np.empty((0, 2))])
def test_an_array_comes_back_from_text(array: np.ndarray) -> None:
    text = files.text_of_array(array)
    back = files.array_from_text(text, array.dtype)
    assert (back.dtype, back.shape, back.tobytes()) == (array.dtype, array.shape, array.tobytes())
    with pytest.raises(ValueError, match="expected complex64"):
        files.array_from_text(text, np.complex64)
    with pytest.raises(ValueError):  # noqa: PT011 # in the words of NumPy
        files.array_from_text({**text, "shape": [7]}, array.dtype)


def test_a_file_is_known_by_any_name_and_by_the_archive_that_holds_it(tmp_path: Path) -> None:
    archive, other = tmp_path / "a.zip", tmp_path / "b.zip"
    archive.touch()
    other.touch()
    (tmp_path / "link").symlink_to(archive)
    member = archive / "inner" / "a.xyz"
    assert files.stored_in(member) == archive
    assert files.stored_in(tmp_path / "none" / "a.xyz") is None
    assert files.is_one_of(tmp_path / "x" / ".." / "link", [member]) is False  # x is not there
    assert files.is_one_of(tmp_path / "link", [tmp_path / "gone", member])
    assert not files.is_one_of(other, [member])
    assert not files.is_one_of(tmp_path / "gone", [tmp_path / "gone"])


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, dict[str, NDArray[Any]]]:
    """An archive whose arrays of 200 bytes and more, headers included, are large."""
    monkeypatch.setattr(files, "MAPPED", 200)
    arrays: dict[str, NDArray[Any]] = {
        "a name with é": np.arange(24.0).reshape(2, 3, 4),
        "turned": np.arange(24.0).reshape(4, 6).T,
        "few": np.arange(3, dtype=np.int8),
        "codes": np.arange(40, dtype=np.int32),
    }
    write_arrays(tmp_path / "a.npz", arrays)
    return tmp_path / "a.npz", arrays


def test_large_arrays_are_mapped_where_they_lie(archive: tuple[Path, dict[str, NDArray[Any]]]) -> None:
    path, arrays = archive
    found = read_arrays(path, mapped=True)
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == array.dtype
        assert found[name].flags.aligned
    mapped = {name for name, array in found.items() if isinstance(array.base, np.memmap)}
    assert mapped == {"a name with é", "codes"}
    found["codes"][:] = -1  # in memory only
    np.testing.assert_array_equal(read_arrays(path)["codes"], arrays["codes"])
    assert zipfile.ZipFile(path).testzip() is None


def test_archives_of_others_are_read(archive: tuple[Path, dict[str, NDArray[Any]]]) -> None:
    path, arrays = archive
    for write in (np.savez, np.savez_compressed):
        write(path, **arrays)
        for name, array in read_arrays(path, mapped=True).items():
            np.testing.assert_array_equal(array, arrays[name])


def test_an_archive_cut_short_is_none(archive: tuple[Path, dict[str, NDArray[Any]]]) -> None:
    path, _ = archive
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises((zipfile.BadZipFile, ValueError)):
        read_arrays(path, mapped=True)

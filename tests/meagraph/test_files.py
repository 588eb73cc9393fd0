"""Archives of arrays hold what was put in, also what is written row by row."""

from __future__ import annotations

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

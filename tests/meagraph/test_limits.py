"""What input may hold at most: each limit holds, says what it is, and can be raised."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import sqlite3
import tarfile
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import ase.db
import numpy as np
import pytest
import zstandard
from ase import Atoms

from meagraph.datasets import DatasetError, read_dataset
from meagraph.datasets.storage import stored_sha256
from meagraph.errors import LONGEST, MEAGraphError
from meagraph.files import leads_out, read_array, read_arrays, read_bytes, read_json, stored_in
from meagraph.inspection import conditions
from meagraph.limits import ENTRIES, FRAMES, GROUP, LIMITS, MEMBERS, RATIO
from meagraph.recipe import read_recipe
from tests.support.fuzzing.trial import peak
from tests.support.structures import niobium_structures

FRAME = b'1\nenergy=1 pbc="F F F"\nNb 0 0 0\n'
ZEROS = FRAME * 2 + bytes(3_000_000)


def _zip(content: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("a.xyz", content)
    return stream.getvalue()


def _tar(content: bytes, **headers: str) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as packed:
        info = tarfile.TarInfo("a.xyz")
        info.size, info.pax_headers = len(content), headers
        packed.addfile(info, io.BytesIO(content))
    return gzip.compress(stream.getvalue())


BOMBS: dict[str, Callable[[bytes], bytes]] = {
    "a.xyz.gz": gzip.compress,
    "a.xyz.bz2": bz2.compress,
    "a.xyz.xz": lzma.compress,
    "a.xyz.zst": zstandard.ZstdCompressor().compress,
    "a.dump.gz": gzip.compress,
    "a.zip": _zip,
    "a.tar.gz": _tar,
    "long-name.tar.gz": lambda content: _tar(b"", comment=content.decode()),
}


@pytest.mark.parametrize("name", BOMBS)
def test_what_grows_without_measure_is_refused(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch, own_cache: Path
) -> None:
    for module in ("compressed", "storage"):
        monkeypatch.setattr(f"meagraph.datasets.{module}.FREE", 1_000)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    path = tmp_path / name
    path.write_bytes(BOMBS[name](ZEROS))
    with pytest.raises(DatasetError, match=rf"grows at most 100 times .* {RATIO.variable}"):
        read_dataset(path, fewest=1)
    with pytest.raises(DatasetError, match=r"expected at most \S+ GiB when decompressed.*--max-size"):
        read_dataset(path, fewest=1, max_bytes=10_000)
    monkeypatch.setenv(RATIO.variable, "100000")
    with pytest.raises(DatasetError) as raised:  # zeros are no frame, but all of them were read
        read_dataset(path, fewest=1)
    assert RATIO.variable not in str(raised.value)
    assert [found.name for found in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["a.xyz.gz", "a.xyz.bz2", "a.xyz.xz", "a.xyz.zst"])
def test_what_is_refused_is_not_held(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("meagraph.datasets.compressed.FREE", 100_000)
    monkeypatch.setenv(RATIO.variable, "1000000")
    path = tmp_path / name
    path.write_bytes(BOMBS[name](FRAME * 2 + bytes(24_000_000)))
    tracemalloc.start()
    try:
        with pytest.raises(DatasetError, match="GiB when decompressed"):
            read_dataset(path, fewest=1, max_bytes=23_000_000)
        assert tracemalloc.get_traced_memory()[1] < 18_000_000  # of which .xz takes 8 for its dictionary
    finally:
        tracemalloc.stop()
    path.write_bytes(BOMBS[name](FRAME * 6_000))  # what is allowed is read, beyond what is held at first, too
    assert len(FRAME * 6_000) > 100_000
    assert read_dataset(path).n_structures == 6_000


def test_names_of_archives_that_fill_the_memory(tmp_path: Path) -> None:
    header = tarfile.TarInfo("././@LongLink")
    header.type, header.size = tarfile.GNUTYPE_LONGNAME, 2**25
    (tmp_path / "a.tar.gz").write_bytes(gzip.compress(header.tobuf(tarfile.GNU_FORMAT) + bytes(2**25), 1))
    with pytest.raises(DatasetError, match=r"names of 33,554,432 bytes .* where 16,777,216 are enough"):
        read_dataset(tmp_path / "a.tar.gz")


def test_a_database_that_computes_its_rows(tmp_path: Path) -> None:
    with ase.db.connect(tmp_path / "a.db", use_lock_file=False) as rows:
        rows.write(Atoms("Nb"))
    base = sqlite3.connect(tmp_path / "a.db")
    base.execute("ALTER TABLE systems RENAME TO old")
    base.execute("CREATE VIEW systems AS WITH RECURSIVE n AS (SELECT 1 UNION ALL SELECT 1 FROM n) SELECT * FROM old, n")
    base.close()
    with pytest.raises(DatasetError, match="which holds tables alone, but it has a view"):
        read_dataset(tmp_path / "a.db", allow_unlabelled=True)


def test_archives_of_too_many_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as packed:
        for number in range(4):
            packed.writestr(f"{number}.xyz", FRAME)
    monkeypatch.setenv(MEMBERS.variable, "3")
    with pytest.raises(DatasetError, match=rf"at most 3 files in an archive.*{MEMBERS.variable}"):
        read_dataset(tmp_path / "a.zip")
    monkeypatch.setenv(MEMBERS.variable, "4")
    assert read_dataset(tmp_path / "a.zip").n_structures == 4


def test_step_files_that_grow_without_measure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.savez_compressed(tmp_path / "a.npz", a=np.zeros(1_000_000))
    assert read_arrays(tmp_path / "a.npz")["a"].shape == (1_000_000,)
    monkeypatch.setattr("meagraph.files.FREE", 1_000)
    with pytest.raises(ValueError, match=rf"grows more than 100 times .*{RATIO.variable}"):
        read_arrays(tmp_path / "a.npz")


def test_frames_and_their_atoms(
    write_dataset: Callable[..., Path], structures: tuple[Atoms, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_dataset(structures)
    with pytest.raises(DatasetError, match=r"at most 15 atoms in a frame, but it has 16. Raise .*--max-atoms 16"):
        read_dataset(path, max_atoms=15)
    monkeypatch.setenv(FRAMES.variable, "11")
    with pytest.raises(DatasetError, match=rf"at most 11 frames in a dataset.*{FRAMES.variable}"):
        read_dataset(path)
    monkeypatch.setenv(FRAMES.variable, "12")
    assert read_dataset(path).n_structures == 12


def test_entries_of_many_names(write_dataset: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    frames = niobium_structures(2, 1)
    for number, atoms in enumerate(frames):
        atoms.info[f"id-{number}"] = 1.0
    path = write_dataset(frames)
    monkeypatch.setenv(ENTRIES.variable, "7")
    with pytest.raises(DatasetError, match=rf"frame 4 .*at most 7 differently named entries.*{ENTRIES.variable}"):
        read_dataset(path)
    monkeypatch.setenv(ENTRIES.variable, "8")
    assert read_dataset(path).n_structures == 5


def test_names_of_groups(write_dataset: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    frames = niobium_structures(1, 0)
    frames[0].info["config_type"] = "long" * 251
    path = write_dataset(frames)
    with pytest.raises(DatasetError, match=rf"1,000 characters in a group's name.*--group-key.*{GROUP.variable}"):
        read_dataset(path)
    monkeypatch.setenv(GROUP.variable, "1004")
    assert len(read_dataset(path).groups[0]) == 1004


def test_columns_of_a_property(tmp_path: Path) -> None:
    for count in ("1000000000", "10001", "9" * 5000, "²", "-1", "0"):
        text = FRAME.replace(b"energy=1", f"Properties=species:S:1:pos:R:3:forces:R:{count} energy=1".encode())
        (tmp_path / "a.xyz").write_bytes(text * 2)
        with pytest.raises(DatasetError, match=r"a count up to 10,000, but came forces:R:"):
            read_dataset(tmp_path / "a.xyz")


def test_conditions() -> None:
    columns = {"n": np.array([1, 2])}
    with pytest.raises(MEAGraphError, match=f"at most {conditions.LONGEST}"):
        conditions.evaluate("n > 1" + " " * conditions.LONGEST, columns, 2)
    deep = conditions.DEEPEST + 1
    with pytest.raises(MEAGraphError, match=f"more than {conditions.DEEPEST} deep"):
        conditions.evaluate(f"{'not ' * deep}n > 1", columns, 2)
    assert conditions.evaluate(f"{'not ' * (deep - 11)}n > 1", columns, 2).sum() == 1
    for number in ("9" * 400, str(2**63), str(10**30)):
        assert conditions.evaluate(f"-{number} < n and n < {number} and n not in [{number}]", columns, 2).all()


@pytest.mark.parametrize("limit", LIMITS, ids=lambda limit: limit.variable)
def test_a_variable_names_another_limit(limit: object, monkeypatch: pytest.MonkeyPatch) -> None:
    assert limit.value == limit.usual
    monkeypatch.setenv(limit.variable, "12")
    assert limit.value == 12
    assert limit.variable in limit.remedy
    for wrong in ("0", "-1", "many", "1e9", "9" * 5000):
        monkeypatch.setenv(limit.variable, wrong)
        with pytest.raises(MEAGraphError, match=f"{limit.variable}: expected a whole number"):
            _ = limit.value


def test_messages_are_one_line_of_letters() -> None:
    error = MEAGraphError("a.xyz: came \x1b[2J\nand \u202e \x00, Ü and 'x'. Mend it.")
    assert str(error) == r"a.xyz: came \x1b[2J and \u202e \x00, Ü and 'x'. Mend it."
    long = str(MEAGraphError(f"First. {'x' * 10**6} Last."))
    assert (len(long) < LONGEST + 10, long[:6], long[-5:]) == (True, "First.", "Last.")


INSIDE = ["a.xyz", "runs/a.xyz", "a..b/c..", "...", "console.xyz", "Ü.xyz", "com/a", "2024-01-01.xyz", "a b"]
OUTSIDE = [
    *("..", "../a", "a/../b", "a/..", "/a", "//a/b", "\\a", "C:\\a", "C:a", "a\\..\\b", "\\\\host\\share\\a", "a\0b"),
    *("", " ", "con", "NUL.xyz", "runs/aux", "lpt1.extxyz", "COM¹.xyz", ".. /a", "prn .txt"),
]


@pytest.mark.parametrize("name", INSIDE)
def test_names_within_a_folder(name: str) -> None:
    assert not leads_out(name)


@pytest.mark.parametrize("name", OUTSIDE)
def test_names_that_stand_for_another_place(name: str, tmp_path: Path) -> None:
    assert leads_out(name)
    if "\0" not in name and name.strip():
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as packed:
            packed.writestr(zipfile.ZipInfo(name), FRAME)
        with pytest.raises(DatasetError, match="points out of it"):
            read_dataset(tmp_path / "a.zip", fewest=1)


@pytest.mark.parametrize("count", ["1000000000", "9" * 5000])
def test_atoms_that_are_announced_and_not_there_take_no_memory(tmp_path: Path, count: str) -> None:
    files = {
        "x-pos-1.xyz": f"{count}\n i = 0, time = 0.0, E = -1.0\n Nb 0 0 0\n",
        "a.extxyz": f"{count}\nenergy=1\nNb 0 0 0\n",
        "POSCAR": f"a\n1.0\n9 0 0\n0 9 0\n0 0 9\nNb\n{count}\nCartesian\n0 0 0\n",
        "a.dump": f"ITEM: TIMESTEP\n0\nITEM: NUMBER OF ATOMS\n{count}\nITEM: BOX BOUNDS pp pp pp\n0 1\n0 1\n0 1\n"
        "ITEM: ATOMS id type x y z\n1 1 0 0 0\n",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
        begin = peak()
        with pytest.raises(DatasetError, match=name):
            read_dataset(tmp_path / name, fewest=1, max_atoms=2 * 10**9, elements=("Nb",), allow_unlabelled=True)
        assert peak() - begin < 2**26


def test_arrays_that_claim_more_than_there_is(tmp_path: Path) -> None:
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": "<f8", "fortran_order": False, "shape": (10**12, 3)})
    (tmp_path / "a.npy").write_bytes(stream.getvalue() + bytes(100))
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as packed:
        packed.writestr("a.npy", stream.getvalue() + bytes(100))
    begin = peak()
    for read, name in ((read_array, "a.npy"), (read_arrays, "a.npz")):
        with pytest.raises(ValueError, match=r"mmap|memory|allocate|array"):
            read(tmp_path / name)
    assert peak() - begin < 2**26


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes in folders here")
def test_devices_and_pipes_are_no_files(tmp_path: Path) -> None:
    """They would be read, or waited for, without end."""
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero")):
        for read in (read_json, read_array, read_arrays, read_bytes):
            with pytest.raises(ValueError, match="device or a pipe"):
                read(path)
        with pytest.raises(MEAGraphError, match="device or a pipe"):
            read_recipe(path)
        with pytest.raises(DatasetError, match="device or a pipe"):
            read_dataset(path)
        assert stored_sha256(path, "extxyz") is None
    (tmp_path / "a.json").write_bytes(b" " * 50)
    with pytest.raises(ValueError, match="more than 49 bytes"):
        read_bytes(tmp_path / "a.json", most=49)
    assert len(read_bytes(tmp_path / "a.json", most=50)) == 50


def test_names_and_figures_without_end(tmp_path: Path) -> None:
    assert stored_in(tmp_path / ("a" * 5000) / "b.xyz") is None
    (tmp_path / "a.xyz").write_bytes(FRAME.replace(b"Nb", b"9" * 5000) * 2)
    with pytest.raises(DatasetError, match="is no element"):
        read_dataset(tmp_path / "a.xyz")


def test_an_array_of_hdf5_that_is_larger_than_its_file(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "a.hdf5", "w") as file:
        file["type.raw"], file["type_map.raw"] = [0], ["Nb"]
        for name, width in {"coord": 3, "box": 9}.items():
            file.create_dataset(f"set.000/{name}.npy", (10**9, width), "f8", chunks=(1000, width))
    with pytest.raises(DatasetError, match=rf"grows more than 100 times.*{RATIO.variable}"):
        read_dataset(tmp_path / "a.hdf5", allow_unlabelled=True)

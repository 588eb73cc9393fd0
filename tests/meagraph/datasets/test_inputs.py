"""Folders, patterns and archives: what is read of them, how members are named, and what they cannot do."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import shutil
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms

from meagraph.datasets import DatasetError, read_dataset
from meagraph.datasets.storage import source_text, stored_sha256
from meagraph.exports import export_plan, verify
from meagraph.limits import MEMBERS
from meagraph.pruning.settings import PruningConfig

zstandard = pytest.importorskip("zstandard")


def frame(energy: float) -> str:
    head = 'Properties=species:S:1:pos:R:3:forces:R:3 pbc="F F F"'
    return f"2\n{head} energy={energy} note=a\\ b\nH 0 0 0 0.5 0 0\nH 0 0 {1 + energy / 10} -0.5 0 0\n"


@dataclass(frozen=True)
class Plan:
    keep: np.ndarray
    structures: np.ndarray
    config: PruningConfig
    chosen: None = None  # shares by the dataset


FILES = {"a/x.xyz": frame(1) + frame(2), "b.extxyz": frame(3), "a/y.xyz.gz": frame(4)}
ORDER = [1, 2, 4, 3]  # a/x.xyz, a/y.xyz.gz, b.extxyz


def content(name: str) -> bytes:
    text = FILES[name].encode()
    return gzip.compress(text, mtime=0) if name.endswith(".gz") else text


def folder(root: Path) -> Path:
    for name in FILES:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content(name))
    return root


def tar_bytes() -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as packed:
        for name in reversed(FILES):
            entry = tarfile.TarInfo(f"./{name}")
            entry.size = len(content(name))
            packed.addfile(entry, io.BytesIO(content(name)))
    return stream.getvalue()


PACK = {
    ".tar": bytes,
    ".tar.gz": gzip.compress,
    ".tgz": gzip.compress,
    ".tar.bz2": bz2.compress,
    ".tar.xz": lzma.compress,
    ".tar.zst": lambda data: zstandard.ZstdCompressor().compress(data),
}


def archive(root: Path, suffix: str) -> Path:
    path = root / f"train{suffix}"
    if suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
            for name in FILES:
                packed.writestr(name, content(name))
    else:
        path.write_bytes(PACK[suffix](tar_bytes()))
    return path


def test_folder(tmp_path: Path) -> None:
    root = folder(tmp_path / "set")
    for name in (".hidden.xyz", "README.md", "a/.git/z.xyz", "a/INCAR"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(frame(9))
    data = read_dataset(root)
    assert data.energy.tolist() == ORDER
    assert [source.path for source in data.sources] == [
        f"{root}/{name}" for name in ("a/x.xyz", "a/y.xyz.gz", "b.extxyz")
    ]
    assert data.name == "set"
    (note,) = data.sources[0].notes
    assert "README.md" in note
    assert "a/INCAR" in note
    assert read_dataset(f"{root}/a/../a").energy.tolist() == [1, 2, 4]


def test_folder_without_training_data(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("none")
    with pytest.raises(DatasetError, match=r"notes.txt are of no format that has them"):
        read_dataset(tmp_path)


def test_one_file_of_a_calculation(tmp_path: Path) -> None:
    """OUTCAR and vasprun.xml say the same."""
    for name in ("OUTCAR", "vasprun.xml"):
        (tmp_path / name).write_text("not read here")
    with pytest.raises(DatasetError, match=r"OUTCAR, frame 0"):
        read_dataset(tmp_path)


def test_pattern(tmp_path: Path) -> None:
    root = folder(tmp_path / "set")
    assert read_dataset(f"{root}/a/*").energy.tolist() == [1, 2, 4]
    assert read_dataset(f"{root}/**/*.*xyz").energy.tolist() == [1, 2, 3]
    with pytest.raises(DatasetError, match="files of that pattern"):
        read_dataset(f"{root}/*.traj")
    odd = tmp_path / "set[1].xyz"  # a name, not a pattern, where there is such a file
    odd.write_text(frame(1) + frame(2))
    assert read_dataset(odd).n_structures == 2


@pytest.mark.parametrize("suffix", [".zip", *PACK])
def test_archive(tmp_path: Path, suffix: str) -> None:
    path = archive(tmp_path, suffix)
    data, plain = read_dataset(path), read_dataset(folder(tmp_path / "set"))
    assert data.energy.tolist() == ORDER
    assert data.fingerprint == plain.fingerprint
    assert data.name == "train"
    assert [source.path for source in data.sources] == [
        f"{path}/{name}" for name in ("a/x.xyz", "a/y.xyz.gz", "b.extxyz")
    ]
    for source, other in zip(data.sources, plain.sources, strict=True):
        assert source.sha256 == other.sha256 == stored_sha256(source.path, source.format)
        assert source_text(source.path)[0] == source_text(other.path)[0]
    assert data.locate(1) == f"{path}/a/x.xyz, frame 1 (counting from 0)"
    assert read_dataset(f"{path}/a").energy.tolist() == [1, 2, 4]
    with pytest.raises(DatasetError, match="none of that name"):
        read_dataset(f"{path}/absent.xyz")
    with pytest.raises(DatasetError, match="is the same as"):
        read_dataset([path, f"{path}/a/x.xyz"])


def test_archives_in_archives_are_refused(tmp_path: Path) -> None:
    inner = archive(tmp_path, ".zip")
    outer = tmp_path / "outer.zip"
    with zipfile.ZipFile(outer, "w") as packed:
        packed.write(inner, "deep/train.zip")
    for name in ("deep/train.zip", "deep/train.zip/a/x.xyz"):
        with pytest.raises(DatasetError, match=r"train\.zip is an archive within that archive.* Unpack the outer one"):
            read_dataset(outer / name)
    for format in (None, "extxyz"):
        with pytest.raises(DatasetError, match=r"outer\.zip: .* Archives inside are not opened: unpack them"):
            read_dataset(outer, format=format)
    with zipfile.ZipFile(outer, "a") as packed:
        packed.writestr("two.xyz", content("a/x.xyz") + content("b.extxyz"))
    assert "deep/train.zip" in read_dataset(outer).sources[0].notes[0]


@pytest.mark.parametrize("suffix", [".zip", ".tar.gz"])
def test_export_from_an_archive_is_byte_for_byte_and_verified(tmp_path: Path, suffix: str) -> None:
    path = archive(tmp_path, suffix)
    data = read_dataset(path)
    keep = np.repeat([True, False, True, True], 2)
    files = export_plan(data, Plan(keep, keep[::2], PruningConfig()), tmp_path / "out", settings={})  # type: ignore[arg-type]
    assert files.structures.read_text() == frame(1) + frame(4) + frame(3)
    assert verify(files.manifest) == []
    changed = {name: content(name).replace(b"0.5", b"0.6") for name in FILES}
    with zipfile.ZipFile(path, "w") if suffix == ".zip" else tarfile.open(path, "w:gz") as packed:
        for name, text in changed.items():
            if isinstance(packed, zipfile.ZipFile):
                packed.writestr(name, text)
            else:
                entry = tarfile.TarInfo(name)
                entry.size = len(text)
                packed.addfile(entry, io.BytesIO(text))
    assert any("b.extxyz: expected SHA-256" in problem for problem in verify(files.manifest))


@pytest.mark.parametrize("name", ["../evil.xyz", "a/../../evil.xyz", "/tmp/meagraph-evil.xyz"])
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_members_that_point_out_of_the_archive(tmp_path: Path, kind: str, name: str) -> None:
    inner = tmp_path / "in"
    inner.mkdir()
    path = inner / f"evil.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as packed:
            packed.writestr(name, frame(1))
    else:
        with tarfile.open(path, "w") as packed_tar:
            entry = tarfile.TarInfo(name)
            entry.size = len(frame(1))
            packed_tar.addfile(entry, io.BytesIO(frame(1).encode()))
    with pytest.raises(DatasetError, match="points out of it"):
        read_dataset(path)
    assert not list(tmp_path.rglob("evil.xyz"))
    assert not Path("/tmp/meagraph-evil.xyz").exists()


def test_links_in_a_tar_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret.xyz").write_text(frame(1) + frame(2))
    path = tmp_path / "links.tar"
    with tarfile.open(path, "w") as packed:
        for kind, name in ((tarfile.SYMTYPE, "soft.xyz"), (tarfile.LNKTYPE, "hard.xyz")):
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = kind, str(tmp_path / "secret.xyz")
            packed.addfile(entry)
    with pytest.raises(DatasetError, match="it is empty"):
        read_dataset(path)


@pytest.mark.parametrize("suffix", [".gz", ".zst", ".zip", ".tar.gz"])
def test_what_grows_too_large_is_refused(tmp_path: Path, suffix: str) -> None:
    """A megabyte of blanks in a kilobyte; the limit is said, and can be raised."""
    text = frame(1).encode() + frame(2).encode() + b"\n" * 2**20
    path = tmp_path / f"bomb.xyz{suffix}"
    if suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
            packed.writestr("bomb.xyz", text)
    elif suffix == ".tar.gz":
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w") as packed_tar:
            entry = tarfile.TarInfo("bomb.xyz")
            entry.size = len(text)
            packed_tar.addfile(entry, io.BytesIO(text))
        path.write_bytes(gzip.compress(stream.getvalue(), mtime=0))
    else:
        path.write_bytes(gzip.compress(text, mtime=0) if suffix == ".gz" else zstandard.ZstdCompressor().compress(text))
    with pytest.raises(DatasetError, match=r"at most .* GiB when decompressed.*--max-size"):
        read_dataset(path, max_bytes=2**20)
    assert read_dataset(path, max_bytes=2**21).n_structures == 2


@pytest.mark.parametrize(
    ("suffix", "left"),
    [
        (".zip", 100),
        (".tar.gz", 100),
        (".tar.zst", 100),
        (".tar", 1024),
        (".tar", 1100),
        (".tar", 1600),
        (".tar", 2048),
    ],
)
def test_broken_archives(tmp_path: Path, suffix: str, left: int) -> None:
    """Of a tar each member takes 1024 bytes, header and content: a cut between two of them is noticed, too."""
    path = tmp_path / f"cut{suffix}"
    path.write_bytes(archive(tmp_path, suffix).read_bytes()[:left])
    with pytest.raises(DatasetError, match="cannot be decompressed"):
        read_dataset(path)


def test_zstandard_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = archive(tmp_path, ".tar.zst")
    monkeypatch.setitem(__import__("sys").modules, "zstandard", None)
    with pytest.raises(DatasetError, match=r"meaviz\[zstd\]"):
        read_dataset(path)


def test_a_folder_of_other_formats(tmp_path: Path) -> None:
    atoms = Atoms("H2", [[0, 0, 0], [0, 0, 1]])
    ase.io.write(tmp_path / "a.traj", [atoms, atoms])
    ase.io.write(tmp_path / "b.cif", atoms)
    data = read_dataset(tmp_path, allow_unlabelled=True)
    assert [source.format for source in data.sources] == ["traj"]
    assert "b.cif" in data.sources[0].notes[0]


def test_names_that_are_no_file(tmp_path: Path) -> None:
    (tmp_path / "a.xyz").write_text(frame(1))
    with pytest.raises(DatasetError, match=r"inner\.xyz: expected a file, but it does not exist: .*a\.xyz is no archi"):
        read_dataset(tmp_path / "a.xyz" / "inner.xyz")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(DatasetError, match=r"pipe: expected a file, but it is a device or a pipe\. Name a file"):
            read_dataset(tmp_path / "pipe")


@pytest.mark.parametrize("suffix", [".zip", ".tar"])
def test_an_archive_of_too_many_files(suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MEMBERS.variable, "2")
    for name in ("packed", "few"):
        folder(tmp_path / name)
    (tmp_path / "few" / "b.extxyz").unlink()
    few, many = (
        Path(shutil.make_archive(str(tmp_path / name), suffix[1:], tmp_path / name)) for name in ("few", "packed")
    )
    assert read_dataset(few).n_structures == 3
    with pytest.raises(DatasetError, match=r"expected at most 2 files in an archive, .*MEAVIZ_MAX_MEMBERS\), or unpac"):
        read_dataset(many)

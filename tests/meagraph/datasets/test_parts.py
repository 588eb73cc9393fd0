"""A file read in parts gives the very bytes that it gives in one go."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.io import write

from meagraph.datasets import DatasetError, parts, read_dataset
from meagraph.datasets.store import write_store
from meagraph.workers import HERE, Workers
from tests.support.structures import niobium_structures


@pytest.fixture
def workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workers]:
    monkeypatch.setattr(parts, "PART", 700)
    with ThreadPoolExecutor(2) as executor:
        yield Workers(executor, lambda: 2, tmp_path)


def various() -> list[Atoms]:
    """Frames with entries of every kind, which come and go, so that parts know different columns."""
    found = []
    for number, atoms in enumerate(niobium_structures()):
        atoms.info["text"] = f"word {number % 3}"
        atoms.info["weight"] = float(number) if number % 4 else "none"
        if number > 5:
            atoms.info["later"] = np.arange(number % 2 + 2)
            atoms.arrays["names"] = np.array([f"a{place * number % 5}" for place in range(len(atoms))])
        if number % 3 == 0:
            atoms.arrays["charge_like"] = np.arange(len(atoms)) * 0.5
        found.append(atoms)
    return found


def bytes_of(path: Path, folder: Path, workers: Workers, monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    monkeypatch.setattr(parts, "FROM", 1 if workers.elsewhere else 10**12)
    dataset = read_dataset(path, workers=workers)
    write_store(dataset, folder / "x.meadata")
    return {file.name: file.read_bytes() for file in sorted((folder / "x.meadata").iterdir())}


@pytest.mark.parametrize("name", ["a.extxyz", "a.extxyz.gz"])
@pytest.mark.parametrize("head", [b"", b"\xef\xbb\xbf", b"\n\n"])
def test_parts_give_the_same_bytes(
    name: str, head: bytes, workers: Workers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "plain.extxyz", various(), format="extxyz")
    text = head + (tmp_path / "plain.extxyz").read_bytes()
    path = tmp_path / name
    if path.suffix == ".gz":
        import gzip

        path.write_bytes(gzip.compress(text))
    else:
        path.write_bytes(text)
    assert len(parts.cut(text, path, path="a", max_atoms=100)) > 5
    one = bytes_of(path, tmp_path / "one", HERE, monkeypatch)
    assert bytes_of(path, tmp_path / "two", workers, monkeypatch) == one


@pytest.mark.parametrize("wrong", [b"not a number", b"0.0 0.0"])
def test_a_fault_is_told_as_in_one_go(
    wrong: bytes, workers: Workers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "a.extxyz", various(), format="extxyz")
    text = (tmp_path / "a.extxyz").read_bytes().split(b"\n")
    text[40] = wrong  # within the third frame
    (tmp_path / "a.extxyz").write_bytes(b"\n".join(text))
    told = []
    for by in (HERE, workers):
        monkeypatch.setattr(parts, "FROM", 1 if by.elsewhere else 10**12)
        with pytest.raises(DatasetError) as caught:
            read_dataset(tmp_path / "a.extxyz", workers=by)
        told.append(str(caught.value))
        dataset = read_dataset(tmp_path / "a.extxyz", workers=by, on_error="quarantine")
        assert dataset.n_structures == 11
        assert dataset.quarantined[0].frame == 2
    assert told[0] == told[1]


def test_a_part_that_is_asked_for_names_its_frames(workers: Workers, tmp_path: Path) -> None:
    write(tmp_path / "a.extxyz", various(), format="extxyz")
    text = (tmp_path / "a.extxyz").read_bytes()
    found = parts.cut(text, tmp_path / "a.extxyz", path="a", max_atoms=100)
    assert sum(part.frames for part in found) == 12
    assert found[0].start == 0
    assert found[-1].end == len(text)
    assert all(a.end == b.start for a, b in pairwise(found))
    assert [text[: part.start].count(b"\n") + 1 for part in found] == [part.line for part in found]

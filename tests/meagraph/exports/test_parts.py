"""Parts of a dataset as files: byte for byte, or with an entry that names the part; what they may replace."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from ase.io import read, write

from meagraph.datasets import AtomicDataset, from_atoms, read_dataset
from meagraph.exports import ExportError
from meagraph.exports.parts import claim_parts, export_parts
from meagraph.files import sha256_file
from tests.support.structures import niobium_structures


@pytest.fixture
def data(tmp_path: Path) -> AtomicDataset:
    write(tmp_path / "nb.extxyz", niobium_structures(3, 2))  # 7 structures
    return read_dataset(tmp_path / "nb.extxyz")


def halves(data: AtomicDataset) -> dict[str, np.ndarray]:
    odd = np.arange(data.n_structures) % 2 == 1
    return {"odd": odd, "even": ~odd, "none": odd & ~odd}


def test_parts_are_the_frames_of_the_source_byte_for_byte(data: AtomicDataset, tmp_path: Path) -> None:
    files = export_parts(data, halves(data), tmp_path / "out", "selection", columns={"score": np.arange(7) / 2})
    assert set(files.parts) == {"odd", "even"}
    text = Path(data.sources[0].path).read_bytes()
    frames = [text[start:end] for start, end in data.frame_span.tolist()]
    assert files.parts["odd"].read_bytes() == b"".join(frames[1::2])
    assert files.parts["even"].read_bytes() == b"".join(frames[::2])
    rows = list(csv.DictReader(files.index.open()))
    assert [row["selection"] for row in rows] == ["even", "odd"] * 3 + ["even"]
    assert [float(row["score"]) for row in rows] == [0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0]
    manifest = json.loads(files.manifest.read_text())
    assert manifest["kind"] == "meagraph selection"
    assert manifest["parts"]["odd"] == {"structures": 3, "environments": int(data.sizes[1::2].sum())}
    assert all(one["sha256"] == sha256_file(tmp_path / "out" / one["file"]) for one in manifest["outputs"])


def test_an_entry_in_each_frame_names_the_part_and_nothing_else_changes(data: AtomicDataset, tmp_path: Path) -> None:
    files = export_parts(data, halves(data), tmp_path / "out", "split", entry="side")
    (path,) = set(files.parts.values())
    assert [atoms.info["side"] for atoms in read(path, ":")] == ["even", "odd"] * 3 + ["even"]
    text = path.read_bytes().replace(b" side=odd", b"").replace(b" side=even", b"")
    assert text == Path(data.sources[0].path).read_bytes()
    assert read_dataset(path).structure_keys == data.structure_keys


@pytest.mark.parametrize("names", [["a b", "a-b"], ["Odd", "odd"]])
def test_parts_whose_names_are_one_file_are_refused(data: AtomicDataset, tmp_path: Path, names: list[str]) -> None:
    """On any system, those that do not tell case included."""
    with pytest.raises(ExportError, match="differ as names of files"):
        claim_parts(data, names, tmp_path / "out", "selection")
    assert not (tmp_path / "out").exists()


def test_structures_from_memory_are_written_with_all_digits(tmp_path: Path) -> None:
    data = from_atoms(niobium_structures(3, 2), name="memory")
    files = export_parts(data, halves(data), tmp_path, "split", entry="side")
    again = read_dataset(files.parts["odd"])
    assert again.structure_keys == data.structure_keys
    assert np.array_equal(again.forces, data.forces)


def test_only_files_of_an_earlier_export_are_replaced(data: AtomicDataset, tmp_path: Path) -> None:
    first = export_parts(data, halves(data), tmp_path / "out", "split")
    before = first.parts["odd"].read_bytes()
    export_parts(data, halves(data), tmp_path / "out", "split")  # the same again
    others = {name: np.roll(mask, 2) for name, mask in halves(data).items()}
    with pytest.raises(ExportError, match="expected no file there"):
        export_parts(data, others, tmp_path / "out", "split")
    assert first.parts["odd"].read_bytes() == before
    export_parts(data, halves(data), tmp_path / "out", "split", overwrite=True)
    first.parts["odd"].write_text("mine")
    with pytest.raises(ExportError, match="it was changed since"):
        export_parts(data, halves(data), tmp_path / "out", "split", overwrite=True)
    assert first.parts["odd"].read_text() == "mine"


@pytest.mark.parametrize(("entry", "message"), [("energy", "expected no entry"), ("a b", "no name for an entry")])
def test_entries_that_cannot_be_are_refused(data: AtomicDataset, tmp_path: Path, entry: str, message: str) -> None:
    structures = [atoms.copy() for atoms in data.structures]
    structures[3].info["Energy"] = 1.0
    from_memory = from_atoms(structures, allow_unlabelled=True)
    with pytest.raises(ExportError, match=message):
        export_parts(from_memory, halves(data), tmp_path / "out", "split", entry=entry)
    assert not (tmp_path / "out").exists()


def test_nothing_to_write_is_an_error(data: AtomicDataset, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="all parts are empty"):
        export_parts(data, {"none": np.zeros(7, dtype=bool)}, tmp_path, "selection")

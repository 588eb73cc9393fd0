"""``meagraph duplicates`` and ``meagraph split``: what they print, write and return; leaks that a split removes."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.io import read, write

from meagraph.cli import main
from meagraph.datasets import from_atoms, read_dataset
from meagraph.datasets.known import with_known
from meagraph.duplicates.dropping import find_dropped
from tests.support.structures import labelled, niobium_structures


def moved(atoms: Atoms, seed: int) -> Atoms:
    copy = atoms.copy()
    copy.rotate(20.0 + seed, (1, 2, 3), rotate_cell=True)
    copy.positions += 0.3 * seed
    return labelled(copy[np.random.default_rng(seed).permutation(len(copy))], str(atoms.info["config_type"]))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Of 24 structures one twice, three turned copies, one isolated atom."""
    structures = niobium_structures(12, 6)
    write(tmp_path / "all.extxyz", [*structures, *(moved(structures[row], row) for row in (0, 5, 14))])
    return tmp_path / "all.extxyz"


def printed(capsys: pytest.CaptureFixture[str], *arguments: object, status: int = 0) -> str:
    assert main([str(argument) for argument in arguments]) == status
    return capsys.readouterr().out


def test_repeats_are_listed_counted_and_written(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(capsys, "duplicates", file)
    assert "1 of 23 structures repeat an earlier one exactly" in text
    assert f"exact     {file}, frame 12  =  {file}, frame 11" in text
    assert f"symmetric {file}, frame 22  =  {file}, frame 14" in text
    table = tmp_path / "pairs.csv"
    found = json.loads(printed(capsys, "duplicates", file, "--json", "--out", table))
    assert (found["exact"], found["symmetric"], found["near"], found["labels_disagree"]) == (1, 3, 0, 0)
    assert [(row["structure"], row["of_structure"]) for row in found["pairs"]] == [(12, 11), (20, 0), (21, 5), (22, 14)]
    assert [row["kind"] for row in csv.DictReader(table.open())] == ["exact", *["symmetric"] * 3]


def test_leaks_have_a_status_of_their_own_and_a_split_has_none(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "parts"
    figures = json.loads(printed(capsys, "split", file, "--fractions", 0.6, 0.2, 0.2, "--out", out, "--json"))
    assert sum(side["structures"] for side in figures["sides"].values()) == 23
    sides = [out / f"all-{name}.extxyz" for name in ("train", "validation", "test")]
    assert sorted(len(read(path, ":")) for path in sides) == sorted(
        figures["sides"][name]["structures"] for name in ("train", "validation", "test")
    )
    parts = ("--train", sides[0], "--validation", sides[1], "--test", sides[2])
    assert "0 of" in printed(capsys, "duplicates", *parts, status=0)
    frames = read(file, ":")
    write(tmp_path / "new.extxyz", [frames[20], frames[21], frames[19]])  # two turned copies, an isolated atom
    write(tmp_path / "old.extxyz", frames[:19])
    both = ("--train", tmp_path / "old.extxyz", "--test", tmp_path / "new.extxyz")
    text = printed(capsys, "duplicates", *both, status=3)
    assert "2 of 3 structures of test stand in train: 0 exact, 2 symmetric, 0 near" in text
    index = list(csv.DictReader((out / "all-split.csv").open()))
    assert index[20]["split"] == index[0]["split"]
    assert index[20]["piece"] == "0"
    assert index[19]["always_trained_on"] == "1"
    assert index[19]["split"] == "train"


def test_folds_as_an_entry_of_each_frame(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(capsys, "split", file, "--folds", 4, "--entry", "fold", "--out", tmp_path / "folds")
    assert "every-fold" in text
    frames = read(tmp_path / "folds" / "all-split.extxyz", ":")
    assert len(frames) == 23
    assert {atoms.info["fold"] for atoms in frames} == {"fold-1", "fold-2", "fold-3", "fold-4", "every-fold"}
    assert frames[19].info["fold"] == "every-fold"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["duplicates"], "either DATA, or two or three"),
        (["duplicates", "FILE", "--test", "FILE"], "either DATA, or two or three"),
        (["duplicates", "--test", "FILE"], "either DATA, or two or three"),
        (["duplicates", "FILE", "--distance", "7"], "below 5 Å"),
        (["duplicates", "FILE", "--out", "FILE"], "ends in .csv or .npz"),
        (["split", "FILE", "--out", "OUT", "--fractions", "0.8", "0.8"], "add up to 1"),
        (["split", "FILE", "--out", "OUT", "--protect", "gold"], "there is no gold"),
        (["split", "FILE", "--out", "OUT", "--entry", "config_type"], "expected no entry 'config_type'"),
    ],
)
def test_bad_input_is_one_line(
    arguments: list[str], words: str, file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    places = {"FILE": str(file), "OUT": str(tmp_path / "out")}
    assert main([places.get(one, one) for one in arguments]) == 1
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1


def test_repeats_are_dropped_by_run_and_the_manifest_says_which(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    quick = ("--n-max", "2", "--l-max", "2", "--epochs", "1", "--clustering", "components", "--keep", "1")
    text = printed(capsys, "run", file, "--out", tmp_path / "out", "--drop-duplicates", "symmetric", *quick)
    assert "dropped  4 structures that repeat an earlier one (1 exact, 3 symmetric)" in text
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["settings"]["dropped_duplicates"] == {
        "kinds": ["exact", "symmetric"],
        "distance": 0.002,
        "structures": [12, 20, 21, 22],
        "repeat": [11, 0, 5, 14],
    }
    rows = list(csv.DictReader((tmp_path / "out" / "all-kept-index.csv").open()))
    assert [int(row["structure"]) for row in rows if row["kept"] == "0"] == [12, 20, 21, 22]


def test_repeats_are_dropped_by_convert(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(capsys, "convert", file, tmp_path / "rest.meadata", "--drop-duplicates", "symmetric")
    assert "dropped  4 structures that repeat an earlier one (1 exact, 3 symmetric)" in text
    whole, rest = read_dataset(file), read_dataset(tmp_path / "rest.meadata")
    rows = np.setdiff1d(np.arange(23), [12, 20, 21, 22])
    assert rest.structure_keys == tuple(np.array(whole.structure_keys)[rows])
    assert rest.frame_index.tolist() == rows.tolist()
    assert np.array_equal(rest.energy, whole.energy[rows])
    assert np.array_equal(rest.forces, whole.forces[np.isin(whole.structure_of, rows)])


def test_what_is_known_already_leaves(file: Path) -> None:
    """Of the new data a turned copy of a known structure, and a copy of an earlier one; nothing of the known."""
    whole = read_dataset(file)
    structures = [whole.structures[row] for row in range(whole.n_structures)]
    new, known = from_atoms([structures[20], *structures[7:13]]), from_atoms([*structures[:5], structures[0]])
    dropped = find_dropped(with_known(new, known), "symmetric")
    assert dropped.pairs() == [(0, 7, 1), (6, 5, 0)]
    assert np.flatnonzero(dropped.structures).tolist() == [0, 6]
    assert dropped.words == "2 structures that repeat an earlier or a known one (1 exact, 1 symmetric)"


def test_protected_repeats_stay(file: Path) -> None:
    dataset = read_dataset(file)
    found = find_dropped(dataset, "symmetric", protected=("bcc",))
    assert np.flatnonzero(found.structures).tolist() == [22]
    assert found.words == "1 structure that repeats an earlier one (0 exact, 1 symmetric)"
    assert np.flatnonzero(find_dropped(dataset, "exact").structures).tolist() == [12]

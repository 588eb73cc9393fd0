"""Findings on structures that repeat others: each kind once, and files that share some."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write

from meagraph.datasets import from_atoms, read_dataset
from meagraph.inspection.findings import Findings, examine, examine_labels
from tests.support.structures import labelled, niobium_structures


def those(found: Findings) -> dict[str, list[int]]:
    wanted = ("duplicates", "symmetric-duplicates", "near-duplicates", "labels-disagree", "across-files")
    return {one.key: one.structures.tolist() for one in found.found if one.key in wanted}


def test_each_kind_of_repeat_is_a_finding_of_its_own() -> None:
    first, other = niobium_structures(1, 1)[::2][:2]
    moved, near = first.copy(), first.copy()
    moved.positions += 1.3
    moved.rotate(40, (1, 2, 3), rotate_cell=True)
    near.positions[0] += 0.0009
    wrong = first.copy()
    forces = first.calc.results["forces"]
    wrong.calc = SinglePointCalculator(wrong, energy=first.calc.results["energy"] + 1.6, forces=forces)
    data = from_atoms([first, other, labelled(moved, "bcc"), labelled(near, "bcc"), wrong])
    assert those(examine(data)) == {
        "labels-disagree": [0, 4],
        "duplicates": [4],
        "symmetric-duplicates": [2],
        "near-duplicates": [3],
    }
    assert those(examine_labels(data)) == {"labels-disagree": [0, 4], "duplicates": [4]}
    disagreeing = next(one for one in examine(data).found if one.key == "labels-disagree")
    assert "0.1 eV/atom" in disagreeing.text  # 1.6 eV on 16 atoms


def test_what_stands_in_two_files_is_found_but_for_isolated_atoms(tmp_path: Path) -> None:
    structures = niobium_structures(4, 3)  # two bcc and one fcc of them, and the isolated atom, in both
    write(tmp_path / "train.extxyz", structures)
    moved = structures[1].copy()
    moved.positions += 0.7
    test = [
        structures[0],
        labelled(moved, "bcc"),
        structures[-2],
        structures[-1],
        *niobium_structures(2, 0, seed=5)[:2],
    ]
    write(tmp_path / "test.extxyz", test)
    data = read_dataset([tmp_path / "train.extxyz", tmp_path / "test.extxyz"])
    start = len(structures)
    found = examine(data)
    assert those(found)["across-files"] == [start, start + 1, start + 2]
    text = next(one.text for one in found.found if one.key == "across-files")
    assert (
        text == f"3 structures stand in another file as well: 3 of {tmp_path}/test.extxyz in {tmp_path}/train.extxyz."
    )
    alone = examine(read_dataset(tmp_path / "train.extxyz"))
    assert "across-files" not in those(alone)
    assert np.array_equal(those(alone)["duplicates"], [4])

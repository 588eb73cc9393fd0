"""Selections: found by conditions, combined as sets are, kept under names for the app too, written as files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ase.io import write

from meagraph.datasets import AtomicDataset, from_atoms, read_dataset
from meagraph.errors import MEAGraphError
from meagraph.inspection.conditions import DEEPEST, ExpressionError
from meagraph.inspection.named import named_selections
from meagraph.inspection.selections import kept_selection, select
from meagraph.pipeline.selecting import write_selections
from tests.support.structures import niobium_structures


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AtomicDataset:
    monkeypatch.setenv("MEAVIZ_DATA_HOME", str(tmp_path / "home"))
    write(tmp_path / "nb.extxyz", niobium_structures(3, 2))  # 4 bcc of 16 atoms, 2 fcc of 8, one atom
    return read_dataset(tmp_path / "nb.extxyz")


def test_a_condition_means_environments_and_their_structures(data: AtomicDataset) -> None:
    force = np.linalg.norm(data.forces, axis=1)
    limit = float(np.median(force))
    found = select(data, f"force > {limit} and group == 'bcc'")
    assert found.mask.tolist() == ((force > limit) & (data.groups[data.structure_of] == "bcc")).tolist()
    assert len(found) == found.mask.sum()
    assert np.flatnonzero(select(data, "group == 'fcc'").whole).tolist() == [4, 5]
    assert [len(atoms) for atoms in select(data, "atom == 15").atoms()] == [16] * 4
    assert not select(data, "atom == 15").whole.any()


def test_selections_combine_as_sets(data: AtomicDataset) -> None:
    bcc, first = select(data, "bcc"), select(data, "atom < 8")
    one, two = bcc.mask, first.mask
    assert ((bcc & first).mask == (one & two)).all()
    assert ((bcc | first).mask == (one | two)).all()
    assert ((bcc - first).mask == (one & ~two)).all()
    assert ((~bcc).mask == ~one).all()
    assert (~(bcc | first)).words == "not ((bcc) or (atom < 8))"
    other = from_atoms(niobium_structures(2, 1))
    with pytest.raises(MEAGraphError, match="two selections of one dataset"):
        bcc & select(other, "bcc")


def test_masks_of_structures_and_environments_are_selections_and_others_are_none(data: AtomicDataset) -> None:
    structures = np.arange(data.n_structures) == 4
    assert select(data, structures).mask.sum() == 8
    assert select(data, structures[data.structure_of]).structures.tolist() == structures.tolist()
    for wrong in (np.zeros(5, dtype=bool), np.zeros(data.n_structures)):
        with pytest.raises(MEAGraphError, match="one True or False"):
            select(data, wrong)


def test_what_is_kept_under_a_name_is_found_again(data: AtomicDataset) -> None:
    bcc = select(data, "bcc")
    bcc.keep("the cubic ones")
    assert (kept_selection(data, "the cubic ones").mask == bcc.mask).all()
    assert named_selections(data).names == ["the cubic ones"]  # what the app lists
    with pytest.raises(MEAGraphError, match="there are: the cubic ones"):
        kept_selection(data, "others")


def test_selections_are_written_with_what_they_were_found_by(data: AtomicDataset, tmp_path: Path) -> None:
    kept = np.arange(data.n_structures) % 2 == 0
    chosen = {"kept": kept, "dropped": ~kept, "cubic": select(data, "group == 'fcc' and atom == 0")}
    files = write_selections(data, chosen, tmp_path / "out")
    assert read_dataset(files.parts["dropped"]).structure_keys == tuple(np.array(data.structure_keys)[~kept])
    assert read_dataset(files.parts["cubic"]).structure_keys == data.structure_keys[4:6]
    lines = files.index.read_text().splitlines()
    assert lines[0].endswith("n_atoms,selection,selected_kept,selected_dropped,selected_cubic")
    assert lines[5].endswith("fcc,8,kept;cubic,8,0,1")
    assert "group == 'fcc' and atom == 0" in files.manifest.read_text()


def test_conditions_are_no_code_and_have_bounds(data: AtomicDataset) -> None:
    with pytest.raises(ExpressionError, match="not allowed"):
        select(data, "__import__('os').system('true') == 0")
    with pytest.raises(ExpressionError, match="Did you mean fmax"):
        select(data, "fmx > 5")
    with pytest.raises(ExpressionError, match="There are: group, element"):
        select(data, "unheard_of > 5")
    with pytest.raises(ExpressionError, match="deep"):
        select(data, "+".join(["atom"] * (DEEPEST + 2)) + " > 5")
    with pytest.raises(ExpressionError, match="at most"):
        select(data, "atom > 1 or " * 400 + "atom > 2")

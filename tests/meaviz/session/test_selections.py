"""Selections with names on disk, and filters."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ase import Atoms

from meagraph.datasets import AtomicDataset, dataset_from_structures
from meagraph.errors import MEAGraphError
from meagraph.inspection.named import NamedSelections, named_selections
from meagraph.inspection.properties import Properties
from meaviz.session.filters import Filters


@pytest.fixture
def dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AtomicDataset:
    monkeypatch.setenv("MEAVIZ_DATA_HOME", str(tmp_path))
    atoms = [Atoms("Nb2", [[0, 0, 0], [0, 0, 2 + size]], info={"config_type": f"g{size}"}) for size in range(3)]
    return dataset_from_structures(atoms, allow_unlabelled=True)


def test_named_selections_survive_and_follow_the_content(dataset: AtomicDataset) -> None:
    mask = np.array([1, 0, 1, 0, 0, 1], dtype=bool)
    kept = named_selections(dataset).keep(" strained ", mask).keep("none", np.zeros(6, dtype=bool))
    again = named_selections(dataset)
    assert again.names == kept.names == ["none", "strained"]
    assert np.array_equal(again.mask("strained"), mask)
    assert again.forget("none").names == named_selections(dataset).names == ["strained"]
    other = dataset_from_structures(list(dataset.structures[:2]), allow_unlabelled=True)
    assert named_selections(other).names == []
    with pytest.raises(MEAGraphError, match="no selection called 'x'"):
        again.mask("x")
    with pytest.raises(MEAGraphError, match="name"):
        again.keep("  ", mask)


def test_a_file_that_is_none_of_ours_is_refused_and_kept(dataset: AtomicDataset) -> None:
    path = named_selections(dataset).keep("a", np.ones(6, dtype=bool)).path
    path.write_bytes(b"PK\x03\x04 but no archive")
    with pytest.raises(MEAGraphError, match="Move it away"):
        named_selections(dataset)
    assert path.read_bytes().startswith(b"PK")


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MEAGraphError, match="MEAVIZ_DATA_HOME"):
        NamedSelections(tmp_path / "file" / "x.npz", 3).keep("a", np.ones(3, dtype=bool))


def test_filters_hold_together(dataset: AtomicDataset) -> None:
    properties = Properties(dataset)
    assert Filters().mask(properties) is None
    filters = Filters().with_range("atom", 0, 0).with_choice("group", ("g0", "g2"))
    assert filters.mask(properties).tolist() == [True, False, False, False, True, False]
    narrower = filters.with_range("structure", 1, 2)
    assert np.flatnonzero(narrower.mask(properties)).tolist() == [4]
    assert narrower.with_range("structure", 0, 2) == filters.with_range("structure", 0, 2)
    assert narrower.without("structure") == filters
    assert np.flatnonzero(Filters(condition="structure == 1").mask(properties)).tolist() == [2, 3]
    assert Filters(condition="atom > 0").without("condition") == Filters()

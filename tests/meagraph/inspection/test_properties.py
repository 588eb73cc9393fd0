"""The table of properties: every column against the dataset it comes from, and searches."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from meagraph.datasets import AtomicDataset, dataset_from_structures
from meagraph.errors import MEAGraphError
from meagraph.inspection.properties import Properties, principal_components
from meagraph.inspection.property import Property, two_sided


def structure(symbols: str, group: str, forces: list[list[float]], charge: float) -> Atoms:
    atoms = Atoms(symbols, positions=np.arange(3 * len(forces)).reshape(-1, 3), cell=[4, 5, 6], pbc=True)
    atoms.calc = SinglePointCalculator(atoms, energy=-2.0 * len(atoms), forces=np.array(forces))
    atoms.info.update(config_type=group, temperature=300.0 * charge, phase="a" if charge < 2 else "b")
    atoms.arrays["charge"] = np.full(len(atoms), charge)
    return atoms


@pytest.fixture
def dataset() -> AtomicDataset:
    return dataset_from_structures(
        [
            structure("NbO", "liquid", [[3, 4, 0], [0, 0, 1]], 1.0),
            structure("Nb", "bcc 300K", [[0, 0, 0]], 2.0),
            structure("O2", "liquid", [[1, 0, 0], [-1, 0, 0]], 3.0),
        ]
    )


def test_columns_are_those_of_the_dataset(dataset: AtomicDataset) -> None:
    found = Properties(dataset)
    assert found["force"].values.tolist() == [5, 1, 0, 1, 1]
    assert found["fmax"].values.tolist() == [5, 5, 0, 1, 1]
    assert np.allclose(found["net_force"].values, [np.sqrt(26), np.sqrt(26), 0, 0, 0])
    assert found["energy"].values.tolist() == [-2] * 5
    assert np.allclose(found["volume"].values, [60, 60, 120, 60, 60])
    assert found["n_atoms"].values.tolist() == [2, 2, 1, 2, 2]
    assert found["structure"].values.tolist() == [0, 0, 1, 2, 2]
    assert found["element"].column.tolist() == ["Nb", "O", "Nb", "O", "O"]
    assert found["group"].column.tolist() == ["liquid", "liquid", "bcc 300K", "liquid", "liquid"]
    assert found["formula"].column.tolist() == ["NbO", "NbO", "Nb", "O2", "O2"]
    assert found["force"].label == "Force / eV/Å"


def test_scalars_of_the_files_are_properties_too(dataset: AtomicDataset) -> None:
    found = Properties(dataset)
    assert found["temperature"].values.tolist() == [300, 300, 600, 900, 900]
    assert found["charge"].values.tolist() == [1, 1, 2, 3, 3]
    assert found["phase"].column.tolist() == ["a", "a", "b", "b", "b"]
    assert "positions" not in found
    assert "config_type" not in found


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("2", [3, 4]),
        ("Nb", [0, 2]),
        ("liquid", [0, 1, 3, 4]),
        ("bcc*", [2]),
        ("force > 2", [0]),
        (' charge >= 2 and element == "O" ', [3, 4]),
        ("group in ['bcc 300K']", [2]),
        ("flag == 'bad'", [1]),
    ],
)
def test_searches(dataset: AtomicDataset, text: str, wanted: list[int]) -> None:
    mask = np.arange(5) == 1
    found = Properties(dataset, live={"flag": lambda: two_sided("flag", "Flag", mask, ("good", "bad"))})
    assert np.flatnonzero(found.find(text)).tolist() == wanted


@pytest.mark.parametrize(
    ("text", "word"), [("3", "structures 0 to 2"), ("gas", "no group"), ("gas > 1", "no property")]
)
def test_searches_that_find_nothing_to_search_say_why(dataset: AtomicDataset, text: str, word: str) -> None:
    with pytest.raises(MEAGraphError, match=word):
        Properties(dataset).find(text)


def test_principal_components_count_weights() -> None:
    rng = np.random.default_rng(3)
    rows, weights = rng.normal(size=(30, 4)) * [1, 5, 2, 0.1], rng.integers(1, 5, 30)
    repeated = np.repeat(rows, weights, axis=0)
    centred = repeated - repeated.mean(axis=0)
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    ours = principal_components(rows, weights, 3)
    assert np.allclose(np.abs(np.repeat(ours, weights, axis=0)), np.abs(centred @ axes[:3].T))


def test_limits_and_counts_by_hand(dataset: AtomicDataset) -> None:
    numbers = Property("x", "X", "", "environment", "number", np.array([np.nan, 2.0, -1.0, np.inf]))
    assert numbers.limits == (-1.0, 2.0)
    assert Property("x", "X", "", "environment", "number", np.array([np.nan])).limits is None
    codes = Property("g", "G", "", "environment", "category", np.array([1, 1, -1, 0]), ("a", "b", "c"))
    assert codes.counts == {"a": 1, "b": 2, "c": 0}
    known = Properties(dataset)
    assert known.titles("category")["Group"] == "group"
    assert known.titles("number")["Force / eV/Å"] == "force"
    assert not set(known.titles("category").values()) & set(known.titles("number").values())
    plane = known.plane("force", "atom")
    assert plane.dtype == np.float32
    np.testing.assert_allclose(plane, np.column_stack([known["force"].values, known["atom"].values]), rtol=1e-6)

"""Structures as arrays give back what went in: every entry, type for type, in its order."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator

from meagraph.datasets import from_atoms
from meagraph.datasets.columnar import BLOCK, Structures, pack
from meagraph.datasets.entries import passing
from tests.support.carried import check_same, frames


def test_what_comes_out_is_what_went_in() -> None:
    given = frames()
    packed = pack(given)
    assert len(packed) == len(given)
    for one, two in zip(given, packed, strict=True):
        check_same(one, two)
    check_same(packed[-1], given[-1])
    with pytest.raises(IndexError, match="structure 22 of 22"):
        packed[len(given)]


def test_what_is_made_is_a_copy() -> None:
    packed = pack(frames())
    for row in range(len(packed)):
        atoms = packed[row]
        atoms.positions += 1.0
        atoms.info.clear()
        for values in atoms.arrays.values():
            values[:] = 0
    for one, two in zip(frames(), packed, strict=True):
        check_same(one, two)


def test_fewer_of_them() -> None:
    given, packed = frames(), pack(frames())
    for rows in (np.arange(2, 9), np.array([0, 3, 4, 17]), np.array([5]), np.array([4, 1, 1])):
        some = packed.taken(rows)
        assert isinstance(some, Structures)
        for row, atoms in zip(rows, some, strict=True):
            check_same(given[row], atoms)
    for one, two in zip(given[2:12:3], packed[2:12:3], strict=True):
        check_same(one, two)
    assert packed.taken(np.arange(len(given))) is packed


def test_more_than_one_block() -> None:
    given = [Atoms("H", positions=[[n, 0, 0]], info={"n": n, "t": f"text {n % 7}"}) for n in range(BLOCK + 3)]
    packed = pack(iter(given))
    assert packed.positions[:, 0].tolist() == list(range(BLOCK + 3))
    for row in (0, BLOCK - 1, BLOCK, BLOCK + 2):
        check_same(packed[row], given[row])
    (column,) = packed.named("info", "t")
    assert column.texts is not None
    assert len(column.texts) == 7
    assert passing(column, lambda text: text == "text 3").sum() == sum(n % 7 == 3 for n in range(BLOCK + 3))


def test_labels_and_names() -> None:
    atoms = Atoms("H2", info={"energy": 1.0, "a": 2})
    atoms.arrays["forces"] = np.zeros((2, 3))
    atoms.calc = SinglePointCalculator(atoms, energy=5.0)
    other = Atoms("H", info={"b": 1})
    packed = pack([atoms, other])
    labels = packed.labels(0)
    assert list(labels) == ["energy", "a", "forces"]
    assert labels["energy"] == 5.0, "results before the others of equal name"
    assert packed.names() == {"energy", "a", "forces", "b"}
    assert packed.names([1]) == {"b"}


def test_results_of_other_places_are_left_out() -> None:
    atoms = Atoms("H2")
    atoms.calc = SinglePointCalculator(atoms, energy=5.0)
    atoms.positions += [1.0, 2.0, 3.0]
    assert pack([atoms])[0].calc is None


def test_changes_to_what_was_given_do_not_reach_the_dataset() -> None:
    atoms = bulk("Cu", cubic=True)
    atoms.info["kept"] = kept = {1, 2}
    atoms.calc = SinglePointCalculator(atoms, energy=1.0, forces=np.zeros((4, 3)))
    dataset = from_atoms([atoms, atoms])
    atoms.positions += 1.0
    kept.add(3)
    assert dataset.structures[0].positions[0, 0] == 0.0
    assert dataset.structures[0].info["kept"] == {1, 2}
    assert dataset.compositions.tolist() == [0, 0]

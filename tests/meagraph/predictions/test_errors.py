"""A second set of labels against the first: by family and by file in another order, errors that are known."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write

from meagraph.cli import main
from meagraph.datasets import AtomicDataset, DatasetError, from_atoms, read_dataset
from meagraph.errors import MEAGraphError
from meagraph.inspection.properties import Properties
from meagraph.inspection.selections import select
from meagraph.predictions import compare_labels, predicted_by_family, predicted_by_file
from tests.support.structures import labelled, niobium_structures


def with_family(structures: list[Atoms], *, energy: float = 0.0, force: float = 0.0) -> list[Atoms]:
    """The same with entries MACE_*: off by ``energy`` eV an atom, and by ``force`` eV/Å along x."""
    found = []
    for atoms in structures:
        copy = atoms.copy()
        copy.calc = SinglePointCalculator(copy, **atoms.calc.results)
        copy.info["MACE_energy"] = atoms.calc.results["energy"] + energy * len(atoms)
        copy.arrays["MACE_forces"] = atoms.calc.results["forces"] + np.array([force, 0.0, 0.0])
        found.append(copy)
    return found


def test_errors_of_a_family_are_those_that_were_made() -> None:
    structures = niobium_structures(3, 2)
    data = from_atoms([*with_family(structures[:4], energy=0.003, force=0.2), *with_family(structures[4:])])
    found = compare_labels(data, predicted_by_family(data, "MACE_"))
    parts = {one.name: one for one in found.parts}
    assert parts["bcc"].energy_rmse == pytest.approx(0.003)
    assert parts["bcc"].force_rmse == pytest.approx(0.2 / np.sqrt(3))
    assert parts["bcc"].force_mae == pytest.approx(0.2 / 3)
    assert parts["bcc"].force_worst == pytest.approx(0.2)
    assert (parts["bcc"].structures, parts["bcc"].atoms) == (4, 64)
    assert parts["fcc"].energy_rmse == pytest.approx(0.0, abs=1e-12)
    whole = parts[data.name]
    assert whole.energy_rmse == pytest.approx(0.003 * np.sqrt(4 / 7))
    assert set(found.worst(4, by="energy").tolist()) == set(found.worst(4).tolist()) == {0, 1, 2, 3}
    assert found.columns()["force_worst"][:4] == pytest.approx([0.2] * 4)
    assert "MACE_energy, MACE_forces" in found.predicted.words


def test_by_element_and_cluster() -> None:
    """Only the sodium atoms are off, all of them in cluster 1."""
    salt = bulk("NaCl", "rocksalt", a=5.6, cubic=True)
    structures = []
    for seed in range(2):
        atoms = salt.copy()
        atoms.positions += np.random.default_rng(seed).normal(scale=0.1, size=(8, 3))
        structures.append(labelled(atoms, "salt"))
    made = with_family(structures)
    for atoms in made:
        atoms.arrays["MACE_forces"][atoms.numbers == 11, 2] += 0.3
    data = from_atoms(made)
    clusters = np.where(data.numbers == 11, 1, 0)
    found = compare_labels(data, predicted_by_family(data, "mace"), clusters=clusters, cluster_names=("Cl", "Na"))
    rmse = {one.name: one.force_rmse for one in found.parts}
    assert rmse["Na"] == rmse["1 Na"] == pytest.approx(0.3 / np.sqrt(3))
    assert rmse["Cl"] == rmse["0 Cl"] == 0.0


def moved(atoms: Atoms, seed: int) -> Atoms:
    """Turned, moved, renumbered, with the labels that belong to it."""
    copy = atoms.copy()
    copy.rotate(31.0 + seed, (1, 2, 3), rotate_cell=True)
    copy.positions += 0.2 * seed
    return labelled(copy[np.random.default_rng(seed).permutation(len(copy))], "moved")


def test_a_second_file_is_matched_by_content(tmp_path: Path) -> None:
    """In another order; equal, with rounded coordinates, turned, as a supercell: forces come back to where they are."""
    structures = niobium_structures(4, 2)[:-1]  # the last bcc twice
    data = from_atoms(structures)
    rounded = structures[1].copy()
    rounded.positions = np.round(rounded.positions, 5)
    rounded.calc = SinglePointCalculator(rounded, **structures[1].calc.results)
    doubled = labelled(structures[2] * (2, 1, 1), "x")
    others = [moved(structures[5], 3), doubled, rounded, structures[0], moved(structures[3], 1), structures[6]]
    other = from_atoms(others, name="other")
    found = compare_labels(data, predicted_by_file(data, other))
    assert np.isfinite(found.energy).all()  # all seven, also the second of the two equal ones
    assert np.abs(found.energy).max() < 1e-4
    assert np.abs(found.forces).max() < 2e-3
    assert "7 of 7 structures found among 6" in found.predicted.words
    some = predicted_by_file(data, from_atoms(others[:1] * 2))
    assert np.flatnonzero(np.isfinite(some.energy)).tolist() == [5]


def test_a_small_cell_is_matched_with_a_larger_one() -> None:
    """Predictions on the primitive cell serve the supercell."""
    one = bulk("Si", "diamond", a=5.4)
    one.positions[1] += [0.08, 0.03, -0.05]
    one = labelled(one, "a")
    data = from_atoms([labelled(one * (2, 2, 1), "a"), *niobium_structures(1, 0)])
    found = compare_labels(data, predicted_by_file(data, from_atoms([one, one])))
    assert abs(found.energy[0]) < 1e-6
    assert np.abs(found.forces[:8]).max() < 1e-6


@pytest.fixture
def data() -> AtomicDataset:
    return from_atoms(with_family(niobium_structures(2, 1)))


def test_what_is_not_there_is_said(data: AtomicDataset) -> None:
    with pytest.raises(DatasetError, match=r"labels of a family 'GAP_'.*There are: .*MACE_energy"):
        predicted_by_family(data, "GAP_")
    with pytest.raises(DatasetError, match="none of its 2 structures is one of them"):
        predicted_by_file(data, from_atoms(niobium_structures(2, 0, seed=9)[:2]))
    bare = from_atoms([atoms.copy() for atoms in data.structures], allow_unlabelled=True)
    with pytest.raises(MEAGraphError, match="nothing has both"):
        compare_labels(bare, predicted_by_file(bare, bare))


def test_the_command_prints_and_writes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    structures = niobium_structures(3, 2)
    write(tmp_path / "all.extxyz", with_family(structures, energy=0.002, force=0.1))
    out = tmp_path / "errors.csv"
    assert main(["errors", str(tmp_path / "all.extxyz"), "--predicted", "MACE_", "--out", str(out)]) == 0
    text = capsys.readouterr().out
    assert "2.00" in text
    assert "farthest off by forces" in text
    assert len(out.read_text().splitlines()) == 1 + len(structures)
    write(tmp_path / "predicted.extxyz", structures[::-1])
    both = ["errors", str(tmp_path / "all.extxyz"), "--predicted-file", str(tmp_path / "predicted.extxyz"), "--json"]
    assert main(both) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["parts"][0]["energy_rmse"] == pytest.approx(0.0, abs=1e-7)
    assert main(["errors", str(tmp_path / "all.extxyz"), "--predicted", "GAP"]) == 1
    assert read_dataset(tmp_path / "all.extxyz").n_structures == len(structures)


def test_errors_are_properties_to_colour_search_and_filter_by() -> None:
    data = from_atoms(with_family(niobium_structures(2, 1), energy=0.003, force=0.2))
    properties = Properties(data)
    assert properties["force_error_mace"].values == pytest.approx(np.full(data.n_environments, 0.2))
    assert properties["energy_mace"].values - properties["energy"].values == pytest.approx(0.003)
    assert properties["force_mace"].values == pytest.approx(np.linalg.norm(data.forces + np.array([0.2, 0, 0]), axis=1))
    assert properties["energy_error_mace"].label == "Energy error, mace / eV/atom"
    assert select(data, "energy_error_mace > 0.002 and force_error_mace < 0.3").mask.all()
    assert not any("error" in name for name in Properties(from_atoms(niobium_structures(2, 1))))

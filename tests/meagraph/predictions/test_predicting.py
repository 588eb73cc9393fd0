"""A model over a dataset: labels by its own calculator, what fails is named, what was stopped goes on, bad input."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import ase.build
import numpy as np
import pytest
from ase import Atoms
from ase.calculators.emt import EMT
from ase.calculators.lj import LennardJones
from ase.io import read, write

import meagraph as mg
from meagraph.cli import main
from meagraph.descriptors import chgnet_based, mace_based
from meagraph.errors import Cancelled, MEAGraphError
from meagraph.pipeline.predicting import labels_of
from meagraph.predictions import predicting
from meagraph.predictions.models import Labels, Model, load_model
from meagraph.predictions.writing import check_prefix
from tests.support.structures import labelled, niobium_structures
from tests.support.tiny_mace import network, phosphides, saved

needs_mace = pytest.mark.skipif(importlib.util.find_spec("mace") is None, reason="needs MACE: pip install meaviz[mace]")
needs_chgnet = pytest.mark.skipif(importlib.util.find_spec("chgnet") is None, reason="needs CHGNet")


def copper(count: int = 4) -> list[Atoms]:
    """Rattled cells of four atoms, labelled with zeros, and the first as a cluster."""
    found = []
    for seed in range(count):
        atoms = ase.build.bulk("Cu", "fcc", a=3.6, cubic=True)
        atoms.rattle(0.1, seed=seed)
        found.append(labelled(atoms, "copper"))
    found[0].pbc = False
    return found


class Counting:
    """A model that counts what it is asked: the energy is the number of atoms, the forces are those numbers.

    It fails on structures of ``fails`` atoms, and in batches alone.
    """

    def __init__(self, fails: int = 0) -> None:
        self.fails, self.asked = fails, 0

    def label(self, structures: Sequence[Atoms]) -> list[Labels]:
        if any(len(atoms) == self.fails for atoms in structures):
            raise ValueError("not\nthis one")
        self.asked += len(structures)
        return [Labels(float(len(a)), np.full((len(a), 3), float(len(a))), np.full((3, 3), np.nan)) for a in structures]

    @property
    def model(self) -> Model:
        return Model("counting", "COUNT_", self.label, {"version": 1}, batch=40)


def test_labels_are_those_of_the_calculator() -> None:
    structures = copper()
    found = mg.predict(structures, "emt")
    assert found.failed == ()
    for row, atoms in enumerate(structures):
        bare = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=atoms.pbc, calculator=EMT())
        assert found.predicted.energy[row] == pytest.approx(bare.get_potential_energy(), abs=1e-12)
        np.testing.assert_allclose(found.predicted.forces[found.dataset.rows_of(row)], bare.get_forces(), atol=1e-12)
    assert np.isnan(found.predicted.stress[0]).all()  # a cluster
    np.testing.assert_allclose(found.predicted.stress[3], bare.get_stress(voigt=False), atol=1e-12)


def test_any_calculator_of_ase() -> None:
    by_name, by_object = mg.predict(copper(), "lj"), mg.predict(copper(), LennardJones(), prefix="LJ_")
    assert by_name.predicted.energy.tolist() == by_object.predicted.energy.tolist()
    imported = mg.predict(copper(), "ase.calculators.lj:LennardJones")
    assert imported.predicted.energy.tolist() == by_name.predicted.energy.tolist()
    assert imported.model.prefix == "LennardJones_"


def test_errors_take_predictions_directly() -> None:
    data = mg.from_atoms(copper())
    found = mg.errors_of(data, other=mg.predict(data, "emt"))
    np.testing.assert_allclose(found.energy, mg.predict(data, "emt").predicted.energy / 4 - data.energy / 4)


def test_what_fails_is_named_and_the_others_go_on() -> None:
    data = mg.from_atoms([labelled(Atoms(f"Cu{n}", [(3.0 * i, 0, 0) for i in range(n)]), "x") for n in (2, 3, 4, 3)])
    counting = Counting(fails=3)
    found = labels_of(data, counting.model)
    assert found.predicted.energy[[0, 2]].tolist() == [2.0, 4.0]
    assert np.isnan(found.predicted.energy[[1, 3]]).all()
    assert [row for row, _ in found.failed] == [1, 3]
    assert found.failures()[0].endswith("frame 1 (counting from 0): ValueError: not this one")
    counting.fails = 0  # what failed is tried again, and nothing else
    counting.asked = 0
    again = labels_of(data, counting.model)
    assert (again.failed, counting.asked) == ((), 2)
    assert again.predicted.energy.tolist() == [2.0, 3.0, 4.0, 3.0]


def test_where_everything_fails_nothing_is_said() -> None:
    data = mg.from_atoms([labelled(Atoms("Cu3", [(3.0 * i, 0, 0) for i in range(3)]), "x")])
    with pytest.raises(MEAGraphError, match=r"frame 0 .* failed here and on all others: ValueError"):
        labels_of(data, Counting(fails=3).model)


def test_a_value_that_is_no_number_is_a_failure() -> None:
    def label(structures: Sequence[Atoms]) -> list[Labels]:
        made = Counting().label(structures)
        return [Labels(np.nan if one.energy == 3.0 else one.energy, one.forces, one.stress) for one in made]

    data = mg.from_atoms([labelled(Atoms(f"Cu{n}", [(3.0 * i, 0, 0) for i in range(n)]), "x") for n in (2, 3)])
    found = labels_of(data, replace(Counting().model, label=label))
    assert found.failed == ((1, "the energy or a force is not a finite number"),)


def test_what_was_stopped_goes_on_where_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predicting, "CHUNK", 32)
    data = mg.from_atoms(niobium_structures(8, 0))  # 16 atoms each: two a chunk
    counting = Counting()

    def stop(done: int, total: int, message: str) -> None:
        if done >= 4:
            raise Cancelled

    with pytest.raises(Cancelled):
        labels_of(data, counting.model, progress=stop)
    assert counting.asked == 4
    found = labels_of(data, counting.model)
    assert counting.asked == data.n_structures
    assert found.predicted.energy.tolist() == data.sizes.tolist()
    assert found.predicted.forces[:, 0].tolist() == data.sizes[data.structure_of].tolist()
    labels_of(data, counting.model)
    assert counting.asked == data.n_structures  # all of it is there
    labels_of(data, replace(counting.model, identity={"version": 2}))
    assert counting.asked == 2 * data.n_structures  # another model
    labels_of(data, counting.model, cache=False)
    assert counting.asked == 3 * data.n_structures


def test_the_command_writes_what_errors_reads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, out = tmp_path / "cu.extxyz", tmp_path / "predicted.extxyz"
    write(source, copper())
    assert main(["predict", str(source), "--calculator", "emt", "--out", str(out)]) == 0
    assert "4 of 4 structures by emt, under the names EMT_energy" in capsys.readouterr().out
    assert main(["errors", str(out), "--predicted", "EMT_", "--json"]) == 0
    part = json.loads(capsys.readouterr().out)["parts"][0]
    data = mg.read(str(source))
    expected = mg.predict(data, "emt").predicted
    rmse = np.sqrt(np.mean(((expected.energy - data.energy) / 4) ** 2))
    assert part["energy_rmse"] == pytest.approx(rmse, rel=1e-9)
    again = mg.errors_of(mg.read(str(out)), family="EMT_").predicted
    np.testing.assert_array_equal(again.forces, expected.forces)
    np.testing.assert_array_equal(again.stress, expected.stress)
    frames = read(out, ":")
    np.testing.assert_allclose(
        frames[2].get_forces(), copper()[2].get_forces(), atol=1e-8
    )  # its own labels are still there
    assert frames[2].info["config_type"] == "copper"
    details = json.loads(out.with_suffix(".json").read_text())
    assert (details["model"]["name"], details["failed"]) == ("emt", [])
    assert main(["predict", str(source), "--calculator", "emt", "--out", str(out)]) == 0  # of an earlier run
    assert main(["predict", str(source), "--calculator", "emt", "--out", str(source)]) == 1  # what is read


def test_the_status_says_that_some_failed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, out = tmp_path / "cu.extxyz", tmp_path / "predicted.extxyz"
    structures = copper(2)
    structures[1].positions[1] = structures[1].positions[0]  # at one place: infinite
    write(source, structures)
    assert main(["predict", str(source), "--calculator", "lj", "--out", str(out), "--max-atoms", "9"]) == 4
    assert f"failed: {source}, frame 1 (counting from 0): " in capsys.readouterr().out
    with_labels = read(out, ":")
    assert "LJ_energy" in with_labels[0].info
    assert "LJ_energy" not in with_labels[1].info


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--calculator", "magic"], "Unknown calculator 'magic'; choose from mace, chgnet, emt, lj, morse"),
        (["--calculator", "emt", "--model", "x"], "x: the calculator 'emt' takes no file"),
        (["--calculator", "emt", "--dtype", "float32"], "computes in float64 only, got float32"),
        (["--calculator", "no.such:Thing"], "no.such:Thing: expected a calculator of ASE"),
        (["--calculator", "emt", "--prefix", "REF_"], "is what reference labels are called"),
        (["--calculator", "emt", "--prefix", "a b_"], "expected letters and figures that end in _"),
        (["--calculator", "emt", "--prefix", "error_"], "expected letters and figures that end in _"),
        (["--calculator", "emt"], "holds Nb, which the model emt does not know; it knows"),
        (["--calculator", "lj", "--out", "table.csv"], "table.csv: expected a name that ends in .extxyz"),
    ],
)
def test_bad_input_is_one_line_before_anything_is_computed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    source = tmp_path / "nb.extxyz"
    write(source, niobium_structures(1, 1))
    assert main(["predict", str(source), "--out", str(tmp_path / "out.extxyz"), *options]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out.extxyz").exists()


def test_a_family_that_is_there_already_is_left_alone() -> None:
    structures = copper(1)
    structures[0].info["MACE_energy"] = 1.0
    with pytest.raises(MEAGraphError, match=r"has labels of the family 'MACE_' already \(MACE_energy\)"):
        check_prefix(mg.from_atoms(structures), "MACE_")


@pytest.mark.parametrize(("name", "package"), [("mace", mace_based), ("chgnet", chgnet_based)])
def test_a_missing_extra_is_named(name: str, package: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_: str) -> str:
        raise package.PackageNotFoundError

    monkeypatch.setattr(package, "version", missing)
    with pytest.raises(MEAGraphError, match=f"The calculator '{name}' needs .* Run pip install .meaviz.{name}"):
        load_model(name, model="some.model" if name == "mace" else None)


# The networks, against the calculators that their packages bring


@needs_mace
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_mace_says_what_its_own_calculator_says(tmp_path: Path, dtype: str) -> None:
    import torch

    made = network(torch.float64)
    file = saved(made, tmp_path / "tiny.model")
    from mace.calculators import MACECalculator

    found = mg.predict(phosphides(), "mace", model=file, dtype=None if dtype == "float64" else dtype)
    calculator = MACECalculator(models=[made], device="cpu", default_dtype="float64")
    torch.set_default_dtype(torch.float32)  # which mace changes
    for row, atoms in enumerate(phosphides()):
        atoms.calc = calculator
        rows = found.dataset.rows_of(row)
        close = {"rtol": 0, "atol": 1e-10 if dtype == "float64" else 1e-4}
        np.testing.assert_allclose(found.predicted.energy[row], atoms.get_potential_energy(), **close)
        np.testing.assert_allclose(found.predicted.forces[rows], atoms.get_forces(), **close)
    np.testing.assert_allclose(found.predicted.stress[0], phosphide_stress(calculator), **close)
    assert np.isnan(found.predicted.stress[1:]).all()
    with pytest.raises(MEAGraphError, match="holds Cu, which the model mace does not know; it knows P, In"):
        mg.predict(copper(), "mace", model=file)
    with pytest.raises(MEAGraphError, match="expects the path of a MACE model"):
        mg.predict(copper(), "mace")


def phosphide_stress(calculator: Any) -> np.ndarray:
    atoms = phosphides()[0]
    atoms.calc = calculator
    return np.asarray(atoms.get_stress(voigt=False))


@needs_mace
def test_of_several_heads_the_default_one_speaks_or_none(tmp_path: Path) -> None:
    energies = np.array([[-1.0, -2.0], [5.0, 5.0]])
    scales = {"atomic_inter_scale": [1.0, 1.0], "atomic_inter_shift": [0.0, 0.0]}
    made = network(heads=["pt_head", "Default"], atomic_energies=energies, **scales)
    found = mg.predict([Atoms("P"), Atoms("In")], "mace", model=saved(made, tmp_path / "two.model"))
    alone = network(heads=["pt_head"], atomic_energies=energies[:1], atomic_inter_scale=1.0, atomic_inter_shift=0.0)
    assert found.predicted.energy[0] - 5.0 == pytest.approx(
        mg.predict([Atoms("P")], "mace", model=saved(alone, tmp_path / "one.model")).predicted.energy[0] + 1.0, abs=0.5
    )
    other = network(heads=["one", "two"], atomic_energies=energies, **scales)
    with pytest.raises(MEAGraphError, match="with one called default, but it has one, two"):
        mg.predict([Atoms("P")], "mace", model=saved(other, tmp_path / "other.model"))


@needs_chgnet
def test_chgnet_says_what_its_own_calculator_says() -> None:
    from chgnet.model.dynamics import CHGNetCalculator

    structures = [phosphides()[0], ase.build.bulk("Nb", "bcc", a=3.3)]
    found = mg.predict(structures, "chgnet")
    calculator = CHGNetCalculator(chgnet_based.build(), use_device="cpu", check_cuda_mem=False)
    for row, atoms in enumerate(structures):
        atoms.calc = calculator
        close = {"rtol": 0, "atol": 2e-4}
        np.testing.assert_allclose(found.predicted.energy[row], atoms.get_potential_energy(), **close)
        np.testing.assert_allclose(found.predicted.forces[found.dataset.rows_of(row)], atoms.get_forces(), **close)
        np.testing.assert_allclose(found.predicted.stress[row], atoms.get_stress(voigt=False), **close)

"""Data in every form, plans and figures of an analysis, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.calculators.emt import EMT

import meagraph as mg
from meagraph.pipeline.data import as_dataset
from meagraph.pipeline.learning import store_model
from tests.support.structures import niobium_structures

CONFIG = mg.PipelineConfig(
    descriptors=mg.DescriptorConfig(n_max=2, l_max=2),
    widths=(16, 8),
    kernels=2,
    training=mg.TrainingConfig(epochs=2, batch=4),
    seed=3,
)


@pytest.fixture
def files(tmp_path: Path, structures: tuple[Atoms, ...]) -> list[Path]:
    paths = [tmp_path / "one.extxyz", tmp_path / "two.extxyz"]
    ase.io.write(paths[0], structures[:7], format="extxyz")
    ase.io.write(paths[1], structures[7:], format="extxyz")
    return paths


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> mg.Analysis:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEAVIZ_CACHE", str(tmp_path_factory.mktemp("cache")))
        return mg.analyse(niobium_structures(), config=CONFIG)


@pytest.mark.parametrize(
    "give",
    [
        lambda files, structures: [str(path) for path in files],
        lambda files, structures: tuple(files),
        lambda files, structures: iter(files),
        lambda files, structures: list(structures),
        lambda files, structures: (atoms for atoms in structures),
        lambda files, structures: mg.read(files),
        lambda files, structures: mg.from_atoms(structures),
    ],
    ids=[
        "names",
        "paths",
        "paths one by one",
        "structures",
        "structures one by one",
        "dataset",
        "dataset of structures",
    ],
)
def test_data_is_accepted_in_every_form(
    give: Callable[..., Any], files: list[Path], structures: tuple[Atoms, ...], niobium: mg.AtomicDataset
) -> None:
    data = as_dataset(give(files, structures))
    for ours, theirs in zip(data.structures, niobium.structures, strict=True):
        np.testing.assert_allclose(ours.positions, theirs.positions, atol=1e-7)
    np.testing.assert_allclose(data.energy, niobium.energy)
    np.testing.assert_allclose(data.forces, niobium.forces, atol=1e-7)
    assert data.groups.tolist() == niobium.groups.tolist()


def test_one_path_and_one_structure(files: list[Path], structures: tuple[Atoms, ...]) -> None:
    for one in (files[0], str(files[0])):
        assert as_dataset(one).n_structures == 7
        assert as_dataset(one).sources[0].path == str(files[0])
    assert as_dataset(structures[0]).n_environments == 16
    data = as_dataset(files[0])
    assert as_dataset(data) is data


def test_reading_options_go_where_something_is_read(files: list[Path], structures: tuple[Atoms, ...]) -> None:
    for data in (files[0], files, structures):
        with pytest.raises(mg.MEAGraphError, match=r"No frame has an entry 'none'.*there are: config_type"):
            as_dataset(data, group_key="none")
    with pytest.raises(mg.MEAGraphError, match="read already; leave out energy_key, group_key"):
        as_dataset(mg.from_atoms(structures), group_key="none", energy_key="energy")
    with pytest.raises(mg.MEAGraphError, match="read already; leave out group_key"):
        mg.analyse(mg.from_atoms(structures), config=CONFIG, group_key="none")


@pytest.mark.parametrize(
    ("data", "came"),
    [
        ([], "nothing came"),
        (5, "came int"),
        (None, "came NoneType"),
        ([1.0, 2.0], "came float"),
        (["train.xyz", Atoms("Nb")], "came Atoms, str"),
        ([[Atoms("Nb")]], "came list"),
    ],
)
def test_what_is_no_data_is_named(data: Any, came: str) -> None:
    with pytest.raises(mg.MEAGraphError, match=rf"Expected a path or several.*{came}\. Give one of these"):
        mg.analyse(data, config=CONFIG)


def test_a_path_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(mg.DatasetError, match=r"nothing\.xyz"):
        mg.analyse([tmp_path / "nothing.xyz"], config=CONFIG)


def test_labels_of_structures_are_what_their_calculators_found() -> None:
    """Computed by one calculator after the other, and changed afterwards: the dataset stays as it was."""
    structures = []
    for shift in (0.0, 0.1, 0.2):
        atoms = Atoms("Cu2", [[0, 0, 0], [2.5 + shift, 0, 0]])
        atoms.calc = EMT()
        atoms.get_forces()
        structures.append(atoms)
    energies = [atoms.get_potential_energy() for atoms in structures]
    data = mg.from_atoms(structures, name="dimers")
    np.testing.assert_allclose(data.energy, energies)
    np.testing.assert_allclose(data.forces[2:4], structures[1].get_forces())
    structures[1].positions += 1.0
    assert data.structures[1].positions[0, 0] == 0.0
    with pytest.raises(mg.DatasetError, match="expected energy"):
        mg.from_atoms(structures)  # what was computed belongs to other positions


def test_results_of_any_name_are_kept() -> None:
    """ASE's own calculator of stored results refuses names that it does not know, as MACE's node_energy."""
    atoms = Atoms("Cu2", [[0, 0, 0], [2.5, 0, 0]])
    atoms.calc = EMT()
    atoms.get_forces()
    atoms.calc.results["node_energy"] = np.array([1.0, 2.0])
    data = mg.from_atoms([atoms, atoms])
    assert data.structures[0].calc.results["node_energy"].tolist() == [1.0, 2.0]
    assert data.structures[0].get_potential_energy() == pytest.approx(atoms.get_potential_energy())


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ([], "expected structures, but none came"),
        (["train.xyz"], "among the 1 given are str"),
        ([Atoms("Nb"), 3, None], "among the 3 given are NoneType, int"),
    ],
)
def test_only_structures_make_a_dataset_of_structures(given: list[Any], words: str) -> None:
    with pytest.raises(mg.DatasetError, match=words):
        mg.from_atoms(given)


def test_an_analysis_carries_its_settings(found: mg.Analysis) -> None:
    assert found.config == CONFIG
    assert found.learned.config == CONFIG
    np.testing.assert_array_equal(found.properties.find('group == "bcc"'), found.dataset.structure_of < 7)


def test_a_known_model_keeps_the_settings_of_its_training(
    found: mg.Analysis, tmp_path: Path, make_structures: Callable[..., list[Atoms]]
) -> None:
    model = store_model(tmp_path / "model", found.learned, found.descriptors)
    other = make_structures(3, 2, seed=5)
    applied = mg.analyse(other, config=replace(CONFIG, training=mg.TrainingConfig(), seed=0), model_path=model)
    assert applied.learned.source == str(model)
    assert applied.learned.config.training == CONFIG.training
    assert (applied.learned.config.seed, applied.config.seed) == (3, 0)
    with pytest.raises(mg.MEAGraphError, match="Name its file"):
        mg.analyse(other, config=CONFIG, fine_tune=True)


def test_one_structure_is_enough_for_a_map() -> None:
    found = mg.analyse(niobium_structures()[0], config=CONFIG)
    assert found.survey.projection.xy.shape == (16, 2)


def test_plans_take_settings_by_name_and_the_seed_of_the_analysis(found: mg.Analysis) -> None:
    plan = mg.prune(found, keep=0.3, alpha=0.5)
    assert (plan.config.keep, plan.config.alpha, plan.config.seed) == (0.3, 0.5, 3)
    assert plan.dataset is found.dataset
    assert len(plan.atoms()) == plan.n_structures
    base = mg.PruningConfig(keep=0.3, selector="random", seed=8)
    other = mg.prune(found, config=base, number=2, unit="structures")
    assert (other.config.selector, other.config.seed, other.config.keep) == ("random", 8, 0.3)
    assert other.n_structures <= 2 + int(other.protected.sum())
    with pytest.raises(mg.MEAGraphError, match="above 0 and at most 1, got 5"):
        mg.prune(found, keep=5)
    with pytest.raises(TypeError, match="kep"):
        mg.prune(found, kep=0.5)


def test_masks_reject_and_keep(found: mg.Analysis) -> None:
    first = found.dataset.structure_of == 0
    last = found.dataset.structure_of == 9
    plan = mg.prune(found, keep=0.3, rejected=first, kept=last)
    assert not plan.structures[0]
    assert plan.structures[9]
    for mask in (np.ones(3, dtype=bool), np.flatnonzero(first), found.dataset.structure_of):
        for name in ("rejected", "kept"):
            with pytest.raises(mg.MEAGraphError, match=rf"Expected {name} as one True or False for each of the 145"):
                mg.prune(found, **{name: mask})


def test_a_plan_of_other_data_is_refused(found: mg.Analysis, tmp_path: Path) -> None:
    plan = mg.prune(found, keep=0.3)
    equal = mg.from_atoms(niobium_structures())
    assert mg.evaluate(found, replace(mg.prune(found, keep=0.8), dataset=equal), draws=1).cost.kept.environments > 0
    others = mg.from_atoms(niobium_structures(seed=1), name="others")
    short = replace(plan, keep=plan.keep[1:], dataset=None)
    for strange, words in ((replace(plan, dataset=others), "'others'"), (short, "other data")):
        with pytest.raises(mg.MEAGraphError, match=f"a plan of 'structures', but it was made for {words}"):
            mg.evaluate(found, strange)
        with pytest.raises(mg.MEAGraphError, match="Prune this analysis"):
            mg.export(found, strange, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_export_of_structures_in_memory_can_be_read_again(found: mg.Analysis, tmp_path: Path) -> None:
    plan = mg.prune(found, keep=0.3)
    files = mg.export(found, plan, tmp_path / "out")
    assert mg.verify(files.manifest) == []
    again = mg.read(files.structures)
    np.testing.assert_allclose(again.energy, found.dataset.energy[plan.structures])
    assert files.report is not None
    assert "Map of the kept part" in files.report.read_text()

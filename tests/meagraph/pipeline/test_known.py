"""Known data beside new through the whole chain: analysis, plan, novelty, export, and what is said of bad input."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms

import meagraph as mg
from meagraph.cli import main
from meagraph.pipeline.analysis import Analysis
from tests.support.finished import CONFIG

SMALL = ["--n-max", "2", "--l-max", "2", "--threshold", "0.8", "--epochs", "2", "--batch", "4", "--seed", "5"]


def bare(atoms: Atoms) -> Atoms:
    """The structure without labels, as a candidate of a simulation has it."""
    found = Atoms(atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
    found.info["config_type"] = str(atoms.info.get("config_type", "md"))
    return found


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, structures: tuple[Atoms, ...]) -> tuple[Path, Path]:
    """New structures without labels, and known ones with."""
    folder = tmp_path_factory.mktemp("known")
    new, old = folder / "new.extxyz", folder / "old.extxyz"
    ase.io.write(new, [bare(atoms) for atoms in structures[::2]], format="extxyz")
    ase.io.write(old, list(structures[1::2]), format="extxyz")
    return new, old


@pytest.fixture(scope="module")
def beside(files: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Analysis:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEAVIZ_CACHE", str(tmp_path_factory.mktemp("cache")))
        new, old = files
        found = mg.analyse(new, known=old, config=CONFIG)
        again = mg.analyse(mg.read(new, allow_unlabelled=True), known=mg.read(old), config=CONFIG)
        assert again.learned.source == "cache"
        assert np.array_equal(again.survey.ranking.known, found.survey.ranking.known)
        return found


def test_the_known_are_learned_from_and_on_the_map(beside):
    data = beside.dataset
    assert data.known.any()
    assert len(beside.survey.projection.xy) == data.n_environments == len(beside.learned.condensed.assignment)
    assert beside.properties["known"].counts.keys() == {"new", "known"}
    assert beside.properties["novelty"].values[data.known_environments].max() == 0
    assert "novelty" in beside.to_dataframe("environments")
    assert beside.properties.find('known == "known"').sum() == data.known_environments.sum()


def test_an_export_has_new_structures_only(beside, files, tmp_path):
    plan = mg.prune(beside, number=3, unit="structures", cache=False)
    assert plan.summary.structures == int((~beside.dataset.known).sum())
    assert not plan.structures[beside.dataset.known].any()
    written = mg.export(beside, plan, tmp_path / "out")
    assert mg.verify(written.manifest) == []
    kept = ase.io.read(written.structures, ":")
    new = ase.io.read(files[0], ":")
    assert len(kept) == plan.n_structures
    assert all(
        any(len(one) == len(other) and np.allclose(one.positions, other.positions) for other in new)
        for one in kept
        if len(one) > 1
    )
    with open(written.index) as stream:
        assert {row["source"] for row in csv.DictReader(stream)} == {str(files[0])}
    manifest = json.loads(written.manifest.read_text())
    assert [source["known"] for source in manifest["sources"]] == [False, True]
    assert manifest["counts"]["all"]["before"]["structures"] == len(new)


def test_novelty_along_plans_and_nothing_about_the_cost_of_what_has_no_labels(beside):
    found = mg.novelty(beside, keep=0.5, cache=False)
    assert found.curve.covered[0] == pytest.approx(1 - found.share)
    assert (np.diff(found.curve.covered) >= -1e-12).all()
    plan = mg.prune(beside, keep=0.5, cache=False)
    with pytest.raises(mg.MEAGraphError, match="expects forces among the new"):
        mg.evaluate(beside, plan)


def test_novelty_needs_known_data(finished):
    with pytest.raises(mg.MEAGraphError, match="known="):
        mg.novelty(finished.analysis)


def test_the_command_lists_and_exports(files, tmp_path, capsys):
    new, old = map(str, files)
    budget = ["--number", "3", "--unit", "structures"]
    arguments = ["novelty", new, "--known", old, *SMALL, *budget, "--out", str(tmp_path / "next"), "--top", "2"]
    assert main([*arguments, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["structures"] == len(ase.io.read(new, ":"))
    assert len(said["top"]) == 2
    assert said["top"][0]["novelty"] >= said["top"][1]["novelty"]
    assert said["curve"][0]["structures"] == 0
    assert all(Path(path).exists() for path in said["files"])
    assert main([*arguments, "--overwrite"]) == 0
    text = capsys.readouterr().out
    assert "beyond what is known" in text
    assert "of the new, by the known and these together" in text
    assert "structures chosen" in text


def test_steps_and_run_know_what_is_known(files, tmp_path, capsys):
    new, old = map(str, files)
    assert main(["run", new, "--known", old, *SMALL, "--out", str(tmp_path / "run"), "--keep", "0.5"]) == 0
    assert "not chosen and not exported" in capsys.readouterr().out
    described = str(tmp_path / "d.npy")
    assert main(["describe", new, "--known", old, "--n-max", "2", "--l-max", "2", "--out", described]) == 0
    assert main(["train", described, *SMALL[4:], "--out", str(tmp_path / "m.safetensors")]) == 0
    assert main(["embed", described, "--model", str(tmp_path / "m.safetensors"), "--out", str(tmp_path / "l.npz")]) == 0
    steps = ["--descriptors", described, "--latent", str(tmp_path / "l.npz"), "--out", str(tmp_path / "p.npz")]
    assert main(["prune", new, "--allow-unlabelled", *steps]) == 1  # the known are missing
    assert "same --known" in capsys.readouterr().err
    assert main(["prune", new, "--known", old, *steps, "--keep", "0.5"]) == 0
    with np.load(tmp_path / "p.npz") as plan:
        assert not plan["structures"][len(ase.io.read(new, ":")) :].any()


@pytest.mark.parametrize(
    ("element", "message"),
    [("Cu", "expected known data with an element of"), (None, "Novelty expects data that is known already")],
)
def test_bad_input_is_told_in_one_line(files, tmp_path, capsys, element, message):
    new, known = str(files[0]), []
    if element is not None:
        ase.io.write(tmp_path / "cu.extxyz", Atoms(element, positions=[[0, 0, 0]]), format="extxyz")
        known = ["--known", str(tmp_path / "cu.extxyz")]
    assert main(["novelty", new, *known, *SMALL]) == 1
    said = capsys.readouterr().err.strip()
    assert message in said
    assert said.count("\n") == 0


def test_the_same_file_twice_has_nothing_new(files, capsys):
    assert main(["novelty", str(files[0]), "--known", str(files[0]), *SMALL]) == 1
    assert "expected structures beyond the known ones" in capsys.readouterr().err

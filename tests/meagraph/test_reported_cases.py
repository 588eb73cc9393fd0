"""Inputs from public bug reports, each with what is right; made-up ones of their kinds are in the rooms' own tests."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from meagraph.cli import main
from meagraph.datasets import DatasetError, read_dataset
from meagraph.descriptors import DescriptorConfig, compute_descriptors
from meagraph.pipeline.config import PipelineConfig
from meagraph.pipeline.run import run
from meagraph.pruning.settings import PruningConfig

CASES = Path(os.environ.get("MEAVIZ_CASES", Path(__file__).resolve().parents[3] / "shared" / "cases"))


def case(name: str, file: str) -> Path:
    """The input of a case; the test is skipped where the folder is missing."""
    path = CASES / name / file
    if not path.is_file():
        pytest.skip(f"{path} is missing: MEAVIZ_CASES names the folder of reported cases")
    return path


@pytest.mark.parametrize("method", ["soap", "acsf"])
def test_01_unwrapped_trajectories_are_described_as_wrapped_ones(method: str) -> None:
    data = [read_dataset(case("01-unwrapped-md", f"{kind}.xyz")) for kind in ("wrapped", "unwrapped")]
    found = [compute_descriptors(one, DescriptorConfig(method=method)).values for one in data]
    assert np.abs(found[0] - found[1]).max() < 1e-6 * np.abs(found[0]).max()


def test_08_a_dump_without_elements_asks_for_them() -> None:
    path = case("08-lammps-dump", "md.lammpstrj")
    with pytest.raises(DatasetError, match="--elements"):
        read_dataset(path, allow_unlabelled=True)
    with pytest.raises(DatasetError, match="expected energy"):
        read_dataset(path, elements=("Cu", "Ag"))
    dataset = read_dataset(path, elements=("Cu", "Ag"), allow_unlabelled=True)
    assert dataset.species == (29, 47)
    assert np.isnan(dataset.energy).all()


def test_09_a_dump_with_elements_has_no_energies_either() -> None:
    dataset = read_dataset(case("09-lammps-dump-elements", "md.lammpstrj"), allow_unlabelled=True)
    assert dataset.species == (29, 47)
    assert np.isnan(dataset.energy).sum() == 16
    assert np.linalg.norm(dataset.forces, axis=1).max() == pytest.approx(54.9, abs=0.01)


def test_10_a_bare_key_is_no_energy() -> None:
    path = case("10-bare-energy-key", "train.xyz")
    with pytest.raises(DatasetError, match=r"frame 4 .*REF_energy is there, but without a value"):
        read_dataset(path)
    energy = read_dataset(path, allow_unlabelled=True).energy
    assert np.flatnonzero(np.isnan(energy)).tolist() == [4, 9]
    aside = read_dataset(path, on_error="quarantine").quarantined
    assert [frame.frame for frame in aside] == [4, 9]


def test_12_keys_in_lower_case(capsys: pytest.CaptureFixture[str]) -> None:
    path = case("12-gpumd-lower-case", "train.xyz")
    dataset = read_dataset(path)
    assert dataset.periodic.all()
    assert dataset.volumes == pytest.approx(7.22512113 * 3.61256056**2, rel=0.3)
    assert main(["info", str(path)]) == 0
    assert "periodic: TTT 16" in capsys.readouterr().out


def test_14_a_stress_of_six_numbers() -> None:
    dataset = read_dataset(case("14-stress-voigt", "train.xyz"))
    np.testing.assert_allclose(
        dataset.stress[0], [[0.01, 0.003, 0.002], [0.003, 0.02, 0.001], [0.002, 0.001, 0.03]], rtol=1e-12
    )


@pytest.mark.parametrize("name", ["16-two-levels-mixed", "17-plain-beats-ref"])
def test_16_17_levels_of_theory_do_not_mix_and_are_named(name: str) -> None:
    dataset = read_dataset(case(name, "train.xyz"))
    assert np.linalg.norm(dataset.forces, axis=1).max() == pytest.approx(54.9, abs=0.01)
    names = dataset.sources[0].labels
    assert (names.energy, names.forces) == (("REF_energy",), ("REF_forces",))
    assert "forces" in names.left
    assert ("energy" in names.left) == (name[:2] == "17")


def test_18_pairs_of_a_database() -> None:
    dataset = read_dataset(case("18-ase-db-groups", "train.db"))
    assert Counter(dataset.groups.tolist()) == {"solid": 8, "liquid": 8, "IsolatedAtom": 3}
    assert dataset.isolated.sum() == 3


@pytest.mark.parametrize(
    "pruning",
    [PruningConfig(number=2, unit="structures"), PruningConfig(keep=0.2, rule="at-least")],
    ids=["two structures", "at least"],
)
def test_20_isolated_atoms_stay_whatever_the_group_key(
    pruning: PruningConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEAVIZ_CACHE", str(tmp_path / "cache"))
    dataset = read_dataset(case("20-isolated-atoms-and-group-key", "train.xyz"), group_key="head")
    result = run(dataset, tmp_path / "out", config=PipelineConfig(budget=64), pruning=pruning)
    assert dataset.isolated.sum() == 5
    assert result.plan.structures[dataset.isolated].all()


def test_22_options_that_match_nothing(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = str(case("22-protect-nobody", "t.xyz"))
    assert main(["info", path, "--group-key", "confg_type"]) == 1
    assert "'confg_type'" in (said := capsys.readouterr().err)
    assert "config_type" in said
    assert main(["run", path, "--keep", "0.2", "--protect", "Surface", "--out", str(tmp_path / "out")]) == 1
    assert "no 'Surface'; there are: surface" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_24_the_cause_is_named() -> None:
    with pytest.raises(DatasetError, match=r"frame 3 .*the force on atom 2 is NaN\..*--allow-unlabelled"):
        read_dataset(case("24-nan-forces", "train.xyz"))


def test_25_two_conventions_together() -> None:
    files = [case("25-two-conventions", f"{name}.xyz") for name in ("nep", "ase")]
    assert read_dataset(files).n_structures == 32
    assert read_dataset(files, forces_key=("force", "forces")).n_structures == 32
    assert [source.labels.forces for source in read_dataset(files).sources] == [("force",), ("forces",)]


def test_26_deuterium_is_hydrogen() -> None:
    assert read_dataset(case("26-deuterium", "d2o.xyz")).species == (1, 8)


def test_28_a_name_that_is_no_utf_8(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copy(case("28-file-name-not-utf8", "train.xyz"), tmp_path / "train.xyz")
    name = os.fsdecode(bytes(tmp_path) + b"/K\xfcpfer.xyz")
    os.rename(tmp_path / "train.xyz", name)
    assert main(["info", name]) == 0
    assert "16 structures" in capsys.readouterr().out


def test_30_units_of_n2p2() -> None:
    dataset = read_dataset(case("30-n2p2-units", "input.data"))
    assert (dataset.energy / dataset.sizes).max() == pytest.approx(4.00338, abs=1e-4)
    assert np.linalg.norm(dataset.forces, axis=1).max() == pytest.approx(54.9, abs=0.01)
    assert any("eV" in note for note in dataset.sources[0].notes)


@pytest.mark.parametrize(
    ("name", "file", "keep"),
    [
        ("04-huge-vacuum-box", "cluster.xyz", 0.5),
        ("06-thirty-five-elements", "many.xyz", 0.3),
        ("29-all-alike", "copies.xyz", 0.3),
    ],
)
def test_04_06_29_run_to_an_export(
    name: str, file: str, keep: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEAVIZ_CACHE", str(tmp_path / "cache"))
    path = case(name, file)
    assert main(["run", str(path), "--keep", str(keep), "--out", str(tmp_path / "out"), "--epochs", "2"]) == 0
    (written,) = (tmp_path / "out").glob("*.extxyz")
    kept = read_dataset([written, path]).sources[0].n_frames
    assert 1 <= kept < read_dataset(path).n_structures

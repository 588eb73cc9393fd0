"""The ``meagraph`` command: what it prints and writes, and one line on stderr for every kind of bad input."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms

import meagraph.descriptors
import meagraph.pipeline.run
from meagraph.cli import main
from meagraph.datasets import read_dataset
from meagraph.exports import verify
from tests.support.structures import niobium_structures

QUICK = ("--n-max", "2", "--l-max", "2", "--epochs", "1", "--clustering", "components")
HEAD = 'Lattice="3 0 0 0 3 0 0 0 3" Properties=species:S:1:pos:R:3:forces:R:3'
FRAME = f'1\n{HEAD} energy=-4.5 pbc="T T T"\nNb 0 0 0 0 0 0\n'
PAIR = f'2\n{HEAD} energy=-9 pbc="T T T"\nNb 0 0 0 0 0 0\nNb 1.5 1.5 1.5 0 0 0\n'
BAD = {
    "empty": ("empty.extxyz", b"", "the file is empty"),
    "blank": ("blank.extxyz", b"\n \n\n", "the file is empty"),
    "garbage": ("garbage.extxyz", b"\x00\xff\x13garbage\n" * 40, "expected an extended XYZ file"),
    "text": ("text.extxyz", b"Dear reader,\nthis is no structure.\n", "first line is 'Dear reader,'"),
    "no forces": (
        "bare.extxyz",
        (FRAME + PAIR.replace(":forces:R:3", "").replace(" 0 0 0\n", "\n")).encode(),
        "expected forces",
    ),
    "no energy": ("noenergy.extxyz", (FRAME + PAIR.replace("energy=-9 ", "")).encode(), "expected energy"),
    "NaN energy": ("nanenergy.extxyz", (FRAME + PAIR.replace("-9", "nan")).encode(), "frame 1"),
    "NaN forces": ("nanforces.extxyz", (FRAME + PAIR.replace("1.5 0 0 0", "1.5 0 nan 0")).encode(), "frame 1"),
    "NaN position": ("nan.extxyz", (FRAME + PAIR.replace("1.5 1.5", "nan 1.5")).encode(), "finite positions"),
    "flat cell": (
        "flat.extxyz",
        (FRAME + PAIR.replace("0 3 0 0 0 3", "0 3 0 0 3 0")).encode(),
        "enclose no volume",
    ),
    "one frame": ("one.extxyz", FRAME.encode(), "at least two structures"),
    "cut off": ("cut.extxyz", (FRAME + PAIR)[:-30].encode(), "truncated"),
    "unknown suffix": ("data.whatever", b"some text\n", "expected a known format"),
    "pickle": ("data.pkl", b"\x80\x04N.", "may run code when read"),
    "broken gzip": ("data.extxyz.gz", b"\x1f\x8b\x08nonsense", "cannot be decompressed"),
}


@pytest.fixture
def file(write_dataset: Callable[..., Path], structures: tuple[Atoms, ...]) -> Path:
    return write_dataset(structures)


def check_refusal(capsys: pytest.CaptureFixture[str], status: int, *words: str) -> None:
    """Exit status 1, nothing on stdout, one message on stderr that holds ``words`` and no traceback."""
    said = capsys.readouterr()
    assert status == 1
    assert said.out == ""
    assert said.err.startswith("meagraph: error: ")
    assert said.err.count("\n") == 1
    for word in words:
        assert word in said.err
    assert "Traceback" not in said.err


# Info


def test_info(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", str(file)]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    lines = said.out.splitlines()
    assert lines[0] == "niobium: 12 structures, 145 environments"
    assert "  species: Nb" in lines
    heads = next(number for number, line in enumerate(lines) if line.startswith("  group "))
    groups = [line.split() for line in lines[heads + 1 : heads + 4]]
    assert groups == [["bcc", "7", "112"], ["fcc", "4", "32"], ["IsolatedAtom", "1", "1"]]


def test_info_as_json(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", "--json", str(file)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["structures"], found["environments"], found["species"]) == (12, 145, ["Nb"])
    assert found["groups"]["fcc"] == {"structures": 4, "environments": 32}
    assert found["fingerprint"] == read_dataset(file).fingerprint


def test_info_tells_what_is_odd(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "page.html"
    assert main(["info", str(file), "--html", str(page)]) == 0
    assert "findings: no error, 1 warning, no note" in capsys.readouterr().out
    assert "repeats an earlier one exactly" in page.read_text(encoding="utf-8")
    assert main(["info", str(file), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["findings"]
    assert [one["key"] for one in found] == ["duplicates"]
    check_refusal(capsys, main(["info", str(file), "--html", str(file)]), "it is read here")


def test_info_of_several_files_and_other_names(tmp_path: Path, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = tmp_path / "other.xyz"
    other.write_text((FRAME + PAIR).replace("energy=", "my_energy=").replace("forces", "my_forces") * 2)
    assert main(["info", str(other), "--energy-key", "my_energy", "--forces-key", "my_forces", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["structures_without_energy"] == 0
    assert main(["info", str(file), str(other), "--allow-unlabelled", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["structures"], found["structures_without_energy"]) == (16, 4)


# Bad input


@pytest.mark.parametrize("kind", BAD)
@pytest.mark.parametrize("command", ["info", "run"])
def test_bad_files(tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str, kind: str) -> None:
    name, content, message = BAD[kind]
    path, out = tmp_path / name, tmp_path / "out"
    path.write_bytes(content)
    options = [] if command == "info" else ["--out", str(out)]
    check_refusal(capsys, main([command, str(path), *options]), str(path), message)
    assert not out.exists()


@pytest.mark.parametrize("options", [("info",), ("run", "--out", "out")])
def test_missing_files_and_folders(tmp_path: Path, capsys: pytest.CaptureFixture[str], options: tuple) -> None:
    command, *rest = options
    missing = tmp_path / "nothing.extxyz"
    check_refusal(capsys, main([command, str(missing), *rest]), str(missing), "there is none of this name")
    check_refusal(
        capsys, main([command, str(tmp_path), *rest]), str(tmp_path), "files with energies or forces in this folder"
    )


def test_the_same_file_twice(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    check_refusal(capsys, main(["info", str(file), str(file)]), "the same as")


def test_a_frame_that_is_too_large(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    check_refusal(capsys, main(["info", str(file), "--max-atoms", "10"]), "frame 0", "--max-atoms 16")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--keep", "0"), "keep fraction must be above 0"),
        (("--keep", "nan"), "keep fraction must be above 0"),
        (("--alpha", "1.5"), "between 0 and 1, got 1.5"),
        (("--until-covered", "0"), "above 0 and at most 100"),
        (("--at-least", "30"), "A percentage of the rule 'at-least' came with the rule 'cover'"),
        (("--seed", "-1"), "seed must lie between 0 and 4294967295, got -1"),
        (("--seed", "4294967296"), "seed must lie between 0 and"),
        (("--r-cut", "0.5"), "r_cut=0.5"),
        (("--r-cut", "inf"), "r_cut=inf"),
        (("--n-max", "0"), "n_max=0"),
        (("--l-max", "-1"), "l_max=-1"),
        (("--threshold", "2"), "lower=2.0"),
        (("--neighbours", "0"), "neighbours must be at least 1"),
        (("--epochs", "0"), "epochs=0"),
        (("--budget", "0"), "budget must be at least 1"),
        (("--rate", "1"), "pooling rates in [0, 1)"),
        (("--model", "no-such-model"), "no-such-model.safetensors does not exist"),
        (("--format", "magic"), "expected a known format, but 'magic' is none"),
        (("--energy-key", "magic"), "No frame has an entry magic to read the energy from"),
        (("--keep", "1e-9"), ""),
        (("--protect", "nobody"), "no 'nobody'; there are: "),
    ],
    ids=lambda value: "=".join(value) if isinstance(value, tuple) else "",
)
def test_bad_settings(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], message: str
) -> None:
    out = tmp_path / "out"
    status = main(["run", str(file), "--out", str(out), *QUICK, *options])
    if message:
        check_refusal(capsys, status, message)
        assert not out.exists()
    else:  # next to nothing is asked for: what is protected stays
        assert status == 0
        assert "kept     1 of 12 structures" in capsys.readouterr().out


def test_nothing_to_keep(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "few.extxyz"
    path.write_text(FRAME + PAIR + PAIR.replace("1.5 1.5 1.5", "1.4 1.5 1.6"))
    options = ["--out", str(tmp_path / "out"), *QUICK, "--keep", "1e-9", "--threshold", "0.0"]
    check_refusal(capsys, main(["run", str(path), *options]), "drops all")


def test_what_the_plan_costs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "more.extxyz"
    ase.io.write(path, niobium_structures(20, 14), format="extxyz")
    arguments = ["run", str(path), "--out", str(tmp_path / "out"), *QUICK, "--keep", "0.6", "--evaluate"]
    assert main(arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith("quick force field"))
    labels = [line.strip().split("  ")[0] for line in lines[start + 1 : start + 4]]
    assert labels == ["kept structures", "random ones (median of 5)", "everything"]
    assert main([*arguments, "--overwrite", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)["cost"]
    assert f"{figures['kept']['rmse']:.4f}" in lines[start + 1]
    assert f"{figures['whole']['rmse']:.4f}" in lines[start + 3]
    assert figures["kept"]["environments"] < figures["whole"]["environments"]


def test_wrong_usage_is_argparse_business(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in ([], ["run", "x"], ["walk"], ["run", "x", "--out", "y", "--within", "best"]):
        with pytest.raises(SystemExit) as stop:
            main(arguments)
        assert stop.value.code == 2
        assert "usage: meagraph" in capsys.readouterr().err


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["--version"])
    assert stop.value.code == 0
    assert capsys.readouterr().out.startswith("meagraph 0.")


# Run


def test_run(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    arguments = ["run", str(file), "--out", str(out), *QUICK, "--keep", "0.4", "--rule", "any"]
    assert main(arguments) == 0
    said = capsys.readouterr()
    assert "Traceback" not in said.err
    lines = said.out.splitlines()
    assert "environments in none" in lines[0]
    named = [line for line in lines if line.startswith("  ")]
    assert named[0].split() == ["cluster", "environments", "name"]
    assert len(named) == 1 + int(lines[0].split()[0])
    lines = [line for line in lines if line not in named]
    assert lines[1] == "chosen   58 of 145 environments (40.0%)"
    assert lines[2].startswith("kept     ")
    assert lines[2].endswith("by the rule 'any'")
    written = [Path(line.removeprefix("wrote    ")) for line in lines if line.startswith("wrote")]
    assert sorted(out.iterdir()) == sorted(written)
    assert verify(out / "manifest.json") == []

    # its recipe, by command
    assert main(["replay", str(out / "recipe.yaml"), "--out", str(tmp_path / "again")]) == 0
    again = [line for line in capsys.readouterr().out.splitlines() if not line.startswith("wrote")]
    assert again == [line for line in lines[1:] if line.startswith(("chosen", "kept", "shares"))]
    for path in written:
        assert (tmp_path / "again" / path.name).read_bytes() == path.read_bytes()
    assert main(["verify", str(out)]) == 0
    assert capsys.readouterr().out.startswith(f"verified {out}")
    (kept_file,) = out.glob("*-kept.extxyz")
    kept_file.write_bytes(kept_file.read_bytes().replace(b"Nb ", b"Ta ", 1))
    assert main(["verify", str(out)]) == 1
    assert "frame 0 (counting from 0), atom 0, species: expected 'Nb', but came 'Ta'" in capsys.readouterr().out
    kept_file.write_bytes(kept_file.read_bytes().replace(b"Ta ", b"Nb ", 1))
    check_refusal(capsys, main(["replay", str(out / "recipe.yaml"), "--data", "nowhere.xyz"]), "nowhere.xyz")

    # once more: the same may lie there, another is refused, then allowed
    assert main(arguments) == 0
    capsys.readouterr()
    check_refusal(capsys, main([*arguments, "--keep", "0.3"]), "overwrite", str(out / "manifest.json"))
    to = ["--to", "nep", "--to", "csv", "--weights", "population"]
    assert main([*arguments, "--overwrite", "--json", *to]) == 0
    figures = json.loads(capsys.readouterr().out)
    written += [out / "nep", out / "csv"]
    assert verify(out / "manifest.json") == []
    assert any("nep: NEP weighs structures" in note for note in figures["not_held"])
    assert len((out / "csv" / "environments.csv").read_text().splitlines()) == 146
    assert figures["environments_chosen"] == 58
    assert figures["structures"] == 12
    assert [Path(path) for path in figures["files"]] == written
    kept = read_dataset(figures["files"][0], group_key="config_type")
    assert kept.n_structures == figures["structures_kept"]
    assert kept.n_environments == figures["environments_in_kept_structures"]
    assert "IsolatedAtom" in kept.groups


def test_run_passes_every_option_on(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Stop(Exception):
        pass

    seen: dict = {}

    def record(*arguments: object, **options: object) -> None:
        seen.update(options, arguments=arguments)
        raise Stop

    monkeypatch.setattr(meagraph.pipeline.run, "run", record)
    options = (
        "--seed 7 --no-cache --overwrite --keep 0.1 --alpha 0.5 --selector kmeans --within random --rule cover "
        "--until-covered 30 --device cpu --protect a --protect b --model m --r-cut 4.5 --n-max 4 --l-max 2 --budget 99 "
        "--threshold 0.7 --neighbours 9 --epochs 3 --batch 5 --steps 6 --learning-rate 0.02 --validation 0.2 "
        "--patience 0 --source there --descriptor array --resolution 0.3 --min-cluster-size 8 --min-dist 0.4 "
        "--rate 0.25 --clustering components --latent-space direct --format extxyz --energy-key E "
        "--forces-key F --group-key g --allow-unlabelled --max-atoms 77 --to nep --to csv --weights chosen"
    )
    with pytest.raises(Stop):
        main(["run", str(file), "--out", str(tmp_path / "out"), *options.split()])
    assert seen["arguments"] == ([str(file)], str(tmp_path / "out"))
    config, pruning = seen["config"], seen["pruning"]
    assert (config.descriptors.r_cut, config.descriptors.n_max, config.descriptors.l_max) == (4.5, 4, 2)
    assert (config.budget, config.graph.lower, config.graph.neighbours) == (99, 0.7, 9)
    assert (config.descriptors.method, config.descriptors.source) == ("array", "there")
    assert (config.training.epochs, config.pooling_rate, config.clustering.method) == (3, 0.25, "components")
    assert (config.training.batch, config.training.steps, config.training.learning_rate) == (5, 6, 0.02)
    assert (config.training.validation, config.training.patience, config.latent) == (0.2, 0, "direct")
    assert (config.clustering.resolution, config.clustering.min_cluster_size) == (0.3, 8)
    assert config.projection.min_dist == 0.4
    assert {config.seed, pruning.seed} == {7}
    assert (pruning.keep, pruning.alpha, pruning.within, pruning.rule) == (0.1, 0.5, "random", "cover")
    assert pruning.selector == "kmeans"
    assert pruning.until_covered == 30.0
    assert pruning.protected == ("a", "b")
    reading = {"format": "extxyz", "energy_key": ["E"], "forces_key": ["F"], "group_key": "g"}
    expected = {**reading, "allow_unlabelled": True, "max_atoms": 77, "cache": False, "overwrite": True}
    assert {**seen, **expected} == seen
    assert seen["model_path"] == "m"
    assert (seen["formats"], seen["weights"]) == (["nep", "csv"], "chosen")
    with pytest.raises(Stop):
        main(["run", str(file), "--out", str(tmp_path / "out"), "--clusters", "12"])
    assert (seen["config"].clustering.clusters, seen["config"].clustering.level) == (12, None)
    with pytest.raises(Stop):
        main(["run", str(file), "--out", str(tmp_path / "out"), "--level", "0.4"])
    assert (seen["config"].clustering.clusters, seen["config"].clustering.level) == (None, 0.4)


def test_interrupted(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(meagraph.descriptors.filling, "fill", interrupt)
    assert main(["run", str(file), "--out", str(tmp_path / "out"), *QUICK]) == 130
    assert "interrupted" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_no_place_for_the_cache(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MEAVIZ_CACHE", str(file))  # a file, where a folder is needed
    status = main(["run", str(file), "--out", str(tmp_path / "out"), *QUICK])
    check_refusal(capsys, status, str(file), "MEAVIZ_CACHE")


def test_a_full_disk(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object, **__: object) -> np.ndarray:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np.lib.format, "open_memmap", full)
    status = main(["run", str(file), "--out", str(tmp_path / "out"), *QUICK])
    check_refusal(capsys, status, "No space left on device")


def test_a_fresh_process_prints_no_warning_of_a_library(file: Path, tmp_path: Path) -> None:
    """Not even those that Python hides; but for ImportWarning, which it never shows (UMAP misses TensorFlow).

    And what Python says of a library's text where that was never compiled before (dscribe).
    """
    done = subprocess.run(
        [sys.executable, "-m", "meagraph.cli", "run", str(file), "--out", str(tmp_path / "out"), *QUICK],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONWARNINGS": "default,ignore::ImportWarning,ignore:invalid escape"},
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_as_a_process_of_its_own(tmp_path: Path) -> None:
    """Exit status and streams as a shell sees them, in a terminal that knows only ASCII."""
    path = tmp_path / "flat å.extxyz"
    path.write_bytes(BAD["flat cell"][1])  # the message holds an Å
    done = subprocess.run(
        [sys.executable, "-m", "meagraph.cli", "info", str(path)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("meagraph: error: ")
    assert "Traceback" not in done.stderr

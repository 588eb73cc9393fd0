"""Names of files that are no UTF-8, as of old archives, work from end to end."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from ase import Atoms

from meagraph.exports import verify

QUICK = ("--n-max", "2", "--l-max", "2", "--epochs", "1", "--clustering", "components")
NAME = "K\udcfcpfer.xyz"  # b"K\xfcpfer.xyz", which is Latin-1


@pytest.fixture
def odd(write_dataset: Callable[..., Path], structures: tuple[Atoms, ...]) -> Path:
    plain = write_dataset(structures)
    target = plain.with_name(NAME)
    try:
        plain.rename(target)
    except OSError:
        pytest.skip("the file system refuses such names")
    return target


def meagraph(*arguments: str | Path) -> str:
    """What a command prints in a UTF-8 locale whose output is strict."""
    done = subprocess.run(
        [sys.executable, "-m", "meagraph.cli", *map(str, arguments)],
        capture_output=True,
        env=os.environ | {"PYTHONIOENCODING": "utf-8:strict", "LC_ALL": "C.UTF-8"},
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode("utf-8", "replace")
    return done.stdout.decode("utf-8")


def test_info_run_and_steps(odd: Path, tmp_path: Path) -> None:
    assert r"K\udcfcpfer: " in meagraph("info", odd)
    assert json.loads(meagraph("info", odd, "--json"))["sources"][0]["path"] == str(odd)
    out = tmp_path / "out"
    meagraph("run", odd, "--keep", "0.5", "--out", out, *QUICK)
    manifest = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
    (source,) = manifest["sources"]
    assert source["path"] == str(odd)
    assert (out / source["path_from_manifest"]).samefile(odd)
    assert verify(out / "manifest.json") == []
    (index,) = out.glob("*-index.csv")
    with open(index, newline="", encoding="utf-8") as stream:
        assert {Path(row["source"]).name for row in csv.DictReader(stream)} == {r"K\udcfcpfer.xyz"}
    (report,) = out.glob("*.html")
    assert r"K\udcfcpfer.xyz" in report.read_text(encoding="utf-8")
    structures = next(out.glob("*.extxyz"))
    structures.write_bytes(odd.read_bytes())
    assert verify(out / "manifest.json")
    meagraph("describe", odd, "--out", tmp_path / "d.npy", "--n-max", "2", "--l-max", "2")
    assert json.loads((tmp_path / "d.json").read_text(encoding="utf-8"))["sources"][0]["path"] == str(odd)

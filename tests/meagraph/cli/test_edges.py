"""Sets at the edge: an enormous empty box, very many elements, copies of one structure, memory that runs out."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

import meagraph.descriptors
import meagraph.pipeline.learning
from meagraph.cli import main
from tests.support import ROOT
from tests.support.structures import labelled

LIMIT = 8_000_000 * 1024  # bytes, as ulimit -v 8000000
QUICK = ("--n-max", "2", "--l-max", "2", "--epochs", "1")


def run_limited(*arguments: str) -> subprocess.CompletedProcess[str]:
    """``meagraph`` in a process of its own that may take LIMIT bytes."""
    return subprocess.run(
        [sys.executable, "-m", "meagraph.cli", *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (LIMIT, LIMIT)),
    )


def written(path: Path, structures: list[Atoms]) -> str:
    ase.io.write(path, structures, format="extxyz")
    return str(path)


def many_elements(count: int) -> list[Atoms]:
    """Structures of 16 atoms that hold ``count`` elements together."""
    rng = np.random.default_rng(0)
    cells = np.stack(np.meshgrid(np.arange(2), np.arange(2), np.arange(4), indexing="ij"), axis=-1).reshape(-1, 3)
    structures = []
    for index in range(count // 16 + 12):
        numbers = 1 + (np.arange(16) + 16 * index) % count
        places = 2.6 * cells + rng.normal(scale=0.15, size=(16, 3))
        structures.append(labelled(Atoms(numbers, places, cell=[5.2, 5.2, 10.4], pbc=True), f"group {index % 2}"))
    return structures


def test_eight_atoms_in_an_enormous_box(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    cube = 2.3 * np.stack(np.meshgrid(*[np.arange(2)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    clusters = [Atoms("Cu8", cube + rng.normal(scale=0.1, size=(8, 3)), cell=[2500.0] * 3, pbc=True) for _ in range(6)]
    file = written(tmp_path / "cluster.xyz", [labelled(atoms, "cluster") for atoms in clusters])
    done = run_limited("run", file, "--keep", "0.5", "--out", str(tmp_path / "out"), "--epochs", "1")
    assert done.returncode == 0, done.stderr
    assert "kept     3 of 6 structures" in done.stdout


def test_eighty_nine_elements(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = written(tmp_path / "many.xyz", many_elements(89))
    done = run_limited("run", file, "--keep", "0.3", "--out", str(tmp_path / "out"), "--epochs", "2", "--json")
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert 0 < figures["structures_kept"] < figures["structures"] == 17
    assert main(["info", file]) == 0
    assert "soap: 89 elements share columns (mu1nu1): 28 channels" in capsys.readouterr().out
    assert main(["describe", file, "--out", str(tmp_path / "many.npy")]) == 0
    assert "1008 values each\n89 elements share columns" in capsys.readouterr().out


def test_what_cannot_fit_is_refused_before_anything_is_computed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def describe(*given: object, **named: object) -> None:
        raise AssertionError("nothing must be computed")

    monkeypatch.setattr("meagraph.pipeline.analysis.describe_usable", describe)
    monkeypatch.setattr(meagraph.pipeline.learning, "free", lambda: 4e9)
    file = written(tmp_path / "many.xyz", many_elements(35))
    large = ("--n-max", "20", "--l-max", "20")
    assert main(["run", file, "--out", str(tmp_path / "out"), *large]) == 1
    out = capsys.readouterr()
    assert out.err.count("\n") == 1
    assert "35 elements give 67,200 columns of the descriptor 'soap'" in out.err
    assert "GB of memory where 4.0 GB are left. Lower n_max or l_max" in out.err


@pytest.mark.parametrize("kind", ["perfect", "disordered"])
@pytest.mark.parametrize("threshold", [None, "0"])
def test_copies_of_one_structure_give_a_plan(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str, threshold: str | None
) -> None:
    atoms = bulk("Cu", a=3.61)
    if kind == "disordered":
        atoms = bulk("Cu", a=3.61, cubic=True)
        atoms.rattle(0.25, seed=0)
    file = written(tmp_path / "copies.xyz", [labelled(atoms, "copy")] * 20)
    options = [] if threshold is None else ["--threshold", threshold]
    assert main(["run", file, "--keep", "0.3", "--out", str(tmp_path / "out"), *QUICK, *options]) == 0
    out = capsys.readouterr()
    assert "all structures are alike: 20 copies of 1" in out.out
    assert "kept     6 of 20 structures" in out.out
    assert "Warning" not in out.err


def failing(error: BaseException) -> Callable[..., Iterator[np.ndarray]]:
    def make(structures: object, workers: int) -> Iterator[np.ndarray]:
        raise error
        yield

    return make


@pytest.mark.parametrize(
    "error", [MemoryError("std::bad_alloc"), RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried")]
)
def test_a_descriptor_without_memory_names_the_frame(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    monkeypatch.setitem(meagraph.descriptors.METHODS, "soap", lambda config, species: ({}, failing(error)))
    file = written(tmp_path / "some.xyz", many_elements(2))
    assert main(["run", file, "--out", str(tmp_path / "out")]) == 1
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "some.xyz, frame 0" in err
    assert "the descriptor of its 16 atoms failed. There is not enough memory" in err


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")]
)
def test_training_without_memory_says_what_it_did(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    def train(*given: object, progress: Callable[[int, int, str], None], **named: object) -> None:
        progress(1, 10, "epoch 1")
        raise error

    monkeypatch.setattr("meagraph.model.training.train", train)
    file = written(tmp_path / "some.xyz", many_elements(2))
    assert main(["run", file, "--out", str(tmp_path / "out"), *QUICK]) == 1
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "There is not enough memory to go on at the step 'epoch 1'" in err

"""Commands that are killed, find no room or lose their folder: nothing half-written, and the next run goes on."""

from __future__ import annotations

import os
import resource
import shutil
from collections.abc import Iterator
from pathlib import Path

import ase.io
import numpy as np
import pytest

from meagraph.cache import tidy_cache
from meagraph.datasets import read_dataset
from meagraph.model.autoencoder import MEAGraph
from meagraph.model.checkpoint import load_model, save_model
from meagraph.model.settings import ModelConfig
from meagraph.pipeline.analysis import recall_analysis
from meagraph.step_files.descriptors import read_described
from tests.support.finished import Finished
from tests.support.fuzzing.killing import Starter, leftovers, starter
from tests.support.structures import niobium_structures


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Starter]:
    """A process that has loaded what the commands here take, and data beside it."""
    folder = tmp_path_factory.mktemp("faults")
    ase.io.write(folder / "niobium.extxyz", niobium_structures(), format="extxyz")
    np.save(folder / "ready.npy", np.random.default_rng(0).random((145, 300)))
    with starter(folder, "meagraph.pipeline.describing", "meagraph.pipeline.opening") as found:
        yield found


@pytest.fixture
def folder(ready: Starter) -> Path:
    """Where it works, and where ``out`` is empty."""
    folder = ready.said.parent
    shutil.rmtree(folder / "out", ignore_errors=True)
    (folder / "out").mkdir()
    return folder


def commands(folder: Path) -> dict[str, list[str]]:
    data = str(folder / "niobium.extxyz")
    return {
        "convert": ["convert", data, str(folder / "out" / "a.meadata")],
        "describe": [
            *("describe", data, "--descriptor-preset", "published", "--descriptor", "npy"),
            *("--source", str(folder / "ready.npy"), "--out", str(_made(folder))),
        ],
    }


def _made(folder: Path) -> Path:
    return folder / "out" / "made.npy"


@pytest.mark.parametrize(("name", "after"), [("convert", None), ("describe", None), ("describe", 0.05)])
def test_what_was_killed_is_run_again(ready: Starter, folder: Path, name: str, after: float | None) -> None:
    """Once in the middle of writing, and once at some moment; afterwards also where it is all there."""
    command = commands(folder)[name]
    writing = None if after else lambda: bool(leftovers(folder / "out"))
    assert ready.run(command, kill_after=after, until=writing) in (-9, 0)
    if name == "describe":
        assert ready.run(command) == 0, ready.said.read_text()
        assert ready.run(command) == 0, ready.said.read_text()
        assert read_described(_made(folder)).descriptors.values.shape == (145, 300)
    elif not (folder / "out" / "a.meadata").exists():
        assert ready.run(command) == 0, ready.said.read_text()
        assert read_dataset(folder / "out" / "a.meadata").n_structures == 12
    assert [place for name in ("out", "cache", "tmp") for place in leftovers(folder / name)] == []


@pytest.mark.parametrize("most", [0, 3_000])
@pytest.mark.parametrize("name", ["convert", "describe"])
def test_a_full_disk(ready: Starter, folder: Path, name: str, most: int) -> None:
    before = ready.said.read_text()
    assert ready.run(commands(folder)[name], most=most) == 1
    said = ready.said.read_text().removeprefix(before)
    assert "meagraph: error: " in said
    assert "Traceback" not in said
    assert list((folder / "out").iterdir()) == []


def test_a_folder_that_vanishes(ready: Starter, folder: Path) -> None:
    def remove() -> bool:
        if leftovers(folder / "out"):
            shutil.rmtree(folder / "out", ignore_errors=True)
        return False

    before = ready.said.read_text()
    command = commands(folder)["describe"]
    status = ready.run(command, until=remove)
    said = ready.said.read_text().removeprefix(before)
    assert (status, "Traceback" in said) in ((1, False), (0, False))
    assert ready.run([*command, "--out", "/proc/none/made.npy"]) == 1
    assert "Traceback" not in ready.said.read_text()
    assert ready.run(command) == 0
    assert read_described(_made(folder)).descriptors.values.shape == (145, 300)


@pytest.mark.parametrize("when", [0.0, 2.7e9])
def test_times_of_files_mean_nothing(known: Finished, own_cache: Path, when: float) -> None:
    """A clock that jumps neither hides what was computed nor has it removed: the cache goes by content."""
    for path in own_cache.rglob("*"):
        os.utime(path, (when, when))
    before = {path for path in own_cache.rglob("*") if path.is_file()}
    tidy_cache()
    assert recall_analysis(known.analysis.dataset, known.analysis.config) is not None
    assert {path for path in own_cache.rglob("*") if path.is_file()} >= before


def test_a_model_that_finds_no_room(tmp_path: Path) -> None:
    """The library of its format raises an error of its own there, which nobody takes for that of a disk."""
    model, before = MEAGraph(ModelConfig(20, (16, 8))), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, before[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            save_model(tmp_path / "m.safetensors", model)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [path.name for path in tmp_path.iterdir()] == ["m.json"]
    save_model(tmp_path / "m.safetensors", model)
    assert load_model(tmp_path / "m.safetensors")[0].config == model.config

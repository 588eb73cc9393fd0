"""Fixtures that all tests share: a cache of their own, one thread, tiny datasets of niobium; the rest is in support."""

from __future__ import annotations

import os

# before anything loads a library for matrices: two tests at a time, each with threads that wait for the other's by
# spinning, take half as long again as with one thread each
os.environ.setdefault("OMP_NUM_THREADS", "1")

import gc
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import ase.io
import pytest
import torch
from ase import Atoms

from meagraph.datasets import AtomicDataset, dataset_from_structures
from meagraph.descriptors import Descriptors
from meagraph.pipeline.learned import Learned
from meagraph.pipeline.run import Run
from meagraph.pipeline.survey import Survey
from tests.support import results
from tests.support.finished import Finished, finish
from tests.support.structures import niobium_structures
from tests.support.threads import wait_for_jobs
from tests.support.weights import Weights

torch.set_num_threads(1)
gc.set_threshold(10_000)  # with 700, its own, Python spends 6 to 20 % of the time of tests on its search for cycles


def pytest_collection_finish() -> None:
    """What is imported by now is not looked through for cycles again and again; it stays anyway."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Every test has an empty cache and log, never the user's; no job of the app goes on when it has ended.

    Nor does one find what a session of an earlier one holds that nobody has collected yet.
    """
    folder = tmp_path / "cache"
    monkeypatch.setenv("MEAVIZ_CACHE", str(folder))
    monkeypatch.setenv("MEAVIZ_STATE", str(tmp_path / "state"))
    if (common := sys.modules.get("meaviz.common")) is not None:
        common.pn.state.cache.pop((common.KEY,), None)
    yield folder
    wait_for_jobs()


@pytest.fixture(scope="session")
def make_structures() -> Callable[..., list[Atoms]]:
    """``make_structures(n_bcc, n_fcc, rattle=, seed=)``: see :func:`tests.support.structures.niobium_structures`."""
    return niobium_structures


@pytest.fixture(scope="session")
def structures() -> tuple[Atoms, ...]:
    """Labelled niobium: 7 bcc cells of 16 atoms, 4 fcc of 8, an isolated atom; tests must not change them."""
    return tuple(niobium_structures())


@pytest.fixture(scope="session")
def niobium(structures: tuple[Atoms, ...]) -> AtomicDataset:
    """The same as a dataset: S = 12, N = 145."""
    return dataset_from_structures(structures, name="niobium")


@pytest.fixture
def write_dataset(tmp_path: Path) -> Callable[..., Path]:
    """``write_dataset(structures, name)``: write an extended XYZ file and return its path."""

    def write(frames: Sequence[Atoms], name: str = "niobium.extxyz") -> Path:
        path = tmp_path / name
        ase.io.write(path, list(frames), format="extxyz")
        return path

    return write


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, structures: tuple[Atoms, ...]) -> Finished:
    """A real analysis of the structures above, finished once for all tests and worker processes."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent  # each worker has a folder of its own inside
    return finish(folder / "finished", structures)


@pytest.fixture
def known(finished: Finished, own_cache: Path) -> Finished:
    """The same, with the test's cache as that analysis left it: to analyse it again computes nothing."""
    shutil.copytree(finished.cache, own_cache, dirs_exist_ok=True)  # another fixture may have begun to write there
    return finished


@pytest.fixture(scope="session")
def ready_run() -> Callable[[AtomicDataset], Run]:
    """``ready_run(dataset)``: a run without any computing, see :func:`tests.support.results.grouped_run`."""
    return results.grouped_run


@pytest.fixture(scope="session")
def survey_by_hand() -> Callable[..., tuple[Descriptors, Learned, Survey]]:
    """``survey_by_hand(dataset, scores)``: see :func:`tests.support.results.survey_by_hand`."""
    return results.survey_by_hand


@pytest.fixture(scope="session")
def weights() -> type[Weights]:
    """The way from the library's weights to the oracle's."""
    return Weights

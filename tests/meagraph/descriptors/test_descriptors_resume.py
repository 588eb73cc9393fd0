"""A computation that is killed, cancelled, shared or repeated: nothing is lost, computed twice or left lying about."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from filelock import FileLock

from meagraph.datasets import AtomicDataset, dataset_from_structures
from meagraph.descriptors import METHODS, DescriptorConfig, compute_descriptors, filling
from meagraph.errors import Cancelled, MEAGraphError
from meagraph.pipeline.describing import describe
from tests.support import ROOT

SMALL = DescriptorConfig(n_max=2, l_max=2)
DISTINCT = 11  # of the 12 structures of the dataset niobium


@pytest.fixture
def described(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of atoms of every structure that SOAP is asked for from here on."""
    counted: list[int] = []
    soap = METHODS["soap"]

    def counting(config: DescriptorConfig, species: tuple[int, ...]) -> tuple[dict[str, Any], Any]:
        parameters, maker = soap(config, species)

        def make(structures: Sequence[Atoms], workers: int) -> Any:
            counted.extend(len(atoms) for atoms in structures)
            return maker(structures, workers)

        return parameters, make

    monkeypatch.setitem(METHODS, "soap", counting)
    monkeypatch.setattr(filling, "CHUNK", 40)
    return counted


def left(cache: Path) -> list[str]:
    """What lies in the cache of descriptors, by suffix."""
    return sorted(path.name.partition(".")[2] for path in (cache / "descriptors").iterdir())


def test_equal_structures_are_described_once(
    structures: tuple[Atoms, ...], niobium: AtomicDataset, described: list[int]
) -> None:
    assert len(set(niobium.structure_keys)) == DISTINCT
    once = np.asarray(compute_descriptors(niobium, SMALL).values)
    assert len(described) == DISTINCT
    described.clear()
    tenfold = dataset_from_structures(structures * 10, name="tenfold")
    steps: list[tuple[int, int]] = []
    many = describe(tenfold, SMALL, progress=lambda done, total, message: steps.append((done, total)))
    np.testing.assert_array_equal(many.values, np.tile(once, (10, 1)))
    assert len(described) == DISTINCT
    assert steps[-1] == (10 * niobium.n_environments, 10 * niobium.n_environments)


KILLED = """
import os, signal, sys
from meagraph.datasets import dataset_from_structures
from meagraph.descriptors import METHODS, DescriptorConfig, filling
from meagraph.pipeline.describing import describe
from tests.support.structures import niobium_structures

soap = METHODS["soap"]
described = 0

def deadly(config, species):
    parameters, maker = soap(config, species)
    def make(structures, workers):
        global described
        if described + len(structures) > 6:
            os.kill(os.getpid(), signal.SIGKILL)
        described += len(structures)
        print(len(structures), flush=True)
        return maker(structures, workers)
    return parameters, make

METHODS["soap"] = deadly
filling.CHUNK = 40
describe(dataset_from_structures(niobium_structures(), name="niobium"), DescriptorConfig(n_max=2, l_max=2))
"""


def test_a_killed_run_goes_on_where_it_stopped(
    niobium: AtomicDataset, described: list[int], own_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED], cwd=ROOT, capture_output=True, text=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    before = sum(map(int, killed.stdout.split()))
    assert 0 < before < DISTINCT
    assert left(own_cache) == ["lock", "partial", "partial.json"]
    resumed = describe(niobium, SMALL)
    assert len(described) == DISTINCT - before
    assert left(own_cache) == ["json", "npy"]
    (file,) = (own_cache / "descriptors").glob("*.npy")
    monkeypatch.setenv("MEAVIZ_CACHE", str(tmp_path / "other"))
    describe(niobium, SMALL)
    assert file.read_bytes() == (tmp_path / "other" / "descriptors" / file.name).read_bytes()
    assert np.isfinite(resumed.values).all()


@pytest.mark.parametrize("damage", ["no record", "cut record", "cut values", "other values"])
def test_a_partial_result_that_cannot_be_trusted_is_not_used(
    niobium: AtomicDataset, described: list[int], own_cache: Path, damage: str
) -> None:
    whole = np.asarray(compute_descriptors(niobium, SMALL).values)
    with pytest.raises(Cancelled):
        describe(niobium, SMALL, progress=cancel_after(1))
    (partial,) = (own_cache / "descriptors").glob("*.partial")
    record = partial.with_suffix(".partial.json")
    match damage:
        case "no record":
            record.unlink()
        case "cut record":
            record.write_text('{"stru')
        case "cut values":
            os.truncate(partial, 500)
        case "other values":
            with open(partial, "wb") as stream:
                np.save(stream, np.zeros((3, 2), dtype=np.float32))
    described.clear()
    np.testing.assert_array_equal(describe(niobium, SMALL).values, whole)
    assert len(described) == DISTINCT
    assert left(own_cache) == ["json", "npy"]


def cancel_after(chunks: int) -> Any:
    """Progress that cancels when it has been reported to ``chunks`` times."""
    reports: list[int] = []

    def progress(done: int, total: int, message: str) -> None:
        reports.append(done)
        if len(reports) == chunks:
            raise Cancelled

    return progress


def test_a_cancelled_run_goes_on_where_it_stopped(
    niobium: AtomicDataset, described: list[int], own_cache: Path
) -> None:
    whole = np.asarray(compute_descriptors(niobium, SMALL).values)
    described.clear()
    with pytest.raises(Cancelled):
        describe(niobium, SMALL, progress=cancel_after(2))
    before = len(described)
    np.testing.assert_array_equal(describe(niobium, SMALL).values, whole)
    assert 0 < before < DISTINCT == len(described)
    assert left(own_cache) == ["json", "npy"]


def one_by_one(monkeypatch: pytest.MonkeyPatch, fails_at: int | None = None) -> list[int]:
    """Make SOAP hand out each structure as soon as it is described; return the list of what it has described."""
    described: list[int] = []
    soap = METHODS["soap"]

    def lazy(config: DescriptorConfig, species: tuple[int, ...]) -> tuple[dict[str, Any], Any]:
        parameters, maker = soap(config, species)

        def make(structures: Sequence[Atoms], workers: int) -> Any:
            for atoms in structures:
                if len(atoms) == fails_at:
                    raise ValueError("no way")
                described.append(len(atoms))
                yield from maker([atoms], workers)

        return parameters, make

    monkeypatch.setitem(METHODS, "soap", lazy)
    monkeypatch.setattr(filling, "SILENCE", -1.0)
    return described


def test_a_slow_descriptor_reports_and_stops_within_a_chunk(
    niobium: AtomicDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = np.asarray(compute_descriptors(niobium, SMALL).values)
    described = one_by_one(monkeypatch)
    with pytest.raises(Cancelled):
        describe(niobium, SMALL, progress=cancel_after(3))
    assert len(described) == 3
    np.testing.assert_array_equal(describe(niobium, SMALL).values, whole)
    assert len(described) == DISTINCT


def test_a_failure_within_a_chunk_names_the_frame(niobium: AtomicDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    described = one_by_one(monkeypatch, fails_at=8)
    with pytest.raises(MEAGraphError, match=r"frame 7.*descriptor failed: no way"):
        describe(niobium, SMALL)
    assert described == [16] * 6


def test_of_two_runs_that_want_the_same_the_second_waits(
    niobium: AtomicDataset, own_cache: Path, described: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting, counting = threading.Event(), METHODS["soap"]

    def slow(config: DescriptorConfig, species: tuple[int, ...]) -> tuple[dict[str, Any], Any]:
        parameters, maker = counting(config, species)

        def make(structures: Sequence[Atoms], workers: int) -> Any:
            assert waiting.wait(60)  # the other run has met the lock
            return maker(structures, workers)

        return parameters, make

    def note(done: int, total: int, message: str) -> None:
        if message.startswith("waiting"):
            waiting.set()

    monkeypatch.setitem(METHODS, "soap", slow)
    found: list[Any] = []
    runs = [threading.Thread(target=lambda: found.append(describe(niobium, SMALL, progress=note))) for _ in range(2)]
    for run in runs:
        run.start()
    for run in runs:
        run.join(60)
    assert len(described) == DISTINCT
    np.testing.assert_array_equal(found[0].values, found[1].values)
    assert left(own_cache) == ["json", "npy"]


def test_a_run_that_waits_can_be_cancelled(niobium: AtomicDataset, own_cache: Path) -> None:
    describe(niobium, SMALL)
    (stored,) = (own_cache / "descriptors").glob("*.npy")
    stored.unlink()
    with FileLock(stored.with_suffix(".lock")), pytest.raises(Cancelled):
        describe(niobium, SMALL, progress=cancel_after(1))


def test_what_killed_runs_left_long_ago_is_removed(niobium: AtomicDataset, own_cache: Path) -> None:
    folder = own_cache / "descriptors"
    folder.mkdir(parents=True)
    old = time.time() - filling.STALE - 60
    for name in ("old", "held", "new"):
        for suffix in (".partial", ".partial.json", ".lock"):
            (folder / f"{name}{suffix}").touch()
    for name in ("old", "held"):
        os.utime(folder / f"{name}.partial", (old, old))
    with FileLock(folder / "held.lock"):
        describe(niobium, SMALL)
    assert {path.stem.partition(".")[0] for path in folder.iterdir()} == {
        "held",
        "new",
        next(folder.glob("*.npy")).stem,
    }
    assert len(list(folder.iterdir())) == 8


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="this system cannot ask for room on the disk")
def test_a_full_disk_is_an_error_before_anything_is_computed_in_vain(
    niobium: AtomicDataset, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(MEAGraphError, match=r"expected room for 0\.0 GB.*No space left"):
        describe(niobium, SMALL)
    assert list((own_cache / "descriptors").iterdir()) == []

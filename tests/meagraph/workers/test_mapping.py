"""Chunks elsewhere give what they give here, in order; errors name them, and what is done is not done again."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from meagraph.errors import Cancelled, MEAGraphError
from meagraph.workers import HERE, ChunkError, Workers, map_chunks
from meagraph.workers.clients import connected, read_slurm, workers_of
from meagraph.workers.sharing import OnDisk


@pytest.fixture
def two(tmp_path: Path) -> Iterator[Workers]:
    with ThreadPoolExecutor(2) as executor:
        yield Workers(executor, lambda: 2, tmp_path)


class Counting:
    """Squares numbers as an array, and remembers which."""

    def __init__(self, fails_at: int = -1) -> None:
        self.seen: list[int] = []
        self.fails_at = fails_at

    def __call__(self, number: int) -> tuple[np.ndarray]:
        if number == self.fails_at:
            raise ZeroDivisionError("by chance")
        self.seen.append(number)
        return (np.array([number**2]),)


def test_results_come_in_the_order_of_the_chunks(two: Workers) -> None:
    gates = [threading.Event() for _ in range(5)]

    def work(number: int) -> int:
        if number + 1 < len(gates):
            gates[number + 1].wait(5) if number % 2 == 0 else None  # an even one waits for the one after it
        gates[number].set()
        return 10 * number

    assert list(map_chunks(work, range(5), two)) == list(map_chunks(lambda n: 10 * n, range(5), HERE))


def test_few_are_on_their_way_at_a_time(two: Workers) -> None:
    drawn: list[int] = []

    def chunks() -> Iterator[int]:
        for number in range(100):
            drawn.append(number)
            yield number

    results = map_chunks(lambda number: number, chunks(), two)
    assert next(results) == 0
    assert len(drawn) < 20
    results.close()


def test_what_is_kept_is_not_done_again(two: Workers) -> None:
    first = Counting(fails_at=3)
    with pytest.raises(ChunkError, match=r"rows 3: expected .*\(ZeroDivisionError: by chance\)"):
        list(map_chunks(first, range(5), two, kept="squares", told=lambda number: f"rows {number}"))
    again = Counting()
    found = [int(value[0]) for (value,) in map_chunks(again, range(5), two, kept="squares")]
    assert found == [0, 1, 4, 9, 16]
    assert set(again.seen) in ({3}, {3, 4})  # the last may have been done before the run failed


def test_the_error_of_a_chunk_has_the_chunk(two: Workers) -> None:
    with pytest.raises(ChunkError) as caught:
        list(map_chunks(Counting(fails_at=1), range(3), two))
    assert caught.value.chunk == 1


def test_errors_for_the_user_pass_as_they_are(two: Workers) -> None:
    def refuse(number: int) -> None:
        raise MEAGraphError("a.xyz, frame 7: wrong.")

    with pytest.raises(MEAGraphError, match=r"^a\.xyz, frame 7: wrong\.$"):
        list(map_chunks(refuse, range(3), two))


def test_cancelling_reaches_who_waits(two: Workers) -> None:
    gate = threading.Event()

    def cancel(done: int, total: int, message: str) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        list(map_chunks(lambda number: gate.wait(5), range(50), two, progress=cancel))
    gate.set()


def test_threads_of_this_process_give_the_same_in_order() -> None:
    together = threading.Barrier(2, timeout=5)  # two at a time, else it breaks

    def work(number: int) -> int:
        together.wait()
        return 10 * number

    heard: list[tuple[int, int, str]] = []
    found = map_chunks(work, range(6), threads=2, total=6, message="work", progress=lambda *told: heard.append(told))
    assert list(found) == [10 * number for number in range(6)]
    assert heard == [(number + 1, 6, "work") for number in range(6)]


def test_threads_are_not_far_ahead_and_stop() -> None:
    drawn: list[int] = []

    def chunks() -> Iterator[int]:
        for number in range(100):
            drawn.append(number)
            yield number

    def fail(number: int) -> int:
        if number == 2:
            raise ZeroDivisionError("by chance")
        return number

    results = map_chunks(lambda number: number, chunks(), threads=2)
    assert next(results) == 0
    assert len(drawn) < 5
    results.close()
    assert len(drawn) < 5
    results = map_chunks(fail, chunks(), threads=2)
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(ZeroDivisionError):
        next(results)


class Gone(Executor):
    """A cluster whose scheduler is lost: whatever comes is cancelled."""

    def submit(self, *_: Any, **__: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.cancel()
        return future


def test_workers_that_are_gone_are_told(tmp_path: Path) -> None:
    with pytest.raises(MEAGraphError, match=r"The workers are gone .* goes on where it stopped"):
        list(map_chunks(Counting(), range(3), Workers(Gone(), lambda: 1, tmp_path)))


def test_a_scheduler_that_does_not_answer_is_told(two: Workers, tmp_path: Path) -> None:
    def count() -> int:
        raise ConnectionResetError("by peer")

    with pytest.raises(MEAGraphError, match="The workers are gone"):
        list(map_chunks(Counting(), range(3), Workers(two.executor, count, tmp_path)))


def test_an_array_on_disk_is_told_by_its_place(tmp_path: Path, two: Workers) -> None:
    table = np.arange(24.0).reshape(6, 4)
    np.save(tmp_path / "table.npy", table)
    mapped = np.load(tmp_path / "table.npy", mmap_mode="r")
    path = str(tmp_path / "table.npy")
    assert two.share("x", mapped) == OnDisk(path)
    assert two.share("x", mapped[:, 1:3]) == OnDisk(path, 1, 3)
    np.testing.assert_array_equal(two.share("x", mapped[:, 1:3]).load(), table[:, 1:3])
    for part in (mapped[2:], mapped[::2], mapped.T, table):
        place = two.share("part", part)
        assert place != OnDisk(path)
        np.testing.assert_array_equal(place.load(), part)
    assert HERE.share("x", table).load() is table


def test_a_client_must_be_one() -> None:
    assert workers_of(None) is HERE
    with pytest.raises(MEAGraphError, match="got str"):
        workers_of("tcp://host:8786")
    with ThreadPoolExecutor(1) as executor, pytest.raises(MEAGraphError, match="Leave the cache on"):
        workers_of(executor, cache=False)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"workers": 2, "scheduler": "tcp://host:8786"}, "one of --workers, --scheduler and --slurm"),
        ({"workers": 0}, "at least 1 worker, got 0"),
    ],
)
def test_one_kind_of_workers_is_asked_for(options: dict[str, Any], message: str) -> None:
    with pytest.raises(MEAGraphError, match=message), connected(**options):
        pass


def test_without_dask_the_command_that_installs_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "distributed", None)
    with pytest.raises(MEAGraphError, match=r"pip install 'meaviz\[cluster\]'"), connected(workers=1):
        pass
    with connected() as client:
        assert client is None


def test_settings_of_slurm(tmp_path: Path) -> None:
    file = tmp_path / "slurm.yaml"
    file.write_text("jobs: 4\ncores: 32\nmemory: 64GB\nqueue: normal\n")
    assert read_slurm(file) == {"jobs": 4, "cores": 32, "memory": "64GB", "queue": "normal"}
    for text in ("- a\n- b\n", "jobs: many\n", "jobs: 0\n", "a: [", "!!python/object/apply:os.system ['true']\n"):
        file.write_text(text)
        with pytest.raises(MEAGraphError, match=r"slurm\.yaml: expected"):
            read_slurm(file)
    with pytest.raises(MEAGraphError, match=r"none\.yaml: expected"):
        read_slurm(tmp_path / "none.yaml")


def test_jobs_that_slurm_refuses_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("dask_jobqueue")
    file = tmp_path / "slurm.yaml"
    file.write_text("cores: 1\nprocesses: 1\nmemory: 1GB\ninterface: lo\n")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MEAGraphError, match="the command 'sbatch' of Slurm, which is not here"), connected(slurm=file):
        pass
    (tmp_path / "sbatch").write_text("#!/bin/sh\necho invalid partition >&2\nexit 1\n")
    (tmp_path / "sbatch").chmod(0o755)
    with (
        pytest.raises(MEAGraphError, match=r"(?s)slurm\.yaml: .*invalid partition"),
        connected(slurm=file),
    ):
        pass


def test_processes_of_dask_give_the_same(tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    with connected(workers=2) as client:
        crew = workers_of(client)
        assert crew.count() == 2
        assert len(set(map_chunks(_process, range(20), Workers(crew.executor, crew.count, tmp_path)))) == 2
        with pytest.raises(MEAGraphError, match="got 3"):
            list(map_chunks(_refused, range(5), Workers(crew.executor, crew.count, tmp_path)))
        [victim, _] = client.run(os.getpid).values()
        results = map_chunks(partial(_killed, victim), range(8), Workers(crew.executor, crew.count, tmp_path))
        assert [int(one[0]) for one in results] == list(range(8)), "a worker killed in the middle loses nothing"


def _process(number: int) -> int:
    return os.getpid()


def _killed(victim: int, number: int) -> np.ndarray:
    if os.getpid() == victim:
        os.kill(victim, signal.SIGKILL)
    time.sleep(0.05)
    return np.array([number])


def _refused(number: int) -> int:
    if number == 3:
        raise MEAGraphError(f"got {number}")
    return number

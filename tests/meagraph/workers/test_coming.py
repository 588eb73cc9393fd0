"""What becomes of a chunk whose worker dies, fails, or leaves a result that nobody hands on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from meagraph.errors import MEAGraphError
from meagraph.workers import ChunkError, Workers, map_chunks, tasks
from meagraph.workers.coming import AT_MOST, DEATHS, ELSEWHERE, RETRIES
from meagraph.workers.over_dask import OverDask


class KilledWorker(Exception):
    """As Dask calls it."""


class Fates(Executor):
    """Does tasks at once; ``fate`` of a task, its chunk and which try it is may raise, or do something else."""

    def __init__(self, fate: Callable[[Any, int, int], Any]) -> None:
        self.fate, self.tries = fate, Counter[int]()

    def submit(self, task: Any, /, chunk: int, **_: Any) -> Future[Any]:  # type: ignore[override]
        self.tries[chunk] += 1
        future: Future[Any] = Future()
        try:
            result = self.fate(task, chunk, self.tries[chunk])
            if result != "never":
                future.set_result(task(chunk) if result is None else result)
        except Exception as error:
            future.set_exception(error)
        return future


def mark(task: Any, process: str) -> None:
    """What a process leaves that died while it worked on a task."""
    number = len(list(task.place.parent.iterdir()))
    (task.place.parent / f"{task.mark}.{process}.{number}{tasks.SUFFIX}").touch()


def squares(executor: Executor, folder: Path, count: int = 6) -> list[int]:
    workers = Workers(executor, lambda: 2, folder)
    return [int(one[0]) for one in map_chunks(_square, range(count), workers, told=lambda number: f"row {number}")]


def _square(number: int) -> np.ndarray:
    return np.array([number**2])


def test_a_chunk_that_waited_where_another_killed_the_worker_is_done_however_often(tmp_path: Path) -> None:
    def fate(task: Any, chunk: int, nth: int) -> None:
        if chunk == 3 and nth <= 10 * DEATHS:
            raise KilledWorker

    executor = Fates(fate)
    assert squares(executor, tmp_path) == [0, 1, 4, 9, 16, 25]
    assert executor.tries[3] == 10 * DEATHS + 1
    assert not list(tmp_path.iterdir()), "neither results nor marks stay"


@pytest.mark.parametrize(
    ("beside", "elsewhere", "deaths"),
    [(0, 0, DEATHS), (0, 2, DEATHS + 2 * ELSEWHERE), (0, 99, AT_MOST), (1, 0, AT_MOST)],
)
def test_a_chunk_is_named_after_so_many_workers_died_of_it(
    tmp_path: Path, beside: int, elsewhere: int, deaths: int
) -> None:
    def fate(task: Any, chunk: int, nth: int) -> None:
        if chunk == 3:
            mark(task, f"node.of.many-{nth}")
            if beside:  # the same process worked on another one too
                (tmp_path / f"{task.mark[:-1]}4.node.of.many-{nth}.{nth}{tasks.SUFFIX}").touch()
            if nth <= elsewhere:  # another one worked on another
                (tmp_path / f"{task.mark[:-1]}5.node-{1000 + nth}.{nth}{tasks.SUFFIX}").touch()
            raise KilledWorker

    executor = Fates(fate)
    with pytest.raises(ChunkError, match=r"^row 3: expected .*the workers that tried it died"):
        squares(executor, tmp_path)
    assert executor.tries[3] == deaths


def test_a_chunk_that_fails_by_chance_is_tried_again(tmp_path: Path) -> None:
    def fate(task: Any, chunk: int, nth: int) -> None:
        if chunk == 2 and nth <= RETRIES:
            raise OSError("by chance")

    assert squares(Fates(fate), tmp_path) == [0, 1, 4, 9, 16, 25]


def test_an_error_for_the_user_is_not_tried_again(tmp_path: Path) -> None:
    def fate(task: Any, chunk: int, nth: int) -> None:
        raise MEAGraphError("a.xyz, frame 7: wrong.")

    executor = Fates(fate)
    with pytest.raises(MEAGraphError, match="frame 7"):
        squares(executor, tmp_path)
    assert executor.tries[0] == 1


def test_a_result_that_is_there_is_taken_though_nobody_says_so(tmp_path: Path) -> None:
    def fate(task: Any, chunk: int, nth: int) -> str | None:
        if chunk != 1:
            return None
        task(chunk)
        return "never"

    assert squares(Fates(fate), tmp_path, 2) == [0, 1]


def test_a_folder_that_is_not_shared_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "SEEN", 0.0)
    with pytest.raises(MEAGraphError, match="all workers see at the same path, but a worker wrote a file there"):
        squares(Fates(lambda *_: tasks.InFile()), tmp_path)
    gone = tasks.Task(_square, tmp_path / "gone" / "0.npz", "run-0")
    with pytest.raises(MEAGraphError, match=r"gone: expected a folder .* but No such file or directory"):
        gone(2)


def test_the_client_of_a_lost_scheduler_is_not_asked() -> None:
    class Client:
        status = "connecting"

    executor = OverDask(Client())
    with pytest.raises(MEAGraphError, match=r"The workers are gone \(ConnectionError\)"):
        list(map_chunks(_square, range(3), Workers(executor, executor.count, Path())))

"""Memory is handed back once for all sessions that end together."""

from __future__ import annotations

import threading

import pytest

from meagraph.progress import Progress
from meaviz.jobs import ending
from meaviz.jobs.runner import Job


def test_sessions_that_end_together_are_one_piece_of_work(monkeypatch: pytest.MonkeyPatch) -> None:
    done = threading.Semaphore(0)
    monkeypatch.setattr(ending, "AFTER", 0.3)
    monkeypatch.setattr(ending, "hand_back", done.release)
    for _ in range(3):
        ending.hand_back_soon()
    assert done.acquire(timeout=60)
    assert not done.acquire(timeout=0.6)
    ending.hand_back_soon()
    assert done.acquire(timeout=60)


def test_what_a_cancelled_job_holds_is_handed_back_with_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    go_on, order, done = threading.Event(), [], threading.Event()

    def work(progress: Progress) -> None:
        go_on.wait(60)
        order.append("the job has ended")

    def hand_back() -> None:
        order.append("handed back")
        done.set()

    monkeypatch.setattr(ending, "AFTER", 0.3)
    monkeypatch.setattr(ending, "hand_back", hand_back)
    job = Job(work)
    job.start()
    job.cancel()
    ending.hand_back_soon()
    assert not done.wait(0.3)
    go_on.set()
    assert done.wait(60)
    assert order == ["the job has ended", "handed back"]

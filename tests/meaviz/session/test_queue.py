"""The queue of long jobs: turns, limits, places, and memory that does not suffice."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from meagraph.errors import Cancelled, MEAGraphError
from meaviz.jobs.runner import Job
from meaviz.session import budget as budgets
from meaviz.session import queue as queues
from meaviz.session.budget import Budget
from meaviz.session.queue import MOST_WAITING, Queue, Queues


class Held:
    """A job that holds its turn until it is told to end."""

    def __init__(self, queue: Queue, user: str) -> None:
        self.began, self.end, self.said = threading.Event(), threading.Event(), list[str]()

        def work(progress: object) -> None:
            self.began.set()
            assert self.end.wait(30)

        def turn(tell: Callable[[str], object]):
            def told(words: str) -> None:
                self.said.append(words)
                tell(words)

            return queue.turn(user, told)

        self.job = Job(work, turn)
        self.job.start()

    def waits(self, words: str) -> None:
        deadline = time.monotonic() + 10
        while not (self.said and self.said[-1] == words):
            assert time.monotonic() < deadline, self.said
            time.sleep(0.01)
        assert self.job.message == words

    def finish(self) -> None:
        self.end.set()
        self.job.join(10)
        assert self.job.error is None


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queues, "POLL", 0.01)
    monkeypatch.setattr(budgets, "free", lambda: 9e9)


def test_jobs_have_their_turns_and_know_their_places() -> None:
    queue = Queue(total=2, each=1)
    first, second = Held(queue, "ana"), Held(queue, "bo")
    assert first.began.wait(10)
    assert second.began.wait(10)
    third = Held(queue, "ana")
    third.waits("waiting: place 1 of 1 in the queue")
    fourth = Held(queue, "cy")
    fourth.waits("waiting: place 2 of 2 in the queue")
    second.finish()
    assert fourth.began.wait(10)  # ana has one at work, so cy, who came later, is next
    assert not third.began.is_set()
    first.finish()
    assert third.began.wait(10)
    third.finish()
    fourth.finish()


def test_who_gives_up_leaves_the_queue() -> None:
    queue = Queue(total=1)
    first, second = Held(queue, "ana"), Held(queue, "bo")
    assert first.began.wait(10) or second.began.wait(10)
    at_work, waiting = (first, second) if first.began.is_set() else (second, first)
    waiting.waits("waiting: place 1 of 1 in the queue")
    waiting.job.cancel()
    waiting.job.join(10)
    assert isinstance(waiting.job.error, Cancelled)
    assert not waiting.began.is_set()
    third = Held(queue, "cy")
    third.waits("waiting: place 1 of 1 in the queue")
    at_work.finish()
    assert third.began.wait(10)
    third.finish()


def test_nobody_fills_the_queue() -> None:
    queue = Queue(total=1)
    jobs = [Held(queue, "ana") for _ in range(MOST_WAITING + 1)]
    for job in jobs[1:]:
        while not (job.said or job.began.is_set()):
            time.sleep(0.01)
    refused = Held(queue, "ana")
    refused.job.join(10)
    assert "waiting already" in str(refused.job.error)
    for job in jobs:
        job.job.cancel()
        job.end.set()
    for job in jobs:
        job.job.join(10)


@pytest.mark.parametrize(("limit", "words"), [(None, "of this machine"), (1e9, "its budget of 1.0 GB")])
def test_a_job_without_memory_is_refused_with_its_reason(
    limit: float | None, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if limit is None:
        monkeypatch.setattr(budgets, "free", lambda: 5e8)
    queue = Queue(budget=Budget(limit))
    with pytest.raises(MEAGraphError, match=words), queue.turn("ana", lambda words: None):
        pytest.fail("it began")
    monkeypatch.setattr(budgets, "free", lambda: 9e9)
    queue.budget = Budget()
    with queue.turn("ana", lambda words: None):
        pass  # the turn was given back


def test_what_a_job_is_known_to_need_is_asked_for_before_and_what_was_promised_to_others_is_not_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    held = 1e9
    monkeypatch.setattr(budgets, "resident", lambda: held)
    queue, said = Queue(budget=Budget(10e9)), list[str]()

    def ask(needs: float) -> None:
        with queue.turn("bo", lambda words: None):
            try:
                queue.budget.promise(needs, "this")
            except MEAGraphError as error:
                said.append(str(error))

    def in_a_thread(needs: float) -> str:
        said.clear()
        thread = threading.Thread(target=ask, args=(needs,))
        thread.start()
        thread.join(10)
        return "".join(said)

    with queue.turn("ana", lambda words: None):
        queue.budget.promise(5e9, "that")  # 9 GB are free
        with pytest.raises(MEAGraphError, match=r"needs about 9\.5 GB"):
            queue.budget.promise(9.5e9, "that")
        assert "beside the 1 at work: this needs about 4.5 GB" in in_a_thread(4.5e9)
        assert in_a_thread(3.9e9) == ""
        held = 4e9  # ana's has taken 3 of its 5: 6 are free, 2 of them promised
        assert "only 4.0 GB are free" in in_a_thread(4.5e9)
        assert in_a_thread(3.9e9) == ""
    assert in_a_thread(5.5e9) == ""  # nothing is promised any more


def test_jobs_of_seconds_do_not_wait_for_those_of_minutes() -> None:
    queues = Queues.of(total=1, each=1)
    long = Held(queues.long, "ana")
    assert long.began.wait(10)
    short = [Held(queues.short, "ana") for _ in range(3)]
    deadline = time.monotonic() + 10
    while sum(job.began.is_set() for job in short) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    (third,) = [job for job in short if not job.began.is_set()]
    third.waits("waiting: place 1 of 1 in the queue")
    for job in (long, *short):
        job.end.set()
    for job in (long, *short):
        job.finish()


def test_a_queue_of_none_is_refused() -> None:
    with pytest.raises(MEAGraphError, match="a job or more"):
        Queue(total=0)

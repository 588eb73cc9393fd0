"""The session's one job: what it says while it is at work, and that it says nothing more at its end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import pytest

from meaviz.jobs import main_job
from meaviz.jobs.chain import Hand
from meaviz.jobs.main_job import MainJob
from meaviz.session import Session


class LateRunner:
    """Its work is done before anyone looks; ``finish`` is the first look."""

    made: ClassVar[list[LateRunner]] = []

    def __init__(self, *arguments: Any) -> None:
        self.busy = False
        self.made.append(self)

    def start(self, work: Callable[..., Any], done: Callable[[Any], None], failed: Callable[[str], None]) -> None:
        self.busy, self.result, self.done = True, work(lambda *progress: None), done

    def finish(self) -> None:
        self.busy = False
        self.done(self.result)


def test_steps_that_were_over_before_anyone_looked_are_not_said_to_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(main_job, "JobRunner", LateRunner)
    session, hand, taken = Session(author="Ana"), Hand(), []
    job = MainJob(session)

    def work(progress: Any) -> None:
        for step in ("model", "map"):
            hand.give(job.now, step)
            hand.give(taken.append, step)

    job.start("model", work, lambda result: hand.take(), meanwhile=hand.take)
    assert session.activity.running == "model"
    LateRunner.made[-1].finish()
    assert taken == ["model", "map"]
    assert session.activity.running == ""

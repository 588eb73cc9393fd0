"""What a job that failed says to the user."""

from __future__ import annotations

import logging
import threading
import time

import pytest

from meagraph.errors import Cancelled, MEAGraphError
from meagraph.progress import Progress
from meaviz.jobs.runner import Job, end_jobs, explain


@pytest.mark.parametrize("error", [MemoryError("std::bad_alloc"), RuntimeError("CPU: can't allocate memory: 9 bytes")])
def test_memory_that_ran_out_names_the_step(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    def work(progress) -> None:
        progress(1, 3, "descriptors")
        raise error

    job = Job(work)
    job.start()
    job.join(60)
    with caplog.at_level(logging.ERROR):
        message = explain(job.error, job.message)
    assert message.startswith("There is not enough memory to go on at the step 'descriptors'. Give fewer structures")
    assert "Traceback" not in caplog.text


def test_other_failures_keep_their_words(caplog: pytest.LogCaptureFixture) -> None:
    assert explain(MEAGraphError("Expected a cell."), "descriptors") == "Expected a cell."
    assert explain(RuntimeError("odd"), "map").startswith("This should not have happened: RuntimeError: odd.")


def test_jobs_end_with_the_process() -> None:
    """All are asked to stop, and waited for no longer than said."""

    def obedient(progress: Progress) -> None:
        while True:
            progress(0, 1, "at work")
            time.sleep(0.01)

    release = threading.Event()
    jobs = [Job(obedient), Job(obedient), Job(lambda progress: release.wait(60))]
    for job in jobs:
        job.start()
    begun = time.monotonic()
    end_jobs(1.0)
    assert time.monotonic() - begun < 30.0  # not the minute that the third takes
    assert [job.is_alive() for job in jobs] == [False, False, True]
    assert isinstance(jobs[0].error, Cancelled)
    release.set()
    jobs[2].join(10)

"""What a job that failed says to the user."""

from __future__ import annotations

import logging

import pytest

from meagraph.errors import MEAGraphError
from meaviz.jobs.runner import Job, explain


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

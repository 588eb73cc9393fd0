"""What a test leaves at work: it would go on into the next test, whose cache it would write into."""

from __future__ import annotations

import sys
import time
from typing import Any


def jobs_at_work() -> list[Any]:
    """The jobs of the app that have not ended, of all its sessions."""
    runner = sys.modules.get("meaviz.jobs.runner")  # where nobody has imported it there are none
    return [] if runner is None else runner.jobs_at_work()


def wait_for_jobs(*, cancel: bool = False, timeout: float = 120.0) -> None:
    """Wait until no job is at work, after asking those there are to stop where ``cancel`` says so."""
    deadline = time.monotonic() + timeout
    for job in jobs_at_work():
        if cancel:
            job.cancel()
    for job in jobs_at_work():
        job.join(max(0.0, deadline - time.monotonic()))
        assert not job.is_alive(), f"a job is still at work after {timeout:g} s: {job.message!r}"

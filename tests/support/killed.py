"""Processes that are killed while they work."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable


def kill_while(work: Callable[[Callable[[int], object]], object], moment: float) -> int:
    """Run ``work`` in a process of its own and kill it ``moment`` seconds after the first number that it tells.

    ``work`` is given what tells a number; returned is the last one that it told.
    """
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            work(lambda number: os.write(write, f"{number}\n".encode()))
        finally:
            os._exit(1)
    os.close(write)
    with os.fdopen(read) as told:
        said = [told.readline()]
        time.sleep(moment)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        said += told.readlines()
    return int([line for line in said if line.endswith("\n")][-1])

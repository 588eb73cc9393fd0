"""What a process and its children have used up to now, those that still work too: the system counts them when they end.

Reads ``/proc``, so it is for Linux.
"""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path


def processor_seconds() -> float:
    """Of this process and of its children."""
    hertz = os.sysconf("SC_CLK_TCK")
    return sum(os.times()[:4]) + sum(int(ticks) for child in _children() for ticks in child[11:13]) / hertz


def children_gb() -> float:
    """Memory that the children hold together now."""
    return sum(int(child[21]) for child in _children()) * resource.getpagesize() / 1e9


def _children() -> Iterator[list[str]]:
    """Of each child that works: the fields of its ``/proc/PID/stat`` from the state on."""
    for one in Path(f"/proc/{os.getpid()}/task").glob("*/children"):
        for child in one.read_text().split():
            with suppress(OSError):
                yield Path(f"/proc/{child}/stat").read_text().rsplit(")", 1)[1].split()

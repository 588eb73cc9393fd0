"""What a worker of this machine loads as it starts: Ctrl+C is for the command, which then ends its workers."""

from __future__ import annotations

import signal
from typing import Any


def dask_setup(worker: Any) -> None:
    """Called by Dask in the main thread of a ``worker``."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

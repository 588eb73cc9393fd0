"""Sums that come out the same wherever they are made."""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_lock = threading.Lock()
_limited: list[Any] = []  # the limit, once for each who is within it


@contextmanager
def one_thread() -> Iterator[None]:
    """Products of matrices by one thread, as workers make them: with several the last bit may differ.

    Several threads of a process may be within it at once; the last that leaves takes the limit away.
    """
    with _lock:
        _limited.append(_limited[0] if _limited else _libraries().limit(limits=1, user_api="blas"))
    try:
        yield
    finally:
        with _lock:
            limit = _limited.pop()
            if not _limited:
                limit.restore_original_limits()


@functools.cache
def _libraries() -> Any:
    import scipy.linalg  # noqa: F401 - with a library of its own, which must be there to be found
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()

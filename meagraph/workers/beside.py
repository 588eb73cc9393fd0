"""Processes of this machine that take a chunk each, where nobody named other workers."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from joblib import Parallel, delayed

C = TypeVar("C")
T = TypeVar("T")


def beside(function: Callable[[C], T], chunks: Iterable[C], processes: int) -> Iterator[T]:
    """What ``function`` makes of each of the ``chunks``, in their order, by so many ``processes`` beside this one.

    They are told the chunk itself, so it should be small. Raises what the function raises, and
    :class:`concurrent.futures.BrokenExecutor` where a process died. What is on its way when nobody asks any more is
    cancelled.
    """
    found = Parallel(n_jobs=processes, return_as="generator")(delayed(function)(chunk) for chunk in chunks)
    try:
        yield from found
    finally:
        with warnings.catch_warnings():  # it warns of results that nobody took
            warnings.simplefilter("ignore", UserWarning)
            found.close()

"""Processes of this machine, or threads, that take a chunk each, where nobody named other workers."""

from __future__ import annotations

import os
import warnings
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from joblib import Parallel, delayed

C = TypeVar("C")
T = TypeVar("T")


def processes_for(environments: int, above: int) -> int:
    """How many processes share the work over so many ``environments``: as many as cores, where these are ``above``.

    Of fewer this one is done before others have started, which takes seconds.
    """
    return (os.cpu_count() or 1) if environments > above else 1


def beside(function: Callable[[C], T], chunks: Iterable[C], processes: int) -> Iterator[T]:
    """What ``function`` makes of each of the ``chunks``, in their order, by so many ``processes`` beside this one.

    They are told the chunk itself, so it should be small. Raises what the function raises, and
    :class:`concurrent.futures.BrokenExecutor` where a process died. What is on its way when nobody asks any more is
    cancelled.
    """
    found = Parallel(n_jobs=processes, return_as="generator")(delayed(function)(chunk) for chunk in chunks)
    try:
        for one in found:  # noqa: UP028 - "yield from" would close it before its warning is caught
            yield one
    finally:
        with warnings.catch_warnings():  # it warns of results that nobody took
            warnings.simplefilter("ignore", UserWarning)
            found.close()


def in_threads(function: Callable[[C], T], chunks: Iterable[C], threads: int) -> Generator[T]:
    """The same by so many ``threads`` of this process: for what is done without the interpreter.

    No more chunks than threads are worked on or done and not taken yet. Raises what the function raises.
    """
    if threads == 1:
        yield from map(function, chunks)
        return
    waiting: deque[Future[T]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for chunk in chunks:
                if len(waiting) == threads:
                    yield waiting.popleft().result()
                waiting.append(pool.submit(function, chunk))
            while waiting:
                yield waiting.popleft().result()
        finally:
            for one in waiting:
                one.cancel()

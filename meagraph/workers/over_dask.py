"""The workers of a Dask client as an executor whose futures end whatever becomes of the cluster."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any

ASKED = 2.0  # seconds between two questions to the scheduler of how many workers there are
ANSWER = 5.0  # seconds for the answer


class OverDask(Executor):
    """Tasks of a ``client`` of Dask.

    Dask's own executor leaves a future pending for ever where fetching its result fails, and counts a failed task again
    by itself.
    """

    def __init__(self, client: Any) -> None:
        self.client = client
        self._asked = -ASKED
        self._known = 0
        self._one = threading.Lock()

    def submit(self, function: Callable[..., Any], /, *given: Any, **named: Any) -> Future[Any]:
        """Start ``function`` on a worker. Raises ConnectionError where the scheduler is lost."""
        self._check()
        task = self.client.submit(function, *given, **named, pure=False, retries=0)
        coming: Future[Any] = Future()

        def cancelled(coming: Future[Any]) -> None:
            if coming.cancelled() and task.status != "cancelled":
                self.client.loop.add_callback(task.release)  # what nobody waits for is not begun

        coming.add_done_callback(cancelled)
        self.client.loop.add_callback(_follow, task, coming)
        return coming

    def count(self) -> int:
        """How many threads the workers have at present. Raises ConnectionError where the scheduler is lost."""
        self._check()
        with self._one:
            if time.monotonic() >= self._asked + ASKED:
                try:
                    threads = self.client.sync(self.client.scheduler.ncores, callback_timeout=ANSWER)
                    self._known = sum(threads.values())
                except TimeoutError:  # busy, or lost: the client soon knows
                    self._check()
                self._asked = time.monotonic()
        return self._known

    def _check(self) -> None:
        if self.client.status != "running":
            raise ConnectionError(f"the client is {self.client.status}")


async def _follow(task: Any, coming: Future[Any]) -> None:
    """Hand on what becomes of a ``task``."""
    try:
        result = await task._result()
    except BaseException as error:  # whatever it is, somebody waits
        if task.status == "cancelled" or isinstance(error, asyncio.CancelledError):
            if coming.cancel():
                coming.set_running_or_notify_cancel()
        elif coming.set_running_or_notify_cancel():
            coming.set_exception(error)
    else:
        if coming.set_running_or_notify_cancel():
            coming.set_result(result)
    finally:
        task.release()

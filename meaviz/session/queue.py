"""The queue of a server's long jobs: how many run at once, of all users and of each, and who is next."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial

from meagraph.errors import MEAGraphError
from meagraph.memory import free

POLL = 0.2  # s between two looks at whether it is one's turn
LEFT = 1e9  # bytes that a job must find free, or the whole server may be killed for what it takes
MOST_WAITING = 5  # jobs of one user that wait


class Queue:
    """First come, first served, but no user has more than ``each`` jobs at work while others wait.

    ``budget`` is how many bytes the server may hold: a job that finds less than LEFT of it, or of the machine, is
    refused before it starts. One is shared by all sessions of a server.
    """

    def __init__(self, total: int = 2, each: int = 1, budget: float | None = None) -> None:
        if total < 1 or each < 1:
            raise MEAGraphError(f"Expected a job or more at once, got {total} of all and {each} a user.")
        self.total, self.each, self.budget = total, each, budget
        self._change = threading.Condition()
        self._waiting: list[tuple[object, str]] = []
        self._at_work: list[str] = []

    @contextmanager
    def turn(self, user: str, tell: Callable[[str], object]) -> Iterator[None]:
        """Wait for a turn of ``user``, and hold it. ``tell`` is told the place meanwhile, and may raise to give up.

        Raises MEAGraphError where the user has too many that wait, or the memory does not suffice for another job.
        """
        ticket = object()
        with self._change:
            if sum(name == user for _, name in self._waiting) >= MOST_WAITING:
                raise MEAGraphError(
                    f"{MOST_WAITING} jobs of yours are waiting already. Cancel one in another window, or wait."
                )
            self._waiting.append((ticket, user))
        try:
            while not self._begin(ticket, user):
                place, of = self.place(ticket)
                tell(f"waiting: place {place} of {of} in the queue")
                with self._change:
                    self._change.wait(POLL)
        except BaseException:
            self._leave(ticket)
            raise
        try:
            self._afford()
            yield
        finally:
            with self._change:
                self._at_work.remove(user)
                self._change.notify_all()

    def turn_of(self, user: str) -> Callable[[Callable[[str], object]], AbstractContextManager[None]]:
        """:meth:`turn` of one user, for who is to know no other."""
        return partial(self.turn, user)

    def place(self, ticket: object) -> tuple[int, int]:
        """The place of a ticket among those that wait, from 1, and how many there are."""
        with self._change:
            tickets = [one for one, _ in self._waiting]
            return (tickets.index(ticket) + 1 if ticket in tickets else 0), len(tickets)

    def _begin(self, ticket: object, user: str) -> bool:
        with self._change:
            if len(self._at_work) >= self.total:
                return False
            counts = Counter(self._at_work)
            first = next((one for one, name in self._waiting if counts[name] < self.each), None)
            if first is not ticket:
                return False
            self._waiting = [one for one in self._waiting if one[0] is not ticket]
            self._at_work.append(user)
            return True

    def _leave(self, ticket: object) -> None:
        with self._change:
            self._waiting = [one for one in self._waiting if one[0] is not ticket]
            self._change.notify_all()

    def _afford(self) -> None:
        held = resident()
        left = free() if self.budget is None else min(free(), self.budget - held)
        if left < LEFT:
            limit = "this machine" if self.budget is None else f"its budget of {self.budget / 1e9:.1f} GB"
            raise MEAGraphError(
                f"The server holds {held / 1e9:.1f} GB, and of {limit} only {max(left, 0) / 1e9:.1f} GB are free: a "
                f"job needs {LEFT / 1e9:.0f} GB at least. Wait until others have closed their pages, or "
                "ask for a larger budget (--memory)."
            )


def resident() -> float:
    """Bytes that this process holds; 0 where the system does not say."""
    try:
        with open("/proc/self/statm", encoding="ascii") as stream:
            pages = int(stream.read().split()[1])
        import resource

        return float(pages * resource.getpagesize())
    except (OSError, ValueError, ImportError):
        return 0.0

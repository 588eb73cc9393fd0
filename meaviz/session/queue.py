"""The queue of a server's long jobs: how many run at once, of all users and of each, and who is next."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial

from meagraph.errors import MEAGraphError
from meagraph.progress import Progress
from meaviz.session.budget import Budget

POLL = 0.2  # s between two looks at whether it is one's turn
MOST_WAITING = 5  # jobs of one user that wait
SHORT = 2  # jobs of seconds at once, of one user, too: a page shows what several of them find

Turn = Callable[[Callable[[str], object]], AbstractContextManager[None]]


class Queue:
    """First come, first served, but no user has more than ``each`` jobs at work while others wait.

    A job that the ``budget`` has no memory for is refused before it starts.
    """

    def __init__(self, total: int = 2, each: int = 1, budget: Budget | None = None) -> None:
        if total < 1 or each < 1:
            raise MEAGraphError(f"Expected a job or more at once, got {total} of all and {each} a user.")
        self.total, self.each, self.budget = total, each, budget or Budget()
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
            with self.budget.job():
                yield
        finally:
            with self._change:
                self._at_work.remove(user)
                self._change.notify_all()

    def turn_of(self, user: str) -> Turn:
        """:meth:`turn` of one user, for who is to know no other."""
        return partial(self.turn, user)

    @property
    def at_work(self) -> tuple[str, ...]:
        """Whose jobs are at work."""
        with self._change:
            return tuple(self._at_work)

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


@dataclass(frozen=True, eq=False)
class Queues:
    """Those of a server, shared by all its sessions: of jobs of minutes, and of jobs of seconds beside them."""

    long: Queue
    short: Queue
    budget: Budget

    @classmethod
    def of(cls, total: int = 2, each: int = 1, limit: float | None = None) -> Queues:
        """``total`` jobs of minutes at once, ``each`` of one user, none that takes more than ``limit`` bytes in all.

        Raises MEAGraphError for less than one job.
        """
        budget = Budget(limit)
        return cls(Queue(total, each, budget), Queue(max(SHORT, total), max(SHORT, each), budget), budget)


@dataclass(frozen=True, eq=False)
class Turns:
    """What the jobs of one user's session wait for: nothing where there are no ``queues``."""

    user: str
    queues: Queues | None = None

    @property
    def long(self) -> Turn | None:
        """For a job of minutes."""
        return None if self.queues is None else self.queues.long.turn_of(self.user)

    @property
    def short(self) -> Turn | None:
        """For a job of seconds."""
        return None if self.queues is None else self.queues.short.turn_of(self.user)

    @contextmanager
    def hold(self, progress: Progress, *, short: bool = False) -> Iterator[None]:
        """Wait for a turn for a job of minutes, or of seconds, and hold it; ``progress`` is told the place.

        Raises what it raises, and MEAGraphError where the job is refused.
        """
        turn = self.short if short else self.long
        if turn is None:
            yield
            return
        with turn(lambda words: progress(0, 1, words)):
            yield

    def promise(self, needs: float, what: str) -> None:
        """Called in the thread of a job that needs so many bytes for ``what``. Raises MEAGraphError for too many."""
        if self.queues is not None:
            self.queues.budget.promise(needs, what)

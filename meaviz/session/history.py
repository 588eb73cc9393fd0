"""What something was, step by step: undo and redo."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, TypeVar

T = TypeVar("T")


class History(Generic[T]):
    """The latest states of something, at most ``most`` of them, and the place of the present one."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._states: list[T] = []
        self._place = -1

    def start(self, state: T) -> None:
        """Forget everything and begin with ``state``."""
        self._states, self._place = [state], 0

    def push(self, state: T) -> None:
        """Note the next state; what was undone is gone. A state equal to the present one is no step."""
        if self._states and self._states[self._place] == state:
            return
        self._states = [*self._states[: self._place + 1], state][-self._most :]
        self._place = len(self._states) - 1

    def amend(self, state: T) -> None:
        """Let the present state be ``state``; what was undone is gone."""
        self._states = [*self._states[: self._place], state]
        self._place = len(self._states) - 1

    def resume(self, states: Sequence[T], place: int) -> None:
        """Go on from what :attr:`all` was once; from nothing where it fits together no more."""
        self._states = list(states)[-self._most :]
        self._place = place if 0 <= place < len(self._states) else len(self._states) - 1

    @property
    def all(self) -> tuple[tuple[T, ...], int]:
        """Every state that is known, and the place of the present one."""
        return tuple(self._states), self._place

    @property
    def present(self) -> T | None:
        """The present state; None before there is one."""
        return self._states[self._place] if self._states else None

    @property
    def can_undo(self) -> bool:
        """There is a state before."""
        return self._place > 0

    @property
    def can_redo(self) -> bool:
        """There is a state after."""
        return self._place + 1 < len(self._states)

    def move(self, by: int) -> T | None:
        """Go one state back (-1) or forth (1) and return it; None where there is none."""
        if not 0 <= self._place + by < len(self._states):
            return None
        self._place += by
        return self._states[self._place]

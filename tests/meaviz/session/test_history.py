"""Undo and redo, of anything and of selections."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meaviz.session.history import History
from meaviz.session.selection import STEPS
from tests.support.made_up import session_of


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(st.integers(0, 3), st.just("undo"), st.just("redo")), max_size=30))
def test_history_is_that_of_two_stacks(steps: list[int | str]) -> None:
    """The obvious history, two stacks, is the oracle."""
    history: History[int] = History(100)
    now = 0
    history.start(now)
    before: list[int] = []
    after: list[int] = []
    for step in steps:
        if isinstance(step, str):
            source, target = (before, after) if step == "undo" else (after, before)
            moved = history.move(-1 if step == "undo" else 1)
            if not source:
                assert moved is None
                continue
            target.append(now)
            now = source.pop()
            assert moved == now
        else:
            history.push(step)
            if step != now:
                before.append(now)
                after.clear()
                now = step
        assert (history.can_undo, history.can_redo) == (bool(before), bool(after))


def test_the_oldest_states_are_forgotten() -> None:
    history: History[int] = History(5)
    assert history.move(-1) is None
    for state in range(12):
        history.push(state)
    moved = [history.move(-1) for _ in range(5)]
    assert moved == [10, 9, 8, 7, None]
    history.push(20)  # what was undone is gone
    assert not history.can_redo
    assert history.move(-1) == 7


def test_selections_are_undone_with_all_their_environments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEAVIZ_DATA_HOME", str(tmp_path))
    selection = session_of(200, 20).selection
    for row in range(150):
        selection.select_rows([row])
    selection.select_rows([149])  # the same again is no step
    undone = 0
    while selection.history.can_undo:
        selection.move_in_history(-1)
        undone += 1
    assert undone == STEPS - 1
    assert np.flatnonzero(selection.mask).tolist() == [150 - STEPS]
    selection.move_in_history(1)
    assert np.flatnonzero(selection.mask).tolist() == [151 - STEPS]
    selection.select_rows([7, 8], "add")
    assert not selection.history.can_redo

"""Memory is handed back once for all sessions that end together."""

from __future__ import annotations

import threading

import pytest

from meaviz.session import ending


def test_sessions_that_end_together_are_one_piece_of_work(monkeypatch: pytest.MonkeyPatch) -> None:
    done = threading.Semaphore(0)
    monkeypatch.setattr(ending, "AFTER", 0.1)
    monkeypatch.setattr(ending, "hand_back", done.release)
    for _ in range(3):
        ending.hand_back_soon()
    assert done.acquire(timeout=60)
    assert not done.acquire(timeout=0.3)
    ending.hand_back_soon()
    assert done.acquire(timeout=60)

"""A session with a finished analysis, for tests of projects."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from meaviz.session import Session
from tests.support.finished import Finished
from tests.support.projects import session_that_shows


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's data folder of one test."""
    monkeypatch.setenv("MEAVIZ_DATA_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def shown(known: Finished) -> Callable[[], Session]:
    """``shown()``: a new session that shows the finished analysis, as opening its file would."""

    return lambda: session_that_shows(known)

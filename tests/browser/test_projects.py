"""A reload and a wrong step lose nothing: the page goes on where it was."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from meaviz.app import build
from meaviz.session import Session
from tests.support.browser import Served, wait_figure, wait_until
from tests.support.finished import Finished
from tests.support.projects import save, session_that_shows

PREVENTED = """() => addEventListener("keydown", (event) => setTimeout(() => {
  window.__prevented = event.defaultPrevented;
}), true)"""


@pytest.fixture
def project(known: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a finished analysis."""
    monkeypatch.setenv("MEAVIZ_DATA_HOME", str(tmp_path / "home"))
    return save(session_that_shows(known), tmp_path / "niobium.meaviz")


def test_a_page_goes_on_where_it_was(
    serve: Callable[..., Served], page: Page, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sessions: list[Session] = []

    def app() -> Any:
        sessions.append(Session(author="ada"))
        return build([project], session=sessions[-1], keep=True)

    served = serve(app)
    page.goto(served.url)
    wait_figure(page, "map")
    saved = page.get_by_role("button", name="niobium · saved")
    expect(saved).to_be_visible()
    page.keyboard.press("]")
    wait_until(page, lambda: sessions[0].selection.any, what="a cluster is selected")
    chosen = np.flatnonzero(sessions[0].selection.mask)
    expect(saved).to_be_visible()
    page.reload()
    wait_figure(page, "map")
    wait_until(page, lambda: len(sessions) == 2 and sessions[1].selection.any, what="the selection is there again")
    assert np.flatnonzero(sessions[1].selection.mask).tolist() == chosen.tolist()
    expect(saved).to_be_visible()
    page.keyboard.press("Control+z")
    wait_until(page, lambda: not sessions[1].selection.any, what="the selection is undone")
    expect(page.get_by_text("Undone: selection")).to_be_visible()
    page.keyboard.press("Control+Shift+z")
    wait_until(page, lambda: sessions[1].selection.any, what="and done again")
    page.evaluate(PREVENTED)
    page.get_by_role("textbox", name="Search").press("Control+s")  # is not the browser's own while somebody types
    page.wait_for_function("() => window.__prevented === true")

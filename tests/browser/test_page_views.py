"""What a visit in a browser leaves behind on the server."""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from weakref import WeakSet

import pytest
from playwright.sync_api import Page, expect

from meaviz.app import TAB_KEYS, build
from meaviz.session import Session
from meaviz.views import TABS
from tests.support.browser import Served, open_page, wait_figure, wait_still, wait_until
from tests.support.made_up import session_of

CHECK = {"check_unused_sessions_milliseconds": 100}


@pytest.fixture(autouse=True)
def little_is_logged() -> Iterator[None]:
    """Panel logs the events of a page with what they hold, and pytest keeps what is logged."""
    logging.disable(logging.INFO)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.browser
def test_a_visit_to_every_tab_leaves_nothing(
    serve: Callable[..., Served], page: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A view that is made when its tab is opened shows what there is, and goes with its page."""
    monkeypatch.setenv("MEAVIZ_DATA_HOME", str(tmp_path))
    sessions: WeakSet[Session] = WeakSet()

    def app() -> Any:
        session = session_of(2000, 20)
        sessions.add(session)
        return build(session=session)

    server = serve(app, **CHECK)
    open_page(page, server)
    wait_figure(page, "map")
    page.keyboard.press("ArrowRight")
    for index, key in enumerate(TAB_KEYS):
        page.keyboard.press(key)
        expect(page.locator(f".tab-{index}")).to_be_visible()
    page.keyboard.press(TAB_KEYS[[title for title, _ in TABS].index("Pruning")])
    wait_still(page)
    page.goto("about:blank")

    def ended() -> bool:
        for one in server.sessions:
            one.request_expiration()  # heeded once the page has gone
        return not server.sessions

    wait_until(page, ended, what="the session has ended")

    def nothing_is_left() -> bool:
        gc.collect()
        return not sessions

    wait_until(page, nothing_is_left, 60, "the session is let go")

"""Fixtures of the tests that drive a real browser.

``serve(app)`` starts a Panel server for a function that returns the app; ``page`` is a fresh browser page,
which makes the test fail on an error of the page, and on a request to any host but the servers of the test.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.browser import (
    CHROMIUM_ARGUMENTS,
    DRAWN_DIRECTLY,
    PATIENCE,
    BrowserLog,
    Served,
    find_chromium,
    fresh_page,
)
from tests.support.required import unavailable

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from tests.support.whole_page import App


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that need a browser, so that ``-m "not browser"`` leaves them out."""
    for item in items:
        if "chromium" in getattr(item, "fixturenames", ()):
            item.add_marker("browser")


@pytest.fixture(scope="session")
def launch() -> Iterator[Callable[..., Browser]]:
    """``launch(*arguments)``: start a headless Chromium with software WebGL, which ends with the run."""
    path = find_chromium()
    if path is None:
        unavailable("no Chromium found (install one, or name it in MEAVIZ_CHROMIUM)")
    try:
        from playwright.sync_api import expect, sync_playwright
    except ImportError:
        unavailable("playwright is not installed (pip install playwright)")
    expect.set_options(timeout=PATIENCE * 1000)
    with sync_playwright() as playwright:
        begun: list[Browser] = []

        def start(*arguments: str) -> Browser:
            begun.append(playwright.chromium.launch(executable_path=path, args=[*CHROMIUM_ARGUMENTS, *arguments]))
            return begun[-1]

        yield start
        for browser in begun:
            browser.close()


@pytest.fixture(scope="session")
def chromium(launch: Callable[..., Browser]) -> Browser:
    """The one for the whole run."""
    return launch(*DRAWN_DIRECTLY)


@pytest.fixture
def browser_log() -> BrowserLog:
    """Record what the page does; a test that provokes an error removes it from ``errors``."""
    return BrowserLog()


@pytest.fixture
def serve(browser_log: BrowserLog) -> Iterator[Callable[[Callable[[], Any]], Served]]:
    """``serve(app)``: start a server for ``app`` (a function that returns a Panel object) on a free port."""
    running: list[Served] = []

    def start(app: Callable[[], Any], **options: Any) -> Served:
        served = Served(app, **options)
        running.append(served)
        browser_log.servers.add(served.host)
        return served

    yield start
    errors = [message for served in running for message in served.errors]
    for served in running:
        served.stop()
    assert not errors, f"the server logged errors: {errors}"


@pytest.fixture
def page(chromium: Browser, browser_log: BrowserLog) -> Iterator[Page]:
    """Give a fresh page of 1280 x 900 pixels (in place of pytest-playwright's fixture of this name)."""
    with fresh_page(chromium, browser_log) as page:
        yield page
    assert not browser_log.errors, f"errors on the page: {browser_log.errors}"
    assert not browser_log.external(), f"requests to other hosts: {browser_log.external()}"


@pytest.fixture(scope="module")
def opened(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The whole app on a page for all tests of a module."""
    from tests.support.whole_page import open_app

    with open_app(chromium, tmp_path_factory.mktemp("judgements")) as app:
        yield app


@pytest.fixture
def app(opened: App) -> Iterator[App]:
    """The whole app as on the first visit; the test fails on what the server logs as an error."""
    opened.tidy()
    yield opened
    assert not opened.served.errors, f"the server logged errors: {opened.served.errors}"

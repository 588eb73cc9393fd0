"""The whole app with made-up results on one page that serves many tests: opening it takes longer than any of them."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from meaviz.app import STOPS, TAB_KEYS, build
from meaviz.session import Session
from meaviz.style.palette import theme
from meaviz.views import TABS
from tests.support.browser import BrowserLog, Served, fresh_page, wait_figure, wait_still, wait_until
from tests.support.made_up import session_of

LEFT_AT = {"columns": 45, "rows": 52, "side": 400}  # where the panes were on the visit before
PANES = (".pane-map", ".pane-structure", ".pane-tabs")
FIND = """(selector) => {
  const walk = (root) => {
    for (const node of root.querySelectorAll("*")) {
      if (node.matches(selector)) return node;
      const found = node.shadowRoot && walk(node.shadowRoot);
      if (found) return found;
    }
  };
  return walk(document);
}"""
BEYOND = f"""(index) => {{
  const tab = ({FIND})(".tab-" + index);
  return [tab.scrollWidth - tab.clientWidth, tab.scrollHeight - tab.clientHeight];
}}"""
GROUND = f"""(wanted) => {{
  const paper = ({FIND})(".pane-structure").shadowRoot.querySelector(".MuiPaper-root");
  const channels = getComputedStyle(paper).backgroundColor.match(/\\d+/g).map(Number);
  return wanted.toLowerCase() === "#" + channels.map((one) => one.toString(16).padStart(2, "0")).join("");
}}"""
INSIDE = f"""(selectors) => selectors.map((selector) => {{
  const {{left, top, right, bottom}} = ({FIND})(selector).getBoundingClientRect();
  return [left, top, right, bottom];
}})"""


@dataclass(eq=False)
class App:
    """The page, what is behind it, and how it first looked."""

    page: Page
    session: Session
    served: Served
    at_first: list[list[float]]  # the panes

    def tab(self, index: int) -> None:
        """Bring a tab in front by its key."""
        self.page.keyboard.press(TAB_KEYS[index])
        title, _ = TABS[index]
        expect(self.page.get_by_role("tab", name=title, exact=True)).to_have_attribute("aria-selected", "true")
        expect(self.page.locator(f".tab-{index}")).to_be_visible()

    def set_theme(self, dark: bool) -> None:
        """Light or dark, and all colours have faded to it."""
        if self.session.appearance.dark != dark:
            self.page.keyboard.press("t")
            wait_until(self.page, lambda: self.session.appearance.dark == dark, what="the other theme")
            self.page.wait_for_function(GROUND, arg=theme(dark).raised)  # it takes the page a while
        wait_still(self.page)

    def tidy(self) -> None:
        """As on the first visit, but for flags and theme."""
        page = self.page
        for dialog in range(page.get_by_role("dialog").count()):  # noqa: B007
            page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_have_count(0)
        page.evaluate("() => document.activeElement?.blur()")
        self.served.run(self._forget)
        page.set_viewport_size({"width": 1280, "height": 720})
        self.tab(0)

    def _forget(self) -> None:
        self.session.appearance.whole = False
        self.session.selection.clear()
        self.session.selection.inspected = self.session.judging.candidate = -1


@contextlib.contextmanager
def open_app(chromium: Browser, folder: Path) -> Iterator[App]:
    """The app on made-up results, opened by somebody who has moved the panes but not seen the tour.

    What is judged lies in ``folder``.
    """
    log, made = BrowserLog(), []

    def app() -> Any:
        made.append(session_of(2000, 20))
        return build(session=made[-1])

    with pytest.MonkeyPatch.context() as patch, fresh_page(chromium, log) as page:
        patch.setenv("MEAVIZ_DATA_HOME", str(folder))
        served = Served(app)
        log.servers.add(served.host)
        page.context.add_init_script(f"localStorage['meaviz.panes'] ??= {json.dumps(json.dumps(LEFT_AT))}")
        page.set_viewport_size({"width": 1280, "height": 720})
        page.goto(served.url + "#first-visit")
        wait_figure(page, "map")
        served.run(lambda: None)

        # the tour starts by itself, and not again
        expect(page.get_by_role("dialog")).to_contain_text(STOPS[0].title)
        expect(page.get_by_role("button", name="Next", exact=True).last).to_be_focused()
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_have_count(0)
        assert page.evaluate("localStorage.getItem('meaviz.tour')") == "seen"
        wait_until(page, lambda: panes(page)[0][0] > LEFT_AT["side"], what="the steps as wide as they were left")
        wait_still(page)
        try:
            yield App(page, made[-1], served, panes(page))
        finally:
            served.stop()
    assert not log.errors, f"errors on the page: {log.errors}"
    assert not log.external(), f"requests to other hosts: {log.external()}"


def open_tab(
    serve: Callable[..., Served], page: Page, make: Callable[[], Session], title: str
) -> tuple[Served, Session]:
    """The app on what ``make`` makes, on a small screen, with the tab called ``title`` in front."""
    made: list[Session] = []

    def app() -> Any:
        made.append(make())
        return build(session=made[-1])

    served = serve(app)
    page.context.add_init_script("localStorage['meaviz.tour'] = 'seen'")
    page.set_viewport_size({"width": 1280, "height": 720})
    page.goto(served.url)
    wait_figure(page, "map")
    page.keyboard.press(TAB_KEYS[[name for name, _ in TABS].index(title)])
    return served, made[-1]


def panes(page: Page) -> list[list[float]]:
    """Left, top, right, bottom of the three panes in page pixels."""
    return page.evaluate(INSIDE, list(PANES))

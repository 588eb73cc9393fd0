"""The tab of what is known already, on the page: it fits a small screen, light and dark, and a click selects."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from meaviz.app import TAB_KEYS, build
from meaviz.session import Session
from meaviz.views import TABS
from tests.support.beside import session_beside
from tests.support.browser import Served, wait_figure, wait_until

INDEX = [title for title, _ in TABS].index("Known")
OVERFLOW = """(index) => {
  const found = [];
  const walk = (root) => { for (const node of root.querySelectorAll("*")) {
    if (node.classList?.contains("tab-" + index)) found.push(node);
    if (node.shadowRoot) walk(node.shadowRoot); } };
  walk(document);
  return found[0].scrollWidth - found[0].clientWidth;
}"""


@pytest.mark.browser
def test_the_tab_known_in_use(serve: Callable[..., Served], page: Page) -> None:
    made: list[Session] = []

    def app() -> Any:
        made.append(session_beside(1200, 20))
        return build(session=made[-1])

    served = serve(app)
    page.context.add_init_script("localStorage['meaviz.tour'] = 'seen'")
    page.set_viewport_size({"width": 1280, "height": 720})
    page.goto(served.url)
    wait_figure(page, "map")
    session = made[-1]
    page.keyboard.press(TAB_KEYS[INDEX])
    tab = page.locator(f".tab-{INDEX}")
    expect(tab).to_contain_text("beyond what is known")
    wait_until(page, lambda: session.planning.novelty is not None, what="the curve")
    wait_figure(page, "cover-curve")
    expect(tab.locator(".row")).to_have_count(40)
    assert page.evaluate(OVERFLOW, INDEX) <= 0
    first = session.data.novelty.ranked[0]
    tab.locator(".row").first.click()
    of = session.data.dataset.structure_of
    wait_until(page, lambda: set(of[session.selection.mask]) == {first}, what="the structure")
    page.get_by_role("button", name="Colour by novelty").click()
    wait_until(page, lambda: session.appearance.colour_by == "novelty", what="the colours")
    expect(page.locator(".map-legend")).to_contain_text("Novelty")

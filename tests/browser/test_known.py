"""The tab of what is known already, on the page: it fits a small screen, light and dark, and a click selects."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from meaviz.views import TABS
from tests.support.beside import session_beside
from tests.support.browser import Served, wait_figure, wait_until
from tests.support.whole_page import BEYOND, open_tab

INDEX = [title for title, _ in TABS].index("Known")


@pytest.mark.browser
def test_the_tab_known_in_use(serve: Callable[..., Served], page: Page) -> None:
    _, session = open_tab(serve, page, lambda: session_beside(1200, 20), "Known")
    tab = page.locator(f".tab-{INDEX}")
    expect(tab).to_contain_text("beyond what is known")
    wait_until(page, lambda: session.planning.novelty is not None, what="the curve")
    wait_figure(page, "cover-curve")
    expect(tab.locator(".row")).to_have_count(40)
    assert page.evaluate(BEYOND, INDEX)[0] <= 0
    first = session.data.novelty.ranked[0]
    tab.locator(".row").first.click()
    of = session.data.dataset.structure_of
    wait_until(page, lambda: set(of[session.selection.mask]) == {first}, what="the structure")
    page.get_by_role("button", name="Colour by novelty").click()
    wait_until(page, lambda: session.appearance.colour_by == "novelty", what="the colours")
    expect(page.locator(".map-legend")).to_contain_text("Novelty")

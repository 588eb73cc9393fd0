"""The tab of predictions on the page: it fits a small screen, keys and clicks select, a lasso selects everywhere."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from meaviz.views import TABS
from tests.support.browser import Served, data_to_page, drag, tool, wait_figure, wait_still, wait_until
from tests.support.made_up import session_of
from tests.support.predicted import errors_off
from tests.support.whole_page import BEYOND, open_tab

INDEX = [title for title, _ in TABS].index("Predictions")


@pytest.mark.browser
def test_the_tab_predictions_in_use(serve: Callable[..., Served], page: Page) -> None:
    served, session = open_tab(serve, page, lambda: session_of(1200, 20), "Predictions")
    tab = page.locator(f".tab-{INDEX}")
    expect(tab).to_contain_text("No predictions yet")
    served.run(lambda: session.set_errors(errors_off(session.data.dataset)))
    expect(tab).to_contain_text("worst 400.0 meV/atom")
    wait_figure(page, "parity")
    wait_still(page)
    assert max(page.evaluate(BEYOND, INDEX)) <= 0
    data = session.data.dataset

    # a box around the one structure that is off
    tool(page, "Box Select", within=tab)
    reference = float(data.energy[2] / data.sizes[2])
    corners = [(reference - 0.02, reference + 0.35), (reference + 0.02, reference + 0.45)]
    drag(page, data_to_page(page, "parity", corners))
    wait_until(page, lambda: set(data.structure_of[session.selection.mask]) == {2}, what="the structure in the box")

    # keys go along the parts; the first is where the error is largest
    tab.get_by_role("button", name="Group", exact=True).click()
    parts = tab.get_by_role("listbox", name="Errors by part")
    expect(parts.get_by_role("option").first).to_contain_text(re.compile(r"group 2\s*struct\. 9\s*RMSE"))
    parts.focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowDown")
    second = parts.get_by_role("option").nth(1)
    expect(second).to_have_attribute("aria-selected", "true")
    name = second.locator(".text").inner_text()
    of = data.groups[data.structure_of]
    wait_until(page, lambda: set(of[session.selection.mask]) == {name}, what="the second group")

    tab.get_by_role("button", name="Forces", exact=True).click()
    worst = tab.get_by_role("listbox", name="The worst").get_by_role("option").first
    expect(worst).to_contain_text("5,000")
    worst.click()
    wait_until(page, lambda: session.selection.inspected == 7, what="the worst atom in 3D")
    tab.get_by_role("button", name="Colour by error").click()
    expect(page.locator(".map-legend")).to_contain_text("Force error")

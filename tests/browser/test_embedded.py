"""The app in a cell: what the code sets is on the page, and what a person does there reaches the code."""

from __future__ import annotations

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from meagraph.inspection.selections import Selection
from meaviz.notebook import App
from tests.support.browser import BrowserLog, wait_until
from tests.support.finished import Finished


@pytest.mark.browser
def test_a_cell_and_the_code_share_a_selection(page: Page, browser_log: BrowserLog, known: Finished) -> None:
    found, heard = known.analysis, list[Selection]()
    size = found.dataset.n_environments
    app = App(found, port=0)
    try:
        own = app.url.replace("localhost", "127.0.0.1")  # the only name that this browser knows
        browser_log.servers.add(own.split("/")[2])
        cell = app._repr_html_().replace(app.url, own)
        app.on_selection(heard.append)
        app.selection = "fmax > 0"
        chosen = len(app.selection)
        page.set_content(cell)
        frame = page.frame_locator("iframe")
        expect(frame.get_by_text(f"{chosen} of {size} selected")).to_be_visible()

        app.selection = found.dataset.structure_of < 2
        expect(frame.get_by_text(f"{len(app.selection)} of {size} selected")).to_be_visible()
        app.inspected = 3
        expect(frame.locator("dl.facts dt:text-is('environment') + dd")).to_have_text("3")

        search = frame.get_by_role("textbox", name="Search")
        search.fill("structure == 4")
        search.press("Enter")
        expected = found.dataset.structure_of == 4
        wait_until(page, lambda: np.array_equal(app.selection.mask, expected), what="the selection of the page")
        np.testing.assert_array_equal(heard[-1].mask, expected)

        page.set_content(cell)  # shown again
        expect(frame.get_by_text(f"{int(expected.sum())} of {size} selected")).to_be_visible()
        assert app.inspected == 3
    finally:
        app.close()

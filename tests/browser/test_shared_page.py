"""The page to show others, opened by double click without network: it works, asks for nothing, and text stays text."""

from __future__ import annotations

from pathlib import Path

import ase.io
import numpy as np
import pytest
from playwright.sync_api import Page, expect

import meagraph as mg
from meagraph.datasets import read_dataset
from tests.support.browser import BrowserLog
from tests.support.results import survey_by_hand
from tests.support.structures import niobium_structures

RUN = "<img src=q onerror=window.__hit=1>"
EVIL = RUN + "<script>window.__hit=2</script></script>"
FILLED = """(id) => {
  const canvas = document.getElementById(id), {width, height} = canvas;
  return canvas.getContext("2d").getImageData(0, 0, width, height).data.some((value, i) => i % 4 === 3 && value);
}"""


def hostile_page(folder: Path) -> Path:
    """A page of a dataset with markup in all its texts, in three clusters."""
    frames = niobium_structures()
    for number, atoms in enumerate(frames[:-1]):
        atoms.info["config_type"] = f"{RUN} {number % 2}"
    ase.io.write(folder / f"{RUN}.extxyz", frames, format="extxyz")
    data = read_dataset(folder / f"{RUN}.extxyz")
    found = mg.Analysis(data, *survey_by_hand(data, {20: 4.0, 40: 3.0}))
    plan = mg.prune(found, keep=0.3, alpha=0.5)
    mg.share(found, folder / "page.html", plan=plan, title=EVIL, comment=EVIL)
    return folder / "page.html"


@pytest.mark.browser
def test_a_page_that_is_opened_offline(page: Page, browser_log: BrowserLog, tmp_path: Path) -> None:
    url = hostile_page(tmp_path).as_uri()
    browser_log.servers.add("")  # that of files
    page.context.set_offline(True)
    page.goto(url)
    page.wait_for_function("document.documentElement.dataset.ready")
    expect(page.locator("h1")).to_have_text(EVIL)
    expect(page.locator("#facts")).to_contain_text(f"Group{RUN} 0")
    assert page.evaluate(FILLED, "scene")

    box = page.locator("#map canvas").last.bounding_box()
    assert box is not None
    tip = page.locator("#tip")
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    for left, top in np.random.default_rng(0).normal(size=(60, 2)) * 60 + middle:
        page.mouse.move(left, top)
        if tip.is_visible():
            break
    expect(tip).to_contain_text(f"{RUN}.extxyz, frame ")

    page.get_by_role("button", name="Lasso").click()
    corners = [(0.01, 0.01), (0.99, 0.01), (0.99, 0.99), (0.01, 0.99)]
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in corners]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=3)
    page.mouse.up()
    expect(page.locator("#count")).to_have_text("145 of 145 points selected")
    page.keyboard.press("Escape")
    expect(page.locator("#count")).to_contain_text("145 points. ")
    page.locator("tr[data-cluster] button").first.click()
    expect(page.locator("tr.picked")).to_have_count(1)
    page.select_option("#colour", label="Group")
    page.locator("#legend button").first.click()
    expect(page.locator("#count")).to_contain_text(" of 145 points selected")

    before = page.locator("#facts").inner_text()
    page.locator("#map canvas").last.focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#facts")).not_to_have_text(before, use_inner_text=True)
    with page.expect_download() as started:
        page.get_by_role("button", name="Save list").click()
    assert f"{RUN} 0" in Path(started.value.path()).read_text(encoding="utf-8")

    assert page.evaluate("window.__hit") is None
    assert page.locator("img").count() == 0
    assert [one for one in browser_log.requests if not one.startswith("blob:")] == [url]
    assert not [line for line in browser_log.console if "error" in line.lower()]

"""The page around the views: tour, keys, panes, and what fits on small and large screens."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import panel as pn
import pytest
from playwright.sync_api import Page, expect

from meaviz.app import COLUMNS, NOTES, ROWS, SIDE, STOPS, TAB_KEYS
from meaviz.components.splitter import Splitter, after, before
from meaviz.views import TABS
from tests.support.browser import (
    Served,
    data_to_page,
    drag,
    figure_eval,
    open_page,
    wait_idle,
    wait_still,
    wait_until,
)
from tests.support.whole_page import LEFT_AT, App, panes

FOCUS_IN_DIALOG = """() => {
  let node = document.activeElement;
  while (node?.shadowRoot?.activeElement) node = node.shadowRoot.activeElement;
  for (; node && node !== document; node = node.getRootNode().host)
    if (node.closest("[role=dialog]")) return true;
  return false;
}"""
SQUARE = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
SPAN = "view.frame.x_range.end - view.frame.x_range.start"
FOLLOWS = "Math.abs(view.el.getBoundingClientRect().width - view.bbox.width) < 2"


def fits(page: Page, width: int, height: int) -> None:
    """Nothing of the three panes is cut off, and none lies on another."""
    wait_idle(page)
    the_map, structure, tabs = panes(page)
    for left, top, right, bottom in (the_map, structure, tabs):
        assert left >= 0
        assert top >= 48
        assert right <= width
        assert bottom <= height
        assert min(right - left, bottom - top) > 150
    assert the_map[2] <= structure[0]
    assert max(the_map[3], structure[3]) <= tabs[1]


@pytest.mark.browser
def test_the_tour_by_keyboard(app: App) -> None:
    """Forth, back, and out of it, started from the list of keys."""
    page = app.page
    page.keyboard.press("?")
    page.get_by_role("button", name="Show the tour").click()
    tour = page.get_by_role("dialog").filter(has_text=STOPS[0].title)
    expect(tour).to_be_visible()
    tour = page.get_by_role("dialog")
    expect(tour).to_have_count(1)
    expect(page.get_by_role("button", name="Next", exact=True).last).to_be_focused()
    for stop in STOPS[1:]:
        page.keyboard.press("ArrowRight")
        expect(tour).to_contain_text(stop.title)
    page.keyboard.press("ArrowLeft")
    expect(tour).to_contain_text(STOPS[-2].title)
    page.keyboard.press("Escape")
    expect(tour).to_have_count(0)


@pytest.mark.browser
def test_the_list_of_keys_holds_the_focus_and_gives_it_back(app: App) -> None:
    """And keys do nothing while it is open; it lists every key and gesture."""
    page, session = app.page, app.session
    opener = page.get_by_role("button", name="Keyboard", exact=True)
    opener.focus()
    page.keyboard.press("?")
    keys = page.get_by_role("dialog")
    expect(keys).to_contain_text("Flag the selection")
    for group, notes in NOTES.items():
        expect(keys.get_by_role("heading", name=group, exact=True)).to_have_count(1)
        for _, title in notes:
            expect(keys.get_by_text(title, exact=True)).not_to_have_count(0)
    for _ in range(4):
        page.keyboard.press("Tab")
        assert page.evaluate(FOCUS_IN_DIALOG)
    page.keyboard.press("x")
    page.keyboard.press("Escape")
    expect(keys).to_have_count(0)
    expect(opener).to_be_focused()
    assert not session.judging.flags.any()


@pytest.mark.browser
def test_keys_of_environments(app: App) -> None:
    """Step, flag, let go; in a field they are letters."""
    page, session = app.page, app.session
    page.keyboard.press("ArrowRight")
    wait_until(page, lambda: session.selection.inspected == 0, what="the first environment")
    page.keyboard.press("x")
    wait_until(page, lambda: session.judging.flags.any(), what="a flag")
    assert np.flatnonzero(session.judging.flags).tolist() == [0]
    page.keyboard.press("Shift+X")
    wait_until(page, lambda: not session.judging.flags.any(), what="no flag")
    page.keyboard.press("Escape")
    wait_until(page, lambda: session.selection.inspected == -1, what="nothing inspected")
    page.get_by_label("Files").fill("")
    page.get_by_label("Files").press_sequentially("xf?")
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert not session.judging.flags.any()
    page.get_by_label("Files").fill("")


@pytest.mark.browser
def test_keys_of_tabs(app: App) -> None:
    """Each has one."""
    assert len(TABS) == len(TAB_KEYS)
    for index in range(len(TABS)):
        app.tab(index)


@pytest.mark.browser
def test_keys_of_the_inbox_and_of_the_page_together(app: App) -> None:
    """J, K and U judge while the tab is in sight; the page's keys work while the list has the focus."""
    page, session = app.page, app.session
    candidates = session.data.survey.outliers.candidates
    app.tab([title for title, _ in TABS].index("Outliers"))
    listed = page.get_by_role("listbox", name="Outlier candidates")
    listed.get_by_role("option").first.click()
    wait_until(page, lambda: session.judging.candidate in candidates, what="a candidate")
    expect(listed).to_be_focused()
    first = session.judging.candidate
    for key, there in (("ArrowDown", False), ("k", True), ("j", False), ("ArrowUp", True)):
        page.keyboard.press(key)
        wait_until(page, lambda there=there: (session.judging.candidate == first) == there, what=f"what {key} goes to")
        here = listed.get_by_role("option").nth(0 if there else 1)  # the next key counts from what the browser shows
        expect(here).to_have_attribute("aria-selected", "true")
    page.keyboard.press("a")
    wait_until(page, lambda: session.judging.flags[first], what="an outlier")
    page.keyboard.press("u")
    wait_until(page, lambda: not session.judging.flags.any(), what="the judgement taken back")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    listed.focus()
    app.tab(1)


@pytest.mark.browser
def test_the_map_takes_the_whole_window_and_gives_it_back(app: App) -> None:
    """With its selection, legend and facts; not while somebody types."""
    page, session = app.page, app.session
    before, xy = panes(page), session.data.survey.projection.xy
    search = page.get_by_role("textbox", name="Search")
    search.fill("")
    search.press_sequentially("f")
    assert search.input_value() == "f"
    assert not session.appearance.whole
    search.fill("")
    search.evaluate("(field) => field.blur()")

    page.keyboard.press("f")
    wait_until(page, lambda: panes(page)[0] == [0, 0, 1280, 720], what="the map over the whole window")
    wait_until(page, lambda: figure_eval(page, "map", "view.bbox.width") > 1270, what="a figure as wide")
    wait_still(page)
    expect(page.locator(".map-legend")).to_be_visible()
    expect(page.get_by_role("combobox", name="Colour by")).to_be_visible()
    places = data_to_page(page, "map", xy)
    legend = page.locator(".map-legend").bounding_box()
    assert max(x for x, _ in places) < legend["x"]  # everything is in sight, and nothing under the legend
    blob = xy[session.data.survey.clusters.labels == 0]
    drag(page, data_to_page(page, "map", [blob.mean(axis=0) + corner for corner in SQUARE]))
    wait_until(page, lambda: session.selection.mask.any(), what="a lasso")
    row = int(np.flatnonzero(session.selection.mask)[0])
    page.mouse.click(*data_to_page(page, "map", xy[row : row + 1])[0])
    wait_until(page, lambda: session.selection.inspected >= 0, what="an environment")
    wait_until(page, lambda: panes(page)[1][2:] == [1270, 710], what="3D view and facts on the map")
    expect(page.locator(".pane-structure").get_by_text("structure", exact=True)).to_be_visible()

    page.keyboard.press("Escape")
    wait_until(page, lambda: panes(page) == before, what="the panes as before")
    assert session.selection.mask.any()  # the key did this one thing
    assert session.selection.inspected >= 0
    page.get_by_role("button", name="The map in the whole window").click()
    wait_until(page, lambda: session.appearance.whole, what="the whole window by the button")
    app.tab(2)  # what is asked for comes into sight
    wait_until(page, lambda: panes(page) == before, what="the panes as before")


@pytest.mark.browser
def test_keys_of_the_map(app: App) -> None:
    """Search, modes, history, inverting, growing and zooming without the mouse."""
    page, session = app.page, app.session
    labels = session.data.survey.clusters.labels
    whole = figure_eval(page, "map", SPAN)
    page.keyboard.press("/")
    search = page.get_by_role("textbox", name="Search")
    expect(search).to_be_focused()
    page.keyboard.type("12")
    page.keyboard.press("Enter")
    first = session.data.dataset.structure_of == 12
    wait_until(page, lambda: np.array_equal(session.selection.mask, first), what="the structure of this number")
    search.evaluate("(field) => field.blur()")
    for key, wanted in (
        ("i", ~first),
        ("z", first),
        ("Shift+Z", ~first),
        ("z", first),
        ("g", np.isin(labels, labels[first])),
        ("z", first),
    ):
        page.keyboard.press(key)
        wait_until(
            page, lambda wanted=wanted: np.array_equal(session.selection.mask, wanted), what=f"what {key} selects"
        )
    reach = np.ptp(session.data.survey.projection.xy[first, 0])
    page.keyboard.press(".")
    wait_until(page, lambda: figure_eval(page, "map", SPAN) == pytest.approx(reach, rel=0.3), what="a closer view")
    page.keyboard.press("Escape")
    wait_until(page, lambda: not session.selection.mask.any(), what="no selection")
    page.keyboard.press(".")
    wait_until(page, lambda: figure_eval(page, "map", SPAN) == pytest.approx(whole, rel=0.01), what="the whole map")
    for key, label in (("]", 0), ("]", 1), ("[", 0), ("[", labels.max()), ("]", 0)):
        page.keyboard.press(key)
        wait_until(
            page, lambda label=label: np.array_equal(session.selection.mask, labels == label), what=f"cluster {label}"
        )
    page.keyboard.press("Escape")
    for mode in ("Add", "Remove", "Overlap", "New"):
        page.keyboard.press("m")
        expect(page.get_by_role("button", name=mode, exact=True)).to_have_attribute("aria-pressed", "true")

    # the 3D view keeps its own keys while it has the focus: the page's "-" is a tab
    viewer = page.get_by_role("application")
    viewer.focus()
    page.keyboard.press("-")
    app.tab(1)
    viewer.evaluate("(view) => view.blur()")


def dragged(page: Page, name: str, by: float) -> None:
    """Drag an upright bar sideways."""
    box = page.get_by_role("separator", name=name).bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 5, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + 5 + by, box["y"] + 60, steps=4)
    page.mouse.up()


def stored(page: Page) -> dict[str, float]:
    """Where the browser remembers the panes to be."""
    return json.loads(page.evaluate("localStorage.getItem('meaviz.panes')"))


@pytest.mark.browser
def test_panes_are_where_they_were_left_and_can_be_moved(app: App) -> None:
    """Dragged, by keyboard, remembered, put back; figures follow."""
    page = app.page
    bars = {
        "columns": (page.get_by_role("separator", name="Width of the map"), COLUMNS),
        "rows": (page.get_by_role("separator", name="Height of map and 3D view"), ROWS),
        "side": (page.get_by_role("separator", name="Width of the steps"), SIDE["initial"]),
    }
    for bar, initial in bars.values():
        bar.press("Enter")
        expect(bar).to_have_attribute("aria-valuenow", f"{initial:.0f}")
    the_map, structure, tabs = app.at_first
    left = the_map[0] - (LEFT_AT["side"] - SIDE["initial"])
    wait_until(page, lambda: panes(page)[0][0] == pytest.approx(left, abs=2), what="steps as wide as at first")
    fits(page, 1280, 720)
    wait_until(page, lambda: figure_eval(page, "map", FOLLOWS), what="a figure as wide as its place")
    before, width = panes(page), figure_eval(page, "map", "view.frame.bbox.width")
    across, down = structure[2] - the_map[0], tabs[3] - the_map[1]
    assert (the_map[2] - the_map[0]) / across == pytest.approx(LEFT_AT["columns"] / 100, abs=0.02)
    assert (the_map[3] - the_map[1]) / down == pytest.approx(LEFT_AT["rows"] / 100, abs=0.02)

    dragged(page, "Width of the map", -100)
    wait_until(page, lambda: panes(page)[0][2] < before[0][2] - 90, what="a narrower map")
    wait_until(
        page,
        lambda: figure_eval(page, "map", "view.frame.bbox.width") == pytest.approx(width - 100, abs=8),
        what="a figure as narrow",
    )
    bars["rows"][0].press("ArrowUp")
    wait_until(page, lambda: panes(page)[2][1] < before[2][1] - 5, what="higher tabs")
    bars["side"][0].press("ArrowRight")
    wait_until(page, lambda: panes(page)[0][0] > before[0][0] + 15, what="wider steps")
    for name, (bar, _) in bars.items():
        assert float(bar.get_attribute("aria-valuenow") or -1) == pytest.approx(stored(page)[name], abs=0.51)
    assert set(stored(page)) == set(bars)
    fits(page, 1280, 720)
    bars["columns"][0].dblclick()
    bars["rows"][0].press("Enter")
    bars["side"][0].press("Enter")
    wait_until(page, lambda: np.allclose(panes(page), before, atol=2), what="the panes as they were at first")


@pytest.mark.browser
@pytest.mark.parametrize(("width", "height"), [(1280, 720), (3840, 2160)])
def test_everything_fits(app: App, width: int, height: int) -> None:
    """On a small and on a large screen."""
    app.page.set_viewport_size({"width": width, "height": height})
    wait_until(app.page, lambda: panes(app.page)[1][2] > 0.95 * width, what="panes as wide as the page")
    wait_until(app.page, lambda: figure_eval(app.page, "map", FOLLOWS), what="a figure as wide as its place")
    fits(app.page, width, height)


@pytest.mark.browser
def test_a_bar_stays_where_it_was_left(serve: Callable[..., Served], page: Page) -> None:
    """After a reload, on a page of two empty panes."""

    def two_panes() -> Any:
        bar = Splitter(pane="columns", label="Width", initial=60, low=25, high=75)
        left = pn.Column(sizing_mode="stretch_both", styles=before("columns", 60))
        right = pn.Column(sizing_mode="stretch_both", styles=after("columns", 60))
        return pn.Row(left, bar, right, width=800, height=200)

    served = serve(two_panes)
    open_page(page, served)
    bar = page.get_by_role("separator", name="Width")
    dragged(page, "Width", -80)
    expect(bar).not_to_have_attribute("aria-valuenow", "60")
    place, value = bar.bounding_box(), bar.get_attribute("aria-valuenow")
    open_page(page, served)
    expect(bar).to_have_attribute("aria-valuenow", value or "")
    wait_until(page, lambda: bar.bounding_box() == place, what="the same place")

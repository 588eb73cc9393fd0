"""The page around the views: tour, keys, panes, what fits on small and large screens, and accessibility."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser import Served, figure_eval, wait_figure, wait_idle, wait_until
from made_up import session_of
from playwright.sync_api import Page, expect

from meaviz.app import STOPS, TAB_KEYS, build
from meaviz.session import Session
from meaviz.views import TABS

REPOSITORY = Path(__file__).resolve().parents[2]
FOCUS_IN_DIALOG = """() => {
  let node = document.activeElement;
  while (node?.shadowRoot?.activeElement) node = node.shadowRoot.activeElement;
  for (; node && node !== document; node = node.getRootNode().host)
    if (node.closest("[role=dialog]")) return true;
  return false;
}"""
SPAN = "view.frame.x_range.end - view.frame.x_range.start"
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
INSIDE = f"""(selectors) => selectors.map((selector) => {{
  const {{left, top, right, bottom}} = ({FIND})(selector).getBoundingClientRect();
  return [left, top, right, bottom];
}})"""


@pytest.fixture
def open_app(
    serve: Callable[..., Served], page: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Session]:
    """Open the app on made-up results."""
    monkeypatch.setenv("MEAVIZ_DATA_HOME", str(tmp_path / "judgements"))

    def start(anchor: str = "") -> Session:
        made: list[Session] = []

        def app() -> Any:
            made.append(session_of(2000, 20))
            return build(session=made[-1])

        served = serve(app)
        page.set_viewport_size({"width": 1280, "height": 720})
        page.goto(served.url + anchor)
        wait_figure(page, "map")
        served.run(lambda: None)
        return made[-1]

    return start


def panes(page: Page) -> list[list[float]]:
    """Left, top, right, bottom of the three panes in page pixels."""
    return page.evaluate(INSIDE, list(PANES))


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


def keys_of_the_map(page: Page, session: Session) -> None:
    """Search, modes, history, inverting, growing and zooming without the mouse."""
    labels = session.survey.clusters.labels
    whole = figure_eval(page, "map", SPAN)
    page.keyboard.press("/")
    search = page.get_by_role("textbox", name="Search")
    expect(search).to_be_focused()
    page.keyboard.type("12")
    page.keyboard.press("Enter")
    first = session.dataset.structure_of == 12
    wait_until(page, lambda: np.array_equal(session.selection, first), what="the structure of this number")
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
        wait_until(page, lambda wanted=wanted: np.array_equal(session.selection, wanted), what=f"what {key} selects")
    reach = np.ptp(session.survey.projection.xy[first, 0])
    page.keyboard.press(".")
    wait_until(page, lambda: figure_eval(page, "map", SPAN) == pytest.approx(reach, rel=0.3), what="a closer view")
    page.keyboard.press("Escape")
    wait_until(page, lambda: not session.selection.any(), what="no selection")
    page.keyboard.press(".")
    wait_until(page, lambda: figure_eval(page, "map", SPAN) == pytest.approx(whole, rel=0.01), what="the whole map")
    for mode in ("Add", "Remove", "Overlap", "New"):
        page.keyboard.press("m")
        expect(page.get_by_role("button", name=mode, exact=True)).to_have_attribute("aria-pressed", "true")

    # the 3D view keeps its own keys while it has the focus: the page's "-" is the last tab
    viewer = page.get_by_role("application")
    viewer.focus()
    page.keyboard.press("-")
    page.keyboard.press("2")
    expect(page.get_by_role("tab", name=TABS[1][0], exact=True)).to_have_attribute("aria-selected", "true")
    viewer.evaluate("(view) => view.blur()")


@pytest.mark.browser
def test_tour_keys_and_panes(open_app: Callable[..., Session], page: Page) -> None:
    """The tour starts by itself once; keys do what the list says; panes are moved, remembered and put back."""
    session = open_app("#first-visit")

    # the tour, by keyboard alone
    tour = page.get_by_role("dialog")
    expect(tour).to_contain_text(STOPS[0].title, timeout=30_000)
    expect(page.get_by_role("button", name="Next", exact=True).last).to_be_focused()
    for stop in STOPS[1:]:
        page.keyboard.press("ArrowRight")
        expect(tour).to_contain_text(stop.title)
    page.keyboard.press("ArrowLeft")
    expect(tour).to_contain_text(STOPS[-2].title)
    page.keyboard.press("Escape")
    expect(tour).to_have_count(0)
    assert page.evaluate("localStorage.getItem('meaviz.tour')") == "seen"

    # the list of keys holds the focus and gives it back; the tour starts again from it
    opener = page.get_by_role("button", name="Keyboard", exact=True)
    opener.focus()
    page.keyboard.press("?")
    keys = page.get_by_role("dialog")
    expect(keys).to_contain_text("Flag the selection")
    for _ in range(4):
        page.keyboard.press("Tab")
        assert page.evaluate(FOCUS_IN_DIALOG)
    page.keyboard.press("f")  # does nothing while the list is open
    page.keyboard.press("Escape")
    expect(keys).to_have_count(0)
    expect(opener).to_be_focused()
    assert not session.flags.any()
    page.keyboard.press("?")
    page.get_by_role("button", name="Show the tour").click()
    expect(page.get_by_role("dialog").filter(has_text=STOPS[0].title)).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)

    # keys of the page
    page.keyboard.press("ArrowRight")
    wait_until(page, lambda: session.inspected == 0, what="the first environment")
    page.keyboard.press("f")
    wait_until(page, lambda: session.flags.any(), what="a flag")
    assert np.flatnonzero(session.flags).tolist() == [0]
    page.keyboard.press("Shift+F")
    wait_until(page, lambda: not session.flags.any(), what="no flag")
    page.keyboard.press("Escape")
    wait_until(page, lambda: session.inspected == -1, what="nothing inspected")
    keys_of_the_map(page, session)
    for key, (title, _) in zip(TAB_KEYS, TABS, strict=True):
        page.keyboard.press(key)
        expect(page.get_by_role("tab", name=title, exact=True)).to_have_attribute(
            "aria-selected", "true", timeout=30_000
        )
    page.get_by_label("Files").fill("f?")  # typing is typing
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert not session.flags.any()
    page.get_by_label("Files").fill("")

    # panes: dragged, by keyboard, remembered, put back; figures follow
    fits(page, 1280, 720)
    before, width = panes(page), figure_eval(page, "map", "view.frame.bbox.width")
    bar = page.get_by_role("separator", name="Width of the map")
    box = bar.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 5, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] - 95, box["y"] + 60, steps=4)
    page.mouse.up()
    wait_until(page, lambda: panes(page)[0][2] < before[0][2] - 90, what="a narrower map")
    wait_until(
        page,
        lambda: figure_eval(page, "map", "view.frame.bbox.width") == pytest.approx(width - 100, abs=8),
        what="a figure as narrow",
    )
    rows = page.get_by_role("separator", name="Height of map and 3D view")
    rows.press("ArrowUp")
    wait_until(page, lambda: panes(page)[2][1] < before[2][1] - 5, what="higher tabs")
    side = page.get_by_role("separator", name="Width of the steps")
    side.press("ArrowRight")
    wait_until(page, lambda: panes(page)[0][0] > before[0][0] + 15, what="wider steps")
    moved = panes(page)
    assert set(json.loads(page.evaluate("localStorage.getItem('meaviz.panes')"))) == {"columns", "rows", "side"}
    fits(page, 1280, 720)
    page.reload()
    wait_idle(page)
    expect(page.get_by_role("separator", name="Width of the map")).to_be_visible()
    wait_until(page, lambda: np.allclose(panes(page), moved, atol=2), what="the panes as they were left")
    expect(page.get_by_role("dialog")).to_have_count(0)  # no second tour
    bar.dblclick()
    rows.press("Enter")
    side.press("Enter")
    wait_until(page, lambda: np.allclose(panes(page), before, atol=2), what="the panes as they were at first")

    page.set_viewport_size({"width": 3840, "height": 2160})
    fits(page, 3840, 2160)


def axe_script() -> Path:
    """``axe.min.js`` of the npm package axe-core; skips where it is not."""
    named = os.environ.get("MEAVIZ_AXE")
    path = Path(named) if named else REPOSITORY / "node_modules" / "axe-core" / "axe.min.js"
    if not path.is_file():
        pytest.skip("axe-core not found: npm install --no-save axe-core, or name axe.min.js in MEAVIZ_AXE")
    return path


TOOLKITS_OWN = {  # rule: what of the target's last selector, and why it is not ours to mend
    "aria-required-children": (".tabulator", "Tabulator puts a div that takes the focus into its grid"),
    "aria-prohibited-attr": ("span[sx=", "panel-material-ui names the span of a field's tooltip"),
}
RULES = "{resultTypes: ['violations']}"
IN_THE_DARK = ("Outliers", "Export")  # a run takes seconds
CONTRAST = "{runOnly: ['color-contrast']}"


def violations(page: Page, options: str, where: str = "html") -> list[str]:
    """Serious and critical violations in the element ``where``, one line each, but for the toolkits' own."""
    found = page.evaluate(f"(where) => axe.run(({FIND})(where), {options})", where)
    lines = []
    for rule in found["violations"]:
        own, _ = TOOLKITS_OWN.get(rule["id"], ("", ""))
        for node in rule["nodes"] if rule["impact"] in ("serious", "critical") else []:
            at = node["target"][-1]
            at = at if isinstance(at, str) else at[-1]
            if not own or own not in at:
                said = [check["message"] for check in node["any"] + node["all"] + node["none"]]
                lines.append(f"{rule['id']}: {at} {node['html'][:160]} {said}")
    return lines


@pytest.mark.browser
def test_no_serious_violation_of_accessibility(open_app: Callable[..., Session], page: Page) -> None:
    """In every tab, in the steps and in the list of keys; in the dark the colours, in some of the tabs."""
    script = axe_script().read_text(encoding="utf-8")
    session = open_app()
    page.evaluate(script)
    page.keyboard.press("ArrowRight")
    wait_until(page, lambda: session.inspected == 0, what="an environment in 3D")
    folded = page.get_by_role("button", name="show more").and_(page.locator("[aria-expanded=false]"))
    while folded.count():
        folded.first.click()
        page.wait_for_timeout(300)
    page.get_by_role("button", name="Filter", exact=True).first.click()
    page.wait_for_timeout(300)
    found = {"page": violations(page, RULES)}
    for dark in (False, True):
        if dark:
            page.keyboard.press("t")
            wait_until(page, lambda: session.dark, what="the dark theme")
            page.wait_for_timeout(1000)  # colours fade from one theme to the other
            found["page, dark"] = violations(page, CONTRAST)
        for key, (title, _) in zip(TAB_KEYS, TABS, strict=True):
            if dark and title not in IN_THE_DARK:
                continue
            page.keyboard.press(key)
            expect(page.get_by_role("tab", name=title, exact=True)).to_have_attribute(
                "aria-selected", "true", timeout=30_000
            )
            page.wait_for_timeout(300)
            found[f"{title}, {'dark' if dark else 'light'}"] = violations(
                page, CONTRAST if dark else RULES, ".pane-tabs"
            )
        page.keyboard.press("?")
        expect(page.get_by_role("dialog")).to_be_visible()
        page.wait_for_timeout(400)
        found[f"keys, {'dark' if dark else 'light'}"] = violations(page, RULES, "[role=dialog]")
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_have_count(0)
    assert not {where: what for where, what in found.items() if what}

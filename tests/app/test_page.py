"""The page around the views: tour, keys, panes, what fits on small and large screens, and accessibility.

Opening the page takes longer than any of the tests, so one serves them all; each begins with it tidied up.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import panel as pn
import pytest
from browser import (
    BrowserLog,
    Served,
    figure_eval,
    fresh_page,
    open_page,
    wait_figure,
    wait_idle,
    wait_still,
    wait_until,
)
from made_up import session_of, stability_of
from playwright.sync_api import Browser, Page, expect

from meagraph.datasets import AtomicDataset
from meagraph.errors import MEAGraphError
from meagraph.progress import Progress
from meagraph.pruning import PruningPlan
from meagraph.quests_measures import SETS, QuestsConfig, QuestsMeasures, SetFigures
from meaviz import planwork
from meaviz.app import COLUMNS, NOTES, ROWS, SIDE, STOPS, TAB_KEYS, build
from meaviz.components.splitter import Splitter, after, before
from meaviz.session import Session
from meaviz.style import theme
from meaviz.views import TABS

LEFT_AT = {"columns": 45, "rows": 52, "side": 400}  # where the panes were on the visit before
REPOSITORY = Path(__file__).resolve().parents[2]
FOCUS_IN_DIALOG = """() => {
  let node = document.activeElement;
  while (node?.shadowRoot?.activeElement) node = node.shadowRoot.activeElement;
  for (; node && node !== document; node = node.getRootNode().host)
    if (node.closest("[role=dialog]")) return true;
  return false;
}"""
SPAN = "view.frame.x_range.end - view.frame.x_range.start"
FOLLOWS = "Math.abs(view.el.getBoundingClientRect().width - view.bbox.width) < 2"
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
        if self.session.dark != dark:
            self.page.keyboard.press("t")
            wait_until(self.page, lambda: self.session.dark == dark, what="the other theme")
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
        self.session.clear_selection()
        self.session.inspected = self.session.candidate = -1


@pytest.fixture(scope="module")
def opened(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The app on made-up results, opened by somebody who has moved the panes but not seen the tour."""
    log, made = BrowserLog(), []

    def app() -> Any:
        made.append(session_of(2000, 20))
        return build(session=made[-1])

    with pytest.MonkeyPatch.context() as patch, fresh_page(chromium, log) as page:
        patch.setenv("MEAVIZ_DATA_HOME", str(tmp_path_factory.mktemp("judgements")))
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
        wait_still(page)
        try:
            yield App(page, made[-1], served, panes(page))
        finally:
            served.stop()
    assert not log.errors, f"errors on the page: {log.errors}"
    assert not log.external(), f"requests to other hosts: {log.external()}"


@pytest.fixture
def app(opened: App) -> Iterator[App]:
    """The app as on the first visit; the test fails on what the server logs as an error."""
    opened.tidy()
    yield opened
    assert not opened.served.errors, f"the server logged errors: {opened.served.errors}"


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
    page.keyboard.press("f")
    page.keyboard.press("Escape")
    expect(keys).to_have_count(0)
    expect(opener).to_be_focused()
    assert not session.flags.any()


@pytest.mark.browser
def test_keys_of_environments(app: App) -> None:
    """Step, flag, let go; in a field they are letters."""
    page, session = app.page, app.session
    page.keyboard.press("ArrowRight")
    wait_until(page, lambda: session.inspected == 0, what="the first environment")
    page.keyboard.press("f")
    wait_until(page, lambda: session.flags.any(), what="a flag")
    assert np.flatnonzero(session.flags).tolist() == [0]
    page.keyboard.press("Shift+F")
    wait_until(page, lambda: not session.flags.any(), what="no flag")
    page.keyboard.press("Escape")
    wait_until(page, lambda: session.inspected == -1, what="nothing inspected")
    page.get_by_label("Files").fill("")
    page.get_by_label("Files").press_sequentially("f?")
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert not session.flags.any()
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
    candidates = session.survey.outliers.candidates
    app.tab([title for title, _ in TABS].index("Outliers"))
    listed = page.get_by_role("listbox", name="Outlier candidates")
    listed.get_by_role("option").first.click()
    wait_until(page, lambda: session.candidate in candidates, what="a candidate")
    expect(listed).to_be_focused()
    first = session.candidate
    for key, there in (("ArrowDown", False), ("k", True), ("j", False), ("ArrowUp", True)):
        page.keyboard.press(key)
        wait_until(page, lambda there=there: (session.candidate == first) == there, what=f"what {key} goes to")
        here = listed.get_by_role("option").nth(0 if there else 1)  # the next key counts from what the browser shows
        expect(here).to_have_attribute("aria-selected", "true")
    page.keyboard.press("a")
    wait_until(page, lambda: session.flags[first], what="an outlier")
    page.keyboard.press("u")
    wait_until(page, lambda: not session.flags.any(), what="the judgement taken back")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    listed.focus()
    app.tab(1)


@pytest.mark.browser
def test_keys_of_the_map(app: App) -> None:
    """Search, modes, history, inverting, growing and zooming without the mouse."""
    page, session = app.page, app.session
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
    for key, label in (("]", 0), ("]", 1), ("[", 0), ("[", labels.max()), ("]", 0)):
        page.keyboard.press(key)
        wait_until(
            page, lambda label=label: np.array_equal(session.selection, labels == label), what=f"cluster {label}"
        )
    page.keyboard.press("Escape")
    for mode in ("Add", "Remove", "Overlap", "New"):
        page.keyboard.press("m")
        expect(page.get_by_role("button", name=mode, exact=True)).to_have_attribute("aria-pressed", "true")

    # the 3D view keeps its own keys while it has the focus: the page's "-" is the last tab
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
def test_quests_by_its_button(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the package the page says what to install; with it, what it measures of the plan."""
    page = app.page

    def missing(*arguments: Any, **options: Any) -> None:
        raise MEAGraphError('QUESTS is not installed. Run: pip install "meaviz[quests]"')

    def measured(dataset: AtomicDataset, plan: PruningPlan, config: QuestsConfig, *, progress: Progress) -> Any:
        progress(0, 1, "QUESTS entropy")
        sets = {name: SetFigures(dataset.n_environments, 7, 1.25, 2.5, 0.375) for name in SETS}
        return QuestsMeasures(plan, sets, config, "quests 1.2.3")

    monkeypatch.setattr(planwork, "quests_measures", missing)
    app.tab([title for title, _ in TABS].index("Cost"))
    button = page.get_by_role("button", name="QUESTS", exact=True)
    button.click()
    expect(page.get_by_role("alert")).to_contain_text('pip install "meaviz[quests]"')
    monkeypatch.setattr(planwork, "quests_measures", measured)
    button.click()
    expect(page.get_by_role("cell", name="37.5 %", exact=True)).to_have_count(len(SETS))
    expect(page.get_by_role("alert")).to_have_count(0)


OVERFLOWS = f"""(selector) => {{
  const tab = ({FIND})(selector), {{bottom}} = ({FIND})(".pane-tabs").getBoundingClientRect(), out = [];
  if (tab.scrollHeight > tab.clientHeight + 1) out.push("the tab: " + tab.scrollHeight + " > " + tab.clientHeight);
  if (tab.getBoundingClientRect().bottom > bottom + 1) out.push("the tab ends below the pane");
  const walk = (root) => {{
    for (const node of root.querySelectorAll("*")) {{
      const box = node.getBoundingClientRect();
      if (node.matches(".bk-Figure") && box.height > 0 && box.bottom > bottom + 1) out.push("a chart: " + box.bottom);
      if (node.shadowRoot) walk(node.shadowRoot);
    }}
  }};
  walk(tab.shadowRoot);
  return out;
}}"""


@pytest.mark.browser
@pytest.mark.parametrize("title", [title for title, _ in TABS])
def test_a_tab_fits_its_pane_on_a_small_screen(app: App, title: str) -> None:
    """Charts with their axes are in sight; what is longer scrolls within, under its tools."""
    index = [name for name, _ in TABS].index(title)
    if app.session.stability is None:
        app.served.run(lambda: setattr(app.session, "stability", stability_of(2000)))
    app.tab(index)
    wait_still(app.page)
    wait_until(app.page, lambda: not app.page.evaluate(OVERFLOWS, f".tab-{index}"), 20, f"{title} fits")


@pytest.mark.browser
def test_the_environment_in_3d_and_its_facts_fit(app: App) -> None:
    """On a small screen the tools take one line, and the picture stays in sight whatever is known."""
    page = app.page
    page.keyboard.press("ArrowRight")
    wait_until(page, lambda: app.session.inspected == 0, what="an environment in 3D")
    expect(page.get_by_text("judged", exact=True)).to_be_in_viewport()
    first = page.get_by_role("button", name="Previous environment").bounding_box()
    last = page.get_by_role("button", name="View: colours").bounding_box()
    viewer, pane = page.locator(".viewer").bounding_box(), page.locator(".pane-structure").bounding_box()
    assert first
    assert last
    assert viewer
    assert pane
    assert abs(first["y"] + first["height"] / 2 - last["y"] - last["height"] / 2) < 4
    assert last["x"] + last["width"] <= pane["x"] + pane["width"]
    assert viewer["height"] >= 150
    assert viewer["y"] + viewer["height"] < pane["y"] + pane["height"]


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


def axe_script() -> Path:
    """``axe.min.js`` of the npm package axe-core; skips where it is not."""
    named = os.environ.get("MEAVIZ_AXE")
    path = Path(named) if named else REPOSITORY / "node_modules" / "axe-core" / "axe.min.js"
    if not path.is_file():
        pytest.skip("axe-core not found: npm install --no-save axe-core, or name axe.min.js in MEAVIZ_AXE")
    return path


TOOLKITS_OWN = {  # rule: what the element has, and why it is not ours to mend
    "aria-required-children": ("pnx-tabulator", "Tabulator puts a div that takes the focus into its grid"),
    "aria-prohibited-attr": ('sx="[object Object]"', "panel-material-ui names the span of a field's tooltip"),
}
EVERYTHING = "{resultTypes: ['violations']}"
# the style sheets, which axe reads anew in each run and for as long, matter to one rule, on the page as a whole
RULES = "{resultTypes: ['violations'], preload: false}"
CONTRAST = "{resultTypes: ['violations'], preload: false, runOnly: ['color-contrast']}"


def violations(page: Page, options: str, where: str = "html") -> list[str]:
    """Serious and critical violations in the element ``where``, one line each, but for the toolkits' own."""
    found = page.evaluate(f"(where) => axe.run(({FIND})(where), {options})", where)
    lines = []
    for rule in found["violations"]:
        own, _ = TOOLKITS_OWN.get(rule["id"], ("", ""))
        for node in rule["nodes"] if rule["impact"] in ("serious", "critical") else []:
            at = node["target"][-1]
            at = at if isinstance(at, str) else at[-1]
            if not own or own not in node["html"]:
                said = [check["message"] for check in node["any"] + node["all"] + node["none"]]
                lines.append(f"{rule['id']}: {at} {node['html'][:160]} {said}")
    return lines


def check(page: Page, options: str, where: str) -> None:
    """No serious violation in a run of axe with these options in this element."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(axe_script().read_text(encoding="utf-8"))
    wait_still(page)
    found = violations(page, options, where)
    assert not found, "\n".join(found)


@pytest.mark.browser
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_no_serious_violation_on_the_page(app: App, dark: bool) -> None:
    """With an environment in 3D, all steps unfolded and filters in sight, and in the list of keys."""
    axe_script()
    app.set_theme(dark)
    page, session = app.page, app.session
    page.keyboard.press("ArrowRight")
    wait_until(page, lambda: session.inspected == 0, what="an environment in 3D")
    folded = page.get_by_role("button", name="show more").and_(page.locator("[aria-expanded=false]"))
    for left in range(folded.count(), 0, -1):
        folded.first.click()
        expect(folded).to_have_count(left - 1)
    toggle = page.get_by_role("button", name="Filter", exact=True).first
    if toggle.get_attribute("aria-pressed") != "true":
        toggle.click()
    expect(toggle).to_have_attribute("aria-pressed", "true")
    check(page, CONTRAST if dark else EVERYTHING, "html")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    check(page, RULES, "[role=dialog]")


@pytest.mark.browser
@pytest.mark.parametrize("title", [title for title, _ in TABS])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_no_serious_violation_in_a_tab(app: App, title: str, dark: bool) -> None:
    """By all rules in the light, by that of colours in the dark."""
    axe_script()
    app.set_theme(dark)
    app.page.keyboard.press("ArrowRight")
    wait_until(app.page, lambda: app.session.inspected == 0, what="an environment in 3D")
    app.tab([name for name, _ in TABS].index(title))
    check(app.page, CONTRAST if dark else RULES, ".pane-tabs")

"""The tabs below the map: each fits its pane on a small screen and can be used by everybody; two of them in use."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from meagraph.datasets import AtomicDataset
from meagraph.errors import MEAGraphError
from meagraph.evaluation.quests import SETS, QuestsConfig, QuestsMeasures, SetFigures
from meagraph.progress import Progress
from meagraph.pruning.plan import PruningPlan
from meaviz.app import ROWS
from meaviz.jobs import plan_jobs
from meaviz.views import TABS
from meaviz.views.clusters.table import CENTRAL, EDGE, pictures, plus_minus
from tests.support import ROOT
from tests.support.browser import (
    choose,
    click_until,
    wait_still,
    wait_until,
)
from tests.support.made_up import stability_of
from tests.support.predicted import errors_off
from tests.support.whole_page import FIND, LEFT_AT, App, panes

FOCUS_IN_MENU = """() => {
  let node = document.activeElement;
  while (node?.shadowRoot?.activeElement) node = node.shadowRoot.activeElement;
  return !!node?.closest(".MuiModal-root");
}"""


@pytest.mark.browser
def test_the_cluster_panel_shows_selects_and_inspects(app: App) -> None:
    """A row selects its cluster, a picture shows that member; what is selected elsewhere is counted and marked."""
    page, session = app.page, app.session
    labels = session.data.survey.clusters.labels
    index = [title for title, _ in TABS].index("Clusters")
    app.tab(index)
    table = page.locator(f".tab-{index}")
    rows = table.locator(".tabulator-row")
    expect(rows.nth(2).locator("svg")).to_have_count(2)
    wait_still(page)
    third = rows.nth(2).locator("[tabulator-field=size]")
    click_until(page, third, lambda: np.array_equal(session.selection.mask, labels == 2), what="the third cluster")
    cell = rows.nth(2).locator("[tabulator-field=selected]")
    expect(cell).to_have_text(f"{int((labels == 2).sum()):,}")
    expect(table.locator(".tabulator-selected")).to_have_count(1)

    found = pictures(session)
    for column in (EDGE, CENTRAL):
        row, _ = found[column][1]
        rows.nth(1).locator(f"[tabulator-field={column}]").click()
        wait_until(page, lambda row=row: session.selection.inspected == row, what=f"the {column} member")
    np.testing.assert_array_equal(session.selection.mask, labels == 2)
    expect(rows.nth(2)).to_have_class(re.compile("tabulator-selected"))
    expect(rows.nth(1)).not_to_have_class(re.compile("tabulator-selected"))

    search = page.get_by_role("textbox", name="Search")
    search.fill("structure < 3")
    search.press("Enter")
    search.fill("")
    expect(cell).to_have_text(f"{int((labels[session.data.dataset.structure_of < 3] == 2).sum()):,}")
    expect(table.locator(".tabulator-selected")).to_have_count(0)

    choose(page, "Means of", "Outlier score")
    page.wait_for_function(FOCUS_IN_MENU)
    page.keyboard.press("Escape")
    expect(page.get_by_role("menuitem")).to_have_count(0)
    assert session.selection.mask.any()  # that Escape was for the menu
    mean = table.get_by_role("columnheader", name="Outlier score", exact=True)
    expect(mean).to_have_count(1)
    score = session.data.survey.outliers.score[labels == 0]
    expect(rows.nth(0)).to_contain_text(plus_minus(score.mean(), score.std()))


@pytest.mark.browser
def test_the_slider_from_coarse_to_fine(app: App) -> None:
    """Keys move it; table, map and plan follow, and what is selected stays."""
    page, session = app.page, app.session
    usual = session.data.survey.clusters.n_clusters
    index = [title for title, _ in TABS].index("Clusters")
    app.tab(index)
    rows = page.locator(f".tab-{index} .tabulator-row")
    expect(rows).to_have_count(usual)
    mask = session.data.survey.clusters.labels == 1
    app.served.run(lambda: session.selection.select(mask))
    slider = page.get_by_role("slider", name="from coarse to fine")
    slider.focus()
    for key, count in (("ArrowRight", usual + 1), ("ArrowLeft", usual), ("ArrowLeft", usual - 1), ("Home", 1)):
        page.keyboard.press(key)
        wait_until(page, lambda n=count: session.data.survey.clusters.n_clusters == n, what=f"{count} clusters")
        expect(rows).to_have_count(count)
        expect(page.get_by_text(f"to fine: {count} of at most")).to_have_count(1)
        assert len(session.planning.plan.per_cluster) == count + 1
        np.testing.assert_array_equal(session.selection.mask, mask)
    app.served.run(lambda: session.set_level(usual))
    expect(rows).to_have_count(usual)


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

    monkeypatch.setattr(plan_jobs, "measure_quests", missing)
    app.tab([title for title, _ in TABS].index("Cost"))
    button = page.get_by_role("button", name="QUESTS", exact=True)
    button.click()
    expect(page.get_by_role("alert")).to_contain_text('pip install "meaviz[quests]"')
    monkeypatch.setattr(plan_jobs, "measure_quests", measured)
    button.click()
    expect(page.get_by_role("cell", name="37.5 %", exact=True)).to_have_count(len(SETS))
    expect(page.get_by_role("alert")).to_have_count(0)


def fill(app: App, title: str) -> None:
    """Give a tab what it shows beyond the map."""
    session = app.session
    if title == "Pooling rate" and session.data.stability is None:
        app.served.run(lambda: setattr(session.data, "stability", stability_of(2000)))
    if title == "Predictions" and session.data.errors is None:
        app.served.run(lambda: session.set_errors(errors_off(session.data.dataset)))


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
    fill(app, title)
    app.tab(index)
    wait_still(app.page)
    wait_until(app.page, lambda: not app.page.evaluate(OVERFLOWS, f".tab-{index}"), 20, f"{title} fits")


@pytest.mark.browser
def test_the_environment_in_3d_and_its_facts_fit(app: App) -> None:
    """On a small screen the tools take one line, and the picture stays in sight whatever is known."""
    page = app.page
    page.keyboard.press("ArrowRight")
    wait_until(page, lambda: app.session.selection.inspected == 0, what="an environment in 3D")
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
def test_what_a_judgement_takes_is_in_sight(app: App) -> None:
    """On a small screen, with the panes as they are at first, verdict, reason, note and name need no scrolling."""
    page = app.page
    app.tab([name for name, _ in TABS].index("Outliers"))
    below = 1 - LEFT_AT["rows"] / 100
    height = panes(page)[2][3] - panes(page)[2][1]
    wanted = height * (1 - ROWS / 100) / below
    page.set_viewport_size({"width": 1280, "height": round(720 - (height - wanted) / below)})

    def lower() -> float:
        return panes(page)[2][3] - panes(page)[2][1]

    wait_until(page, lambda: lower() == pytest.approx(wanted, abs=4), what="tabs as high as at first")
    wait_still(page)
    field = page.get_by_label("Your name", exact=True).bounding_box()
    assert field
    assert field["y"] + field["height"] <= panes(page)[2][3] - 4


@pytest.mark.browser
@pytest.mark.parametrize(("row", "label"), [("Filter", "Show only: Group"), ("Kept", "Kept selections")])
def test_an_empty_choice_holds_its_name(app: App, row: str, label: str) -> None:
    """Where nothing is chosen the name stands inside the field."""
    page = app.page
    page.get_by_role("button", name=row, exact=True).click()
    name = page.locator("label", has_text=label).first
    expect(name).to_be_visible()
    boxes = name.evaluate(
        "(node) => [node, node.nextElementSibling].map((one) => one.getBoundingClientRect().toJSON())"
    )
    inner, outer = boxes
    assert outer["top"] <= inner["top"]
    assert inner["bottom"] <= outer["bottom"]
    page.get_by_role("button", name=row, exact=True).click()


def axe_script() -> Path:
    """``axe.min.js`` of the npm package axe-core; skips where it is not."""
    named = os.environ.get("MEAVIZ_AXE")
    path = Path(named) if named else ROOT / "node_modules" / "axe-core" / "axe.min.js"
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
    wait_until(page, lambda: session.selection.inspected == 0, what="an environment in 3D")
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
    wait_until(app.page, lambda: app.session.selection.inspected == 0, what="an environment in 3D")
    app.tab([name for name, _ in TABS].index(title))
    check(app.page, CONTRAST if dark else RULES, ".pane-tabs")
    if title == "Predictions" and not dark:  # by now with predictions: also where others are chosen
        fill(app, title)
        app.page.get_by_role("button", name="Other predictions").click()
        expect(app.page.get_by_label("In another file of the same structures")).to_be_visible()
        check(app.page, RULES, ".pane-tabs")

"""What comes from files, names and errors is text wherever the page shows it: nothing of it runs, loads, or is drawn.

One page for all tests. Its dataset has markup for file name, groups and texts of the frames; each test brings more of
it to the page, and reads it there as it stands.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import ase.io
import numpy as np
import pytest
from playwright.sync_api import Browser, Page, TimeoutError, expect

from meagraph.datasets import read_dataset
from meagraph.evaluation.against_random import PlanCost
from meagraph.evaluation.force_error import Cost
from meagraph.evaluation.quests import SETS, QuestsConfig, QuestsMeasures, SetFigures
from meagraph.exports.formats import FORMATS
from meagraph.outliers.suspects import Suspect
from meaviz.app import build
from meaviz.jobs.workflow import Workflow
from meaviz.session import Session
from meaviz.session.filters import Filters
from meaviz.views import TABS
from tests.support.browser import (
    BrowserLog,
    Served,
    choose,
    data_to_page,
    figure_eval,
    fresh_page,
    wait_figure,
    wait_until,
)
from tests.support.predicted import errors_off
from tests.support.results import survey_by_hand
from tests.support.structures import niobium_structures
from tests.support.whole_page import App, panes

RUN = "<img src=q onerror=window.__hit=1>"  # no slash: it can be the name of a file
NAME = RUN + "<script>window.__hit=2</script>"  # short enough for what has a longest name
EVIL = NAME + "![i](http://evil.invalid/i.png)[l](http://evil.invalid/) :material/home: $$x$$"
GROUPS = tuple(f"{RUN} :material/home: $$x$$ {number}" for number in range(3))  # short, for they label axes
SCORES = {20: 4.0, 40: 3.0, 115: 1.5}
TITLES = [title for title, _ in TABS]

WALK = """
  const walk = (root, visit) => {
    for (const node of root.querySelectorAll("*")) {
      visit(node);
      if (node.shadowRoot) walk(node.shadowRoot, visit);
    }
  };
"""
HARM = f"""() => {{
  {WALK}
  const found = [];
  walk(document, (node) => {{
    const is = (selector) => node.matches(selector);
    if (is("img[src=q]") || is("[src*='evil']") || is("a[href*='evil']")) found.push(node.outerHTML);
    if (is("script") && node.textContent.includes("__hit")) found.push(node.outerHTML);
    if (is("mjx-container, .katex, .MathJax")) found.push("a formula");
    if (is(".material-icons") && node.textContent === "home") found.push("a picture");
  }});
  return window.__hit === undefined ? found : [...found, "ran: " + window.__hit];
}}"""
SAID = f"""([selector, mark]) => {{
  {WALK}
  const said = [], hear = (node) => {{
    if (node.matches("style, script")) return;
    const own = [...node.childNodes].filter((child) => child.nodeType === 3).map((child) => child.data).join("");
    said.push(own, node.title || "", node.value || "", node.getAttribute("aria-label") || "");
  }};
  walk(document, (node) => {{
    if (!node.matches(selector)) return;
    hear(node);
    walk(node, hear);
    if (node.shadowRoot) walk(node.shadowRoot, hear);
  }});
  return said.map((one) => String(one).replaceAll("\u2060", "")).filter((one) => one.includes(mark));
}}"""
FORMULAS = '[...view.renderer_views.values()].filter((one) => one._text_view?.model.type === "TeX").length'
CELL = """(() => {
  const {x, y} = view.el.getBoundingClientRect(), {x_scale, y_scale, x_range} = view.frame;
  return [x + x_scale.compute(x_range.factors[0]), y + y_scale.compute(arg)];
})()"""


def hostile_file(folder: Path) -> Path:
    """A readable dataset, hostile in every text that it has."""
    frames = niobium_structures()
    for number, atoms in enumerate(frames[:-1]):
        atoms.info["config_type"] = GROUPS[number % 3]
        atoms.info["note"] = f"{EVIL} note {number % 2}"
    frames[-1].info["note"] = EVIL
    folder = folder / RUN
    folder.mkdir()
    ase.io.write(folder / f"{RUN}.extxyz", frames, format="extxyz")
    return folder / f"{RUN}.extxyz"


@pytest.fixture(scope="module")
def whole(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[App, BrowserLog]]:
    folder = tmp_path_factory.mktemp("hostile")
    log = BrowserLog()
    with pytest.MonkeyPatch.context() as patch, fresh_page(chromium, log) as page:
        patch.setenv("MEAVIZ_DATA_HOME", str(folder / "home"))
        patch.setenv("MEAVIZ_CACHE", str(folder / "cache"))
        data = read_dataset(hostile_file(folder))
        session = Session(author=NAME, user=NAME)
        descriptors, learned, survey = survey_by_hand(data, SCORES)
        for signal in survey.outliers.signals:
            object.__setattr__(signal, "template", EVIL + " {value:.3g}")
        session.set_dataset(data)
        session.set_descriptors(descriptors)
        session.set_learned(learned)
        session.set_survey(survey)
        served = Served(lambda: build(session=session))
        log.servers.add(served.host)
        try:
            page.goto(served.url)
            wait_figure(page, "map")
            served.run(lambda: None)
            yield App(page, session, served, panes(page)), log
        finally:
            served.stop()


def calm(session: Session) -> None:
    """Nothing runs, nothing is wrong, and nothing is drawn in 3D, which slows all else."""
    session.activity.param.update(running="", progress=(0.0, ""), problem=("", ""))
    session.selection.param.update(pinned=-1, inspected=-1)
    session.appearance.param.update(colour_by="cluster", atoms_by="element")


@pytest.fixture
def app(whole: tuple[App, BrowserLog], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[App]:
    """The page; afterwards nothing has run, and nothing has left for another host."""
    app, log = whole
    yield app
    app.served.run(lambda: calm(app.session))
    assert app.page.evaluate(HARM) == []
    assert log.external() == []
    assert log.errors == []
    assert app.served.errors == []


def said(app: App, where: str, mark: str = RUN) -> list[str]:
    """Texts, tips and values of fields within ``where`` that hold ``mark``."""
    return app.page.evaluate(SAID, [where, mark])


def says(app: App, where: str, text: str) -> None:
    """Wait until something in ``where`` holds ``text`` as it stands."""
    with contextlib.suppress(TimeoutError):
        app.page.wait_for_function(f"(asked) => ({SAID})(asked).length > 0", arg=[where, text], polling=100)
    assert said(app, where, text), f"{where} does not say {text}, but {said(app, where)}"


def tab(app: App, title: str) -> str:
    """Bring a tab in front; return its selector."""
    app.page.evaluate("() => document.activeElement?.blur()")
    app.tab(TITLES.index(title))
    return f".tab-{TITLES.index(title)}"


def unfold(page: Page) -> None:
    """All steps of the side bar."""
    folded = page.get_by_role("button", name="show more").and_(page.locator("[aria-expanded=false]"))
    for left in range(folded.count(), 0, -1):
        folded.first.click()
        expect(folded).to_have_count(left - 1)


def close_menu(page: Page) -> None:
    """Close the list of a choice that takes several by a click beside it."""
    page.mouse.click(1, 1)
    expect(page.get_by_role("menuitem")).to_have_count(0)


# Files that cannot be read

HEAD = 'Properties=species:S:1:pos:R:3:forces:R:3 pbc="T T T" Lattice="3 0 0 0 3 0 0 0 3"'
ATOM, DENSE = "Nb 0 0 0 0 0 0\n", RUN.replace(" ", "/")
BAD_FILES = {  # name of the file, its text, and what of it the error must say
    "energy": ("energy.extxyz", 2 * f'1\n{HEAD} energy="{EVIL}"\n{ATOM}', RUN),
    "properties": ("properties.extxyz", 2 * f'1\nProperties="{EVIL}" energy=-1\n{ATOM}', NAME[:40]),
    "first line": ("first.extxyz", f"{EVIL}\n{HEAD}\n{ATOM}", NAME[:40]),
    "element": ("element.extxyz", 2 * f"1\n{HEAD} energy=-1\n{ATOM.replace('Nb', DENSE)}", DENSE),
    "number": ("number.extxyz", 2 * f"1\n{HEAD} energy=-1\n{ATOM.replace('0 0 0', f'{DENSE} 0 0', 1)}", DENSE),
    "suffix": (f"{RUN}.{RUN}", "text", RUN),
    "empty": (f"{RUN}.extxyz", "", RUN),
    "missing": (f"{RUN}.xyz", None, RUN),
}


@pytest.mark.browser
@pytest.mark.parametrize("kind", BAD_FILES)
def test_an_error_of_a_file(app: App, tmp_path: Path, kind: str) -> None:
    name, text, words = BAD_FILES[kind]
    if text is not None:
        (tmp_path / name).write_text(text)
    app.page.get_by_label("Files").fill(str(tmp_path / name))
    app.page.get_by_role("button", name="Open", exact=True).click()
    wait_until(app.page, lambda: app.session.activity.problem[1] and not app.session.activity.running, what="an error")
    assert words in app.session.activity.problem[1]
    says(app, "[role=alert]", app.session.activity.problem[1])


@pytest.mark.browser
@pytest.mark.parametrize("key", ["energy_key", "forces_key", "format"])
def test_an_error_of_how_files_are_read(app: App, tmp_path: Path, key: str) -> None:
    path = tmp_path / "good.extxyz"
    ase.io.write(path, niobium_structures(), format="extxyz")
    app.served.run(lambda: Workflow(app.session).open([path], **{key: EVIL}))
    wait_until(app.page, lambda: app.session.activity.problem[1] and not app.session.activity.running, what="an error")
    assert EVIL in app.session.activity.problem[1]
    says(app, "[role=alert]", EVIL)


# Errors and progress of every step and tab


@pytest.mark.browser
@pytest.mark.parametrize(
    ("step", "title"),
    [
        *((step, "") for step in ("data", "descriptors", "model", "map")),
        *(("clusters", "Clusters"), ("outliers", "Outliers"), ("cost", "Cost"), ("stability", "Pooling rate")),
        ("export", "Export"),
    ],
)
def test_an_error_and_the_progress_of_a_step(app: App, step: str, title: str) -> None:
    where = tab(app, title) if title else ".MuiDrawer-paper"
    app.served.run(lambda: setattr(app.session.activity, "problem", (step, EVIL)))
    says(app, where, EVIL)
    if step not in ("outliers", "export"):
        app.served.run(lambda: app.session.activity.param.update(problem=("", ""), running=step, progress=(0.5, EVIL)))
        says(app, where, EVIL)


@pytest.mark.browser
def test_models_and_descriptors_in_files(app: App, tmp_path: Path) -> None:
    """Paths that cannot be read or written, and one that can."""
    page, field = app.page, app.page.get_by_label("Model file")
    unfold(page)
    field.fill(str(tmp_path / f"{RUN}.safetensors"))
    for name in ("Load", "Fine-tune"):
        page.get_by_role("button", name=name, exact=True).click()
        wait_until(page, lambda: RUN in app.session.activity.problem[1], what="an error")
        says(app, "[role=alert]", app.session.activity.problem[1])
        app.served.run(lambda: setattr(app.session.activity, "problem", ("", "")))
    page.get_by_role("button", name="Save", exact=True).click()
    says(app, ".MuiDrawer-paper", f"Saved {tmp_path / RUN}.safetensors")
    (tmp_path / "file").write_text("")
    field.fill(str(tmp_path / "file" / RUN))
    page.get_by_role("button", name="Save", exact=True).click()
    wait_until(page, lambda: app.session.activity.problem[1], what="an error")
    says(app, "[role=alert]", app.session.activity.problem[1])
    app.served.run(lambda: setattr(app.session.activity, "problem", ("", "")))
    choose(page, "Descriptor", "NumPy file")
    page.get_by_label("The path of a .npy file").fill(str(tmp_path / RUN))
    page.get_by_role("button", name="Compute", exact=True).click()
    says(app, "[role=alert]", RUN)


@pytest.mark.browser
def test_a_folder_to_export_to(app: App, tmp_path: Path) -> None:
    where, page = tab(app, "Export"), app.page
    (tmp_path / "file").write_text("")
    page.get_by_label("Folder").fill(str(tmp_path / "file" / RUN))
    page.get_by_role("button", name="Export", exact=True).click()
    says(app, where, RUN)
    page.get_by_label("Folder").fill(str(tmp_path / RUN))
    page.get_by_role("combobox", name="Other formats").click()
    for name in ("fitsnap", "indices"):
        page.get_by_role("menuitem", name=FORMATS[name].title, exact=True).click()
    close_menu(page)
    says(app, where, FORMATS["fitsnap"].lacks)
    page.get_by_role("button", name="Export", exact=True).click()
    says(app, where, str(tmp_path / RUN / "manifest.json"))
    says(app, where, f"{FORMATS['fitsnap'].title}: read back and compared")
    says(app, where, f"Groups are folders, spelled otherwise where they must be: {RUN}")
    assert (tmp_path / RUN / "fitsnap" / "fitsnap.in").is_file()
    report = page.context.new_page()
    report.set_content(app.session.planning.exported.report.read_text(encoding="utf-8"))
    expect(report.get_by_role("heading", name=RUN)).to_be_visible()
    assert report.evaluate(HARM) == []
    report.close()


# Texts of the dataset


@pytest.mark.browser
def test_texts_of_the_data_beside_map_and_3d_view(app: App) -> None:
    page, session = app.page, app.session
    says(app, ".MuiDrawer-paper", RUN)  # the name of the dataset
    app.served.run(lambda: session.appearance.param.update(colour_by="group", atoms_by="group"))
    says(app, ".map-legend", GROUPS[0])  # the tip over what is cut short
    app.served.run(lambda: setattr(session.selection, "inspected", 20))
    says(app, ".pane-structure", str(session.data.dataset.groups[1]))
    says(app, ".pane-structure", f"frame 1 of {RUN}.extxyz")
    says(app, "ul.reasons", EVIL)
    says(app, ".viewer .legend", str(session.data.dataset.groups[1]))
    page.mouse.move(*data_to_page(page, "map", [session.data.survey.projection.xy[20]])[0])
    tip = "view.model.center.find((one) => one.text?.includes?.('group: '))?.text ?? ''"
    wait_until(page, lambda: RUN in figure_eval(page, "map", tip), what="the tip over a point")
    assert figure_eval(page, "map", FORMULAS) == 0
    app.served.run(lambda: setattr(session.selection, "pinned", 40))
    says(app, "table.compared", str(session.data.dataset.groups[2]))
    app.served.run(lambda: setattr(session.selection, "pinned", -1))
    app.served.run(lambda: session.appearance.param.update(colour_by="note", atoms_by="note"))
    says(app, ".map-legend", f"{EVIL} note 0")
    says(app, ".viewer .legend", f"{EVIL} note 1")


@pytest.mark.browser
def test_search_filters_and_kept_selections(app: App) -> None:
    page, session = app.page, app.session
    search = page.get_by_role("textbox", name="Search")
    search.fill(EVIL)
    search.press("Enter")
    says(app, ".search-problem", RUN)
    page.get_by_role("button", name="Filter", exact=True).click()
    choose(page, "Filter by", "Group")
    page.get_by_role("combobox", name="Show only: Group").click()
    page.get_by_role("menuitem").filter(has_text=RUN).first.click()
    close_menu(page)
    says(app, ".pane-map", GROUPS[0])
    wait_until(page, lambda: session.selection.shown is not None, what="a filter")
    page.get_by_role("button", name="Group: ").hover()
    says(app, ".pane-map", f"Remove this filter: Group: {GROUPS[0]}")
    search.fill(f"note != '{EVIL}'")
    page.get_by_role("button", name="Show only what the search finds").click()
    says(app, ".pane-map", f"Remove this filter: note != '{EVIL}'")
    search.fill("")
    page.get_by_role("button", name="Kept", exact=True).click()
    app.served.run(lambda: session.selection.select(np.arange(145) < 9))
    page.get_by_label("Name of the selection").fill(NAME)
    page.get_by_role("button", name="Keep", exact=True).first.click()
    wait_until(page, lambda: session.selection.named.names == [NAME], what="a kept selection")
    says(app, ".pane-map", NAME)
    page.get_by_role("button", name="Kept", exact=True).click()
    app.served.run(lambda: session.selection.set_filters(Filters()))


@pytest.mark.browser
def test_tables_of_clusters_environments_and_structures(app: App) -> None:
    says(app, tab(app, "Clusters"), GROUPS[0])
    where = tab(app, "Table")
    says(app, where, GROUPS[0])
    app.page.get_by_role("button", name="Structures", exact=True).click()
    says(app, where, f"{RUN}.extxyz")
    says(app, where, GROUPS[1])


@pytest.mark.browser
def test_the_gallery(app: App) -> None:
    where = tab(app, "Gallery")
    says(app, where, GROUPS[0])  # the tip
    says(app, where, GROUPS[0][:16])  # below the picture


@pytest.mark.browser
@pytest.mark.parametrize("name", ["group", "file", "note"])
def test_a_tip_of_the_composition(app: App, name: str) -> None:
    page = app.page
    tab(app, "Composition")
    choose(page, "Composition by", {"group": "Group", "file": "File"}.get(name, name))
    row = {"group": GROUPS[0], "file": f"{RUN}.extxyz", "note": f"{EVIL} note 0"}[name]
    wait_until(page, lambda: row in figure_eval(page, "composition", "view.model.y_range.factors"), what="the rows")
    wait_figure(page, "composition")

    def tip() -> list[str]:
        page.mouse.move(1, 1)
        page.mouse.move(*figure_eval(page, "composition", CELL, row), steps=2)
        return said(app, ".bk-Tooltip", row)

    wait_until(page, tip, what="the tip of a cell")
    assert figure_eval(page, "composition", FORMULAS) == 0


@pytest.mark.browser
def test_a_candidate_and_what_people_said_of_it(app: App) -> None:
    page, where = app.page, tab(app, "Outliers")
    says(app, where, EVIL)  # the reasons, in the list
    app.served.run(lambda: setattr(app.session.judging, "candidate", 20))
    says(app, "h4", str(app.session.data.dataset.groups[1]))
    page.get_by_label("Reason").fill(EVIL + "!")
    page.get_by_label("Note").fill(EVIL + "?")
    page.get_by_role("button", name="Outlier (A)").click()
    wait_until(page, lambda: app.session.judging.flags[20], what="a judgement")
    app.served.run(lambda: setattr(app.session.judging, "candidate", 20))
    app.served.run(lambda: setattr(app.session.selection, "inspected", 20))
    for text in (NAME, EVIL + "!", EVIL + "?"):
        says(app, "ul.said", text)
    says(app, ".pane-structure", f"outlier ({NAME})")


@pytest.mark.browser
def test_predictions_and_what_went_wrong_with_them(app: App) -> None:
    session, where = app.session, tab(app, "Predictions")
    app.served.run(lambda: session.set_errors(errors_off(session.data.dataset, name=EVIL)))
    says(app, where, f"{EVIL}: RMSE")
    says(app, where, f"{session.data.dataset.groups[2]} · frame 2")
    app.page.locator(where).get_by_role("button", name="Group", exact=True).click()
    says(app, where, GROUPS[2])
    app.served.run(lambda: setattr(session.data, "suspects", (Suspect(2, 40, 1.5, EVIL),)))
    app.page.locator(where).get_by_role("button", name="Wrong labels?").click()
    says(app, where, f"frame 2: {EVIL}")
    app.served.run(lambda: session.activity.param.update(predicting=(0.5, EVIL), not_predicted=EVIL))
    says(app, "[role=alert]", EVIL)
    app.served.run(lambda: session.activity.param.update(predicting=(0.0, ""), not_predicted=""))


@pytest.mark.browser
def test_plans_with_names(app: App) -> None:
    page, planning, where = app.page, app.session.planning, tab(app, "Pruning")
    for name in (f"{NAME}1", f"{NAME}2"):
        page.get_by_label("Name of the plan").fill(name)
        page.locator(where).get_by_role("button", name="Keep", exact=True).click()
        wait_until(page, lambda: name in planning.plans, what="a plan with a name")  # noqa: B023
        says(app, where, name)
    page.locator(where).get_by_role("button", name="Compare", exact=True).click()
    says(app, "dl.facts", f"only by {NAME}2")
    app.served.run(lambda: setattr(planning, "compared", ("", "")))
    page.get_by_label("Protected groups").click()
    page.get_by_role("menuitem").filter(has_text=RUN).nth(1).click()
    close_menu(page)
    wait_until(page, lambda: GROUPS[1] in planning.settings.protected, what="a protected group")
    says(app, where, GROUPS[1])


@pytest.mark.browser
def test_costs_and_models(app: App) -> None:
    planning, where = app.session.planning, tab(app, "Cost")
    cost = Cost(9, 3, 0.1, 0.1, 0.3, {EVIL: 0.2}, 0.01, np.zeros(2), np.zeros(1))
    sets = {name: SetFigures(9, 7, 1.25, 2.5, 0.375) for name in SETS}
    quests = QuestsMeasures(planning.plan, sets, QuestsConfig(), EVIL + " 1.2")
    app.served.run(lambda: planning.param.update(cost=PlanCost(planning.plan, cost, (cost,), cost), quests=quests))
    says(app, where, f"Worst group of the kept structures: {EVIL}")
    says(app, where, f"{EVIL} 1.2")
    learned = replace(app.session.data.learned, source=f"{RUN}.safetensors", key="another")
    app.served.run(lambda: app.session.set_learned(learned))
    tab(app, "Models")


@pytest.mark.browser
def test_who_is_logged_in_and_the_project(app: App, tmp_path: Path) -> None:
    page, keeping = app.page, app.session.keeping
    says(app, "header", f"{NAME}: log out")
    told = {"message": EVIL, "missing": (f"/x/{EVIL}",), "notes": (f"{EVIL}!",)}
    app.served.run(lambda: keeping.param.update(on=True, path=f"/x/{RUN}.meaviz", named=True, state="failed", **told))
    says(app, "[role=alert]", EVIL)
    for text in (f"Not found: /x/{EVIL}", f"{EVIL}!"):
        says(app, "main", text)
    page.get_by_role("button", name=f"{RUN} · NOT SAVED").click()
    says(app, "[role=dialog]", f"/x/{RUN}.meaviz: NOT SAVED")
    page.get_by_label("Merge the project of somebody else").fill(str(tmp_path / RUN))
    page.get_by_role("button", name="Merge", exact=True).click()
    says(app, "[role=alert]", str(tmp_path / RUN))
    page.keyboard.press("Escape")
    app.served.run(lambda: keeping.param.update(on=False, path="", named=False, state="off", message=""))

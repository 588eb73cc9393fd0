"""The map's view with search, filters, history and kept selections, and the views linked to it, in a real browser."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import shapely
from playwright.sync_api import Browser, Page, expect

from meaviz.app import build
from meaviz.session import Session
from tests.support.browser import (
    BrowserLog,
    Served,
    choose,
    data_to_page,
    drag,
    figure_eval,
    fresh_page,
    tool,
    wait_figure,
    wait_still,
    wait_until,
)
from tests.support.made_up import session_of

N = 2000
FRAME = """(() => {
  const box = view.el.getBoundingClientRect(), frame = view.frame.bbox
  return [box.x + frame.x0, box.y + frame.y0, frame.width, frame.height]
})()"""


@pytest.fixture
def open_session(
    serve: Callable[..., Served], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Page], Session]:
    """``open_session(page)``: open the whole app with a made-up dataset, on one server for all pages."""
    monkeypatch.setenv("MEAVIZ_DATA_HOME", str(tmp_path))
    made: list[Session] = []

    def app() -> Any:
        made.append(session_of(N, 20))
        return build(session=made[-1])

    served = serve(app)

    def start(page: Page) -> Session:
        page.set_viewport_size({"width": 1600, "height": 1000})
        page.goto(served.url)
        wait_figure(page, "map")
        served.run(lambda: None)
        return made[-1]

    return start


@pytest.fixture
def session(open_session: Callable[[Page], Session], page: Page) -> Session:
    """The session of the app that is open on ``page``."""
    return open_session(page)


@pytest.fixture
def other_page(chromium: Browser, browser_log: BrowserLog) -> Iterator[Page]:
    """The page of another browser session."""
    with fresh_page(chromium, browser_log) as page:
        yield page


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).first.click()


def chosen(session: Session, wanted: np.ndarray) -> Callable[[], bool]:
    return lambda: bool(np.array_equal(session.selection.mask, wanted))


@pytest.mark.browser
def test_search_history_filters_and_kept_selections(session: Session, page: Page) -> None:
    force = np.linalg.norm(session.data.dataset.forces, axis=1)
    groups = session.data.dataset.groups[session.data.dataset.structure_of]
    search = page.get_by_role("textbox", name="Search")
    count = page.locator(".pane-map .count")
    place = count.bounding_box()
    assert place

    search.fill('force > 1 and group == "group 2"')
    search.press("Enter")
    first = (force > 1) & (groups == "group 2")
    wait_until(page, chosen(session, first), what="what the search finds")
    expect(count).to_contain_text(f"{first.sum():,} of {N:,} selected")
    assert count.bounding_box() == place  # or the map would move below it

    search.fill("forse > 1")
    search.press("Enter")
    expect(page.get_by_text("Did you mean force")).to_be_visible()
    assert chosen(session, first)()

    press(page, "Invert the selection")
    wait_until(page, chosen(session, ~first), what="the rest")
    press(page, "Undo the last selection")
    wait_until(page, chosen(session, first), what="the first selection again")
    press(page, "Redo the selection")
    wait_until(page, chosen(session, ~first), what="the rest again")
    press(page, "Undo the last selection")
    wait_until(page, chosen(session, first), what="the first selection once more")

    press(page, "Kept")
    page.get_by_label("Name of the selection").fill("strong")
    press(page, "Keep")
    wait_until(page, lambda: session.selection.named.names == ["strong"], what="a kept selection")
    press(page, "Select nothing")
    wait_until(page, lambda: not session.selection.mask.any(), what="an empty selection")
    page.get_by_role("button", name="Recall").click()
    wait_until(page, chosen(session, first), what="the kept selection")

    # filtered environments are gone from map and selection, and a lasso cannot reach them
    search.fill("group 2")
    page.get_by_role("button", name="Show only").first.click()
    wait_until(page, lambda: session.selection.shown is not None, what="a filter")
    assert np.array_equal(session.selection.shown, groups == "group 2")
    xy = session.data.survey.projection.xy
    low, high = xy.min(axis=0) - 1, xy.max(axis=0) + 1
    press(page, "Select nothing")
    served_view = figure_eval(page, "map", "[view.frame.x_range.start, view.frame.x_range.end]")
    assert served_view[0] >= low[0] - 2
    assert served_view[1] <= high[0] + 2
    tool(page, "Box Select")
    inside = data_to_page(
        page,
        "map",
        [np.quantile(xy[session.selection.shown], 0.1, axis=0), np.quantile(xy[session.selection.shown], 0.9, axis=0)],
    )
    drag(page, inside)
    wait_until(page, lambda: session.selection.mask.any(), what="a box")
    assert not session.selection.mask[~session.selection.shown].any()
    press(page, "Filter")
    page.get_by_role("button", name="Remove this filter").click()
    wait_until(page, lambda: session.selection.shown is None, what="no filter")


@pytest.mark.browser
def test_polygon_zoom_axes_and_pictures(session: Session, page: Page) -> None:
    xy = session.data.survey.projection.xy
    labels = session.data.survey.clusters.labels

    # a polygon of clicks, the last one double; the clicks inspect nothing
    tool(page, "Polygon Select: click the corners, double click the last")
    centre = np.median(xy[labels == 0], axis=0)
    corners = centre + 2.0 * np.array([[-1, -1], [1, -1], [1.2, 0.2], [0, 1]])
    places = data_to_page(page, "map", corners)
    for x, y in places[:-1]:
        page.mouse.click(x, y)
        page.wait_for_timeout(400)
    page.mouse.dblclick(*places[-1])
    wait_until(page, lambda: session.selection.mask.any(), what="a polygon")
    inside = shapely.contains_xy(shapely.Polygon(corners), xy[:, 0], xy[:, 1])
    assert np.mean(session.selection.mask == inside) > 0.995  # the corners lie on whole pixels
    assert session.selection.inspected == -1
    tool(page, "Polygon Select: click the corners, double click the last")

    press(page, "Grow to whole clusters")
    touched = np.unique(labels[session.selection.mask])
    wait_until(page, chosen(session, np.isin(labels, touched)), what="whole clusters")

    before = figure_eval(page, "map", "view.frame.x_range.end - view.frame.x_range.start")
    press(page, "Zoom to the selection")
    span = "view.frame.x_range.end - view.frame.x_range.start"
    wait_until(page, lambda: figure_eval(page, "map", span) < before, what="a closer view")

    press(page, "View")
    with page.expect_download() as download:
        page.get_by_role("button", name="PNG").click()
    assert Path(download.value.path()).read_bytes().startswith(b"\x89PNG")
    with page.expect_download() as download:
        page.get_by_role("button", name="SVG").click()
    assert ElementTree.parse(download.value.path()).getroot().tag.endswith("svg")

    for axis, title in (("Horizontal axis", "Force / eV/Å"), ("Vertical axis", "Energy per atom / eV/atom")):
        choose(page, axis, title)
    wait_until(page, lambda: session.appearance.axes == ("force", "energy"), what="other axes")
    wait_figure(page, "map")
    wait_until(
        page,
        lambda: figure_eval(page, "map", "view.model.below[0].axis_label") == "Force / eV/Å",
        what="the name of the axis",
    )


@pytest.mark.browser
def test_histograms_table_and_composition_share_the_selection(session: Session, page: Page) -> None:
    page.get_by_role("tab", name="Histograms").click()
    wait_figure(page, "histogram-energy")
    wait_still(page)  # the tab is being laid out
    frame = figure_eval(page, "histogram-energy", "[view.frame.x_range.start, view.frame.x_range.end]")
    low, high = frame[0] + 0.3 * (frame[1] - frame[0]), frame[0] + 0.6 * (frame[1] - frame[0])
    top = figure_eval(page, "histogram-energy", "view.frame.y_range.end")
    drag(page, data_to_page(page, "histogram-energy", [(low, 0.5 * top), (high, 0.5 * top)]))
    energy = session.data.properties["energy"].values
    wait_until(page, lambda: session.selection.mask.any(), what="a brush")
    width = (frame[1] - frame[0]) / 60
    assert session.selection.mask[(energy > low + width) & (energy < high - width)].all()
    assert not session.selection.mask[(energy < low - width) | (energy > high + width)].any()

    press(page, "Select nothing")  # or the table would scroll to what is selected
    wait_until(page, lambda: not session.selection.mask.any(), what="an empty selection")
    page.get_by_role("tab", name="Table").click()
    wait_still(page)
    score = session.data.survey.outliers.score
    best = int(np.argmax(score))
    line = page.get_by_role("row").filter(has=page.get_by_role("gridcell", name=f"{best:,}", exact=True)).first
    line.get_by_role("gridcell", name=f"{best:,}", exact=True).click()
    wait_until(page, lambda: session.selection.inspected == best, what="the inspected environment")
    line.get_by_role("checkbox").click()
    wait_until(page, lambda: bool(session.selection.mask[best]), what="a tick")

    page.get_by_role("tab", name="Composition").click()
    wait_figure(page, "composition")
    wait_still(page)
    columns = figure_eval(page, "composition", "view.model.x_range.factors")
    rows = figure_eval(page, "composition", "view.model.y_range.factors")
    box = figure_eval(page, "composition", FRAME)
    page.mouse.click(box[0] + 1.5 / len(columns) * box[2], box[1] + (1 - 2.5 / len(rows)) * box[3])
    groups = session.data.dataset.groups[session.data.dataset.structure_of]
    wanted = (session.data.survey.clusters.labels == int(columns[1])) & (groups == rows[2])
    wait_until(page, chosen(session, wanted), what="a cell of the heat map")


@pytest.mark.browser
def test_two_browsers_do_not_see_each_others_selection(
    open_session: Callable[[Page], Session], page: Page, other_page: Page
) -> None:
    """A selection, a colour and an environment of one session leave the other, on the same server, as it was."""
    first, second = open_session(page), open_session(other_page)
    assert first is not second
    labels = first.data.survey.clusters.labels
    for session, where, label in ((first, page, 0), (second, other_page, 1)):
        before = [None if one.selection.mask is None else one.selection.mask.copy() for one in (first, second)]
        middle = np.median(session.data.survey.projection.xy[labels == label], axis=0)
        angle = np.linspace(0, 2 * np.pi, 24)
        drag(where, data_to_page(where, "map", middle + 0.8 * np.column_stack([np.cos(angle), np.sin(angle)])))
        wait_until(where, lambda session=session: session.selection.mask.any(), what="a selection")
        other = 1 if session is first else 0
        np.testing.assert_array_equal((first, second)[other].selection.mask, before[other])
    assert not np.array_equal(first.selection.mask, second.selection.mask)
    for session, where in ((first, page), (second, other_page)):
        expect(where.get_by_text(f"{int(session.selection.mask.sum()):,} of {N:,} selected")).to_be_visible()

    choose(page, "Colour by", first.data.properties.title_of("group"))
    wait_until(page, lambda: first.appearance.colour_by == "group", what="other colours")
    page.get_by_role("button", name="Next environment").click()
    wait_until(page, lambda: first.selection.inspected >= 0, what="an environment")
    assert (second.appearance.colour_by, second.selection.inspected) == ("cluster", -1)
    expect(other_page.get_by_role("combobox", name="Colour by")).to_have_text("Cluster")

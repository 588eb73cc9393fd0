"""The map in a real browser: every gesture against the exact answer, in both ways of drawing."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import panel as pn
import pytest
import shapely
from PIL import Image
from playwright.sync_api import Page, expect

from meaviz.components.map.environment_map import EnvironmentMap, warm
from meaviz.components.map.figure import NAME
from meaviz.components.map.labels import label_texts
from meaviz.components.map.layers import SCATTER_MAX
from meaviz.style.palette import DARK, LIGHT, NEUTRAL, SEQUENTIAL, Colouring, palette
from tests.support.browser import (
    BrowserLog,
    Served,
    data_to_page,
    drag,
    figure_eval,
    fresh_page,
    open_page,
    tool,
    wait_figure,
    wait_idle,
    wait_until,
)

pytestmark = pytest.mark.browser

CENTRES = np.array([[-10.0, 0.0], [10.0, 0.0], [0.0, 12.0]])  # three square blobs, 4 wide, far from each other
TIP = "view.model.center.find((one) => one.type == 'Label')"
NAMES = "view.model.renderers.findLast((one) => one.glyph.type == 'Text')"
WIDTHS = f"""arg.map((text) => {{
  const context = document.createElement("canvas").getContext("2d"), {{glyph}} = {NAMES};
  context.font = `bold ${{glyph.text_font_size.value}} ${{glyph.text_font.value}}`;
  return context.measureText(text).width;
}})"""
IMAGE_WIDTH = "view.model.renderers[0].data_source.get_column('dw')[0]"
FAR_AWAY = (0.0, -1.0)  # no point within 3 units


@dataclass
class Stage:
    """A served map, what it holds, and what it has reported."""

    page: Any
    served: Any
    map: EnvironmentMap
    xy: np.ndarray
    blob: np.ndarray
    selections: list[tuple[np.ndarray, str]] = field(default_factory=list)
    taps: list[int] = field(default_factory=list)
    hovered: list[int] = field(default_factory=list)

    def run(self, function):
        """Call on the server, in the session, and wait until the browser has caught up."""
        self.served.run(function)
        wait_idle(self.page)
        self.page.wait_for_timeout(150)

    def at(self, *points):
        return data_to_page(self.page, NAME, points)

    def select(self, points, **modifiers):
        """Drag along data coordinates; return the mask and mode the map reports."""
        seen = len(self.selections)
        drag(self.page, self.at(*points), steps=1, **modifiers)
        wait_until(self.page, lambda: len(self.selections) > seen, what="a selection reported")
        return self.selections[-1]

    def select_and_compare(self, points):
        """Drag a lasso; the mask must be shapely's answer for the path as Bokeh drew it."""
        listen = "view.model.on_event('selectiongeometry', (event) => drawn.push(event.geometry))"
        figure_eval(self.page, NAME, f"void (window.drawn = [], {listen})")
        mask, _ = self.select(points)
        path = self.page.evaluate("() => [Array.from(drawn.at(-1).x), Array.from(drawn.at(-1).y)]")
        polygon = shapely.make_valid(shapely.Polygon(np.transpose(path)))
        np.testing.assert_array_equal(mask, shapely.contains_xy(polygon, self.xy.astype(np.float64)))
        return mask

    def tap(self, point):
        seen = len(self.taps)
        self.page.mouse.click(*self.at(point)[0])
        wait_until(self.page, lambda: len(self.taps) > seen, what="a tap reported")
        return self.taps[-1]

    def pixels(self):
        """The page as (height, width, 3) integers."""
        self.page.wait_for_timeout(100)
        return np.asarray(Image.open(io.BytesIO(self.page.screenshot())).convert("RGB")).astype(int)

    def colours_around(self, point, reach=25):
        """Pixels (K, 3) of a square around data coordinates."""
        x, y = (round(value) for value in self.at(point)[0])
        return self.pixels()[y - reach : y + reach, x - reach : x + reach].reshape(-1, 3)

    def wait_for_colour(self, point, colour, reach=25):
        """Wait until many pixels around ``point`` have this colour."""
        wait_until(
            self.page,
            lambda: share(self.colours_around(point, reach), colour) > 0.1,
            what=f"{colour} around {point}",
        )


def rgb(colour):
    return np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)])


def share(pixels, colour, tolerance=55):
    """Fraction of pixels about this colour."""
    return float((np.abs(pixels - rgb(colour)).max(axis=1) < tolerance).mean())


def circle(centre, radius, n=20):
    angles = np.linspace(0, 2 * np.pi, n, endpoint=False)
    return np.asarray(centre) + radius * np.column_stack([np.cos(angles), np.sin(angles)])


@pytest.fixture(scope="module", autouse=True)
def compiled():
    warm()


@dataclass
class Theatre:
    """A page with room for one map after the other: opening a page takes longer than most tests."""

    page: Page
    served: Served
    log: BrowserLog
    room: pn.Column


@pytest.fixture(scope="module")
def theatre(chromium):
    rooms: list[pn.Column] = []

    def app():
        rooms.append(pn.Column(sizing_mode="stretch_both"))
        return rooms[-1]

    log = BrowserLog()
    with fresh_page(chromium, log) as page:
        served = Served(app)
        log.servers.add(served.host)
        open_page(page, served)
        yield Theatre(page, served, log, rooms[-1])
        served.stop()
    assert not log.external(), f"requests to other hosts: {log.external()}"


@pytest.fixture(params=[3_000, 200_000], ids=["scatter", "raster"])
def stage(request, theatre):
    n = request.param
    rng = np.random.default_rng(7)
    blob = rng.integers(0, 3, n)
    xy = (CENTRES[blob] + rng.uniform(-2, 2, size=(n, 2))).astype(np.float32)
    page, served = theatre.page, theatre.served
    page.mouse.move(0, 0)

    def enter():
        component = EnvironmentMap()
        one = Stage(page, served, component, xy, blob)
        component.set_points(xy)
        component.set_colouring(Colouring.categorical(blob, ["alpha", "beta", "gamma"], label="Phase"))
        component.on_select = lambda mask, mode: one.selections.append((mask, mode))
        component.on_tap = one.taps.append
        component.hover = lambda row: one.hovered.append(row) or f"Environment {row}"
        theatre.room[:] = [component]
        return one

    one = served.run(enter)
    wait_figure(page, NAME)
    one.wait_for_colour(CENTRES[0], palette(3)[0])
    page.mouse.move(*one.at(FAR_AWAY)[0])
    yield one
    served.run(theatre.room.clear)
    wait_idle(page)
    assert not theatre.log.errors, f"errors on the page: {theatre.log.errors}"
    assert not served.errors, f"the server logged errors: {served.errors}"


def test_lasso_around_a_blob_selects_it_exactly(stage):
    mask, mode = stage.select(circle(CENTRES[0], 4.0))
    np.testing.assert_array_equal(mask, stage.blob == 0)
    assert mode == "replace"


def test_lasso_through_a_blob_agrees_with_shapely(stage):
    mask = stage.select_and_compare(circle(CENTRES[1] + [1.0, 0.5], 1.6))
    assert 0.25 < mask.sum() / (stage.blob == 1).sum() < 0.55  # the lasso did cut the blob


def test_box_is_exact(stage):
    tool(stage.page, "Box Select")
    mask, mode = stage.select([(7.0, 3.0), (13.0, -3.0)])
    np.testing.assert_array_equal(mask, stage.blob == 1)
    assert mode == "replace"
    mask, _ = stage.select([(-10.0, 3.0), (-7.0, -3.0)])  # the right half of blob 0
    left = stage.at((-10.0, 0.0))[0][0]
    (edge,) = figure_eval(
        stage.page, NAME, f"[view.frame.x_scale.invert({round(left)} - view.el.getBoundingClientRect().x)]"
    )
    sure = np.abs(stage.xy[:, 0] - edge) > 0.05  # two pixels
    np.testing.assert_array_equal(mask[sure], ((stage.blob == 0) & (stage.xy[:, 0] > edge))[sure])


def test_modifier_keys_choose_the_mode_unless_the_parameter_does(stage):
    lasso = circle(CENTRES[2], 3.6)
    for keys, expected in {
        ("Shift",): "add",
        ("Control",): "remove",
        ("Meta",): "remove",
        ("Shift", "Control"): "intersect",
        (): "replace",  # the keys are up again
    }.items():
        mask, mode = stage.select(lasso, modifiers=keys)
        assert mode == expected
        np.testing.assert_array_equal(mask, stage.blob == 2)
    stage.run(lambda: stage.map.param.update(mode="intersect"))
    assert stage.select(lasso)[1] == "intersect"
    assert stage.select(lasso, modifiers=["Shift"])[1] == "intersect"


def test_a_drag_may_begin_slowly(stage):
    points = stage.at(*circle(CENTRES[0], 4.0))
    stage.page.mouse.move(*stage.at(FAR_AWAY)[0])
    stage.page.mouse.move(*points[0])
    stage.page.mouse.down()
    stage.page.wait_for_timeout(500)  # longer than what Bokeh takes for a press
    for point in points[1:]:
        stage.page.mouse.move(*point)
    stage.page.mouse.up()
    wait_until(stage.page, lambda: stage.selections)
    np.testing.assert_array_equal(stage.selections[0][0], stage.blob == 0)


def test_tap_reports_the_nearest_point_or_none(stage):
    chosen = int(np.flatnonzero(stage.blob == 2)[11])
    row = stage.tap(stage.xy[chosen])
    scale = np.abs(np.diff(np.array(stage.at((0, 0), (1, 1))), axis=0))[0]
    distance = np.hypot(*((stage.xy - stage.xy[chosen]) * scale).T)
    assert distance[row] <= 1.0  # a click lands on a whole pixel
    assert stage.tap(FAR_AWAY) == -1
    stage.taps.clear()
    for target in (stage.xy[chosen], FAR_AWAY):  # in short order, which Bokeh takes for a double click
        stage.page.mouse.click(*stage.at(target)[0])
    wait_until(stage.page, lambda: len(stage.taps) == 2)
    assert stage.taps == [row, -1]


@pytest.mark.parametrize(
    ("keys", "mode"),
    [(["Shift"], "add"), (["Control"], "remove"), (["Meta"], "remove"), (["Shift", "Control"], "intersect")],
)
def test_a_click_with_keys_selects_the_point(stage, keys, mode):
    target = stage.xy[int(np.flatnonzero(stage.blob == 1)[5])]
    row = stage.tap(target)
    for place in (FAR_AWAY, target):  # beside the points it means nothing
        for key in keys:
            stage.page.keyboard.down(key)
        stage.page.mouse.click(*stage.at(place)[0])
        for key in keys:
            stage.page.keyboard.up(key)
    wait_until(stage.page, lambda: stage.selections, what="a selection reported")
    ((mask, said),) = stage.selections
    assert np.flatnonzero(mask).tolist() == [row]
    assert said == mode
    assert stage.taps == [row]


def test_selection_tap_and_drawing_follow_the_zoom(stage):
    def width():
        view = stage.map.view
        return view.x[1] - view.x[0]

    before = width()
    stage.page.mouse.move(*stage.at(CENTRES[1])[0])
    stage.page.mouse.wheel(0, -300)
    wait_until(stage.page, lambda: width() < before / 1.2)
    if len(stage.xy) > SCATTER_MAX:  # the image covers what is in view now
        wait_until(stage.page, lambda: figure_eval(stage.page, NAME, IMAGE_WIDTH) == pytest.approx(width()))
    stage.wait_for_colour(CENTRES[1], palette(3)[1])
    mask = stage.select_and_compare(circle(CENTRES[1], 1.0))
    assert mask.sum() == pytest.approx(np.pi / 16 * (stage.blob == 1).sum(), rel=0.15)
    target = np.flatnonzero(mask)[3]
    assert np.hypot(*(stage.xy[stage.tap(stage.xy[target])] - stage.xy[target])) < 0.05
    assert stage.tap(CENTRES[1] - [3.5, 0.0]) == -1


def test_reset_shows_everything_again(stage):
    start = stage.map.view
    stage.page.mouse.move(*stage.at(CENTRES[1])[0])
    stage.page.mouse.wheel(0, -600)
    wait_until(stage.page, lambda: stage.map.view.x != start.x)
    tool(stage.page, "Reset")
    wait_until(stage.page, lambda: stage.map.view.x == pytest.approx(start.x))
    stage.wait_for_colour(CENTRES[0], palette(3)[0])


def test_recolouring_changes_the_pixels_and_the_legend(stage):
    for name in ("alpha", "beta", "gamma"):
        count = int((stage.blob == ["alpha", "beta", "gamma"].index(name)).sum())
        expect(stage.page.get_by_text(f"{name}  {count:,}")).to_be_visible()
    codes = np.where(stage.blob == 0, -1, stage.blob + 3)
    names = [f"Cluster {i}" for i in range(6)]
    stage.run(lambda: stage.map.set_colouring(Colouring.categorical(codes, names, label="Clusters")))
    stage.wait_for_colour(CENTRES[0], NEUTRAL)
    stage.wait_for_colour(CENTRES[1], palette(6)[4])
    assert share(stage.colours_around(CENTRES[1]), palette(3)[1]) < 0.01
    expect(stage.page.get_by_text(f"Unclustered  {(stage.blob == 0).sum():,}")).to_be_visible()
    expect(stage.page.get_by_text("alpha")).not_to_be_visible()


def test_colour_bar_replaces_the_legend(stage):
    values = stage.xy[:, 0].astype(float)  # blob 0 low, blob 1 high
    colouring = Colouring.continuous(values, label="Energy", unit="eV")
    stage.run(lambda: stage.map.set_colouring(colouring))
    stage.wait_for_colour(CENTRES[0], colouring.palette[20])
    stage.wait_for_colour(CENTRES[1], colouring.palette[-20])
    expect(stage.page.get_by_text("alpha")).not_to_be_visible()
    right = stage.at((stage.map.view.x[1], 0))[0][0]
    bar = stage.pixels()[:, round(right) + 2 :].reshape(-1, 3)
    for i in (0, 60, 120, 180, 230):
        assert (np.abs(bar - rgb(colouring.palette[i])).max(axis=1) < 8).sum() > 10  # the bar itself
    assert (np.abs(bar - rgb(LIGHT.text)).max(axis=1) < 90).sum() > 60  # its labels


@pytest.mark.parametrize("stage", [3_000], indirect=True, ids=["scatter"])
def test_density_counts_pixels_and_ends_with_the_next_colouring(stage):
    stage.run(stage.map.set_density)
    expect(stage.page.get_by_text(re.compile(r"Density \(environments within \d pixels\)"))).to_be_visible()
    expect(stage.page.get_by_text("alpha")).not_to_be_visible()
    around = stage.colours_around(CENTRES[0])
    assert share(around, palette(3)[0], 30) == 0  # no point has a colour of its own
    assert min(np.abs(around - rgb(colour)).max(axis=1).min() for colour in SEQUENTIAL[60:]) < 6
    mask, _ = stage.select(circle(CENTRES[0], 4.0))
    np.testing.assert_array_equal(mask, stage.blob == 0)
    stage.run(lambda: stage.map.set_selection(stage.blob == 1))
    stage.wait_for_colour(CENTRES[0], LIGHT.dim)
    stage.run(lambda: stage.map.set_selection(None))
    stage.run(lambda: stage.map.set_colouring(Colouring.categorical(stage.blob, ["alpha", "beta", "gamma"])))
    stage.wait_for_colour(CENTRES[0], palette(3)[0])
    expect(stage.page.get_by_text("Density")).not_to_be_visible()


@pytest.mark.parametrize("stage", [3_000], indirect=True, ids=["scatter"])
def test_names_are_as_wide_as_is_reckoned_with_and_more_appear_on_a_closer_view(stage):
    crowd = np.argsort(np.hypot(*(stage.xy - CENTRES[1]).T))[:5]
    codes = np.full(len(stage.xy), -1)
    codes[crowd] = np.arange(5)
    names = [f"{letter} long name, mm WWW" for letter in "abcde"]
    stage.run(lambda: stage.map.set_labels(codes, label_texts(5, names)))

    def on_page():
        return figure_eval(stage.page, NAME, f"Array.from({NAMES}.data_source.data.text)")

    assert on_page() == [one.text for one in stage.map.labels]
    assert on_page()[0] == "0 · a long name, mm WWW"
    assert 0 < len(on_page()) < 5  # there is no room for all
    around = stage.colours_around((stage.map.labels[0].x, stage.map.labels[0].y), 8)
    assert share(around, LIGHT.text) > 0.05  # letters
    assert share(around, LIGHT.raised, 20) > 0.05  # and their halo
    stage.run(lambda: stage.map.zoom_to(codes >= 0))
    wait_until(stage.page, lambda: len(on_page()) == 5, what="all names on a closer view")
    measured = figure_eval(stage.page, NAME, WIDTHS, on_page())
    assert all(0 < width <= one.width for width, one in zip(measured, stage.map.labels, strict=True))
    stage.run(lambda: stage.map.set_labels(None))
    assert on_page() == []


def test_selected_points_stay_in_colour_and_the_others_turn_grey(stage):
    stage.run(lambda: stage.map.set_selection(stage.blob == 1))
    stage.wait_for_colour(CENTRES[0], LIGHT.dim)
    assert share(stage.colours_around(CENTRES[0]), palette(3)[0]) == 0
    assert share(stage.colours_around(CENTRES[1]), palette(3)[1]) > 0.1
    stage.run(lambda: stage.map.set_selection(None))
    stage.wait_for_colour(CENTRES[0], palette(3)[0])
    stage.run(lambda: stage.map.set_selection(np.zeros(len(stage.xy), dtype=bool)))
    assert share(stage.colours_around(CENTRES[0]), palette(3)[0]) > 0.1  # nothing selected dims nothing


def test_pruned_points_are_pale(stage):
    stage.run(lambda: stage.map.set_pruned(stage.blob == 0))
    wait_until(stage.page, lambda: share(stage.colours_around(CENTRES[0]), palette(3)[0]) == 0)
    pale = stage.colours_around(CENTRES[0])
    assert (pale.min(axis=1) < 250).mean() > 0.1  # yet still there
    assert pale.min() > 100
    assert share(stage.colours_around(CENTRES[1]), palette(3)[1]) > 0.1


def test_marker_rings_a_point(stage):
    row = int(np.argmin(np.hypot(*(stage.xy - CENTRES[2]).T)))
    assert share(stage.colours_around(stage.xy[row], 12), LIGHT.text) == 0
    stage.run(lambda: stage.map.set_marker(row))
    wait_until(stage.page, lambda: share(stage.colours_around(stage.xy[row], 12), LIGHT.text, 60) > 0.05)
    stage.run(lambda: stage.map.set_marker(-1))
    wait_until(stage.page, lambda: share(stage.colours_around(stage.xy[row], 12), LIGHT.text, 60) == 0)


def test_hover_asks_for_the_resting_pointer_only(stage):
    target = stage.xy[np.flatnonzero(stage.blob == 2)[5]]
    (x, y), (away_x, away_y) = stage.at(target, FAR_AWAY)
    stage.page.mouse.move(away_x, away_y)
    stage.page.mouse.move(x, y, steps=25)
    wait_until(stage.page, lambda: figure_eval(stage.page, NAME, f"{TIP}.visible"))
    assert len(stage.hovered) <= 5  # not one question a step
    assert figure_eval(stage.page, NAME, f"{TIP}.text") == f"Environment {stage.hovered[-1]}"
    assert np.hypot(*(stage.xy[stage.hovered[-1]] - target)) < 0.2
    stage.page.mouse.move(away_x, away_y)
    wait_until(stage.page, lambda: not figure_eval(stage.page, NAME, f"{TIP}.visible"))


def test_dark_theme(stage):
    box = stage.at(FAR_AWAY)[0]
    stage.run(lambda: stage.map.param.update(dark=True))
    stage.wait_for_colour(FAR_AWAY, DARK.raised)
    pixels = stage.pixels()
    assert np.abs(pixels[round(box[1]), round(box[0])] - rgb(DARK.raised)).max() < 3
    stage.wait_for_colour(CENTRES[0], palette(3)[0])
    stage.run(lambda: stage.map.set_selection(stage.blob == 1))
    stage.wait_for_colour(CENTRES[0], DARK.dim)


def test_other_points_reset_the_map_and_a_message_replaces_it(stage):
    stage.run(lambda: stage.map.set_selection(stage.blob == 1))
    stage.run(lambda: stage.map.clear("Open a dataset <first>."))
    expect(stage.page.get_by_text("Open a dataset <first>.")).to_be_visible()
    expect(stage.page.locator(".bk-Figure")).to_have_count(0)
    other = np.array([[0, 0], [1, 1], [5, 5], [np.nan, np.nan]], dtype=np.float32)
    stage.run(lambda: stage.map.set_points(other))
    wait_figure(stage.page, NAME)
    stage.wait_for_colour((5, 5), LIGHT.accent, reach=4)
    stage.page.wait_for_timeout(100)
    assert stage.tap((5, 5)) == 2
    mask, _ = stage.select(circle((0.5, 0.5), 1.5))
    np.testing.assert_array_equal(mask, [True, True, False, False])


def test_modes_of_the_toolbar_are_those_of_the_parameter(stage):
    lasso = "view.model.toolbar.tools.find((tool) => tool.type == 'LassoSelectTool')"
    stage.run(lambda: stage.map.param.update(mode="remove"))
    wait_until(stage.page, lambda: figure_eval(stage.page, NAME, f"{lasso}.mode") == "subtract")
    figure_eval(stage.page, NAME, f"void ({lasso}.mode = 'append')")  # what its menu does
    wait_until(stage.page, lambda: stage.map.mode == "add")
    assert stage.select(circle(CENTRES[0], 4.0))[1] == "add"


def test_masks_and_colours_must_fit_the_points(stage):
    with pytest.raises(ValueError, match=r"selection has shape \(2,\); expected"):
        stage.map.set_selection(np.zeros(2, dtype=bool))
    with pytest.raises(ValueError, match="colouring"):
        stage.map.set_colouring(Colouring.categorical([0], ["a"]))
    with pytest.raises(ValueError, match="row from -1 to"):
        stage.map.set_marker(len(stage.xy))
    with pytest.raises(ValueError, match="expects \\(N, 2\\)"):
        stage.map.set_points(np.zeros((3, 3)))

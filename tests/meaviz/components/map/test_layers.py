"""How the map turns points into pixels, and what its legend says; no browser."""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
import pytest
from bokeh.plotting import figure
from hypothesis import given
from hypothesis import strategies as st

from meaviz.components.map import layers as layers_of_map
from meaviz.components.map.layers import (
    OPACITY,
    RasterLayer,
    ScatterLayer,
    View,
    levels,
    make_layer,
    point_size,
    shade,
)
from meaviz.components.map.legend import bar_ticks, legend_html, shorten
from meaviz.components.map.pixels import topmost
from meaviz.style.palette import DARK, LIGHT, NEUTRAL, Colouring, pack, palette, rgb24

VIEW = View((0.0, 10.0), (0.0, 10.0), 100, 100)
RED, BLUE = pack(["#FF0000", "#0000FF"])


def draw(xy, rgba, level=None, view=VIEW, theme=LIGHT):
    """Image (height, width, 4) of a raster layer, row 0 at the bottom."""
    xy = np.asarray(xy, dtype=np.float32)
    layer = RasterLayer(figure(), xy, view)
    layer.arrange(levels(len(xy), None, None) if level is None else np.asarray(level, dtype=np.uint8))
    layer.paint(np.asarray(rgba, dtype=np.uint32), theme)
    image = layer.source.data["image"][0]
    return image.view(np.uint8).reshape(*image.shape, 4)


def test_levels_by_hand():
    selected = np.array([True, True, False, False])
    pruned = np.array([False, True, False, True])
    assert levels(4, selected, pruned).tolist() == [3, 2, 1, 0]
    assert levels(4, None, pruned).tolist() == [3, 2, 3, 2]
    assert levels(4, np.zeros(4, dtype=bool), None).tolist() == [3, 3, 3, 3]


def test_view_scale():
    assert View((0.0, 2.0), (-1.0, 4.0), 800, 600).scale == (400.0, 120.0)


def test_points_shrink_as_they_get_more():
    sizes = [point_size(n) for n in (0, 200, 14_000, 180_000, 1_000_000)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[2] == pytest.approx(4.2, abs=0.1)
    assert (sizes[0], sizes[-1]) == (9.0, 2.0)
    assert [point_size(200, side) / point_size(200) for side in (100, 700, 800, 5000)] == pytest.approx(
        [0.8, 1, 8 / 7, 1.35]
    )
    assert point_size(1_000_000, 100) == 2.0


def test_shade_by_level():
    colours = shade(np.full(4, RED), np.array([0, 1, 2, 3], np.uint8), LIGHT, np.array([0.0, 0.2, 0.4, 1.0]))
    rgb = [f"#{value:06X}" for value in rgb24(colours)]
    assert rgb[3] == "#FF0000"
    assert rgb[2] == "#FFB2B2"  # 7/10 of the way to white
    assert rgb[1] == LIGHT.dim
    assert (colours >> 24).tolist() == [0, 51, 102, 255]
    dark = shade(np.full(4, RED), np.array([0, 1, 2, 3], np.uint8), DARK, np.ones(4))
    assert rgb24(dark)[1] == int(DARK.dim[1:], 16)


def test_raster_draws_a_disc_where_the_point_is():
    image = draw([[2.05, 7.05]], [RED])
    ys, xs = np.nonzero(image[..., 3])
    assert (xs.mean(), ys.mean()) == pytest.approx((20, 70), abs=0.01)
    diameter = np.ptp(xs) + 1
    assert diameter == np.ptp(ys) + 1
    assert point_size(1, VIEW.side) <= diameter <= point_size(1, VIEW.side) + 2
    assert image[70, 20].tolist() == [255, 0, 0, round(255 * OPACITY[3])]


def test_overlapping_points_grow_opaque():
    one, three = draw([[5, 5]], [RED]), draw([[5, 5]] * 3, [RED] * 3)
    assert one[50, 50, 3] == 204
    assert three[50, 50, 3] == round(255 * (1 - 0.2**3))


def test_selected_points_lie_on_top_whatever_their_order():
    for level in ([3, 1, 1], [1, 3, 1], [1, 1, 3]):
        image = draw([[5, 5]] * 3, [RED] * 3, level)
        assert image[50, 50, :3].tolist() == [255, 0, 0]
    many = draw(np.full((500, 2), 5.0), [RED] * 500, [1] * 499 + [3])
    assert many[50, 50, :3].tolist() == [255, 0, 0]


def test_no_group_hides_another_for_coming_later():
    rng = np.random.default_rng(0)
    xy = np.repeat(rng.uniform(0, 10, size=(300, 2)), 2, axis=0)  # pairs at one place
    image = draw(xy, [RED, BLUE] * 300)
    full = image[..., 3] > 200
    red = (image[..., 0] == 255)[full].mean()
    assert 0.4 < red < 0.6


def test_raster_ignores_what_is_out_of_view_or_nowhere():
    image = draw([[50, 50], [np.nan, 5], [5, np.nan]], [RED] * 3)
    assert not image.any()


def test_each_pixel_shows_its_last_point_and_counts_all():
    rng = np.random.default_rng(0)
    x, y = rng.uniform(-0.2, 1.2, (2, 500)).astype(np.float32)
    x[:4], y[:4], x[4] = (0.0, 1.0, 1.0, 0.5), (0.0, 1.0, 0.0, 1.0), np.nan  # the corners belong to the view
    rows = rng.permutation(500).astype(np.int32)
    last, count = topmost(x, y, rows, 0.0, 1.0, 0.0, 1.0, 7, 5)
    expected, latest = np.zeros((5, 7), int), np.full((5, 7), -1)
    for k in range(500):
        if 0 <= x[k] <= 1 and 0 <= y[k] <= 1:
            place = min(int(np.float64(y[k]) * 5), 4), min(int(np.float64(x[k]) * 7), 6)
            expected[place] += 1
            latest[place] = rows[k]
    np.testing.assert_array_equal(count, expected)
    np.testing.assert_array_equal(last, latest)


def test_recolouring_needs_no_new_aggregation(monkeypatch):
    layer = RasterLayer(figure(), np.array([[5, 5]], dtype=np.float32), VIEW)
    layer.arrange(levels(1, None, None))
    layer.paint(np.array([RED]), LIGHT)
    monkeypatch.setattr(layers_of_map, "topmost", lambda *arguments: pytest.fail("aggregated"))
    layer.paint(np.array([BLUE]), LIGHT)
    assert layer.source.data["image"][0][50, 50] & 0xFFFFFF == BLUE & 0xFFFFFF
    assert layer.look(VIEW)


def test_a_raster_holds_five_bytes_a_pixel_beside_its_image():
    """Each page on a server holds its own: the point that a pixel shows and its opacity, and nothing as long as N."""
    xy = np.random.default_rng(0).uniform(0, 10, (3000, 2)).astype(np.float32)
    layer = RasterLayer(figure(), xy, VIEW)
    level = levels(len(xy), None, None)
    layer.arrange(level)
    layer.paint(np.full(len(xy), RED), LIGHT)
    held = [value for value in vars(layer).values() if isinstance(value, np.ndarray)]
    own = [value for value in held if value is not xy and value is not level]
    assert sum(value.nbytes for value in own) <= 5 * VIEW.width * VIEW.height


def test_scatter_keeps_rows_and_colours_together():
    xy = np.arange(20, dtype=np.float32).reshape(10, 2)
    rgba = pack([f"#{i:06X}" for i in range(10)])
    layer = ScatterLayer(figure(), xy, VIEW)
    level = np.array([3, 1] * 5, dtype=np.uint8)
    layer.arrange(level)
    layer.paint(rgba, LIGHT)
    data = layer.source.data
    row = (data["x"] / 2).astype(int)
    assert sorted(row.tolist()) == list(range(10))
    assert (level[row][:5].tolist(), level[row][5:].tolist()) == ([1] * 5, [3] * 5)
    np.testing.assert_array_equal(data["y"], xy[row, 1])
    assert data["fill"].shape == (10, 4)
    np.testing.assert_array_equal(data["fill"][5:, 2], row[5:])  # the blue byte names the row
    assert (data["fill"][:5, :3] == [0xD0, 0xD6, 0xDC]).all()
    before = data["x"]
    layer.paint(rgba, DARK)
    assert layer.source.data["x"] is before  # colours only


def test_scatter_discs_grow_when_few_are_in_view():
    xy = np.random.default_rng(0).uniform(0, 10, size=(5000, 2)).astype(np.float32)
    plot = figure()
    layer = make_layer(plot, xy, VIEW)
    assert isinstance(layer, ScatterLayer)
    (discs,) = plot.renderers
    whole = discs.glyph.size
    assert not layer.look(View((0.0, 1.0), (0.0, 1.0), 100, 100))
    assert discs.glyph.size > whole + 2


@pytest.mark.parametrize(
    ("low", "high", "log", "labels"),
    [
        (0, 10, False, ["0", "2", "4", "6", "8", "10"]),
        (-10.47, -9.63, False, ["−10.4", "−10.2", "−10.0", "−9.8"]),
        (-3.21, -3.20, False, ["−3.210", "−3.208", "−3.206", "−3.204", "−3.202", "−3.200"]),
        (0, 1.1, False, ["0", "0.25", "0.50", "0.75", "1.00"]),
        (12_000, 61_000, False, ["20,000", "30,000", "40,000", "50,000", "60,000"]),
        (0.02, 3, True, ["0.02", "0.05", "0.1", "0.2", "0.5", "1", "2"]),
        (1e-6, 2e2, True, ["10⁻⁶", "0.00001", "0.0001", "0.001", "0.01", "0.1", "1", "10", "100"]),
        (2, 8, True, ["2", "4", "6", "8"]),
        (-1e9, 1e9, False, ["−1.0×10⁹", "−5×10⁸", "0", "5×10⁸", "1.0×10⁹"]),
        (
            0.001,
            0.001001,
            False,
            ["1.0000×10⁻³", "1.0002×10⁻³", "1.0004×10⁻³", "1.0006×10⁻³", "1.0008×10⁻³", "1.0010×10⁻³"],
        ),
        (5, 5, False, ["5.0000"]),
        (float("nan"), float("nan"), False, []),
    ],
)
def test_bar_ticks(low, high, log, labels):
    assert list(bar_ticks(low, high, log).values()) == labels


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6), st.booleans())
def test_bar_ticks_are_few_in_range_and_different(low, width, log):
    low = abs(low) + 1e-3 if log else low
    high = low + width
    ticks = bar_ticks(low, high, log)
    if width > 1e-6 * abs(low):
        assert 1 <= len(ticks) <= 12
        assert len(set(ticks.values())) == len(ticks)
        slack = 1e-6 * (high - low)
        assert all(low - slack <= value <= high + slack for value in ticks)


def test_shorten_keeps_both_ends():
    assert shorten("surface", 10) == "surface"
    assert shorten("stacking_fault_surface_111", 18) == "stacking_fa…ce_111"
    assert len(shorten("x" * 50, 18)) == 18


def legend_of(colouring):
    """Text of the legend's lines, and the colours of its swatches."""
    page = legend_html(colouring, LIGHT)
    root = ElementTree.fromstring(page.replace("&ensp;", "  "))
    return root, ["".join(node.itertext()) for node in root]


def test_legend_lists_noise_and_sums_up_the_rest():
    codes = np.concatenate([[-1] * 5, np.repeat(np.arange(20), np.arange(40, 20, -1))])
    root, (title, *labels) = legend_of(Colouring.categorical(codes, [f"C{i}" for i in range(20)], label="Clusters"))
    assert title == "Clusters"
    rest = sum(range(30, 20, -1))
    assert labels == [*(f"C{i}  {40 - i}" for i in range(10)), "Unclustered  5", f"+ 10 more  {rest}"]
    swatches = [node.get("style", "") for node in root.iter("i")]
    assert swatches == [*(f"background:{colour}" for colour in palette(20)[:10]), f"background:{NEUTRAL}", ""]


def test_names_in_a_legend_are_text():
    colouring = Colouring.categorical([0], ['<b>"bold"</b>'], label="a < b")
    _, lines = legend_of(colouring)
    assert lines == ["a < b", '<b>"bold"</b>  1']


@pytest.mark.parametrize("log", [False, True])
def test_colour_bar(log):
    values = np.append(np.geomspace(0.01, 10, 1000), np.nan)
    colouring = Colouring.continuous(values, label="Force", unit="eV/Å", log=log)
    root, lines = legend_of(colouring)
    assert lines[:2] == ["Force (eV/Å)", "1 without a value: grey"]
    bar = root[-1]
    assert bar.get("style") == f"background:linear-gradient(to top,{','.join(colouring.palette)})"
    low, high = np.percentile(values[:-1], [1, 99])
    assert len(bar) >= 3
    for node in bar:
        value, part = float(node.text.replace(",", "")), float(node.get("style")[len("bottom:") : -1]) / 100
        expected = np.log(value / low) / np.log(high / low) if log else (value - low) / (high - low)
        assert part == pytest.approx(expected, abs=2e-4)


def test_colour_bar_of_one_value_and_of_none_still_appears():
    _, (title, bar) = legend_of(Colouring.continuous(np.full(3, 2.5), label="E", unit="eV"))
    assert (title, bar) == ("E (eV)", "2.50000")
    root, lines = legend_of(Colouring.continuous(np.full(3, np.nan), label="E", unit="eV"))
    assert lines == ["E (eV)", "3 without a value: grey", ""]
    assert root[-1].get("class") == "bar"

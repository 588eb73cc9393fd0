"""The map by density: what a pixel counts, and what its colours mean."""

from __future__ import annotations

import numpy as np
import pytest

from meaviz.components.map.density import LEAST, MOST, density, density_picture, reach_of
from meaviz.components.map.layers import View, levels
from meaviz.components.map.legend import bar_ticks
from meaviz.style.palette import DARK, LIGHT, pack

REACH = 4.0
VIEW = View((0.0, 10.0), (0.0, 8.0), 100, 80)  # 10 pixels a unit


def channels(image):
    return image.view(np.uint8).reshape(*image.shape, 4)


def test_a_lone_environment_makes_a_peak_of_one_where_it_lies():
    around = density(np.array([[2.05, 7.05], [np.nan, 1.0]], dtype=np.float32), VIEW, REACH)
    assert around.shape == (80, 100)
    assert np.unravel_index(around.argmax(), around.shape) == (70, 20)
    assert around.max() == pytest.approx(1.0)
    np.testing.assert_allclose(around[70, 20:27], np.maximum(1 - np.arange(7) ** 2 / 32, 0), atol=1e-9)
    assert around.sum() == pytest.approx(np.pi * REACH**2, rel=0.01)  # counts once in the whole


def test_within_a_region_of_one_density_it_is_the_count_within_the_reach():
    x, y = np.meshgrid(np.arange(0.05, 10, 0.1), np.arange(0.05, 8, 0.1))  # one a pixel
    around = density(np.column_stack([x.ravel(), y.ravel()]).astype(np.float32), VIEW, REACH)
    inside = around[20:60, 20:80]
    np.testing.assert_allclose(inside, np.pi * REACH**2, rtol=0.01)


def test_what_lies_just_out_of_view_counts_inside():
    inside = density(np.array([[-0.05, 4.05]], dtype=np.float32), VIEW, REACH)
    shifted = density(np.array([[0.05, 4.05]], dtype=np.float32), View((0.1, 10.1), (0.0, 8.0), 100, 80), REACH)
    np.testing.assert_allclose(inside, shifted, atol=1e-6)
    assert inside[40, 0] > 0.5
    assert not density(np.array([[-5, 4], [3, 90]], dtype=np.float32), VIEW, REACH).any()


def test_the_more_are_in_view_the_finer_it_is_counted():
    xy = np.random.default_rng(0).uniform(0, 8, size=(300_000, 2)).astype(np.float32)
    close = View((0.0, 0.02), (0.0, 0.02), 700, 700)
    assert [reach_of(xy, View(close.x, close.y, 100, 80)), reach_of(xy, close)] == [MOST, MOST]
    assert reach_of(xy, VIEW) == LEAST
    assert LEAST < reach_of(xy[:20_000], View(VIEW.x, VIEW.y, 700, 700)) < MOST
    assert reach_of(xy[:0], VIEW) == MOST


def test_colours_follow_the_logarithm_of_the_count():
    xy = np.repeat([[2.05, 4.05], [5.05, 4.05], [8.05, 4.05]], [1, 10, 100], axis=0).astype(np.float32)
    image, colouring = density_picture(xy, levels(len(xy), None, None), VIEW, LIGHT)
    reach = reach_of(xy, VIEW)
    counted = density(xy, VIEW, reach)
    assert (colouring.low, colouring.high) == (1.0, pytest.approx(counted.max()))
    assert colouring.log
    assert colouring.unit == f"environments within {reach} pixels"
    table = pack(colouring.palette)
    place = [int(np.flatnonzero(table == image[40, column])[0]) / (len(table) - 1) for column in (20, 50, 80)]
    assert place == pytest.approx([0.0, 0.5, 1.0], abs=0.01)
    assert (channels(image)[40, [20, 50, 80], 3] == 255).all()
    assert channels(image)[0, 0, 3] == 0
    assert next(iter(bar_ticks(colouring.low, colouring.high, colouring.log).values())) == "1"


def test_a_selection_is_counted_and_the_rest_is_grey():
    xy = np.repeat([[2.05, 4.05], [8.05, 4.05]], [30, 30], axis=0).astype(np.float32)
    selected = np.arange(60) < 30
    for level in (levels(60, selected, None), levels(60, None, ~selected)):
        image, colouring = density_picture(xy, level, VIEW, LIGHT)
        assert image[40, 20] == pack(colouring.palette)[-1]
        assert image[40, 80] == pack([LIGHT.dim])[0]
        assert colouring.high == pytest.approx(density(xy[:30], VIEW, reach_of(xy, VIEW)).max())


def test_no_colour_is_lost_on_its_ground():
    """Contrast of WCAG 2 with the ground: thin regions, where outliers lie, have the lowest colour."""

    def luminance(colour):
        part = pack([colour]).view(np.uint8)[:3] / 255
        linear = np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    for theme in (LIGHT, DARK):
        _, colouring = density_picture(np.ones((1, 2), np.float32), np.full(1, 3, np.uint8), VIEW, theme)
        ground, lowest = luminance(theme.raised), luminance(colouring.palette[0])
        assert (max(ground, lowest) + 0.05) / (min(ground, lowest) + 0.05) > 1.5
        steps = np.diff([luminance(colour) for colour in colouring.palette])
        assert (steps > 0).mean() > 0.95  # ever lighter, which every eye sees


def test_twice_as_fine_is_the_same_picture():
    xy = np.random.default_rng(0).uniform(1, 7, size=(300, 2)).astype(np.float32)
    level = levels(len(xy), None, None)
    (coarse, one), (fine, two) = (density_picture(xy, level, VIEW, LIGHT, times) for times in (1, 2))
    assert fine.shape == (160, 200)
    assert one.unit == two.unit
    assert two.high == pytest.approx(one.high, rel=0.1)
    assert (channels(coarse)[..., 3] > 128).mean() == pytest.approx((channels(fine)[..., 3] > 128).mean(), abs=0.02)

"""Boxes, lassos and the nearest point, against shapely, winding angles and hand-computed answers."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from meaviz.components.map.hits import geometry_mask, inside_box, inside_lasso, nearest

seeds = st.integers(0, 2**32 - 1)
SQUARE = np.array([[0.0, 0.0], [4.0, 0.0], [4.0, 4.0], [0.0, 4.0]])


def points(rng, n=400, spread=1.5):
    return (rng.uniform(-spread, spread, size=(n, 2))).astype(np.float32)


def clear_of(polygon, xy, tolerance=1e-9):
    """Points whose answer no rounding can change."""
    ring = shapely.LinearRing(polygon)
    return shapely.distance(ring, shapely.points(xy.astype(np.float64))) > tolerance


def winding_number(polygon, xy):
    """Sum of the angles under which the edges are seen, in turns: the definition."""
    ends = polygon[None, :, :] - xy[:, None, :].astype(np.float64)
    angles = np.arctan2(ends[..., 1], ends[..., 0])
    turns = np.diff(np.concatenate([angles, angles[:, :1]], axis=1), axis=1)
    turns = (turns + np.pi) % (2 * np.pi) - np.pi
    return np.rint(turns.sum(axis=1) / (2 * np.pi)).astype(int)


@given(seed=seeds, vertices=st.integers(3, 300))
@settings(max_examples=60, deadline=None)
def test_simple_lasso_agrees_with_shapely(seed, vertices):
    rng = np.random.default_rng(seed)
    angles = np.sort(rng.uniform(0, 2 * np.pi, vertices))
    radii = rng.uniform(0.1, 1.2, vertices)  # star-shaped, so it does not cross itself
    lasso = np.column_stack([radii * np.cos(angles), radii * np.sin(angles)])
    xy = points(rng)
    polygon = shapely.Polygon(lasso)
    if not polygon.is_valid or np.diff(angles, append=angles[0] + 2 * np.pi).max() > np.pi:
        return
    sure = clear_of(lasso, xy)
    expected = shapely.contains_xy(polygon, xy.astype(np.float64))
    np.testing.assert_array_equal(inside_lasso(xy, lasso)[sure], expected[sure])


@given(seed=seeds, vertices=st.integers(3, 40))
@settings(max_examples=60, deadline=None)
def test_any_lasso_encloses_what_it_winds_around(seed, vertices):
    rng = np.random.default_rng(seed)
    lasso = rng.uniform(-1, 1, size=(vertices, 2))  # crosses itself many times
    xy = points(rng)
    sure = clear_of(lasso, xy)
    np.testing.assert_array_equal(inside_lasso(xy, lasso)[sure], winding_number(lasso, xy)[sure] != 0)


@given(seed=seeds, vertices=st.integers(3, 60), turn=st.integers(0, 59))
@settings(max_examples=40, deadline=None)
def test_lasso_does_not_depend_on_where_it_starts_nor_on_its_sense(seed, vertices, turn):
    rng = np.random.default_rng(seed)
    lasso, xy = rng.uniform(-1, 1, size=(vertices, 2)), points(rng)
    sure = clear_of(lasso, xy)
    mask = inside_lasso(xy, lasso)[sure]
    np.testing.assert_array_equal(inside_lasso(xy, np.roll(lasso, turn, axis=0))[sure], mask)
    np.testing.assert_array_equal(inside_lasso(xy, lasso[::-1])[sure], mask)


def test_lasso_that_overlaps_its_own_beginning_keeps_the_overlap():
    angles = np.linspace(0, 2 * np.pi + 1.0, 80)  # a full turn and 57 degrees more
    spiral = np.column_stack([np.cos(angles), np.sin(angles)]) * np.linspace(1.0, 1.2, 80)[:, None]
    twice = np.array([[0.9, 0.42]], dtype=np.float32)
    assert winding_number(spiral, twice)[0] == 2
    assert inside_lasso(twice, spiral)[0]


def test_lasso_by_hand():
    arrow = np.array([[0, 0], [4, 0], [4, 4], [2, 1], [0, 4]])  # a notch from above down to (2, 1)
    xy = np.array([[2, 0.5], [2, 2], [1, 1], [3.5, 3], [2, 3.9], [-1, 1], [5, 1], [2, -0.1]], dtype=np.float32)
    np.testing.assert_array_equal(inside_lasso(xy, arrow), [1, 0, 1, 1, 0, 0, 0, 0])


@pytest.mark.parametrize("lasso", [np.zeros((0, 2)), SQUARE[:2], np.zeros((5, 2)), SQUARE * [1, 0]])
def test_lasso_without_area_encloses_nothing(lasso):
    assert not inside_lasso(np.zeros((3, 2), dtype=np.float32), lasso).any()


def test_points_without_coordinates_are_never_inside():
    xy = np.array([[np.nan, 1], [1, np.nan], [np.nan, np.nan], [1, 1]], dtype=np.float32)
    np.testing.assert_array_equal(inside_lasso(xy, SQUARE), [0, 0, 0, 1])
    np.testing.assert_array_equal(inside_box(xy, (0, 4), (0, 4)), [0, 0, 0, 1])
    assert nearest(xy[:3], (1, 1), (1, 1), 1e9) == -1


def test_box_includes_its_border_and_takes_corners_in_any_order():
    xy = np.array([[0, 0], [4, 2], [4.001, 2], [2, 1], [2, -1e-3]], dtype=np.float32)
    np.testing.assert_array_equal(inside_box(xy, (0, 4), (0, 2)), [1, 1, 0, 1, 0])
    np.testing.assert_array_equal(inside_box(xy, (4, 0), (2, 0)), [1, 1, 0, 1, 0])


def test_geometry_of_either_type():
    xy = np.array([[1, 1], [3, 3], [5, 5]], dtype=np.float32)
    box = {"type": "rect", "x0": 2, "x1": 6, "y0": 2, "y1": 4}
    lasso = {"type": "poly", "x": [0, 4, 4, 0], "y": [0, 0, 4, 4]}
    np.testing.assert_array_equal(geometry_mask(xy, box), [0, 1, 0])
    np.testing.assert_array_equal(geometry_mask(xy, lasso), [1, 1, 0])
    with pytest.raises(ValueError, match="'rect' or a 'poly', got 'span'"):
        geometry_mask(xy, {"type": "span"})


@given(seed=seeds, reach=st.floats(0.5, 40))
@settings(max_examples=40, deadline=None)
def test_nearest_is_measured_on_the_screen(seed, reach):
    rng = np.random.default_rng(seed)
    xy, point, scale = points(rng), rng.uniform(-1, 1, 2), rng.uniform(1, 60, 2)
    distance = np.hypot(*((xy.astype(np.float64) - point) * scale).T)
    expected = int(distance.argmin()) if distance.min() <= reach else -1
    assert nearest(xy, tuple(point), tuple(scale), reach) == expected


def test_nearest_by_hand():
    xy = np.array([[0, 0], [1, 0], [0, 3]], dtype=np.float32)
    assert nearest(xy, (0.6, 0), (10, 10), 8) == 1  # 4 pixels away; row 0 lies 6 away
    assert nearest(xy, (0.6, 2.9), (1, 10), 8) == 2  # x is squeezed: row 2 is 1.2 pixels away
    assert nearest(xy, (0.6, 1.5), (10, 10), 8) == -1

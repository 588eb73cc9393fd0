"""Where the names of clusters stand on the map, and which of them there is room for."""

from __future__ import annotations

import numpy as np
import pytest
from bokeh.plotting import figure
from hypothesis import given, settings
from hypothesis import strategies as st

from meaviz.components.map.labels import (
    BESIDE,
    LARGE,
    SMALL,
    LabelLayer,
    densest_places,
    label_texts,
    letter_height,
    occupied,
    place_labels,
    text_width,
)
from meaviz.components.map.layers import View
from meaviz.style.palette import DARK, LIGHT

VIEW = View((0.0, 10.0), (0.0, 10.0), 500, 500)  # 50 pixels a unit
ONE = (("cluster 1", "1"), ("cluster 2", "2"), ("cluster 3", "3"))


def boxes(placed, view):
    """Left, right, bottom, top of each name in pixels."""
    rows = [
        (
            (one.x - view.x[0]) * view.scale[0] - one.width / 2,
            (one.x - view.x[0]) * view.scale[0] + one.width / 2,
            (one.y - view.y[0]) * view.scale[1] - one.height / 2,
            (one.y - view.y[0]) * view.scale[1] + one.height / 2,
        )
        for one in placed
    ]
    return np.array(rows).reshape(-1, 4)


def shown(placed):
    return [(one.index, one.text) for one in placed]


def test_texts_have_the_number_first_and_alone_in_the_end():
    assert label_texts(2) == (("cluster 0", "0"), ("cluster 1", "1"))
    assert label_texts(3, ["surface, 110", ""]) == (("0 · surface, 110", "0"), ("cluster 1", "1"), ("cluster 2", "2"))
    ((long, number),) = label_texts(1, ["x" * 80])
    assert len(long) == 34
    assert number == "0"


def test_densest_place_by_hand():
    crowd = np.full((5, 2), 9.0) + np.arange(5)[:, None] * 0.01
    loose = [[0.0, 0.0], [3.0, 0.0], [0.0, 3.0], [5.0, 5.0]]
    other = [[2.0, 8.0]]
    xy = np.vstack([loose, crowd, other, [[np.nan, 1.0]], [[10.0, 10.0]]]).astype(np.float32)
    codes = np.array([0] * 9 + [2, 2, -1])
    places = densest_places(xy, codes, 3)
    np.testing.assert_allclose(places[0], [9.02, 9.02], atol=1e-5)  # the middle one of the crowd
    assert np.isnan(places[1]).all()
    np.testing.assert_allclose(places[2], [2.0, 8.0])
    assert np.isnan(densest_places(xy[-2:-1], codes[-2:-1], 3)).all()


@given(seed=st.integers(0, 2**32 - 1), count=st.integers(1, 6))
@settings(max_examples=25, deadline=None)
def test_a_densest_place_is_a_point_of_its_cluster_whatever_the_order(seed, count):
    rng = np.random.default_rng(seed)
    xy = rng.normal(size=(200, 2)).astype(np.float32)
    codes = rng.integers(-1, count, 200)
    places = densest_places(xy, codes, count)
    turned = rng.permutation(200)
    np.testing.assert_array_equal(places, densest_places(xy[turned], codes[turned], count))
    for code in np.unique(codes[codes >= 0]):
        assert (xy[codes == code] == places[code].astype(np.float32)).all(axis=1).any()


def test_names_far_apart_all_stand_at_their_places():
    places = np.array([[2.0, 2.0], [8.0, 2.0], [5.0, 8.0]])
    placed = place_labels(places, [0, 1, 2], ONE, VIEW)
    assert shown(placed) == [(0, "cluster 1"), (1, "cluster 2"), (2, "cluster 3")]
    np.testing.assert_allclose([(one.x, one.y) for one in placed], places)


def test_where_there_is_no_room_names_stand_beside_their_place():
    placed = place_labels(np.full((4, 2), 5.0), [2, 0, 1, 3], (*ONE, ("cluster 4", "4")), VIEW)
    assert shown(placed) == [(2, "cluster 3"), (0, "cluster 1"), (1, "cluster 2")]
    lines = [(one.y - 5.0) * VIEW.scale[1] for one in placed]
    assert lines == pytest.approx([0.0, 15 / 2 + BESIDE, -15 / 2 - BESIDE])  # there, above, below; the fourth is hidden


def test_names_shrink_or_hide_until_the_view_is_closer():
    line = View((0.0, 10.0), (0.0, 10.0), 100, 16)  # room for one line; "cluster 1" is 65 pixels wide
    places = np.array([[5.0, 5.0], [9.5, 5.0], [5.2, 5.0]])
    assert shown(place_labels(places, [0, 1, 2], ONE, line)) == [(0, "cluster 1"), (1, "2")]
    assert shown(place_labels(places, [2, 1, 0], ONE, line)) == [(2, "cluster 3"), (1, "2")]
    closer = View((4.8, 5.4), (4.0, 6.0), 300, 16)  # the second is out of view, the third 100 pixels from the first
    assert shown(place_labels(places, [0, 1, 2], ONE, closer)) == [(0, "cluster 1"), (2, "cluster 3")]


def test_a_name_stands_beside_what_it_would_hide_and_on_what_it_cannot_but_hide():
    line = np.column_stack([np.linspace(1, 9, 400), np.full(400, 5.0)]).astype(np.float32)
    x, y = np.meshgrid(np.arange(0, 10, 0.05), np.arange(0, 10, 0.05))
    places = np.array([[5.0, 5.0]])
    for xy, moved in ((line, True), (np.column_stack([x.ravel(), y.ravel()]).astype(np.float32), False)):
        (one,) = place_labels(places, [0], [("cluster 1",)], VIEW, occupied(xy, VIEW))
        assert one.x == pytest.approx(5.0)
        assert (one.y - 5.0) * 50 == pytest.approx(one.height / 2 + BESIDE if moved else 0.0)


def test_occupied_cells_by_hand():
    xy = np.array([[0.02, 0.02], [0.03, 0.01], [9.98, 9.98], [5.0, 0.0], [11, 1], [np.nan, 1]], dtype=np.float32)
    counted = occupied(xy, VIEW)  # cells of four pixels, 50 pixels a unit
    assert counted[-1, -1] == 3
    assert (counted[1, 1], counted[0, 0], counted[1, 62], counted[1, 63]) == (1, 0, 1, 2)


def test_a_name_at_the_edge_is_moved_inwards():
    placed = place_labels(np.array([[0.0, 10.0]]), [0], [("cluster 1",)], VIEW)
    left, _, _, top = boxes(placed, VIEW)[0]
    assert (left, top) == pytest.approx((0.0, 500.0))


def test_what_has_no_place_or_no_room_at_all_is_left_out():
    places = np.array([[np.nan, np.nan], [11.0, 5.0], [5.0, 5.0]])
    assert shown(place_labels(places, [0, 1, 2], ONE, VIEW)) == [(2, "cluster 3")]
    assert place_labels(places, [2], [(), (), ("x" * 200,)], VIEW) == []


@given(seed=st.integers(0, 2**32 - 1), count=st.integers(0, 80))
@settings(max_examples=40, deadline=None)
def test_names_never_overlap_nor_leave_the_view_and_come_out_the_same(seed, count):
    rng = np.random.default_rng(seed)
    places = rng.uniform(-1, 11, size=(count, 2))
    texts = label_texts(count, ["".join(rng.choice(list("abW 1ü"), rng.integers(0, 20))) for _ in range(count)])
    order = rng.permutation(count).tolist()
    view = View((0.0, 10.0), (0.0, 10.0), int(rng.integers(100, 1500)), int(rng.integers(100, 900)))
    counted = occupied(rng.uniform(0, 10, size=(300, 2)).astype(np.float32), view)
    placed = place_labels(places, order, texts, view, counted)
    found = boxes(placed, view)
    assert (found[:, [0, 2]] >= -1e-6).all()
    assert (found[:, 1] <= view.width + 1e-6).all()
    assert (found[:, 3] <= view.height + 1e-6).all()
    for a in range(len(found)):
        left, right, low, high = found[a]
        after = found[a + 1 :]
        apart = (
            (after[:, 0] > right) | (after[:, 1] < left) | (after[:, 2] >= high - 1e-6) | (after[:, 3] <= low + 1e-6)
        )
        assert apart.all()
    ranks = [order.index(one.index) for one in placed]
    assert ranks == sorted(ranks)
    assert placed == place_labels(places, order, texts, view, counted)
    if count and ((places[order[0]] >= 0) & (places[order[0]] <= 10)).all():
        assert placed[0].index == order[0]  # nothing stands in the way of the first


def test_letters_are_larger_on_a_larger_map():
    assert [letter_height(View((0, 1), (0, 1), width, 500)) for width in (400, 1400)] == [SMALL, LARGE]
    assert text_width("mm", 10) > text_width("il", 10) > 0


def test_the_layer_shows_the_largest_of_what_is_drawn():
    xy = np.array([[5, 5], [5, 5], [5.02, 5], [5.02, 5], [5.02, 5], [9, 9]], dtype=np.float32)
    codes = np.array([0, 0, 1, 1, 1, -1])
    layer = LabelLayer(figure())
    layer.take(xy, codes, label_texts(2))
    layer.look(VIEW)
    assert shown(layer.shown) == [(1, "cluster 1"), (0, "cluster 0")]  # three points before two
    hidden = xy.copy()
    hidden[2:5] = np.nan
    layer.take(hidden, codes, label_texts(2))
    layer.look(VIEW)
    assert shown(layer.shown) == [(0, "cluster 0")]
    layer.forget()
    layer.look(VIEW)
    assert layer.shown == []


def test_the_halo_has_the_colour_of_the_ground():
    plot = figure()
    layer = LabelLayer(plot)
    halo, letters = (renderer.glyph for renderer in plot.renderers)
    for theme in (LIGHT, DARK):
        layer.style(theme)
        assert (halo.text_outline_color, letters.text_color) == (theme.raised, theme.text)
    assert letters.text_outline_color is None

"""The nearest row is found exactly, however the rows lie and whatever is asked for beside."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from meagraph.latent import nearest
from meagraph.latent.nearest import boxes_of, nearest_one

KINDS = ("clouds", "curve", "even", "far", "outlier", "copies", "near copies", "grid", "one column", "equal")


def rows_of(kind: str, count: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(count, 20))
    if kind == "clouds":
        values = 0.01 * values + 3.0 * np.random.default_rng(0).normal(size=(5, 20))[rng.integers(0, 5, count)]
    elif kind == "curve":
        at = rng.uniform(0.0, 9.0, count)[:, None]
        values = np.sin(at * np.arange(1, 21) / 7) + 1e-3 * values
    elif kind == "far":
        values = values + 1e4
    elif kind == "outlier":
        values[0] *= 1e6
    elif kind == "copies":
        values = np.random.default_rng(0).normal(size=(30, 20))[rng.integers(0, 30, count)]
    elif kind == "near copies":
        values = np.random.default_rng(0).normal(size=(30, 20))[rng.integers(0, 30, count)] + 1e-7 * values
    elif kind == "grid":
        values = rng.integers(0, 2, size=(count, 9)).astype(float)
    elif kind == "one column":
        values = values[:, :1]
    elif kind == "equal":
        values = np.ones((count, 3))
    return values.astype(np.float32)


@pytest.mark.parametrize("count", [1, 7, 400])
@pytest.mark.parametrize("kind", KINDS)
def test_it_is_the_first_of_those_at_the_smallest_distance(kind: str, count: int) -> None:
    known, rows = rows_of(kind, count, 1), rows_of(kind, 300, 2)
    rows[::10] = known[np.arange(30) % count]
    away = (rows[:, None, :].astype(np.float64) - known[None, :, :]) ** 2
    total = np.zeros(away.shape[:2])
    for column in range(away.shape[2]):  # in this order
        total += away[:, :, column]
    np.testing.assert_array_equal(nearest_one(rows, known), total.argmin(axis=1))


def test_it_is_found_among_many_boxes_and_does_not_depend_on_who_else_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    known, rows = rows_of("even", 3000, 1), rows_of("even", 500, 2)
    boxes = boxes_of(known)
    assert len(boxes.begin) > 30
    assert np.diff(boxes.begin).max() <= nearest.IN_BOX
    assert sorted(boxes.index) == list(range(3000))
    found = boxes.nearest(rows)
    np.testing.assert_array_equal(found, cdist(rows.astype(float), known.astype(float)).argmin(axis=1))
    monkeypatch.setattr(nearest, "ROWS", 3)
    np.testing.assert_array_equal(boxes.nearest(rows), found)
    np.testing.assert_array_equal(boxes.nearest(rows[::-1])[::-1], found)


def test_few_directions_are_enough_where_rows_lie_along_them() -> None:
    assert len(boxes_of(rows_of("curve", 500, 1)).leading) == nearest.DIRECTIONS
    assert len(boxes_of(rows_of("even", 500, 1)).leading) == 24  # of 20 columns: the next multiple

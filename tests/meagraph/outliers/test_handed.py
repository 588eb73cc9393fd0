"""What is handed on is the array that it stands for, and what is made in pieces is what is made at once."""

from __future__ import annotations

import copy

import numpy as np
import pytest

from meagraph.outliers import alike, calibration
from meagraph.outliers.handed import Handed, handed, handed_by

OF = np.array([2, 0, 0, 1, 2, 2])
EACH = np.array([1.5, np.nan, -3.0])


def test_it_does_what_the_array_does() -> None:
    whole, found = EACH[OF], handed(EACH, OF)
    assert isinstance(found, Handed)
    assert (len(found), found.shape, found.dtype) == (6, (6,), np.float64)
    np.testing.assert_array_equal(found, whole)
    for rows in (3, slice(1, 5), [5, 0], whole > 0.0):
        np.testing.assert_array_equal(found[rows], whole[rows])
    np.testing.assert_array_equal(found > 1.0, whole > 1.0)
    np.testing.assert_array_equal(2.0 - found, 2.0 - whole)
    np.testing.assert_array_equal(np.maximum(found, found), whole)
    np.testing.assert_array_equal(np.maximum.reduceat(found, [0, 2]), np.maximum.reduceat(whole, [0, 2]))
    np.testing.assert_array_equal(np.stack([found, found]), np.stack([whole, whole]))
    assert found[~np.isnan(whole)].max() == 1.5
    assert found.argmin() == whole.argmin()
    assert handed_by(found) is OF
    assert handed_by(whole) is None
    np.testing.assert_array_equal(copy.deepcopy(found), whole)


def test_rarity_does_not_hang_on_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    deviation = np.abs(np.random.default_rng(0).standard_cauchy(1001))
    whole = calibration.tail_rarity(deviation)
    monkeypatch.setattr(calibration, "BLOCK", 100)
    np.testing.assert_array_equal(calibration.tail_rarity(deviation), whole)


@pytest.mark.parametrize("count", [0, 1, 7, 8, 20])
def test_quadratic_forms_by_hand(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alike, "SOME", 7)
    rows = np.arange(2.0 * count).reshape(count, 2)
    found = alike.quadratic(rows, np.array([[2.0, 1.0], [0.0, 3.0]]))
    np.testing.assert_array_equal(found, [2.0 * x * x + x * y + 3.0 * y * y for x, y in rows])

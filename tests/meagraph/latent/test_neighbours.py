"""The graph of shared neighbours: by hand, and near copies, the nearest one."""

from __future__ import annotations

import numpy as np
import pytest

from meagraph.latent import neighbours
from meagraph.latent.neighbours import Neighbours, near_copies, nearest_neighbours, shared_neighbours


def line(places: list[float], count: int) -> Neighbours:
    values = np.array(places, dtype=np.float32)[:, None]
    distance = np.abs(values - values.T)
    index = np.argsort(distance, axis=1, kind="stable")[:, :count].astype(np.int32)
    return Neighbours(values, index, np.take_along_axis(distance, index, axis=1))


def test_shared_neighbours_by_hand() -> None:
    """Neighbours of two each, themselves included: {0, 1}, {1, 0}, {2, 1}, {3, 2}."""
    found = shared_neighbours(line([0.0, 1.0, 3.0, 9.0], 2)).toarray()
    expected = np.zeros((4, 4))
    expected[0, 1] = expected[1, 0] = 2 / 2
    expected[1, 2] = expected[2, 1] = expected[2, 3] = expected[3, 2] = 1 / 3
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).normal(size=(50, 4))
    near = nearest_neighbours(values, 9)
    whole = shared_neighbours(near)
    monkeypatch.setattr(neighbours, "BLOCK", 7)
    parts = shared_neighbours(near)
    assert (whole != parts).nnz == 0
    assert (whole != whole.T).nnz == 0
    sets = [set(row) for row in near.index.tolist()]
    for one, other in zip(*whole.nonzero(), strict=True):
        assert one in sets[other] or other in sets[one]
        jaccard = len(sets[one] & sets[other]) / len(sets[one] | sets[other])
        assert abs(whole[one, other] - jaccard) < 1e-6


def test_near_copies_are_found_and_what_is_as_near_as_usual_is_not() -> None:
    """Ten copies that differ by a hundredth of the distance between rows."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(60, 4)) + 9.0 * np.eye(4)[0]
    copies = np.tile(values, (10, 1)) + 0.001 * rng.normal(size=(600, 4))
    owner = near_copies(nearest_neighbours(copies, 45))
    assert (owner == np.tile(np.arange(60), 10)).mean() > 0.95  # but for rows that lie near another one themselves
    kept = len(set(near_copies(nearest_neighbours(values, 20))))
    assert kept > 0.8 * 60
    np.testing.assert_array_equal(near_copies(nearest_neighbours(values, 60)), np.arange(60))

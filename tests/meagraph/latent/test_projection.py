"""The map: exact neighbours, a layout that keeps blobs apart and is the same every time, members in sight."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist, pdist

from meagraph.errors import MEAGraphError
from meagraph.graph.condensation import Condensed, condense
from meagraph.latent.neighbours import nearest_neighbours, umap_layout
from meagraph.latent.projection import ProjectionConfig, project


def blobs(seed: int = 0, size: int = 40, d: int = 6) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    owner = np.repeat([0, 1, 2], size)
    return (5.0 * np.eye(d)[owner] + rng.normal(scale=0.2, size=(3 * size, d))).astype(np.float32), owner


def net_of(multiplicity: list[int]) -> Condensed:
    counts = np.array(multiplicity)
    owner = np.repeat(np.arange(len(counts)), counts)
    first = np.cumsum(counts) - counts
    return Condensed(first, owner, np.zeros(len(owner)), counts, epsilon=0.0, diameter=1.0)


@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 25), count=st.integers(1, 30), grid=st.booleans())
@settings(max_examples=60, deadline=None)
def test_neighbours_are_the_nearest_and_oneself_comes_first(seed: int, n: int, count: int, grid: bool) -> None:
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 2, (n, 2)).astype(np.float32) if grid else rng.normal(size=(n, 3))
    found = nearest_neighbours(values, count)
    k = min(count, n)
    assert found.index.shape == found.distance.shape == (n, k)
    np.testing.assert_array_equal(found.index[:, 0], np.arange(n))
    assert all(len(set(row)) == k for row in found.index.tolist())  # nobody twice
    exact = cdist(found.values, found.values)
    np.testing.assert_allclose(found.distance, np.sort(exact, axis=1)[:, :k], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(np.take_along_axis(exact, found.index, axis=1), found.distance, atol=1e-5)


def test_rows_are_compared_by_direction() -> None:
    values, _ = blobs()
    lengths = np.random.default_rng(0).uniform(1e-4, 1e4, len(values))[:, None]
    one, two = nearest_neighbours(values, 5), nearest_neighbours(lengths * values, 5)
    np.testing.assert_allclose(np.linalg.norm(two.values, axis=1), 1.0, rtol=1e-6)
    np.testing.assert_allclose(one.distance, two.distance, atol=1e-5)
    constant = nearest_neighbours(np.zeros((4, 2)), 3)
    assert np.isfinite(constant.values).all()
    assert not constant.distance.any()


@pytest.mark.parametrize("n", [1, 2, 4])
def test_few_rows_stand_in_a_line(n: int) -> None:
    angle = np.array([0.1, 1.0, 0.5, 1.5])[:n]
    values = np.column_stack([np.cos(angle), np.sin(angle)])
    layout = umap_layout(nearest_neighbours(values, 15), components=2, min_dist=0.1, seed=0)
    assert layout[:, 0].tolist() == np.argsort(np.argsort(values[:, 0])).tolist()
    assert not layout[:, 1].any()


def test_the_smallest_layouts_that_umap_makes() -> None:
    for n in (5, 6, 9):
        values = np.random.default_rng(n).normal(size=(n, 3))
        layout = umap_layout(nearest_neighbours(values, 15), components=2, min_dist=0.1, seed=0)
        assert layout.shape == (n, 2)
        assert np.isfinite(layout).all()


def test_blobs_stay_apart_and_the_map_repeats() -> None:
    values, owner = blobs()
    condensed = condense(values.astype(np.float64), epsilon=0.0)
    neighbours = nearest_neighbours(values, 15)
    found = project(neighbours, condensed)
    assert found.xy.shape == (len(values), 2)
    assert found.xy.dtype == np.float32
    assert np.isfinite(found.xy).all()
    nearest = cdist(found.xy, found.xy) + np.diag(np.full(len(values), np.inf))
    assert (owner[nearest.argmin(axis=1)] == owner).mean() > 0.97
    again = project(nearest_neighbours(values.copy(), 15), condensed)
    np.testing.assert_array_equal(again.xy, found.xy)
    other = project(neighbours, condensed, seed=1)
    assert (other.xy != found.xy).any()


def test_members_surround_their_representative() -> None:
    """One of 200 members, one of 3: nobody covers another, and a heap stays where its representative is."""
    values = np.array([[0.0], [1.0], [2.0], [3.0]])
    condensed = net_of([1, 200, 3, 1])
    xy = project(nearest_neighbours(values, 15), condensed).xy
    places = np.array([[0, 0], [1, 0], [2, 0], [3, 0]])  # as tested above: few rows stand in a line
    np.testing.assert_allclose(xy[condensed.representatives], places, atol=1e-6)
    away = np.linalg.norm(xy - places[condensed.assignment], axis=1)
    assert away[condensed.assignment == 2].max() < 0.5
    heap = xy[condensed.assignment == 1]
    assert pdist(heap).min() > 0.1
    assert (np.diff(away[condensed.assignment == 1]) > 0).all()  # in file order from the centre out


@pytest.mark.parametrize(
    "options", [{"n_neighbors": 1}, {"min_dist": -0.1}, {"min_dist": 1.0}, {"min_dist": float("nan")}]
)
def test_bad_settings(options: dict) -> None:
    with pytest.raises(MEAGraphError, match="n_neighbors of at least 2 and min_dist in"):
        ProjectionConfig(**options)

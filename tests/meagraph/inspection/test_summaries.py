"""Histograms, tables of two categories and means of clusters, against NumPy and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meagraph.inspection.summaries import density, histogram, mean_and_spread, spans_decades
from meagraph.latent.clustering import contingency


def test_bars_of_a_selection_are_those_of_numpy() -> None:
    rng = np.random.default_rng(2)
    values = rng.normal(size=5000)
    found = histogram(values, 20)
    assert found is not None
    clipped = np.clip(values, found.edges[0], np.nextafter(found.edges[-1], -np.inf))  # the ends are taken in
    mask = rng.random(5000) < 0.3
    assert found.counts.tolist() == np.histogram(clipped, found.edges)[0].tolist()
    assert found.of(mask).tolist() == np.histogram(clipped[mask], found.edges)[0].tolist()


@settings(max_examples=80, deadline=None)
@given(st.lists(st.floats(width=32), min_size=1, max_size=60), st.integers(0, 2**16))
def test_every_number_has_a_bar(values: list[float], seed: int) -> None:
    """Whatever the numbers are: the bars of a selection and of the rest add up to all finite numbers."""
    numbers = np.array(values)
    found = histogram(numbers)
    if not np.isfinite(numbers).any():
        assert found is None
        return
    assert found is not None
    assert (np.diff(found.edges) > 0).all()
    assert found.counts.sum() == np.isfinite(numbers).sum()
    mask = np.random.default_rng(seed).random(len(numbers)) < 0.5
    assert (found.of(mask) + found.of(~mask)).tolist() == found.counts.tolist()
    assert found.between(found.edges[0], found.edges[-1]).tolist() == np.isfinite(numbers).tolist()


def test_whole_numbers_have_a_bar_each() -> None:
    found = histogram(np.array([1.0, 3, 3, np.nan, 2]))
    assert found is not None
    assert found.edges.tolist() == [0.5, 1.5, 2.5, 3.5]
    assert found.counts.tolist() == [1, 1, 2]
    assert found.between(1.9, 3.2).tolist() == [False, True, True, False, True]


def test_what_spans_decades_is_binned_by_its_logarithm() -> None:
    values = np.append(10.0 ** np.linspace(-3, 2, 2000), 0.0)
    assert spans_decades(values)
    found = histogram(values, 10)
    assert found is not None
    assert found.log
    assert np.allclose(np.diff(np.log10(found.edges)), np.diff(np.log10(found.edges))[0])
    assert np.ptp(found.counts[1:-1]) <= 2  # the outermost bars take in the ends
    assert found.bin[-1] == 0


@pytest.mark.parametrize("values", [[-1.0, 10, 1000], [1.0, 2, 3], [0.0, 0, 0, 5], [np.nan]])
def test_what_does_not_span_decades(values: list[float]) -> None:
    assert not spans_decades(np.array(values))


def test_pairs_are_counted() -> None:
    found = contingency(np.array([0, 1, 1, 1]), np.array([2, 0, 0, 1]), (3, 3))
    assert found.tolist() == [[0, 0, 1], [2, 1, 0], [0, 0, 0]]


def test_means_leave_out_what_is_missing() -> None:
    mean, spread = mean_and_spread(np.array([1.0, 3, np.nan, 7]), np.array([0, 0, 0, 2]), 3)
    assert mean[[0, 2]].tolist() == [2, 7]
    assert spread[[0, 2]].tolist() == [1, 0]
    assert np.isnan([mean[1], spread[1]]).all()


def test_density_is_that_of_the_cell_and_nothing_without_a_place() -> None:
    rng = np.random.default_rng(0)
    x, y = np.concatenate([rng.normal(0, 0.01, (500, 2)), rng.uniform(-3, 3, (500, 2)), [[np.nan, 0.0]]]).T
    found = density(x, y)
    assert np.isnan(found[-1])
    assert found[:500].min() > 5 * found[500:1000].max()
    assert np.isnan(density(np.full(2, np.nan), np.zeros(2))).all()
    assert np.isfinite(density(np.ones(3), np.ones(3))).all()  # all in one place

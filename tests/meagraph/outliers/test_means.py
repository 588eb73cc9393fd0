"""Means and moments put together from chunks are those of all rows at once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import meagraph as mg
from meagraph.outliers import alike, means
from meagraph.outliers.alike import alike_structures
from meagraph.outliers.means import Moments, merged, pieces, structure_means
from tests.support.structures import niobium_structures


def moments(rows: np.ndarray) -> Moments:
    mean = rows.mean(axis=0)
    return np.array(float(len(rows))), mean, (rows - mean).T @ (rows - mean)


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 2**32 - 1),
    cuts=st.lists(st.integers(1, 59), max_size=8, unique=True),
    columns=st.integers(1, 5),
    away=st.sampled_from([0.0, 1.0, 1e4]),
)
def test_merged_moments_are_those_of_all_rows(seed: int, cuts: list[int], columns: int, away: float) -> None:
    rows = away + np.random.default_rng(seed).normal(size=(60, columns))
    count, mean, gram = merged([moments(part) for part in np.split(rows, sorted(cuts))])
    assert count == 60.0
    np.testing.assert_allclose(mean, rows.mean(axis=0), rtol=1e-13, atol=1e-14)
    np.testing.assert_allclose(gram, 60.0 * np.cov(rows.T, bias=True).reshape(columns, columns), rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize(("chunk", "block"), [(2**17, 16_384), (40, 7), (1, 1)])
def test_means_of_structures_are_those_of_dense_sums(chunk: int, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(means, "CHUNK", chunk)
    monkeypatch.setattr(means, "ENVIRONMENTS", block)
    dataset = mg.from_atoms(niobium_structures())
    points = np.random.default_rng(1).normal(size=(dataset.n_environments, 12)) + 3.0
    found = structure_means(points, dataset)
    np.testing.assert_allclose(found.centre, points.mean(axis=0))
    main = (points - points.mean(axis=0)) @ found.axes
    np.testing.assert_allclose(found.components(points), main, atol=1e-12)
    covariance = np.cov(main.T)
    np.testing.assert_allclose(covariance, np.diag(np.diag(covariance)), atol=1e-12)
    assert (np.diff(np.diag(covariance)) < 0.0).all(), "the widest comes first"
    scaled = main / main.std(axis=0)
    of_all = np.triu_indices(10)
    for structure in range(dataset.n_structures):
        rows = dataset.rows_of(structure)
        np.testing.assert_allclose(found.descriptors[structure], points[rows].mean(axis=0))
        np.testing.assert_allclose(found.main[structure], main[rows].mean(axis=0), atol=1e-12)
        np.testing.assert_allclose(found.squares[structure], (main[rows] ** 2).mean(axis=0), atol=1e-12)
        products = (scaled[rows].T @ scaled[rows] / len(main[rows]))[of_all]
        np.testing.assert_allclose(found.products[structure], products, atol=1e-12)


def test_what_is_all_alike_is_not_blown_up() -> None:
    dataset = mg.from_atoms(niobium_structures())
    found = structure_means(np.full((dataset.n_environments, 3), 0.1), dataset)
    assert np.abs(found.products).max() < 1e-20


@given(st.lists(st.integers(1, 30), min_size=1, max_size=40), st.integers(1, 50))
def test_pieces_are_whole_structures_in_order(sizes: list[int], most: int) -> None:
    offsets = np.r_[7, 7 + np.cumsum(sizes)]
    found = pieces(offsets, most)
    assert [row for piece in found for row in range(piece.start, piece.stop)] == list(range(len(sizes)))
    for piece in found:
        last = piece.stop - 1
        assert offsets[last] - offsets[piece.start] < most, "no more than about so many"


@pytest.mark.parametrize("reference", [5, 5000])
def test_alike_structures_are_the_nearest_whatever_the_chunks(reference: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alike, "REFERENCE", reference)
    monkeypatch.setattr(alike, "COUNT", 3)
    dataset = mg.from_atoms(niobium_structures(8, 5))
    points = np.random.default_rng(2).normal(size=(dataset.n_environments, 6))
    whole = alike_structures(points, dataset)
    count = dataset.n_structures
    sample = (
        np.arange(count) if reference > count else np.sort(np.random.default_rng(0).choice(count, 5, replace=False))
    )
    for row, near in enumerate(whole.near):
        others = sample[sample != row]
        distance = np.linalg.norm(whole.shape[others] - whole.shape[row], axis=1)
        assert set(near.tolist()) == set(others[np.argsort(distance)[:3]].tolist())
    monkeypatch.setattr(alike, "CHUNK", 3)
    monkeypatch.setattr(alike, "BLOCK", 2)
    few = alike_structures(points, dataset)
    np.testing.assert_array_equal(np.sort(few.near, axis=1), np.sort(whole.near, axis=1))

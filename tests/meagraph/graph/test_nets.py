"""A net of chunks keeps what it promises, whoever makes it: cover, nearest representatives, the same everywhere."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy.spatial.distance import cdist, pdist

from meagraph.graph import nets
from meagraph.graph.condensation import (
    RELATIVE_EPSILON,
    Condensed,
    condense,
    farthest_first,
    scaled_rows,
    share_points,
)
from meagraph.progress import silent
from meagraph.workers import HERE, Workers

POINTS = arrays(
    np.float64,
    array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=40),
    elements=st.one_of(st.integers(-3, 3).map(float), st.floats(-4, 4, width=16)),
)
FIELDS = ("representatives", "assignment", "distance", "multiplicity", "epsilon", "diameter")
SLACK = 1e-9


@pytest.fixture(autouse=True, scope="module")
def small_chunks() -> Iterator[None]:
    """Chunks of 8 rows, merged by levels of at most 12; few neighbours, so that some rows look at all."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (("ROWS", 8), ("MERGED", 12), ("KEPT", 3), ("PART", 4), ("BLOCK", 2)):
            patch.setattr(nets, name, value)
        yield


def clusters(seed: int, count: int = 400, width: int = 3) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(8, width))[rng.integers(8, size=count)] + rng.normal(scale=0.05, size=(count, width))


@given(points=POINTS, epsilon=st.floats(0, 5))
@settings(max_examples=60, deadline=None)
def test_every_row_has_the_nearest_representative_and_lies_within_epsilon(points: np.ndarray, epsilon: float) -> None:
    net = condense(points, epsilon=epsilon)
    between = cdist(points, points[net.representatives])
    np.testing.assert_allclose(net.distance, between.min(axis=1), atol=1e-12)
    np.testing.assert_allclose(net.distance, between[np.arange(len(points)), net.assignment], atol=1e-12)
    assert net.distance.max() <= epsilon * (1 + SLACK)
    np.testing.assert_array_equal(net.multiplicity, np.bincount(net.assignment, minlength=net.size))
    np.testing.assert_array_equal(net.assignment[net.representatives], np.arange(net.size))
    assert (np.diff(net.representatives) > 0).all()


@given(points=POINTS, budget=st.integers(1, 12))
@settings(max_examples=60, deadline=None)
def test_a_budget_reaches_four_times_as_far_as_the_best_net_at_most(points: np.ndarray, budget: int) -> None:
    """By how far apart budget + 1 rows can lie: some two of them share a representative in any net."""
    net = condense(points, budget=budget)
    assert net.size <= budget
    assert net.distance.max() <= net.epsilon
    distinct = np.unique(points, axis=0)
    if len(distinct) <= nets.ROWS * 12:  # two levels; each further one may add twice the best
        order = [int(np.linalg.norm(distinct - distinct.mean(axis=0), axis=1).argmax())]
        reach = cdist(distinct, distinct[order]).min(axis=1)
        while len(order) <= budget and len(order) < len(distinct):
            order.append(int(reach.argmax()))
            reach = np.minimum(reach, cdist(distinct, distinct[order[-1:]])[:, 0])
        apart = pdist(distinct[order]).min() if len(order) > budget else 0.0
        levels = 2 if min(budget, nets.ROWS) * -(-len(distinct) // nets.ROWS) <= nets.MERGED else 4
        usual = RELATIVE_EPSILON * float(pdist(distinct).max()) if len(distinct) > 1 else 0.0
        assert net.distance.max() <= max(2 * levels * apart, usual) * (1 + SLACK)


@given(points=POINTS, epsilon=st.floats(0, 2))
@settings(max_examples=40, deadline=None)
def test_the_diameter_falls_short_by_twice_the_radius_at_most(points: np.ndarray, epsilon: float) -> None:
    net = condense(points, epsilon=epsilon)
    true = float(pdist(points).max()) if len(points) > 1 else 0.0
    assert true - 2 * epsilon - 1e-12 <= net.diameter <= true + 1e-12


def test_ten_copies_have_the_same_representatives() -> None:
    points = clusters(0)
    once, tiled = condense(points, budget=30), condense(np.tile(points, (10, 1)), budget=30)
    np.testing.assert_array_equal(tiled.representatives, once.representatives)
    np.testing.assert_array_equal(tiled.multiplicity, 10 * once.multiplicity)


def test_zero_merges_exact_duplicates_alone() -> None:
    points = np.repeat(clusters(1), 2, axis=0)
    net = condense(points, epsilon=0.0)
    np.testing.assert_array_equal(net.representatives, np.arange(0, 800, 2))
    assert not net.distance.any()


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("on_disk", [True, False])
def test_the_same_for_any_number_of_workers(
    count: int, on_disk: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEAVIZ_CACHE", str(tmp_path))
    values = clusters(2, 600, 6).astype(np.float32)
    if on_disk:
        np.save(tmp_path / "x.npy", np.hstack([np.ones((600, 2), np.float32), values]))
        values = np.load(tmp_path / "x.npy", mmap_mode="r")[:, 2:]

    def net(workers: Workers) -> Condensed:
        with workers.within("condensed", {"of": "this test"}) as here:
            return condense(scaled_rows(values, here), budget=50, workers=here)

    executor: Executor = ThreadPoolExecutor(count)
    with executor:
        one, other = net(Workers()), net(Workers(executor, lambda: count))
    assert 1 < one.size <= 50
    for name in FIELDS:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    assert not list(tmp_path.glob("tasks/*"))


@pytest.mark.parametrize("budget", [50, 4])  # one level of chunks, and several
def test_progress_goes_from_nothing_to_all_without_a_step_back(budget: int) -> None:
    shares: list[float] = []
    condense(clusters(3, 600), budget=budget, progress=lambda done, total, message: shares.append(done / total))
    assert shares == sorted(shares)
    assert 0.0 <= shares[0] < 0.1
    assert shares[-1] == pytest.approx(1.0)
    assert len({share for share in shares if share > 0.85}) > 20  # while each row gets its nearest


def test_chunks_are_never_larger_than_one_traversal_takes() -> None:
    """Neither those of the rows, nor what is left at the end: memory and time of a traversal hang on it."""
    sizes: list[int] = []

    def traverse(points: np.ndarray, rows: np.ndarray, *others: Any, **more: Any) -> Any:
        sizes.append(len(rows))
        return farthest_first(points, rows, *others, **more)

    for count in (8, 9, 12, 13, 60):
        points = np.random.default_rng(count).normal(size=(count, 3))
        options: dict[str, Any] = {"relative": 1e-4, "most": 4, "workers": HERE, "progress": silent}
        shared = share_points(points, HERE)
        nets.net_of_chunks(shared, np.arange(count), traverse, epsilon=None, **options)
        assert max(sizes[:-1], default=0) <= 8
        assert sizes[-1] <= 12
        assert (len(sizes) > 1) == (count > 8)
        sizes.clear()


def test_what_the_levels_hand_on_lies_within_epsilon_already(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before each row gets its nearest: by that the few distances that are computed then are enough."""
    seen: list[tuple[np.ndarray, ...]] = []
    nearest = nets.nearest_chosen

    def look(points: Any, rows: np.ndarray, chosen: np.ndarray, begin: np.ndarray, *others: Any) -> Any:
        seen.append((rows, chosen, begin))
        return nearest(points, rows, chosen, begin, *others)

    monkeypatch.setattr(nets, "nearest_chosen", look)
    points = clusters(4)
    net = condense(points, epsilon=0.3)
    ((rows, chosen, begin),) = seen
    assert 1 < net.size < 100
    away = np.linalg.norm(points[rows] - points[rows[chosen[begin]]], axis=1)
    assert away.max() <= 0.3 * (1 + SLACK)

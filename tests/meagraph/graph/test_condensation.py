"""An epsilon-net has the properties that its name promises, on any points; the diameter is exact."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy.spatial.distance import cdist, pdist

from meagraph.datasets import read_dataset
from meagraph.descriptors import compute_descriptors
from meagraph.errors import Cancelled, MEAGraphError
from meagraph.graph import condensation, loops
from meagraph.graph.condensation import (
    RELATIVE_EPSILON,
    Condensed,
    condense,
    diameter,
    read_condensed,
    scaled_rows,
    unit_columns,
    write_condensed,
)
from meagraph.progress import silent
from tests.support.structures import real_data

# a coarse grid makes many exact duplicates; half-precision floats make few
GRID = st.integers(-2, 2).map(float)
FLOATS = st.floats(-4, 4, width=16)
SHAPES = array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=24)
POINTS = st.one_of(arrays(np.float64, SHAPES, elements=GRID), arrays(np.float64, SHAPES, elements=FLOATS))
EPSILON = st.floats(0, 5)
SLACK = 1e-12


def brute_diameter(points: np.ndarray) -> float:
    return float(pdist(points).max()) if len(points) > 1 else 0.0


def random_points(seed: int, n: int = 200, d: int = 3) -> np.ndarray:
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(8, d))
    return centres[rng.integers(8, size=n)] + rng.normal(scale=0.05, size=(n, d))


@given(points=POINTS, epsilon=EPSILON)
@settings(max_examples=150, deadline=None)
def test_every_environment_lies_near_its_representative(points: np.ndarray, epsilon: float) -> None:
    net = condense(points, epsilon=epsilon)
    chosen = points[net.representatives]
    lengths = np.linalg.norm(points - chosen[net.assignment], axis=1)
    np.testing.assert_allclose(net.distance, lengths, atol=1e-12)
    assert lengths.max() <= epsilon * (1 + SLACK)
    np.testing.assert_allclose(lengths, cdist(points, chosen).min(axis=1), atol=1e-12)  # the nearest one
    np.testing.assert_array_equal(net.assignment[net.representatives], np.arange(net.size))
    assert net.epsilon == epsilon


@given(points=POINTS, epsilon=EPSILON)
@settings(max_examples=150, deadline=None)
def test_representatives_lie_apart(points: np.ndarray, epsilon: float) -> None:
    net = condense(points, epsilon=epsilon)
    if net.size > 1:
        apart = pdist(points[net.representatives]).min()
        assert apart > epsilon * (1 - SLACK)
        assert apart > 0
    assert (np.diff(net.representatives) > 0).all()


@given(points=POINTS, epsilon=EPSILON)
@settings(max_examples=100, deadline=None)
def test_multiplicities_count_the_environments(points: np.ndarray, epsilon: float) -> None:
    net = condense(points, epsilon=epsilon)
    np.testing.assert_array_equal(net.multiplicity, np.bincount(net.assignment))
    assert net.multiplicity.sum() == len(points)
    assert net.multiplicity.min() >= 1


@given(points=POINTS)
@settings(max_examples=100, deadline=None)
def test_epsilon_zero_merges_exact_duplicates_only(points: np.ndarray) -> None:
    net = condense(points, epsilon=0.0)
    distinct, first = np.unique(points + 0.0, axis=0, return_index=True)
    assert net.size == len(distinct)
    np.testing.assert_array_equal(net.representatives, np.sort(first))
    np.testing.assert_array_equal(points[net.representatives][net.assignment], points)
    assert not net.distance.any()


def test_zero_has_no_sign() -> None:
    assert condense(np.array([[0.0, 1.0], [-0.0, 1.0], [1e-100, 1.0]]), epsilon=0.0).size == 2


@given(points=POINTS, budget=st.integers(1, 30))
@settings(max_examples=100, deadline=None)
def test_the_budget_is_respected_and_not_wasted(points: np.ndarray, budget: int) -> None:
    net = condense(points, budget=budget)
    assert net.size <= budget
    usual = RELATIVE_EPSILON * net.diameter
    assert net.epsilon >= usual
    if net.epsilon > usual:  # it is larger because the budget is spent
        assert net.size == budget
        assert net.epsilon == net.distance.max()
        if budget > 1:
            assert pdist(points[net.representatives]).min() >= net.epsilon * (1 - SLACK)


@given(points=POINTS, budget=st.integers(1, 12), sweeps=st.sampled_from([1, 2, 5, 1000]), steps=st.integers(1, 4))
@settings(max_examples=200, deadline=None)
def test_the_traversal_is_that_of_the_definition(points: np.ndarray, budget: int, sweeps: int, steps: int) -> None:
    """Each representative is as far from those before it as any row is, however the work is cut up."""
    distinct = np.unique(points + 0.0, axis=0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(condensation, "SWEEPS", sweeps)
        patch.setattr(condensation, "STEPS", steps)
        most = min(budget, len(distinct))
        (chosen, owner, square), *_ = condensation.farthest_first(distinct, np.arange(len(distinct)), 0.0, most, silent)
    between = cdist(distinct, distinct)
    for k in range(1, len(chosen)):
        reach = between[:, chosen[:k]].min(axis=1)
        assert reach[chosen[k]] == pytest.approx(reach.max(), abs=1e-12)
    assert len(chosen) == most
    np.testing.assert_allclose(np.sqrt(square), between[:, chosen].min(axis=1), atol=1e-12)
    np.testing.assert_allclose(np.sqrt(square), between[np.arange(len(distinct)), chosen[owner]], atol=1e-12)


def test_the_order_of_the_file_changes_nothing() -> None:
    points = random_points(0)
    shuffle = np.random.default_rng(1).permutation(len(points))
    one, two = condense(points, budget=40), condense(points[shuffle], budget=40)
    assert set(shuffle[two.representatives]) == set(one.representatives)
    assert two.epsilon == pytest.approx(one.epsilon, rel=1e-12)


def test_rows_that_share_a_hash_stay_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loops, "row_hashes", lambda rows: np.zeros(len(rows), np.uint64))
    net = condense(np.array([[0.0], [1.0], [0.0], [2.0], [1.0]]), epsilon=0.0)
    assert net.representatives[net.assignment].tolist() in ([0, 1, 0, 3, 4], [0, 1, 0, 3, 1])
    assert not net.distance.any()


def test_descriptors_on_disk_condense_as_in_memory_with_one_copy_of_the_distinct_rows(tmp_path: Path) -> None:
    """Half of 40,000 rows are duplicates; of the file's 20 MB as float64 no more than the distinct half is held."""
    rng = np.random.default_rng(0)
    half = rng.normal(size=(20_000, 64)).astype(np.float32)
    half[:2] *= 50.0  # two rows far out, so that the diameter is theirs
    np.save(tmp_path / "x.npy", np.concatenate([half, half[::-1]]))
    values = np.load(tmp_path / "x.npy", mmap_mode="r")
    expected = condense(unit_columns(values), budget=300)
    scaled = scaled_rows(values)
    condense(scaled[:500], budget=200)  # whatever is loaded or compiled once
    tracemalloc.start()
    try:
        net = condense(scaled, budget=300)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    distinct = half.size * 8
    assert net.size == 300
    assert distinct < peak < 1.7 * distinct
    for name in ("representatives", "assignment", "distance", "multiplicity"):
        np.testing.assert_array_equal(getattr(net, name), getattr(expected, name))
    np.testing.assert_array_equal(net.assignment[:20_000], net.assignment[20_000:][::-1])


def test_scaled_rows_read_like_an_array() -> None:
    values = np.array([[3.0, 0.0, 1.0], [4.0, 0.0, 1.0]], dtype=np.float32)
    rows = scaled_rows(values)
    expected = np.array([[0.6, 0.0, 0.5**0.5], [0.8, 0.0, 0.5**0.5]])
    assert rows.shape == (2, 3)
    assert len(rows) == 2
    assert rows[1].dtype == np.float64
    np.testing.assert_allclose(np.asarray(rows), expected, rtol=1e-12)
    np.testing.assert_allclose(rows[[1, 0]], expected[::-1], rtol=1e-12)
    np.testing.assert_allclose(np.asarray(rows, dtype=np.float32), expected, rtol=1e-6)


def test_a_given_epsilon_is_kept_whatever_the_budget() -> None:
    points = np.arange(20.0)[:, None]
    net = condense(points, epsilon=0.5, budget=3)
    assert (net.size, net.epsilon) == (20, 0.5)


@pytest.mark.parametrize("scale", [1.0, 0.25, 4.0])
def test_by_hand(scale: float, tmp_path: Path) -> None:
    points = scale * np.array([[0.0], [0.9], [1.1], [5.0], [0.0], [2.05]])
    net = condense(points, epsilon=scale)
    # 5 is farthest from the mean, 0 from 5, 2.05 from both; 0.9 and 1.1 then lie within 1 of 0 and of 2.05
    np.testing.assert_array_equal(net.representatives, [0, 3, 5])
    np.testing.assert_array_equal(net.assignment, [0, 0, 2, 1, 0, 2])
    np.testing.assert_allclose(net.distance, scale * np.array([0, 0.9, 0.95, 0, 0, 0]))
    np.testing.assert_array_equal(net.multiplicity, [3, 1, 2])
    np.testing.assert_array_equal(net.first, [0, 3, 2])
    assert net.diameter == 5.0 * scale
    write_condensed(tmp_path / "net.npz", net)
    again = read_condensed(tmp_path / "net.npz")
    for name in ("representatives", "assignment", "distance", "multiplicity", "epsilon", "diameter"):
        np.testing.assert_array_equal(getattr(again, name), getattr(net, name))


@pytest.mark.parametrize("seed", range(4))
def test_the_same_points_give_the_same_net(seed: int) -> None:
    points = random_points(seed)
    one, two = (condense(points.copy(), budget=30) for _ in range(2))
    for field in ("representatives", "assignment", "distance", "multiplicity"):
        np.testing.assert_array_equal(getattr(one, field), getattr(two, field))
    assert (one.epsilon, one.diameter) == (two.epsilon, two.diameter)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("budget", [15, 60, 1000])
def test_ten_copies_of_everything_give_the_same_representatives(seed: int, budget: int) -> None:
    points = random_points(seed)
    once, tiled = condense(points, budget=budget), condense(np.tile(points, (10, 1)), budget=budget)
    np.testing.assert_array_equal(tiled.representatives, once.representatives)
    np.testing.assert_array_equal(tiled.multiplicity, 10 * once.multiplicity)
    np.testing.assert_array_equal(tiled.assignment, np.tile(once.assignment, 10))
    assert tiled.epsilon == pytest.approx(once.epsilon, rel=1e-12)
    repeated = condense(np.repeat(points, 10, axis=0), budget=budget)
    np.testing.assert_array_equal(repeated.representatives, 10 * once.representatives)


@given(points=POINTS)
@settings(max_examples=150, deadline=None)
def test_diameter_is_exact(points: np.ndarray) -> None:
    assert diameter(points) == pytest.approx(brute_diameter(points), rel=1e-12, abs=1e-15)


@pytest.mark.parametrize("offset", [0.0, 1e3, 1e6, 1e8])
def test_diameter_of_a_sphere_far_from_the_origin(offset: float) -> None:
    """All points are candidates, and a common offset must not eat the digits that tell the pairs apart."""
    for seed in range(10):
        points = np.random.default_rng(seed).normal(size=(60, 10))
        points = points / np.linalg.norm(points, axis=1)[:, None] + offset
        assert diameter(points) == pytest.approx(brute_diameter(points), rel=1e-12)


def test_diameter_over_several_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    angles = np.linspace(0, 2 * np.pi, 301)[:-1] ** 1.01
    points = np.column_stack([np.cos(angles), np.sin(angles)])
    monkeypatch.setattr("meagraph.graph.distinct.BLOCK", 7)
    assert diameter(points) == pytest.approx(brute_diameter(points), rel=1e-14)


def test_diameter_of_more_candidates_than_one_block_compares() -> None:
    """A thin shell, of which some thousands of rows could be an end; those farthest in need no comparison any more."""
    rng = np.random.default_rng(0)
    points = rng.normal(size=(6000, 3))
    points *= (rng.uniform(0.9985, 1.0, 6000) / np.linalg.norm(points, axis=1))[:, None]
    assert diameter(points) == pytest.approx(brute_diameter(points), rel=1e-14)


def test_unit_columns_with_weights_equal_repeated_rows() -> None:
    rng = np.random.default_rng(0)
    values, times = rng.normal(size=(5, 3)), np.array([1, 4, 2, 1, 3])
    values[:, 1] = 0.0
    scaled = unit_columns(values, times)
    np.testing.assert_allclose(np.repeat(scaled, times, axis=0), unit_columns(np.repeat(values, times, axis=0)))
    np.testing.assert_allclose((np.repeat(scaled, times, axis=0) ** 2).sum(axis=0), [1, 0, 1])


@pytest.mark.parametrize(
    ("points", "options", "message"),
    [
        (np.array([[0.0], [np.nan]]), {}, "environment 1 hold NaN or infinity"),
        (np.array([[np.inf], [0.0]]), {}, "environment 0 hold NaN or infinity"),
        (np.zeros((3, 1)), {"epsilon": -0.1}, "epsilon must be 0 or positive, got -0.1"),
        (np.zeros((3, 1)), {"epsilon": float("nan")}, "epsilon must be 0 or positive, got nan"),
        (np.zeros((3, 1)), {"budget": 0}, "budget must be at least 1 representative, got 0"),
        (np.zeros(3), {}, r"shape \(N, D\) with N > 0, got \(3,\)"),
        (np.zeros((0, 3)), {}, r"got \(0, 3\)"),
    ],
)
def test_bad_input(points: np.ndarray, options: dict, message: str) -> None:
    with pytest.raises(MEAGraphError, match=message):
        condense(points, **options)


def test_inconsistent_multiplicities_are_refused() -> None:
    one = np.zeros(1, dtype=np.int64)
    with pytest.raises(MEAGraphError, match="sum to 2 environments, got 1"):
        Condensed(one, np.zeros(2, dtype=np.int64), np.zeros(2), one + 1, 0.0, 1.0)


def test_progress_can_cancel() -> None:
    def cancel(done: int, total: int, message: str) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        condense(np.arange(1000.0)[:, None], epsilon=0.1, progress=cancel)


def test_tantalum_condenses_as_measured() -> None:
    """method.md, section 3: epsilon = 1e-4 of the diameter leaves 2,163 of 4,224 environments."""
    dataset = read_dataset(real_data("Ta_JCP2014.extxyz"))
    assert dataset.n_environments == 4224
    descriptors = compute_descriptors(dataset)
    assert descriptors.values.shape == (4224, 24)
    net = condense(unit_columns(descriptors.values))
    assert net.epsilon == RELATIVE_EPSILON * net.diameter
    assert net.size == pytest.approx(2163, rel=0.03)

"""Measures of a plan, by hand and against their plain definitions on all environments."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms

import meagraph.evaluation.coverage as metrics
from meagraph.datasets import AtomicDataset, dataset_from_structures
from meagraph.errors import Cancelled, MEAGraphError
from meagraph.evaluation.coverage import Yardstick, measure, yardstick
from meagraph.graph.condensation import condense
from meagraph.latent.clustering import NOISE, Clusters
from tests.support.pruning import random_case


def line() -> tuple[AtomicDataset, np.ndarray, Clusters]:
    """Eight environments on a line, at 0, 0, 0, 1, 2, 10, 20 and 20, in three structures of two groups.

    The atoms of each structure are 1, 2 and 3 Å apart, the forces grow from 1 to 8 eV/Å.
    """
    forces = np.zeros((8, 3))
    forces[:, 0] = np.arange(1.0, 9.0)
    structures = []
    for first, last, gap, group in ((0, 3, 1.0, "a"), (3, 6, 2.0, "b"), (6, 8, 3.0, "b")):
        count = last - first
        positions = np.zeros((count, 3))
        positions[:, 0] = gap * np.arange(count)
        atoms = Atoms("TaNbTaNb"[: 2 * count], positions=positions, info={"config_type": group})
        atoms.arrays["forces"] = forces[first:last]
        structures.append(atoms)
    dataset = dataset_from_structures(structures, allow_unlabelled=True)
    points = np.array([0.0, 0.0, 0.0, 1.0, 2.0, 10.0, 20.0, 20.0])[:, None]
    return dataset, points, Clusters(np.array([0, 0, 0, 0, 0, NOISE, 1, 1]), np.array([5, 2]), "by hand")


def stick_of(dataset: AtomicDataset, points: np.ndarray, clusters: Clusters, **options) -> Yardstick:
    return yardstick(dataset, points, condense(points, epsilon=0.0), clusters, **options)


def only(*rows: int, size: int = 8) -> np.ndarray:
    return np.isin(np.arange(size), rows)


def test_a_plan_by_hand() -> None:
    dataset, points, clusters = line()
    found = measure(stick_of(dataset, points, clusters, radius=1.0, width=0.01), only(1, 2, 3, 7))
    assert found.environments == 4
    assert found.covered_representatives == pytest.approx(4 / 5)  # 0, 1, 2 (next to 1) and 20, not 10
    assert found.covered_environments == pytest.approx(7 / 8)
    assert found.covered_bins == pytest.approx(3 / 5)  # 0, 1, 2, 10 and 20 lie in a bin each
    assert found.redundancy == pytest.approx(1 / 4)  # two at 0
    assert found.groups == pytest.approx({"a": 2 / 3, "b": 2 / 5})
    assert found.clusters == pytest.approx({"0": 3 / 5, "1": 1 / 2, "none": 0.0})
    assert found.elements == pytest.approx({"Nb": 2 / 3, "Ta": 2 / 5})
    assert found.extremes == {"largest forces": 1.0, "shortest distances": 0.0}  # of 8, one: the last, and the first
    assert found.entropy == pytest.approx(1.5 * np.log(2))  # of 1/2, 1/4 and 1/4
    assert found.diversity == pytest.approx(np.log(3))
    assert found.overlap == pytest.approx(6 / 8)  # all but 2 and 10


def test_everything_and_nothing() -> None:
    dataset, points, clusters = line()
    stick = stick_of(dataset, points, clusters, radius=0.5)
    whole, nothing = measure(stick, np.ones(8, dtype=bool)), measure(stick, np.zeros(8, dtype=bool))
    assert whole.covered_representatives == whole.covered_environments == whole.covered_bins == 1.0
    assert whole.redundancy == pytest.approx(3 / 8)
    for shares in (whole.groups, whole.clusters, whole.elements, whole.extremes):
        assert set(shares.values()) == {1.0}
    assert nothing.covered_representatives == nothing.covered_environments == nothing.covered_bins == 0.0
    assert nothing.environments == nothing.redundancy == 0
    assert np.isnan(nothing.entropy)


@pytest.mark.parametrize("seed", range(3))
def test_coverage_and_entropy_by_their_definitions_on_all_environments(seed: int) -> None:
    dataset, clusters, points = random_case(seed)
    keep = np.random.default_rng(seed).random(len(points)) < 0.2
    stick = stick_of(dataset, points, clusters)
    found = measure(stick, keep)
    distance = np.linalg.norm(points[:, None] - points[None, keep], axis=2)
    assert found.covered_environments == pytest.approx((distance.min(axis=1) <= stick.radius).mean())
    _, first = np.unique(points, axis=0, return_index=True)
    assert found.covered_representatives == pytest.approx((distance[first].min(axis=1) <= stick.radius).mean())
    chosen = points[keep]
    square = ((chosen[:, None] - chosen[None]) ** 2).sum(axis=2)
    kernel = np.exp(-square / (2 * stick.bandwidth**2)).sum(axis=1)
    assert found.entropy == pytest.approx(-np.log(kernel / len(chosen)).mean(), abs=1e-5)
    assert found.diversity == pytest.approx(np.log((1 / kernel).sum()), abs=1e-5)
    to_all = ((points[:, None] - chosen[None]) ** 2).sum(axis=2)
    surprise = -np.log(np.exp(-to_all / (2 * stick.bandwidth**2)).sum(axis=1))
    assert found.overlap == pytest.approx((surprise <= 1e-6).mean())
    assert found.redundancy == pytest.approx(1 - len(np.unique(chosen, axis=0)) / len(chosen))


def test_a_larger_plan_never_covers_less() -> None:
    """Entropy and diversity may fall: what is added can lie where most of the others are."""
    dataset, clusters, points = random_case(0)
    stick = stick_of(dataset, points, clusters)
    order = np.random.default_rng(0).permutation(len(points))
    last = measure(stick, only(*order[:1], size=len(points)))
    for count in range(10, len(points), 10):
        found = measure(stick, only(*order[:count], size=len(points)))
        for name in ("covered_representatives", "covered_environments", "covered_bins"):
            assert getattr(found, name) >= getattr(last, name), name
        last = found


def test_entropy_on_fewer_nodes_is_close(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two tight clouds: three nodes or thirty say the same where the kernel is wider than the clouds."""
    dataset, clusters, _ = random_case(0)
    rng = np.random.default_rng(0)
    count = dataset.n_environments
    points = rng.normal(scale=1e-3, size=(count, 2)) + rng.integers(0, 2, count)[:, None]
    keep = rng.random(count) < 0.5
    exact = measure(stick_of(dataset, points, clusters, width=0.1), keep)
    monkeypatch.setattr(metrics, "NODES", 10)
    coarse = stick_of(dataset, points, clusters, width=0.1)
    assert coarse.kernel.shape == (10, 10)
    assert measure(coarse, keep).entropy == pytest.approx(exact.entropy, abs=1e-3)
    assert exact.entropy == pytest.approx(np.log(2), abs=0.02)


def test_without_forces_or_neighbours_there_are_no_such_extremes() -> None:
    structures = [Atoms("Ta", positions=[[0.0, 0.0, 0.0]]) for _ in range(3)]
    dataset = dataset_from_structures(structures, allow_unlabelled=True)
    points = np.arange(3.0)[:, None]
    stick = stick_of(dataset, points, Clusters(np.zeros(3, dtype=np.int64), np.array([3]), "by hand"))
    assert "shortest distances" not in measure(stick, np.ones(3, dtype=bool)).extremes


def test_bad_input() -> None:
    dataset, points, clusters = line()
    with pytest.raises(MEAGraphError, match="must be positive, got 0"):
        stick_of(dataset, points, clusters, radius=0.0)
    with pytest.raises(MEAGraphError, match=r"shape \(8,\) of environments, got \(3,\)"):
        measure(stick_of(dataset, points, clusters), np.ones(3, dtype=bool))


def test_a_radius_that_holds_all_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    dataset, points, clusters = line()
    monkeypatch.setattr(metrics, "PAIRS", 20)
    with pytest.raises(MEAGraphError, match="Take a smaller one; the usual one is"):
        stick_of(dataset, points, clusters, radius=100.0)


def test_progress_can_cancel() -> None:
    def cancel(done: int, total: int, message: str) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        stick_of(*line(), progress=cancel)

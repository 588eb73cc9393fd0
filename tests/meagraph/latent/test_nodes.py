"""Environments drawn at random: what clusters are found by where the representatives are too coarse."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from sklearn.metrics import adjusted_rand_score

from meagraph.graph.condensation import Condensed, condense
from meagraph.latent import nodes
from meagraph.latent.cluster_stability import cluster_stability
from meagraph.latent.clustering import ClusteringConfig, Clusters, cluster
from meagraph.latent.exemplars import exemplars, extremes
from meagraph.latent.neighbours import nearest_neighbours
from meagraph.latent.nodes import coarse, draw_nodes, holding, nodes_arrays, nodes_from, population
from meagraph.model.results import Embedding
from meagraph.progress import Progress

CONFIG = ClusteringConfig()


def clouds(each: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A dense cloud, a wide one that is as common, and a rare one: places (N, 6), and the cloud of each row."""
    rng = np.random.default_rng(seed)
    owner = np.repeat(np.arange(3), [10 * each, 10 * each, each])
    width = np.array([0.02, 0.5, 0.02])[owner]
    centre = np.array([[0.0] * 6, [3.0] + [0.0] * 5, [0.0, 0.5, *[0.0] * 4]])[owner]
    return centre + width[:, None] * rng.normal(size=(len(owner), 6)), owner


def latent_of(values: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    return lambda rows: values[rows].astype(np.float32)


def found_in(values: np.ndarray, budget: int) -> tuple[Clusters, Embedding, Condensed]:
    """Clusters of ``values``, condensed to a ``budget`` of representatives."""
    net = condense(values, budget=budget)
    empty, none = np.zeros((2, 0), dtype=np.int64), np.zeros(0, np.float32)
    model = Embedding(np.ones((net.size, 1), np.float32), empty, none, 0.5, np.ones(net.size, dtype=bool))
    embedding = holding(model, net, latent_of(values))
    near = nearest_neighbours(population(embedding, net)[0].values, 45, by_distance=True)
    return cluster(embedding, near, net, CONFIG), embedding, net


def test_each_goes_to_the_nearest_of_those_drawn_and_the_seed_decides() -> None:
    values = np.concatenate([clouds(20)[0]] * 2)  # everything twice
    found = draw_nodes(latent_of(values), len(values), count=300, seed=1)
    assert 200 < len(found.rows) <= 300
    assert (np.diff(found.rows) > 0).all()
    assert len(np.unique(found.values, axis=0)) == len(found.values)  # of two equal ones that were drawn one
    np.testing.assert_array_equal(found.values, values[found.rows].astype(np.float32))
    away = cdist(values, values[found.rows])
    np.testing.assert_allclose(away[np.arange(len(values)), found.nearest], away.min(axis=1), atol=1e-5)
    again, other = (draw_nodes(latent_of(values), len(values), count=300, seed=seed) for seed in (1, 2))
    np.testing.assert_array_equal(again.nearest, found.nearest)
    assert not np.array_equal(other.rows, found.rows)
    assert len(draw_nodes(latent_of(values), len(values), seed=1).rows) == len(values) // 2


@dataclass(frozen=True)
class Heard:
    """What is reported."""

    chunks: list[int]

    def __call__(self, done: int, total: int, message: str) -> None:
        self.chunks.append(done)


def test_threads_and_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    values, _ = clouds(20)
    found = draw_nodes(latent_of(values), len(values), count=100)
    for threads, block, rows in ((1, 50, 7), (3, 60, 100), (2, 31, 31)):
        monkeypatch.setattr("os.cpu_count", lambda threads=threads: threads)
        monkeypatch.setattr(nodes, "BLOCK", block)
        monkeypatch.setattr(nodes, "ROWS", rows)
        told = Heard([])
        again = draw_nodes(latent_of(values), len(values), count=100, progress=told)
        np.testing.assert_array_equal(again.nearest, found.nearest)
        assert told.chunks == list(range(1, -(-len(values) // block) + 1))


def test_none_are_drawn_where_representatives_hold_copies_alone() -> None:
    values, _ = clouds(20)
    assert not coarse(condense(np.tile(values, (5, 1))))
    assert coarse(condense(values, budget=100))
    assert found_in(values, 20_000)[1].nodes is None
    model = found_in(values, 20_000)[1]
    assert holding(model, condense(values, budget=100), None) is model


def test_ten_times_the_data_has_the_same_clusters_and_the_rare_one_is_among_them() -> None:
    """An even net of as many representatives has nearly all of them in the wide cloud."""
    few, owner = clouds(60)
    many, owners = clouds(600, seed=5)
    small, _, _ = found_in(few, 20_000)
    large, embedding, net = found_in(many, 1300)
    assert embedding.nodes is not None
    assert (owners[net.representatives] == 1).mean() > 0.9
    assert small.n_clusters == large.n_clusters == 3
    assert adjusted_rand_score(owner, small.labels) > 0.98
    assert adjusted_rand_score(owners, large.labels) > 0.98
    np.testing.assert_array_equal(large.sizes, np.bincount(large.labels))


def test_what_is_asked_of_such_clusters() -> None:
    """They are stable, and members of a cluster are members of it, whatever their representative stands for beside."""
    values, _ = clouds(200)
    found, embedding, net = found_in(values, 40)
    mixed = sum(len(np.unique(found.labels[net.assignment == row])) > 1 for row in range(net.size))
    assert mixed > 0
    assert (cluster_stability(found, embedding, net, CONFIG, runs=2) > 0.95).all()
    central, edge = extremes(found, net, embedding.values)
    for label in range(found.n_clusters):
        members = exemplars(found, net, embedding.values, label)
        for rows in (members.central, members.edge, members.random, [central[label]], [edge[label]]):
            assert (found.labels[rows] == label).all()
        assert (central[label], edge[label]) == (members.central[0], members.edge[0])


def test_they_lie_in_files(tmp_path: Path) -> None:
    values, _ = clouds(20)
    found = draw_nodes(latent_of(values), len(values), count=50)
    np.savez(tmp_path / "nodes.npz", **nodes_arrays(found))
    with np.load(tmp_path / "nodes.npz") as data:
        again = nodes_from(data)
    assert again is not None
    for name in ("rows", "values", "nearest"):
        np.testing.assert_array_equal(getattr(again, name), getattr(found, name))
    assert nodes_arrays(None) == {}
    assert nodes_from({}) is None


def test_drawing_can_be_cancelled() -> None:
    class Stopped(Exception):
        pass

    def stop(done: int, total: int, message: str) -> None:
        raise Stopped

    progress: Progress = stop
    with pytest.raises(Stopped):
        draw_nodes(latent_of(clouds(5)[0]), 105, progress=progress)

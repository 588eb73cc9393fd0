"""Cases that the tests of pruning share."""

from __future__ import annotations

import numpy as np
from ase import Atoms

from meagraph.datasets import AtomicDataset, dataset_from_structures
from meagraph.graph.condensation import condense
from meagraph.latent.clustering import NOISE, Clusters
from meagraph.pruning.allocation import share_out
from meagraph.pruning.plan import Ranking, rank_environments
from meagraph.pruning.shares import by_alpha


def naive_farthest_point_order(rows: np.ndarray, start: int) -> list[int]:
    order = [start]
    while len(order) < len(rows):
        squared = ((rows[:, None] - rows[None, order]) ** 2).sum(axis=2).min(axis=1)
        squared[order] = -1.0
        order.append(int(squared.argmax()))  # the first of equals
    return order


def random_case(seed: int, *, alone: bool = True) -> tuple[AtomicDataset, Clusters, np.ndarray]:
    """About 200 environments in 40 structures of 1 to 9 atoms, 5 clusters, noise; isolated atoms if ``alone``."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(2, 10, 40)
    sizes[[3, 17, 30]] = 1 if alone else 2
    structures = [Atoms(numbers=[41] * n, positions=rng.normal(size=(n, 3)) * 9) for n in sizes]
    for index, atoms in enumerate(structures):
        atoms.info["config_type"] = "IsolatedAtom" if alone and index in (3, 17, 30) else "liquid"
    structures[5].info["config_type"] = "surface"
    dataset = dataset_from_structures(structures, allow_unlabelled=True)
    labels = rng.choice([0, 0, 0, 1, 1, 2, 3, 4, NOISE], size=dataset.n_environments)
    counts = np.bincount(labels[labels >= 0])
    order = np.argsort(-counts, kind="stable")
    rank = np.empty(len(counts), dtype=np.int64)
    rank[order] = np.arange(len(counts))
    labels = np.where(labels == NOISE, NOISE, rank[labels])
    points = rng.normal(size=(dataset.n_environments, 3))
    points[rng.permutation(len(points))[:40]] = points[0]  # duplicates
    return dataset, Clusters(labels, counts[order], "by hand"), points


def allocate(sizes: np.ndarray, budget: int, alpha: float, variety: np.ndarray | None = None) -> np.ndarray:
    """The share of each bin by an exponent set by hand."""
    shares = by_alpha(alpha, structures=False)
    return share_out(sizes, budget, shares.weights(sizes, sizes if variety is None else variety))


def ranked(clusters: Clusters, points: np.ndarray, **options) -> Ranking:
    return rank_environments(clusters, points, condense(points, epsilon=0.0), **options)

"""What a plan takes of each group and cluster, by hand."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms

from meagraph.datasets import AtomicDataset, dataset_from_structures
from meagraph.latent.clustering import Clusters
from meagraph.pruning.plan import PruningPlan
from meagraph.pruning.settings import PruningConfig
from meagraph.pruning.tally import by_cluster, by_group


@pytest.fixture
def dataset() -> AtomicDataset:
    """Structures of 2, 3, 1 and 4 atoms, in the groups b, a, b and c."""
    sizes = {0: (2, "b"), 1: (3, "a"), 2: (1, "b"), 3: (4, "c")}
    return dataset_from_structures(
        [
            Atoms(f"Nb{size}", [[2.5 * atom, number, 0] for atom in range(size)], info={"config_type": group})
            for number, (size, group) in sizes.items()
        ],
        allow_unlabelled=True,
    )


@pytest.fixture
def plan(dataset: AtomicDataset) -> PruningPlan:
    """The structures 0 and 3 stay; environments are chosen of 0, 1 and 3."""
    keep = np.array([1, 0, 1, 0, 0, 0, 1, 1, 0, 0], dtype=bool)
    return PruningPlan(keep, np.array([True, False, False, True]), np.zeros(4, bool), PruningConfig(), np.zeros(1))


def test_groups_from_the_largest(dataset: AtomicDataset, plan: PruningPlan) -> None:
    found = by_group(plan, dataset)
    assert found.names == ("c", "a", "b")  # of equal size, by name
    assert found.whole.tolist() == [4, 3, 3]
    assert found.chosen.tolist() == [2, 1, 1]
    assert found.kept.tolist() == [4, 0, 2]
    assert found.structures.tolist() == [1, 1, 2]
    assert found.structures_kept.tolist() == [1, 0, 1]


def test_clusters_without_members_are_left_out(dataset: AtomicDataset, plan: PruningPlan) -> None:
    labels = np.array([0, 0, 0, 0, 2, -1, 2, 2, -1, -1])
    clusters = Clusters(labels, np.array([4, 0, 3]), "by hand")
    found = by_cluster(plan, dataset, clusters, ["first", "second", "third", "none"])
    assert found.names == ("first", "third", "none")
    assert found.whole.tolist() == [4, 3, 3]
    assert found.chosen.tolist() == [2, 2, 0]
    assert found.kept.tolist() == [2, 2, 2]
    assert clusters.count().tolist() == [4, 0, 3, 3]
    assert clusters.count(plan.keep).tolist() == [2, 0, 2, 0]

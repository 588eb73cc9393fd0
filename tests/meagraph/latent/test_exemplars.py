"""Which members of a cluster are shown, on hand-made clusters."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meagraph.errors import MEAGraphError
from meagraph.graph.condensation import Condensed
from meagraph.latent.clustering import Clusters
from meagraph.latent.exemplars import exemplars, extremes


def line() -> tuple[Clusters, Condensed, np.ndarray]:
    """Representatives at 0, 1, 2, 10 (cluster 0, the first three times) and 50 (unclustered); 7 environments."""
    representatives = np.array([0, 3, 4, 5, 6])
    condensed = Condensed(
        representatives=representatives,
        assignment=np.array([0, 0, 0, 1, 2, 3, 4]),
        distance=np.zeros(7),
        multiplicity=np.array([3, 1, 1, 1, 1]),
        epsilon=0.0,
        diameter=50.0,
    )
    labels = np.array([0, 0, 0, 0, 0, 0, -1])
    return Clusters(labels, np.array([6]), "leiden"), condensed, np.array([[0.0], [1.0], [2.0], [10.0], [50.0]])


def test_nearest_and_farthest_from_the_weighted_mean() -> None:
    clusters, condensed, values = line()
    found = exemplars(clusters, condensed, values, 0, count=2)  # the mean is 13 / 6
    assert found.central.tolist() == [4, 3]  # at 2 and 1; twins of the first would not be named twice
    assert found.edge.tolist() == [5, 0]
    np.testing.assert_allclose(found.central_distance, [1 / 6, 7 / 6])
    np.testing.assert_allclose(found.edge_distance, [10 - 13 / 6, 13 / 6])
    assert found.members == 6


def test_random_members_come_from_the_cluster_and_follow_the_seed() -> None:
    clusters, condensed, values = line()
    drawn = [exemplars(clusters, condensed, values, 0, count=3, seed=seed).random.tolist() for seed in range(20)]
    assert drawn == [exemplars(clusters, condensed, values, 0, count=3, seed=s).random.tolist() for s in range(20)]
    assert {row for rows in drawn for row in rows} == set(range(6))
    assert all(len(set(rows)) == 3 for rows in drawn)
    assert exemplars(clusters, condensed, values, 0, count=99).random.tolist() == list(range(6))
    assert exemplars(clusters, condensed, values, -1).central.tolist() == [6]


def test_wrong_requests_are_named() -> None:
    clusters, condensed, values = line()
    with pytest.raises(MEAGraphError, match="label 1; there are 0 to 0"):
        exemplars(clusters, condensed, values, 1)
    with pytest.raises(MEAGraphError, match="at least 1"):
        exemplars(clusters, condensed, values, 0, count=0)
    with pytest.raises(MEAGraphError, match="5 representatives, got 4"):
        exemplars(clusters, condensed, values[:4], 0)


def test_extremes_are_the_first_exemplars_of_every_cluster() -> None:
    clusters, condensed, values = line()
    central, edge = extremes(clusters, condensed, values)
    assert (central.tolist(), edge.tolist()) == ([4, 6], [5, 6])
    with pytest.raises(MEAGraphError, match="5 representatives, got 4"):
        extremes(clusters, condensed, values[:4])


@given(st.integers(0, 2**32 - 1))
def test_extremes_against_one_cluster_at_a_time(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, m, c = 60, int(rng.integers(1, 30)), int(rng.integers(1, 5))
    assignment = np.concatenate([np.arange(m), rng.integers(0, m, n - m)])
    labels = rng.integers(-1, c, n)  # also of environments with one representative
    sizes = np.bincount(labels[labels >= 0], minlength=c)
    if not sizes.all():
        return
    condensed = Condensed(np.arange(m), assignment, np.zeros(n), np.bincount(assignment, minlength=m), 0.0, 1.0)
    clusters, values = Clusters(labels, sizes, "leiden"), rng.normal(size=(m, 3))
    central, edge = extremes(clusters, condensed, values)
    for place, label in enumerate([*range(c), -1]):
        if not (labels == label).any():
            assert (central[place], edge[place]) == (-1, -1)
            continue
        found = exemplars(clusters, condensed, values, label, count=1)
        assert (central[place], edge[place]) == (found.central[0], found.edge[0])

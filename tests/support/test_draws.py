"""Random samples: how many of which, by hand."""

from __future__ import annotations

import numpy as np

from tests.support.draws import from_clusters, whole_structures


def test_structures_of_each_label_until_there_are_enough_atoms() -> None:
    labels = np.array(["a", "b", "a", "", "a", "b"])
    sizes = np.array([4, 3, 4, 9, 4, 3])
    for seed in range(5):
        chosen = whole_structures(labels, sizes, 5, seed)
        assert (np.diff(chosen) > 0).all()
        assert sizes[chosen][labels[chosen] == "a"].sum() == 8  # the second of them reaches 5
        assert sizes[chosen][labels[chosen] == "b"].sum() == 6
        assert not (labels[chosen] == "").any()
    assert len({tuple(whole_structures(labels, sizes, 5, seed)) for seed in range(20)}) == 3  # which two of three


def test_of_each_cluster_as_many_or_its_share() -> None:
    """Clusters of 60, 30 and 6, and four environments alone."""
    labels = np.repeat([0, 1, 2, -1], [60, 30, 6, 4])
    equal = from_clusters(labels, 25, equal=True, seed=0)
    assert [int(equal[labels == label].sum()) for label in (0, 1, 2, -1)] == [8, 7, 6, 4]
    share = from_clusters(labels, 50, equal=False, seed=0)
    assert [int(share[labels == label].sum()) for label in (0, 1, 2)] == [30, 15, 3]
    assert share.sum() == 50
    other = from_clusters(labels, 50, equal=False, seed=1)
    assert other.sum() == 50
    assert not np.array_equal(share, other)

"""How categories spread over clusters, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from meagraph.inspection.composition import composition
from meagraph.inspection.property import Property
from meagraph.latent.clustering import Clusters

CODES = np.array([0, 0, 1, 1, 1, -1, 0, 1])
LABELS = np.array([0, 0, 0, -1, 2, 2, 2, -1])
CLUSTERS = Clusters(LABELS, np.array([3, 0, 3]), "by hand")
GROUP = Property("group", "Group", "", "structure", "category", CODES, ("a", "b", "empty"))


def test_the_largest_categories_first_and_the_unclustered_last() -> None:
    found = composition(GROUP, CLUSTERS)
    assert found.names == ("b", "a", "none")
    assert found.labels == (0, 2, -1)
    assert found.counts.tolist() == [[1, 1, 2], [2, 1, 0], [0, 1, 0]]
    assert found.share[:, 0] == pytest.approx([100 / 3, 200 / 3, 0])
    assert found.share[:, 2].tolist() == [100, 0, 0]
    by_category = composition(GROUP, CLUSTERS, per_category=True)
    assert by_category.share[0].tolist() == [25, 25, 50]
    assert by_category.share[2].tolist() == [0, 100, 0]


def test_a_selection_is_counted_in_the_cells_of_all() -> None:
    found = composition(GROUP, CLUSTERS, of=np.arange(8) < 3)
    assert found.names == ("b", "a", "none")
    assert found.counts.tolist() == [[1, 0, 0], [2, 0, 0], [0, 0, 0]]
    assert found.share[:, 1].tolist() == [0, 0, 0]  # nothing is selected there


def test_a_cell_knows_its_members() -> None:
    found = composition(GROUP, CLUSTERS)
    assert np.flatnonzero(found.members(0, 2)).tolist() == [3, 7]
    assert np.flatnonzero(found.members(2, 1)).tolist() == [5]
    for row, column in np.ndindex(found.counts.shape):
        assert found.members(row, column).sum() == found.counts[row, column]


def test_what_is_not_shown_is_in_no_cell() -> None:
    found = composition(GROUP, CLUSTERS, most=1)
    assert (found.names, found.labels) == (("b",), (0,))
    assert np.flatnonzero(found.members(0, 0)).tolist() == [2]

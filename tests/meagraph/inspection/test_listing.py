"""Rows of environments and of structures: order, pages, and which environments they are."""

from __future__ import annotations

import numpy as np
import pytest

from meagraph.datasets import AtomicDataset
from meagraph.inspection.listing import LARGEST, Level, Listing
from meagraph.inspection.properties import Properties
from meagraph.outliers import Outliers


@pytest.fixture
def listing(niobium: AtomicDataset):
    """``listing(level)`` of the tiny niobium, whose scores fall from row to row."""
    outliers = Outliers(np.linspace(1, 0, niobium.n_environments), np.zeros(niobium.n_environments, bool), ())

    def make(level: Level) -> Listing:
        return Listing(level, niobium, Properties(niobium), outliers)

    return make


@pytest.mark.parametrize("level", ["environment", "structure"])
def test_every_order_is_sorted_and_complete(listing, niobium: AtomicDataset, level: Level) -> None:
    rows = listing(level)
    count = niobium.n_environments if level == "environment" else niobium.n_structures
    for name in ("energy", "n_atoms", "group"):
        values = rows.column(name)
        assert len(values) == count
        for falling in (False, True):
            order = rows.order(name, falling=falling)
            assert sorted(order.tolist()) == list(range(count))
            steps = np.diff(values[order])
            assert (steps <= 0).all() if falling else (steps >= 0).all()


def test_rows_without_a_value_come_last_either_way(niobium: AtomicDataset) -> None:
    class Holed(Properties):
        def __getitem__(self, name: str):
            found = super().__getitem__(name)
            found.values[[3, 50]] = np.nan
            return found

    rows = Listing("environment", niobium, Holed(niobium), Outliers(np.zeros(145), np.zeros(145, bool), ()))
    for falling in (False, True):
        assert sorted(rows.order("force", falling=falling)[-2:].tolist()) == [3, 50]


def test_pages_of_what_counts(listing) -> None:
    rows = listing("environment")
    among = np.isin(np.arange(145), [4, 9, 70, 71, 140])
    assert rows.page("environment", 0, 2, among=among) == ([4, 9], 5)
    assert rows.page("environment", 2, 2, among=among) == ([140], 5)
    assert rows.page("environment", 9, 2, among=among) == ([140], 5)  # the last one
    assert rows.page("environment", 0, 2, falling=True, among=among) == ([140, 71], 5)
    assert rows.page("environment", 0, 2, among=np.zeros(145, bool)) == ([], 0)


def test_structures_hold_environments(listing, niobium: AtomicDataset) -> None:
    """Structures 0 to 6 have 16 atoms, 7 to 10 have 8, the last has one."""
    rows, single = listing("structure"), listing("environment")
    mask = np.isin(np.arange(145), [17, 18, 144])
    assert np.flatnonzero(rows.holding(mask)).tolist() == [1, 11]
    assert np.array_equal(single.holding(mask), mask)
    assert np.flatnonzero(rows.environments([1, 11])).tolist() == [*range(16, 32), 144]
    assert np.flatnonzero(single.environments([1, 11])).tolist() == [1, 11]
    assert (rows.first(8), single.first(8)) == (120, 8)
    assert rows.column(LARGEST).tolist() == np.linspace(1, 0, 145)[niobium.offsets[:-1]].tolist()

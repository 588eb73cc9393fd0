"""What of a large dataset a page holds."""

from __future__ import annotations

import numpy as np

from meagraph.pages.sampling import sample, structures_held


def test_all_are_drawn_where_there_is_room() -> None:
    found = sample(10, np.array([2, 5]), np.array([9]), points=10)
    assert found.rows.tolist() == list(range(10))
    assert found.whole
    assert not found.words


def test_of_more_what_is_wanted_and_all_representatives_are_there() -> None:
    representatives, wanted = np.arange(0, 1000, 20), np.array([7, 13, 20])
    found = sample(1000, representatives, wanted, points=100)
    assert len(found.rows) == 100
    assert (np.diff(found.rows) > 0).all()
    assert np.isin(representatives, found.rows).all()
    assert np.isin(wanted, found.rows).all()
    assert found.representatives >= len(representatives)
    assert "100 of 1,000 environments" in found.words
    again = sample(1000, representatives, wanted, points=100)
    assert (again.rows == found.rows).all()
    assert (sample(1000, representatives, wanted, points=100, seed=1).rows != found.rows).any()


def test_of_more_representatives_than_there_is_room_for_a_part_is_drawn() -> None:
    found = sample(1000, np.arange(0, 1000, 2), np.array([1]), points=50)
    assert len(found.rows) == found.representatives + 1 == 50
    assert 1 in found.rows


def test_atoms_of_structures_are_there_until_the_room_is_used() -> None:
    of, sizes = np.array([0, 1, 1, 3, 4]), np.array([10, 20, 5, 30, 40])
    assert structures_held(of, sizes, np.array([], dtype=int), atoms=100).tolist() == [True, True, False, True, True]
    few = structures_held(of, sizes, np.array([4, 1, 4]), atoms=60)
    assert few[[4, 1]].all()
    assert few.sum() == 2
    assert not structures_held(of, sizes, np.array([4]), atoms=39).any()

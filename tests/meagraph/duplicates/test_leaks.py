"""What stands in one part and again in another, against a search of all pairs."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms

from meagraph.datasets import AtomicDataset, from_atoms
from meagraph.duplicates import KINDS, find_leaks, look_for_prints
from meagraph.duplicates.alike import families, nearest
from meagraph.errors import MEAGraphError


def dimers(*lengths: float) -> AtomicDataset:
    return from_atoms([Atoms("Nb2", [[0, 0, 0], [0, 0, length]]) for length in lengths], allow_unlabelled=True)


def test_each_structure_of_a_later_part_is_beside_the_most_alike_one_of_each_earlier_part() -> None:
    data = dimers(2.5, 2.504, 2.7, 2.5015, 2.9, 2.7, 2.5016)
    names = ("train", "validation", "test")
    found = find_leaks(data, np.array([0, 0, 0, 1, 1, 2, 2]), names)
    pairs = list(zip(found.structure.tolist(), found.of.tolist(), found.kind.tolist(), strict=True))
    assert [(one, of, KINDS[kind]) for one, of, kind in pairs] == [
        (3, 0, "near"),
        (5, 2, "exact"),
        (6, 0, "near"),
        (6, 3, "symmetric"),
    ]
    assert found.apart == pytest.approx([0.0015, 0.0, 0.0016, 0.0001], abs=1e-6)
    assert found.columns()["part"].tolist() == ["validation", "test", "test", "test"]
    assert found.columns()["of_part"].tolist() == ["train", "train", "train", "validation"]
    assert found.figures()["pairs"][1]["kind"] == "exact"
    assert found.lines() == [
        "1 of 2 structures of validation stand in train: 0 exact, 0 symmetric, 1 near",
        "2 of 2 structures of test stand in train: 1 exact, 0 symmetric, 1 near",
        "1 of 2 structures of test stand in validation: 0 exact, 1 symmetric, 0 near",
    ]


def test_the_nearest_is_that_of_all_pairs() -> None:
    """A leader of its own that lies near a follower is found as well: no leak hides behind the grouping of repeats."""
    rng = np.random.default_rng(0)
    data = dimers(*rng.uniform(2.5, 2.6, 80))
    prints = look_for_prints(data)
    queries, targets = rng.random(80) < 0.4, rng.random(80) < 0.6
    found, apart = nearest(data, prints, 0.0007, queries, targets & ~queries)
    lengths = np.array([atoms.get_distance(0, 1) for atoms in data.structures])
    gaps = np.abs(lengths[:, None] - lengths[None])
    gaps[:, queries | ~targets] = np.inf
    expected = np.where(queries & (gaps.min(axis=1) <= 0.0007), gaps.argmin(axis=1), -1)
    assert found.tolist() == expected.tolist()
    assert apart[expected >= 0] == pytest.approx(gaps.min(axis=1)[expected >= 0], abs=1e-6)


def test_the_distance_obeys_the_triangle_and_the_tree_loses_no_pair() -> None:
    """Shaken crystals: all distances of pairs, as one by one, against those that the tree offers."""
    rng = np.random.default_rng(1)
    spots = rng.uniform(0, 5, (12, 3))
    data = from_atoms(
        [Atoms("Nb6Ta6", spots + rng.normal(scale=0.01, size=(12, 3))) for _ in range(14)], allow_unlabelled=True
    )
    (family,) = families(data, look_for_prints(data))
    gaps = np.array([[family.apart(one, other, 4.0) for other in range(14)] for one in range(14)])
    assert gaps == pytest.approx(gaps.T)
    assert (gaps[:, :, None] <= gaps[:, None] + gaps[None].transpose(0, 2, 1) + 1e-6).all()
    limit = float(np.quantile(gaps, 0.4))
    for place in range(14):
        assert set(np.flatnonzero(gaps[place] <= limit)) <= set(family.candidates(place, limit))


def test_isolated_atoms_stand_in_all_parts() -> None:
    data = from_atoms([Atoms("Nb"), Atoms("Nb")], allow_unlabelled=True)
    assert not len(find_leaks(data, np.array([0, 1]), ("train", "test")).structure)


def test_parts_that_do_not_fit_are_refused() -> None:
    with pytest.raises(MEAGraphError, match="a part from -1 to 1"):
        find_leaks(dimers(2.5, 2.6), np.array([0, 2]), ("train", "test"))

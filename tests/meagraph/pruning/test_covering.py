"""Structures that cover bins: against the plain greedy choice, and what must hold for any data."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from hypothesis import given, settings
from hypothesis import strategies as st

from meagraph.datasets import AtomicDataset, dataset_from_structures
from meagraph.pruning.allocation import share_out
from meagraph.pruning.covering import cover
from meagraph.pruning.plan import Ranking
from meagraph.pruning.shares import Shares, by_alpha


def case(seed: int, structures: int = 25) -> tuple[AtomicDataset, Ranking]:
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 9, structures)
    dataset = dataset_from_structures(
        [Atoms(numbers=[41] * n, positions=rng.normal(size=(n, 3)) * 9) for n in sizes], allow_unlabelled=True
    )
    count = dataset.n_environments
    bins = rng.integers(0, 6, count)
    rank = np.zeros(count, dtype=np.int64)
    for label in range(6):
        rows = np.flatnonzero(bins == label)
        rank[rows] = rng.permutation(len(rows))
    worth = rng.exponential(size=count).astype(np.float32)
    return dataset, Ranking(rank, bins, np.bincount(bins, minlength=6), "mixed", 0, worth=worth)


def plain(
    dataset: AtomicDataset,
    ranking: Ranking,
    stays: np.ndarray,
    barred: np.ndarray,
    target: int,
    room: int,
    alpha: float,
) -> np.ndarray:
    """The definition: all gains anew before each choice."""
    atoms = np.diff(dataset.offsets)
    free = ~barred[dataset.structure_of]
    sizes = np.bincount(ranking.bin[free], minlength=6)
    variety = np.bincount(ranking.bin[free], weights=ranking.worth[free], minlength=6)
    aims = share_out(sizes, target, variety**alpha)
    holds = np.zeros((dataset.n_structures, 6))
    np.add.at(holds, (dataset.structure_of, ranking.bin), 1)

    def worth(filled: np.ndarray) -> float:
        x = np.minimum(filled / np.maximum(aims, 1), 1.0)
        return float((aims * (x - x**2 / 2)).sum())

    best = np.minimum.reduceat(ranking.rank / np.maximum(aims, 0.5)[ranking.bin], dataset.offsets[:-1])
    kept = stays.copy()
    while True:
        filled = holds[kept].sum(axis=0)
        gains = [
            (-round((worth(filled + holds[s]) - worth(filled)) / atoms[s], 10), best[s], s)
            for s in np.flatnonzero(~kept & ~barred)
            if atoms[kept].sum() + atoms[s] <= room
        ]
        if not gains or min(gains)[0] >= 0 or (filled >= aims).all():
            return kept
        kept[min(gains)[2]] = True


@given(
    seed=st.integers(0, 500), target=st.integers(1, 60), room=st.integers(5, 80), alpha=st.sampled_from([0, 0.75, 1])
)
@settings(max_examples=40, deadline=None)
def test_cover_is_the_plain_greedy_choice(seed: int, target: int, room: int, alpha: float) -> None:
    dataset, ranking = case(seed)
    rng = np.random.default_rng(seed)
    stays, barred = np.zeros((2, dataset.n_structures), dtype=bool)
    stays[rng.integers(0, 25)] = True
    barred[rng.integers(0, 25, 3)] = True
    barred &= ~stays
    found = cover(
        ranking,
        dataset.offsets,
        stays=stays,
        barred=barred,
        target=target,
        room=room,
        shares=by_alpha(alpha, structures=True),
    )
    np.testing.assert_array_equal(found, plain(dataset, ranking, stays, barred, target, room, alpha))


@pytest.mark.parametrize("fewest", ["atoms", "structures"])
@pytest.mark.parametrize("percent", [30.0, 80.0, 100.0])
def test_a_coverage_is_reached_and_not_by_much_more(percent: float, fewest: str) -> None:
    for seed in range(5):
        dataset, ranking = case(seed)
        nobody = np.zeros(dataset.n_structures, dtype=bool)
        options = {
            "stays": nobody,
            "barred": nobody,
            "target": 40,
            "room": 1,
            "shares": Shares(0.0, 0.75),
            "fewest": fewest,
        }
        found = cover(ranking, dataset.offsets, until_covered=percent, **options)
        variety = np.bincount(ranking.bin, weights=ranking.worth)
        aims = share_out(ranking.sizes, 40, variety**0.75)
        held = np.bincount(ranking.bin[found[dataset.structure_of]], minlength=6)
        assert np.minimum(held, aims).sum() >= percent / 100 * 40 - 1e-6
        assert np.minimum(held, aims).sum() <= percent / 100 * 40 + 9  # a structure has at most 8 atoms


def test_many_structures_are_covered_nearly_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    dataset, ranking = case(3, structures=400)
    nobody = np.zeros(dataset.n_structures, dtype=bool)
    options = {"stays": nobody, "barred": nobody, "target": 300, "room": 300, "shares": Shares(0.0, 0.75)}
    aims = share_out(ranking.sizes, 300, np.bincount(ranking.bin, weights=ranking.worth) ** 0.75)

    def worth() -> float:
        found = cover(ranking, dataset.offsets, **options)
        assert np.diff(dataset.offsets)[found].sum() <= 300
        x = np.minimum(np.bincount(ranking.bin[found[dataset.structure_of]], minlength=6) / aims, 1.0)
        return float((aims * (x - x**2 / 2)).sum())

    exact = worth()
    monkeypatch.setattr("meagraph.pruning.covering.EXACT", 100)
    assert 0.95 * exact <= worth() <= 1.02 * exact


def test_fewest_by_hand() -> None:
    """Ten atoms at once, or ten lone ones: the same bins, the cheaper way by what is counted."""
    sizes = [10, *[1] * 10]
    dataset = dataset_from_structures(
        [Atoms(numbers=[41] * n, positions=np.arange(3.0 * n).reshape(n, 3)) for n in sizes], allow_unlabelled=True
    )
    bins = np.concatenate([np.arange(10) // 5, np.arange(10) // 5])
    rank = np.argsort(np.argsort(bins, kind="stable"), kind="stable") % 10
    ranking = Ranking(rank, bins, np.array([10, 10]), "mixed", 0)
    nobody = np.zeros(11, dtype=bool)
    options = {
        "stays": nobody,
        "barred": nobody,
        "target": 4,
        "room": 20,
        "shares": Shares(0.0, 1.0),
        "until_covered": 100.0,
    }
    assert cover(ranking, dataset.offsets, fewest="structures", **options).tolist() == [True, *[False] * 10]
    by_atoms = cover(ranking, dataset.offsets, fewest="atoms", **options)
    assert not by_atoms[0]
    assert by_atoms.sum() == 4

"""Splits: nothing alike on two sides, each side its share, what must be trained on is; against all pairs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from ase import Atoms
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components

from meagraph.datasets import AtomicDataset, from_atoms
from meagraph.duplicates import find_leaks, look_for_prints
from meagraph.errors import MEAGraphError
from meagraph.splits import Split, SplitConfig, split_structures
from meagraph.splits.pieces import pieces, pieces_by_environments
from tests.support.structures import niobium_structures


def dimers(lengths: Any, groups: Any = None) -> AtomicDataset:
    structures = [Atoms("Nb2", [[0, 0, 0], [0, 0, length]]) for length in lengths]
    for atoms, group in zip(structures, groups if groups is not None else [], strict=False):
        atoms.info["config_type"] = group
    return from_atoms(structures, allow_unlabelled=True)


def alone(count: int) -> AtomicDataset:
    """Dimers of which no two are alike."""
    return dimers(2.2 + 0.004 * np.arange(count))


def split(data: AtomicDataset, **given: Any) -> Split:
    clusters = given.pop("clusters", None)
    return split_structures(data, SplitConfig(**given), clusters=clusters)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**16), st.floats(0.0, 0.01), st.sampled_from([0.0, 0.3, 0.9]))
def test_pieces_are_the_connected_components_of_all_pairs(seed: int, distance: float, repeated: float) -> None:
    """Lengths of dimers are their distance; some stand there several times, some close together."""
    rng = np.random.default_rng(seed)
    lengths = rng.uniform(2.5, 2.7, 40)
    copies = rng.random(40) < repeated
    lengths[copies] = lengths[rng.integers(0, 40, copies.sum())] + rng.choice([0.0, 1e-4, 0.0015], copies.sum())
    gaps = np.abs(lengths[:, None] - lengths)
    if (np.abs(gaps - distance)[np.triu_indices(40, 1)] < 1e-5).any():
        return  # too near to the border for single precision
    _, expected = connected_components(csr_matrix(gaps <= distance))
    data = dimers(lengths)
    found = pieces(data, look_for_prints(data), distance)
    assert len(np.unique(np.column_stack([found, expected]), axis=0)) == len(np.unique(found)) == expected.max() + 1
    assert (found <= np.arange(40)).all()


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**16), st.sampled_from([0.0, 0.004, 0.05]))
def test_pieces_by_environments_are_those_of_all_pairs_of_environments(seed: int, distance: float) -> None:
    """Against all pairs; some structures share an atom's surroundings with another, though not the whole."""
    rng = np.random.default_rng(seed)
    structures = []
    for _ in range(14):
        spots = rng.uniform(0, 4, (3, 3))
        far = rng.uniform(0, 4, (3, 3)) + np.array([40.0, 0.0, 0.0])
        if structures and rng.random() < 0.5:
            spots = structures[int(rng.integers(len(structures)))].positions[:3] + rng.normal(
                scale=rng.choice([0.0, 0.001, 0.02]), size=(3, 3)
            )
        structures.append(Atoms("Nb2TaNb2Ta", np.vstack([spots, far])))
    data = from_atoms(structures, allow_unlabelled=True)
    prints = look_for_prints(data)
    values = prints.values.astype(np.float64)
    gaps = np.abs(values[:, None] - values[None]).max(axis=2)
    if (np.abs(gaps - distance)[np.triu_indices(len(values), 1)] < 2e-6).any() and distance > 0.0:
        return  # too near to the border for single precision
    seen = (values < 5.0).any(axis=1)
    like = (gaps <= distance + 1e-6) & (data.numbers[:, None] == data.numbers) & seen[:, None] & seen
    joined = np.zeros((14, 14), dtype=bool)
    np.logical_or.at(joined, (data.structure_of[:, None], data.structure_of[None]), like)
    _, expected = connected_components(csr_matrix(joined))
    found = pieces_by_environments(data, prints, distance)
    assert len(np.unique(np.column_stack([found, expected]), axis=0)) == len(np.unique(found)) == expected.max() + 1
    split_up = split(data, distance=distance, alike="environments", fractions=(0.5, 0.5))
    across = split_up.side[data.structure_of][:, None] != split_up.side[data.structure_of]
    assert not (like & across).any()


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**16), st.sampled_from([{"folds": 4}, {}, {"fractions": (0.5, 0.5)}, {"sizes": (40, 10, 5)}]))
def test_nothing_alike_is_on_two_sides(seed: int, how: dict[str, Any]) -> None:
    """Of shaken crystals, their moved copies and steps between them, no pair within the distance."""
    rng = np.random.default_rng(seed)
    spots = rng.uniform(0, 4, (6, 3))
    structures = []
    for _ in range(25):
        one = spots + rng.normal(scale=rng.choice([0.003, 0.1]), size=spots.shape)
        for _ in range(int(rng.integers(1, 5))):
            two = one + rng.normal(scale=rng.choice([0.0, 0.001, 0.01]), size=spots.shape)
            structures.append(Atoms("Nb3Ta3", two + rng.normal(scale=3.0, size=3)))
    data = from_atoms(structures, allow_unlabelled=True)
    if "sizes" in how and data.n_structures < 55:
        return
    found = split(data, distance=0.02, seed=seed, **how)
    held = [*found.names, found.rest]
    parts = np.where(found.side < 0, len(found.names), found.side)
    leaks = find_leaks(data, parts, held, distance=0.02)
    assert not len(leaks.structure), leaks.lines()
    assert found.amounts.sum(axis=0).tolist() == [data.n_structures, data.n_environments]


@pytest.mark.parametrize("fractions", [(0.8, 0.1, 0.1), (0.7, 0.3), (0.5, 0.25, 0.25), (0.9, 0.0, 0.1)])
def test_fractions_are_met_where_nothing_is_alike(fractions: tuple[float, ...]) -> None:
    found = split(alone(200), fractions=fractions, seed=3)
    assert found.amounts[:-1, 0] == pytest.approx(200 * np.array(fractions), abs=1)
    assert not found.notes
    assert np.array_equal(found.side, split(alone(200), fractions=fractions, seed=3).side)
    assert not np.array_equal(found.side, split(alone(200), fractions=fractions, seed=4).side)


def test_each_side_has_its_share_of_every_group_and_cluster() -> None:
    """Groups of 100, 60 and 40, and clusters that cut across them."""
    groups = np.repeat(["a", "b", "c"], [100, 60, 40])
    data = dimers(2.2 + 0.004 * np.arange(200), groups)
    clusters = np.repeat(np.random.default_rng(0).integers(-1, 4, 200), 2)
    found = split(data, fractions=(0.7, 0.15, 0.15), clusters=clusters)
    for labels in (groups, clusters[::2]):
        for name in np.unique(labels):
            here = labels == name
            shares = [int((here & (found.side == side)).sum()) for side in range(3)]
            assert shares == pytest.approx(here.sum() * np.array([0.7, 0.15, 0.15]), abs=1.4), name
    assert not found.notes


def test_folds_are_equal_and_what_is_always_trained_on_is_in_none() -> None:
    structures = niobium_structures(12, 9)  # the last bcc twice, and an isolated atom
    data = from_atoms(structures)
    found = split(data, folds=3)
    assert sorted(found.amounts[:-1, 0].tolist()) == [7, 7, 8]
    assert np.flatnonzero(found.mask("every-fold")).tolist() == [len(structures) - 1]
    assert found.side[11] == found.side[12]
    assert "every-fold" in found.group_table().heads
    assert not found.notes


def test_isolated_atoms_and_protected_groups_are_trained_on_with_what_is_near_them() -> None:
    lengths = np.concatenate([2.2 + 0.01 * np.arange(50), 2.2005 + 0.01 * np.arange(4)])
    data = dimers(lengths, ["other"] * 50 + ["precious"] * 4)
    found = split(data, fractions=(0.5, 0.5), protected=("precious",))
    assert (found.side[50:] == 0).all()
    assert (found.side[:4] == 0).all()  # near them
    assert found.amounts[:-1, 0].tolist() == [27, 27]
    with pytest.raises(MEAGraphError, match="there is no nothing"):
        split(data, protected=("nothing",))


def test_what_one_large_piece_makes_impossible_is_said() -> None:
    """Sixty of a hundred structures are joined by steps: they cannot be halved."""
    lengths = np.concatenate([2.2 + 0.001 * np.arange(60), 3.0 + 0.01 * np.arange(40)])
    found = split(dimers(lengths, ["chain"] * 60 + ["others"] * 40), fractions=(0.5, 0.5))
    assert sorted(found.amounts[:-1, 0].tolist()) == [40, 60]
    assert "not 50.0 %: the largest piece of near duplicates holds 60 structures" in found.notes[0]
    assert found.notes[-1].startswith("Not on every side: chain, others.")


def test_sizes_are_kept_and_the_rest_is_left_out() -> None:
    found = split(alone(100), sizes=(30, 10, 5))
    assert found.amounts[:, 0].tolist() == [30, 10, 5, 55]
    assert found.mask("left-out").sum() == 55
    by_atoms = split(from_atoms(niobium_structures(12, 9)), sizes=(120, 40), unit="atoms")
    assert (by_atoms.amounts[:2, 1] <= [120, 40]).all()
    assert (by_atoms.amounts[:2, 1] > [100, 20]).all()
    with pytest.raises(MEAGraphError, match="at most 100 structures together"):
        split(alone(100), sizes=(90, 20))


@pytest.mark.parametrize(
    "wrong",
    [
        {"fractions": (0.5, 0.4)},
        {"fractions": (1.0,)},
        {"fractions": (0.0, 1.0)},
        {"folds": 1},
        {"folds": 3, "sizes": (3, 4)},
        {"sizes": (0, 4)},
        {"unit": "grams"},
        {"distance": -1.0},
        {"alike": "atoms"},
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(MEAGraphError):
        SplitConfig(**wrong)


def test_clusters_of_another_dataset_are_refused() -> None:
    with pytest.raises(MEAGraphError, match="a cluster for each of the 20 environments"):
        split(alone(10), clusters=np.zeros(7, dtype=int))

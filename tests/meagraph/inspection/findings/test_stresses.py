"""Stress in another convention than the forces of its own structures: told by source, and never without reason."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import ase.build
import numpy as np
import pytest
from ase import Atoms
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator

from meagraph.datasets import AtomicDataset, Source, dataset_from_structures, read_dataset
from meagraph.datasets.stress import UNITS
from meagraph.inspection.findings import examine
from meagraph.inspection.findings.field_stress import compare
from meagraph.inspection.findings.stresses import stresses
from tests.support.structures import real_data

Change = Callable[[np.ndarray], np.ndarray]
FIRST, SECOND = (0, 1, 2, 1, 0, 0), (0, 1, 2, 2, 2, 1)


def strained(seed: int, count: int) -> list[Atoms]:
    """Cells of copper and silver, strained by some per cent, rattled, with EMT's energy, forces and stress."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        atoms = ase.build.bulk("Cu", cubic=True, a=3.75).repeat((2, 2, 1))
        atoms.numbers[rng.permutation(16)[: rng.integers(0, 9)]] = 47
        atoms.set_cell(atoms.cell.array @ (np.eye(3) + rng.normal(scale=0.02, size=(3, 3))), scale_atoms=True)
        atoms.positions += rng.normal(scale=0.1, size=(16, 3))
        atoms.calc = EMT()
        results = {"energy": atoms.get_potential_energy(), "forces": atoms.get_forces(), "stress": atoms.get_stress()}
        atoms.calc = SinglePointCalculator(atoms, **results)
        found.append(atoms)
    return found


@pytest.fixture(scope="module")
def two() -> AtomicDataset:
    """Two files of 25 and 20 structures."""
    structures = [*strained(0, 25), *strained(1, 20)]
    sources = tuple(Source(path, "", "extxyz", count) for path, count in (("a.xyz", 25), ("b.xyz", 20)))
    index = np.repeat([0, 1], [25, 20])
    frames = np.concatenate([np.arange(25), np.arange(20)])
    return dataset_from_structures(structures, sources=sources, source_index=index, frame_index=frames)


def with_second(data: AtomicDataset, change: Change) -> AtomicDataset:
    """The same with the second file's stress changed."""
    stress = data.stress.copy()
    stress[25:] = change(stress[25:])
    return replace(data, stress=stress)


def reordered(*places: int) -> Change:
    """Six numbers xx yy zz and the off-diagonals ``places`` of yz xz xy, read as if they were in Voigt's order."""

    def change(stress: np.ndarray) -> np.ndarray:
        six = stress[:, FIRST, SECOND]
        six[:, 3:] = six[:, 3:][:, places]
        found = np.zeros_like(stress)
        found[:, FIRST, SECOND] = found[:, SECOND, FIRST] = six
        return found

    return change


def test_what_energies_and_forces_tell_is_the_stress_of_the_calculator(two: AtomicDataset) -> None:
    compared = compare(two, np.ones(45, dtype=bool), two.source_index)
    assert compared is not None
    assert compared.whole
    for told in (compared.told, compared.loosely):
        assert np.sqrt(((told - compared.stress) ** 2).mean()) < 0.15 * np.sqrt((compared.stress**2).mean())
    turned = compare(replace(two, stress=-two.stress), np.ones(45, dtype=bool), two.source_index)
    assert turned is not None
    np.testing.assert_array_equal(turned.told, compared.told)  # no stress is fitted


def test_sound_stress_raises_nothing(two: AtomicDataset) -> None:
    assert stresses(two) == []
    assert stresses(with_second(two, lambda stress: 5.0 * stress)) == []  # no unit


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda stress: -stress, "has the other sign (it seems to be positive in compression)"),
        (reordered(2, 0, 1), "another order (they look like xy yz xz, not yz xz xy)"),
        (reordered(2, 1, 0), "another order (they look like xy xz yz, not yz xz xy)"),
        (lambda stress: -reordered(2, 1, 0)(stress), "look like xy xz yz, not yz xz xy) and has the other sign"),
    ],
)
def test_another_convention_in_one_file_is_told(two: AtomicDataset, change: Change, words: str) -> None:
    [found] = stresses(with_second(two, change))
    assert found.text.startswith("The stress of b.xyz ")
    assert words in found.text
    assert found.structures.tolist() == list(range(25, 45))
    assert (found.key, found.severity) == ("stress-convention", "warning")


@pytest.mark.parametrize(
    ("factor", "words"),
    [
        (1 / UNITS["GPa"], "times too large, as if it were in GPa, judged by what a field"),
        (1 / UNITS["kbar"], "times too large, as if it were in kbar, judged by what a field"),
        (-1 / UNITS["kbar"], "times too large and of the other sign (positive in compression), as if it were in kbar"),
        (UNITS["kbar"], "times too small, judged by what a field"),
    ],
)
def test_another_unit_in_one_file_is_told(two: AtomicDataset, factor: float, words: str) -> None:
    found = {one.key: one for one in stresses(with_second(two, lambda stress: factor * stress))}
    assert set(found) == ({"stress-unit"} if factor > 0 else {"stress-unit", "stress-convention"})
    assert found["stress-unit"].text.startswith("The stress of b.xyz is about ")
    assert words in found["stress-unit"].text
    times = float(found["stress-unit"].text.split()[6].replace(",", ""))
    assert 0.5 < times * min(abs(factor), 1 / abs(factor)) < 2.0
    assert found["stress-unit"].structures.tolist() == list(range(25, 45))
    assert found["stress-unit"].severity == "warning"


def test_a_virial_in_place_of_the_stress_is_told(two: AtomicDataset) -> None:
    virial = -two.stress * two.volumes[:, None, None]
    found = {
        one.key: one.text
        for one in stresses(replace(two, stress=np.where(two.source_index[:, None, None], virial, two.stress)))
    }
    assert "as if it were a virial in eV" in found["stress-unit"]


def test_a_group_in_another_unit_is_named(two: AtomicDataset) -> None:
    groups = np.where(np.arange(45) % 2, "odd", "even")
    stress = np.where(groups[:, None, None] == "odd", two.stress / UNITS["GPa"], two.stress)
    found = [one for one in stresses(replace(two, stress=stress, groups=groups)) if one.key == "stress-unit"]
    assert [one.text.split(" is ")[0] for one in found] == ["The stress of a.xyz in odd", "The stress of b.xyz in odd"]
    assert found[0].structures.tolist() == list(range(1, 25, 2))


def test_small_strains_tell_the_unit_without_forces(two: AtomicDataset) -> None:
    """And a factor of ten, which no field tells: GPa taken for kbar."""
    structures = []
    for amount in np.linspace(-0.04, 0.04, 8):
        atoms = ase.build.bulk("Cu", cubic=True, a=3.7)
        atoms.set_cell(atoms.cell.array @ (np.eye(3) + amount * np.eye(3)[[1, 0, 2]]), scale_atoms=True)
        atoms.calc = EMT()
        results = {"energy": atoms.get_potential_energy(), "stress": atoms.get_stress()}
        atoms.calc = SinglePointCalculator(atoms, **results)
        structures.append(atoms)
    data = dataset_from_structures(structures, allow_unlabelled=True)
    assert stresses(data) == []
    [found] = stresses(replace(data, stress=data.stress / 10))
    assert "is about 10 times too small, judged by the energies along small strains" in found.text
    [found] = stresses(replace(data, stress=data.stress / UNITS["kbar"]))
    assert "is about 1,600 times too large, as if it were in kbar, judged by the energies" in found.text


@pytest.mark.parametrize(("name", "group"), [("Ta_JCP2014", "Displaced_FCC"), ("Fe_NPJ2021", "liquid_nonmag")])
def test_units_of_real_groups(name: str, group: str) -> None:
    data = read_dataset(real_data(f"{name}.extxyz"))
    assert stresses(data) == []
    here = data.groups == group
    stress = np.where(here[:, None, None], data.stress / UNITS["kbar"], data.stress)
    [found] = stresses(replace(data, stress=stress))
    assert found.structures.tolist() == np.flatnonzero(here).tolist()
    assert "as if it were in kbar" in found.text


def test_all_files_alike_are_judged_by_their_forces(two: AtomicDataset) -> None:
    found = stresses(replace(two, stress=-two.stress))
    assert [one.text.split()[3] for one in found] == ["a.xyz", "b.xyz"]
    assert all("the other sign" in one.text for one in found)


def test_where_nothing_can_be_said_nothing_is(two: AtomicDataset) -> None:
    rng = np.random.default_rng(2)
    noise = rng.normal(scale=0.1, size=two.stress.shape)
    assert stresses(replace(two, stress=noise + noise.transpose(0, 2, 1))) == []  # goes with nothing
    hydrostatic = np.trace(two.stress, axis1=1, axis2=2)[:, None, None] * np.eye(3) / 3
    assert stresses(replace(two, stress=-hydrostatic)) == []  # forces leave that open
    apart = dataset_from_structures(
        [Atoms("Cu2", [[0, 0, 0], [0, 0, n]], cell=[40] * 3, pbc=True) for n in (9, 10, 11, 12)], allow_unlabelled=True
    )
    alone = replace(apart, forces=np.zeros((8, 3)), stress=np.ones((4, 3, 3)), energy=np.zeros(4))
    assert stresses(alone) == []
    few = np.full_like(two.stress, np.nan)
    few[25:36] = -two.stress[25:36]
    assert stresses(replace(two, stress=few)) == []  # eleven
    assert stresses(replace(two, forces=np.full_like(two.forces, np.nan))) == []
    unknown = np.full_like(two.energy, np.nan)
    wrong = with_second(two, lambda stress: 1000 * stress)
    assert stresses(replace(wrong, energy=unknown)) == []  # forces alone tell no size
    first = np.where(np.arange(45) < 2, wrong.source_index, 2)
    assert stresses(replace(wrong, stress=np.where(first[:, None, None] == 2, np.nan, -1000 * two.stress))) == []  # two


def test_it_is_among_the_findings(two: AtomicDataset) -> None:
    assert "stress-convention" in [one.key for one in examine(with_second(two, lambda stress: -stress)).found]
    assert "stress-convention" not in [one.key for one in examine(two).found]

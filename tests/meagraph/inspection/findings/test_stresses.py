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

from meagraph.datasets import AtomicDataset, Source, dataset_from_structures
from meagraph.inspection.findings import examine
from meagraph.inspection.findings.stresses import compare, stresses

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


def test_what_forces_tell_is_the_stress_of_the_calculator(two: AtomicDataset) -> None:
    compared = compare(two)
    assert compared is not None
    error = np.sqrt(((compared.told - compared.stress) ** 2).mean())
    assert error < 0.15 * np.sqrt((compared.stress**2).mean())


def test_sound_stress_raises_nothing(two: AtomicDataset) -> None:
    assert stresses(two) == []
    assert stresses(with_second(two, lambda stress: 2.5 * stress)) == []  # sizes are left open


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
    few = np.full_like(two.stress, np.nan)
    few[25:36] = -two.stress[25:36]
    assert stresses(replace(two, stress=few)) == []  # eleven
    assert stresses(replace(two, forces=np.full_like(two.forces, np.nan))) == []


def test_it_is_among_the_findings(two: AtomicDataset) -> None:
    assert "stress-convention" in [one.key for one in examine(with_second(two, lambda stress: -stress)).found]
    assert "stress-convention" not in [one.key for one in examine(two).found]

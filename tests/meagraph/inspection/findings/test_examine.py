"""Findings on structures whose faults are known, each rule by itself; what sound data raise."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.singlepoint import SinglePointCalculator
from ase.units import GPa

from meagraph.datasets import AtomicDataset, from_atoms, read_dataset
from meagraph.errors import Cancelled
from meagraph.inspection.findings import Finding, Findings, examine, examine_labels
from meagraph.inspection.findings.about import ABOUT
from tests.support.structures import labelled, niobium_structures, real_data


def data_of(*structures: Atoms, **options: Any) -> AtomicDataset:
    return from_atoms(list(structures), name="made", allow_unlabelled=True, **options)


def keys(found: Findings) -> set[str]:
    return {one.key for one in found.found}


def the(found: Findings, key: str) -> Finding:
    (one,) = [one for one in found.found if one.key == key]
    return one


def with_labels(atoms: Atoms, energy: float, forces: np.ndarray) -> Atoms:
    copy = atoms.copy()
    copy.calc = SinglePointCalculator(copy, energy=energy, forces=forces)
    return copy


def rattled(seed: int = 0, repeat: int = 2) -> Atoms:
    atoms = bulk("Nb", "bcc", a=3.31, cubic=True) * (repeat, repeat, repeat)
    atoms.positions += np.random.default_rng(seed).normal(scale=0.08, size=atoms.positions.shape)
    return atoms


def test_counts_of_a_set_that_was_counted_by_hand() -> None:
    """Water twice in a box that is periodic along c only, sodium chloride, one helium atom."""
    water = molecule("H2O", cell=[8, 8, 8], pbc=[False, False, True])
    other = water.copy()
    other.positions[0] += 0.1
    salt = bulk("NaCl", "rocksalt", a=5.64, cubic=True)
    found = examine(data_of(water, other, salt, Atoms("He")))
    counts = {one.symbol: (one.environments, one.structures) for one in found.elements}
    assert counts == {"H": (4, 2), "He": (1, 1), "O": (2, 2), "Na": (4, 1), "Cl": (4, 1)}
    assert found.periodic == {"c": 2, "a b c": 1, "none": 1}
    pairs = {one.name: one for one in found.pairs}
    assert len(pairs) == 15
    assert (pairs["H–O"].structures, pairs["H–O"].neighbours) == (2, 4)
    assert (pairs["Na–Cl"].structures, pairs["Na–Cl"].neighbours) == (1, 4 * 6)
    assert (pairs["Na–Na"].structures, pairs["Na–Na"].neighbours) == (1, 4 * 12 / 2)  # sodium is large
    assert (pairs["Cl–Cl"].structures, pairs["Cl–Cl"].neighbours) == (1, 0)
    assert (pairs["H–Na"].structures, pairs["H–Na"].neighbours) == (0, 0)
    assert pairs["Na–Cl"].shortest == pytest.approx(2.82)
    assert pairs["Na–Cl"].longest == pytest.approx(2.82)
    assert pairs["Na–Cl"].median == pytest.approx(2.82, abs=0.01)
    assert pairs["Na–Cl"].lengths is not None
    assert pairs["Na–Cl"].lengths.counts.sum() == 24
    known = {one.label: (one.known, one.total) for one in found.coverage}
    assert known == {"energy": (0, 4), "forces": (1, 15), "stress": (0, 4)}  # a lone atom has no force
    assert {one.key for one in found.distributions} == {"volume", "n_atoms", "shortest", "force", "net_force"}
    volume = next(one for one in found.distributions if one.key == "volume")
    assert volume.most == pytest.approx(5.64**3 / 8)


def test_the_first_stage_is_the_second_without_neighbours() -> None:
    data = data_of(*niobium_structures())
    first, whole = examine_labels(data), examine(data)
    assert not first.complete
    assert whole.complete
    assert first.pairs[0].neighbours is None
    assert keys(first) <= keys(whole)
    assert first.elements == whole.elements


def test_sound_structures_raise_their_duplicate_alone() -> None:
    found = examine(data_of(*niobium_structures()))
    assert keys(found) == {"duplicates"}
    assert the(found, "duplicates").structures.tolist() == [6]


def test_every_finding_says_what_it_means() -> None:
    assert all(text.endswith(".") for text in ABOUT.values())


# ---- labels


def test_missing_labels_are_counted() -> None:
    one, two, three = (labelled(rattled(seed), "a") for seed in range(3))
    two.calc = SinglePointCalculator(two, forces=two.calc.results["forces"])
    data = data_of(one, two, three)
    forces = data.forces.copy()
    forces[2 * 16 + 3] = np.nan
    found = examine_labels(dataclasses.replace(data, forces=forces))
    assert the(found, "no-energy").structures.tolist() == [1]
    assert the(found, "no-energy").text == "1 of 3 structures has no energy."
    assert the(found, "partial-forces").structures.tolist() == [2]
    assert the(found, "partial-forces").environments.tolist() == [2 * 16 + 3]
    assert "no-forces" not in keys(found)
    nothing = examine_labels(data_of(rattled(), rattled(1)))
    assert the(nothing, "no-forces").text == "None of the 2 structures has forces."


def test_net_forces_are_found_above_rounding() -> None:
    structures = [labelled(rattled(seed), "a") for seed in range(3)]
    pushed = structures[1].calc.results["forces"] + [0.0, 0.0, 0.002]  # 2 meV/Å an atom
    structures[1].calc = SinglePointCalculator(structures[1], energy=0.0, forces=pushed)
    slightly = structures[2].calc.results["forces"] + [0.0, 0.0, 0.0009]
    structures[2].calc = SinglePointCalculator(structures[2], energy=0.0, forces=slightly)
    one = the(examine_labels(data_of(*structures)), "net-force")
    assert one.structures.tolist() == [1]
    assert "0.032 eV/Å" in one.text  # 16 atoms


def test_strong_forces_name_their_atoms() -> None:
    forces = np.zeros((16, 3))
    forces[[2, 5], 0] = 60.0, -60.0
    one = the(examine_labels(data_of(with_labels(rattled(), -1.0, forces))), "strong-force")
    assert sorted(one.environments.tolist()) == [2, 5]
    assert "60 eV/Å" in one.text


def test_forces_of_exactly_zero_are_found_where_no_symmetry_holds_them() -> None:
    atoms = labelled(rattled(), "a")
    forces = atoms.calc.results["forces"].copy()
    forces[4] = 0.0
    perfect = bulk("Nb", "bcc", a=3.31, cubic=True)
    found = examine(data_of(with_labels(perfect, -20.0, np.zeros((2, 3))), with_labels(atoms, -160.0, forces)))
    assert the(found, "zero-force").environments.tolist() == [2 + 4]


@pytest.mark.parametrize("factor", [27.2, 1.5])
def test_an_energy_in_another_unit_lies_below(factor: float) -> None:
    structures = [with_labels(rattled(seed), 16 * (-10 + 0.01 * seed), np.zeros((16, 3))) for seed in range(40)]
    structures[7].calc.results["energy"] *= factor
    found = examine_labels(data_of(*structures))
    assert the(found, "low-energy").structures.tolist() == [7]
    assert "high-energy" not in keys(found)


def test_high_energies_are_strays_or_a_part_of_the_set() -> None:
    """One of 200 is a finding; 20 of 200 were meant. An isolated atom is neither."""

    def found(strays: int) -> set[str]:
        structures = [with_labels(rattled(0, 1), 2 * (-10 + 0.001 * i), np.zeros((2, 3))) for i in range(200)]
        for one in structures[:strays]:
            one.calc.results["energy"] += 2 * 5.0
        alone = with_labels(Atoms("Nb", cell=[20] * 3, pbc=True), 0.0, np.zeros((1, 3)))
        return keys(examine_labels(data_of(*structures, alone)))

    assert "high-energy" not in found(0)
    assert "high-energy" in found(1)
    assert "high-energy" not in found(20)


def test_the_composition_is_no_finding() -> None:
    """Energies follow the elements, 5 eV apart; a composition that occurs once is not judged."""
    structures = []
    for seed in range(60):
        atoms = rattled(seed, 1)
        if seed % 2:
            atoms.symbols[:] = "Ta"
        structures.append(with_labels(atoms, 2 * (-15.0 if seed % 2 else -10.0) + 0.001 * seed, np.zeros((2, 3))))
    mixed = rattled(0, 1)
    mixed.symbols[:1] = "Ta"
    found = keys(examine_labels(data_of(*structures, with_labels(mixed, -60.0, np.zeros((2, 3))))))
    assert not found & {"low-energy", "high-energy"}


def test_stress_becomes_pressure_once_datasets_have_it() -> None:
    data = data_of(rattled(0), rattled(1), Atoms("Nb"))
    stress = np.full((3, 3, 3), np.nan)
    stress[0] = -np.eye(3) * GPa  # compressed by 1 GPa
    object.__setattr__(data, "stress", stress)
    found = examine_labels(data)
    pressure = next(one for one in found.distributions if one.key == "pressure")
    assert (pressure.least, pressure.most) == (pytest.approx(1.0), pytest.approx(1.0))
    assert the(found, "no-stress").structures.tolist() == [1]  # the lone atom can have none


def test_frames_that_were_left_out_are_told() -> None:
    data = data_of(rattled())
    cause = "a.xyz, frame 3 (counting from 0): expected a lattice, but there is none"
    record = SimpleNamespace(path="a.xyz", frame=3, cause=cause)
    object.__setattr__(data, "quarantined", (record, record))
    found = examine_labels(data)
    assert found.found[0].key == "quarantined"
    assert found.found[0].text == f"2 frames could not be read and are left out; the first: {cause}"


# ---- geometry


def test_atoms_too_close_by_their_radii() -> None:
    """Niobium's covalent radius is 1.64 Å: 0.9 Å is 0.27 of the sum, 1.5 Å 0.46, 2.0 Å 0.61. H2 at 0.74 Å is fine."""
    dimers = [Atoms("Nb2", [[0, 0, 0], [0, 0, gap]]) for gap in (0.9, 1.5, 2.0)]
    found = examine(data_of(*dimers, Atoms("H2", [[0, 0, 0], [0, 0, 0.74]])))
    assert the(found, "overlap").structures.tolist() == [0]
    assert the(found, "overlap").environments.tolist() == [0, 1]
    assert the(found, "short-distance").structures.tolist() == [1]
    assert "1.500 Å, 0.46" in the(found, "short-distance").text


def test_an_image_of_an_atom_can_be_too_close() -> None:
    found = examine(data_of(Atoms("Nb", cell=[1.2, 5, 5], pbc=True)))
    assert the(found, "short-distance").environments.tolist() == [0, 0]


def test_lengths_in_nanometres_are_found_at_once() -> None:
    """Of 128 atoms at a thousandth of the volume each would have 70,000 neighbours: the search does not go so far."""
    atoms = bulk("Nb", "bcc", a=0.331, cubic=True) * (4, 4, 4)
    found = examine(data_of(atoms, rattled()))
    assert the(found, "crowded").structures.tolist() == [0]
    assert the(found, "overlap").structures.tolist() == [0]


def test_five_thousand_atoms_in_one_place_are_found_at_once() -> None:
    spots = np.random.default_rng(0).uniform(0, 0.5, (5000, 3))
    found = examine(data_of(Atoms("Nb5000", spots, cell=[2500] * 3, pbc=True)))
    assert {"crowded", "overlap"} <= keys(found)


def test_few_atoms_in_a_huge_box() -> None:
    cube = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)]) * 1000.0
    found = examine(data_of(Atoms("Nb8", cube, cell=[2500] * 3, pbc=True)))
    assert the(found, "alone").environments.tolist() == list(range(8))


def test_pairs_that_are_never_neighbours() -> None:
    found = examine(data_of(bulk("NaCl", "rocksalt", a=5.64)))
    assert the(found, "unseen-pairs").text.endswith(": Cl–Cl.")


def test_it_can_be_cancelled() -> None:
    def stop(done: int, total: int, message: str) -> None:
        if message == "findings: neighbours":
            raise Cancelled

    with pytest.raises(Cancelled):
        examine(data_of(rattled()), progress=stop)


def test_real_data_raise_little() -> None:
    """The set of Ta (Thompson et al. 2015) is sound: steps of strain that mirror each other, or are very small."""
    found = examine(read_dataset([real_data("Ta_JCP2014.extxyz")]))
    assert [(one.key, len(one.structures)) for one in found.found] == [
        ("symmetric-duplicates", 16),
        ("near-duplicates", 12),
    ]

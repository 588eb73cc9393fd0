"""Which names frames carry, by hand: how many, where, of what kind, and which of them are read."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from meagraph.datasets import from_atoms
from meagraph.datasets.label_table import SETTINGS, Label, kind_of, label_table


def frames() -> list[Atoms]:
    """Three of two atoms; energies in the calculator of two, ``E_pbe`` in all, forces under two names."""
    made = []
    for number in range(3):
        atoms = Atoms("Nb2", [[0, 0, 0], [0, 0, 2.5]])
        atoms.info |= {"config_type": "dimer", "E_pbe": -1.0 * number, "tags": [1, 2, 3], "ok": True}
        atoms.arrays["F_pbe"] = np.full((2, 3), 0.1 * number)
        atoms.arrays["magmoms_dft"] = np.array([1.0, 2.0])
        if number < 2:
            atoms.calc = SinglePointCalculator(atoms, energy=-2.0, forces=np.zeros((2, 3)), stress=np.zeros(6))
        made.append(atoms)
    return made


def test_every_name_is_listed_with_its_kind_and_number() -> None:
    found = {(label.store, label.name): (label.frames, label.kind) for label in label_table(frames()).labels}
    assert found == {
        ("results", "energy"): (2, "number"),
        ("results", "forces"): (2, "vector per atom"),
        ("results", "stress"): (2, "number, 6"),
        ("info", "config_type"): (3, "text"),
        ("info", "E_pbe"): (3, "number"),
        ("info", "tags"): (3, "number, 3"),
        ("info", "ok"): (3, "flag"),
        ("arrays", "F_pbe"): (3, "vector per atom"),
        ("arrays", "magmoms_dft"): (3, "number per atom"),
    }


def test_what_serves_is_what_reading_takes() -> None:
    """Against :func:`from_atoms` itself: the values of the name that is said to serve are those of the dataset."""
    taken = {name: label_of(label_table(frames()[:2]).labels, name) for name in SETTINGS}
    assert taken == {
        "energy_key": ["energy"],
        "forces_key": ["forces"],
        "stress_key": ["stress"],
        "group_key": ["config_type"],
    }
    assert from_atoms(frames()[:2]).energy.tolist() == [-2.0, -2.0]

    chosen = label_table(frames(), energy_key="E_pbe", forces_key="F_pbe", group_key="ok")
    assert {name: label_of(chosen.labels, name) for name in SETTINGS} == {
        "energy_key": ["E_pbe"],
        "forces_key": ["F_pbe"],
        "stress_key": [],
        "group_key": ["ok"],
    }
    read = from_atoms(frames(), energy_key="E_pbe", forces_key="F_pbe", group_key="ok")
    assert read.energy.tolist() == [0.0, -1.0, -2.0]
    assert set(read.groups) == {"True"}


def label_of(labels: tuple[Label, ...], setting: str) -> list[str]:
    return [label.name for label in labels if setting in label.taken_as]


def test_a_choice_offers_what_fits_only() -> None:
    found = label_table(frames())
    assert set(found.names("energy_key")) == {"energy", "E_pbe"}
    assert set(found.names("forces_key")) == {"forces", "F_pbe"}
    assert set(found.names("stress_key")) == {"stress"}
    assert set(found.names("group_key")) == {"config_type", "E_pbe", "ok"}


def test_a_tensor_serves_as_stress_in_any_of_its_shapes() -> None:
    made = frames()
    for atoms in made:
        atoms.info |= {"S33": np.zeros((3, 3)), "S6": np.zeros(6), "S9": np.zeros(9), "S4": np.zeros(4)}
        atoms.arrays["of_atoms"] = np.zeros((2, 6))
    assert set(label_table(made).names("stress_key")) == {"stress", "S33", "S6", "S9"}


def test_names_of_one_family_serve() -> None:
    """Energies of a family that has no forces do not serve beside the forces of another."""
    made = frames()
    for atoms in made:
        atoms.info["REF_energy"] = -5.0
    assert label_of(label_table(made).labels, "energy_key") == ["energy"]
    for atoms in made:
        atoms.arrays["REF_forces"] = np.zeros((len(atoms), 3))
    assert label_of(label_table(made).labels, "energy_key") == ["REF_energy"]
    assert label_of(label_table(made).labels, "forces_key") == ["REF_forces"]
    assert from_atoms(made).energy.tolist() == [-5.0] * 3


def test_the_table_is_text() -> None:
    table = label_table(frames()).table()
    assert table.heads == ("name", "in", "frames", "kind", "taken as")
    assert ("energy", "results", "2 of 3", "number", "Energy") in table.rows


@pytest.mark.parametrize(
    ("value", "atoms", "kind"),
    [
        (1, 2, "number"),
        (np.float64(1.5), 2, "number"),
        ("a", 2, "text"),
        (np.bool_(True), 2, "flag"),
        (np.zeros((4, 3)), 4, "vector per atom"),
        (np.zeros((4, 3, 3)), 4, "number per atom, 4 × 3 × 3"),
        (np.zeros((3, 3)), 4, "number, 3 × 3"),
        (np.zeros(1), 1, "number per atom"),
        (np.zeros(1), 2, "number"),
        (-1.5, 1, "number"),
        (np.zeros((1, 1)), 2, "number, 1 × 1"),
        ([[1], [2, 3]], 2, "other"),
        (np.array(["a", "b"]), 2, "text per atom"),
        ({"a": 1}, 2, "other"),
    ],
)
def test_kinds(value: object, atoms: int, kind: str) -> None:
    assert kind_of(value, atoms) == kind

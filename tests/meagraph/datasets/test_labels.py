"""Labels come from one family of names; what is missing is missing; stress has ASE's sign and unit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator

from meagraph.datasets import DatasetError, dataset_from_structures, read_dataset
from meagraph.datasets.names import by_family, label_of
from meagraph.datasets.strains import Steps, small_steps
from meagraph.datasets.stress import UNITS, Way, fitting, stress_of, ways
from tests.support.structures import real_data


def file_of(folder: Path, *frames: tuple[str, str]) -> Path:
    """A file of frames of two copper atoms, each with entries and columns of its own."""
    text = ""
    for entries, columns in frames:
        names = [column for column in columns.split() if column]
        declared = "".join(f":{name}:R:3" for name in names)
        text += f'2\nLattice="4 0 0 0 4 0 0 0 4" Properties=species:S:1:pos:R:3{declared} {entries}\n'
        for atom in (0, 1):
            values = " ".join(f"{10 * number + atom} 0 0" for number, _ in enumerate(names, start=1))
            text += f"Cu {atom} 0 0 {values}\n"
    path = folder / "labels.xyz"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("energy", ("energy", "", "energy")),
        ("Energy", ("energy", "", "energy")),
        ("free_energy", ("energy", "", "free_energy")),
        ("REF_energy", ("energy", "ref", "energy")),
        ("DFT_force", ("forces", "dft", "force")),
        ("energy_dft", ("energy", "dft", "energy")),
        ("mace-forces", ("forces", "mace", "forces")),
        ("REF_virials", ("stress", "ref", "virials")),
        ("Virial", ("stress", "", "virial")),
        ("stress_kbar", ("stress", "", "stress")),
        ("force_sigma", None),
        ("energy_per_atom", None),
        ("kinetic_energy", None),
        ("config_type", None),
        ("reinforces", None),
    ],
)
def test_what_names_say(name: str, expected: tuple[str, str, str] | None) -> None:
    found = label_of(name)
    assert (None if found is None else tuple(found)) == expected


def test_names_by_family_in_the_order_they_are_tried() -> None:
    found = by_family(["free_energy", "Energy", "energy", "REF_energy", "force", "forces", "note"])
    assert found == {
        "": {"energy": ["energy", "Energy", "free_energy"], "forces": ["forces", "force"]},
        "ref": {"energy": ["REF_energy"]},
    }


def test_two_levels_of_theory_are_not_mixed(tmp_path: Path) -> None:
    """Energies of DFT, and forces of DFT beside those of the run that made the structures."""
    path = file_of(tmp_path, ("REF_energy=-5", "forces REF_forces"), ("REF_energy=-6", "forces REF_forces"))
    dataset = read_dataset(path)
    assert dataset.energy.tolist() == [-5, -6]
    assert dataset.forces[:2, 0].tolist() == [20, 21]
    names = dataset.sources[0].labels
    assert (names.energy, names.forces, names.left) == (("REF_energy",), ("REF_forces",), ("forces",))
    assert names.words() == "energy from REF_energy, forces from REF_forces; not taken: forces"


def test_of_two_complete_families_the_reference_is_taken_and_the_other_named(tmp_path: Path) -> None:
    frames = [(f"energy=-{n} REF_energy=-{n + 4}", "forces REF_forces") for n in (1, 2)]
    dataset = read_dataset(path := file_of(tmp_path, *frames))
    assert dataset.energy.tolist() == [-5, -6]
    assert dataset.sources[0].labels.left == ("energy", "forces")
    cheap = read_dataset(path, energy_key="energy")  # the forces go with it
    assert cheap.energy.tolist() == [-1, -2]
    assert cheap.forces[:2, 0].tolist() == [10, 11]
    assert cheap.sources[0].labels.left == ("REF_energy", "REF_forces")


def test_the_family_that_labels_most_is_taken(tmp_path: Path) -> None:
    frames = [("energy=-1 REF_energy=-5", "forces REF_forces"), ("energy=-2", "forces"), ("energy=-3", "forces")]
    assert read_dataset(file_of(tmp_path, *frames)).energy.tolist() == [-1, -2, -3]


def test_an_unusual_family_is_asked_for(tmp_path: Path) -> None:
    path = file_of(tmp_path, *[("mace_energy=-1", "mace_forces")] * 2)
    with pytest.raises(DatasetError, match=r"expected energy, named energy or REF_energy .*stores mace_energy"):
        read_dataset(path)
    assert read_dataset(path, energy_key="mace_energy").forces[0, 0] == 10


@pytest.mark.parametrize("value", ["REF_energy", "REF_energy=None", "REF_energy=nan", 'REF_energy=""', "REF_energy="])
def test_a_placeholder_is_no_label(value: str, tmp_path: Path) -> None:
    path = file_of(tmp_path, ("REF_energy=-5", "REF_forces"), (value, "REF_forces"))
    with pytest.raises(DatasetError, match=r"frame 1 .*REF_energy is there, but without a value"):
        read_dataset(path)
    assert np.isnan(read_dataset(path, allow_unlabelled=True).energy).tolist() == [False, True]


@pytest.mark.parametrize("names", [("Energy", "Force"), ("ENERGY", "force"), ("total_energy", "FORCES")])
def test_usual_names_in_any_case(names: tuple[str, str], tmp_path: Path) -> None:
    dataset = read_dataset(file_of(tmp_path, *[(f"{names[0]}=-1", names[1])] * 2))
    assert dataset.energy.tolist() == [-1, -1]
    assert dataset.forces[1, 0] == 11


def test_several_keys_and_none_that_fits(tmp_path: Path) -> None:
    path = file_of(tmp_path, ("e1=-1", "f1"), ("e2=-2", "f2"))
    dataset = read_dataset(path, energy_key=("e1", "E2"), forces_key=("f1", "f2"))
    assert dataset.energy.tolist() == [-1, -2]
    with pytest.raises(DatasetError, match=r"No frame has an entry e3 .*\(--energy-key\); there are: .*e1, e2"):
        read_dataset(path, energy_key="e3")


def test_nan_and_infinite_forces_name_the_atom(tmp_path: Path) -> None:
    path = file_of(tmp_path, *[("energy=-1", "forces")] * 2)
    first, _, last = path.read_text().rpartition("11 0 0")
    path.write_text(f"{first}11 nan 0{last}")
    with pytest.raises(DatasetError, match=r"frame 1 .*the force on atom 1 is NaN\. Remove or repair the frame, or"):
        read_dataset(path)
    assert np.isnan(read_dataset(path, allow_unlabelled=True).forces[2:]).all()


STRESS = np.array([[1.0, 6, 5], [6, 2, 4], [5, 4, 3]])


@pytest.mark.parametrize("value", [STRESS, STRESS.ravel(), [1, 2, 3, 4, 5, 6]])
def test_shapes_of_stress(value: object) -> None:
    atoms = Atoms("Cu", cell=[2, 3, 4], pbc=True)
    np.testing.assert_array_equal(stress_of(value, "stress", atoms), STRESS)
    np.testing.assert_allclose(stress_of(value, "REF_virials", atoms), -STRESS / 24)
    assert stress_of(value, "virial", Atoms("Cu")) is None  # no volume
    for unusable in ("None", [1, 2], None, [np.nan] * 6, np.zeros((3, 6))):
        assert stress_of(unusable, "stress", atoms) is None


def states(*, factor: float = 1.0, key: str = "stress") -> list[Atoms]:
    """An equation of state of copper, by EMT, its stress times ``factor`` under ``key``."""
    found = []
    for scale in np.linspace(0.97, 1.03, 9):
        atoms = bulk("Cu", cubic=True)
        atoms.set_cell(atoms.cell * scale, scale_atoms=True)
        atoms.calc = EMT()
        energy, forces, stress = atoms.get_potential_energy(), atoms.get_forces(), atoms.get_stress(voigt=False)
        atoms.calc = SinglePointCalculator(atoms, energy=energy, forces=forces)
        atoms.info[key] = factor * (stress if "virial" not in key else -stress * atoms.get_volume())
        found.append(atoms)
    return found


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("sign", [1, -1])
def test_the_energies_tell_unit_and_sign(unit: str, sign: int) -> None:
    right = dataset_from_structures(states()).stress
    dataset = dataset_from_structures(states(factor=sign / UNITS[unit]))
    np.testing.assert_allclose(dataset.stress, right, rtol=1e-9, atol=1e-12)
    notes = dataset.sources[0].notes
    assert bool(notes) == ((unit, sign) != ("eV/A^3", 1))
    if notes:
        assert f"taken as {unit}" in notes[0]
        assert ("sign turned" in notes[0]) == (sign < 0)


def sheared(write: Callable[[np.ndarray, float], np.ndarray], key: str = "stress", count: int = 10) -> list[Atoms]:
    """Copper by EMT, sheared at one volume, ``write`` of stress and volume under ``key``."""
    found = []
    for amount in np.linspace(-0.05, 0.05, count):
        atoms = bulk("Cu", cubic=True, a=3.7)
        atoms.set_cell(atoms.cell.array @ np.array([[1, amount, 0], [0, 1, 0.5 * amount], [0, 0, 1]]), scale_atoms=True)
        atoms.calc = EMT()
        energy, forces, stress = atoms.get_potential_energy(), atoms.get_forces(), atoms.get_stress(voigt=False)
        atoms.calc = SinglePointCalculator(atoms, energy=energy, forces=forces)
        atoms.info[key] = write(stress, atoms.get_volume())
        found.append(atoms)
    return found


@pytest.mark.parametrize(
    ("key", "write", "words"),
    [
        ("stress", lambda stress, volume: stress, ""),
        ("stress", lambda stress, volume: stress / UNITS["kbar"], "taken as kbar: "),
        ("stress", lambda stress, volume: -stress / UNITS["GPa"], "taken as GPa with the sign turned"),
        ("stress", lambda stress, volume: -stress * volume, "taken as virial in eV: "),
        ("stress", lambda stress, volume: stress * volume, "taken as virial in eV with the sign turned: "),
        ("virial", lambda stress, volume: -stress * volume, ""),
        ("virial", lambda stress, volume: stress * volume, "with the sign turned"),
        ("virial", lambda stress, volume: stress / UNITS["kbar"], "taken as stress in kbar, no virial: "),
        ("virial", lambda stress, volume: -stress, "taken as stress in eV/A^3, no virial, with the sign turned: "),
    ],
)
def test_so_do_strains_that_keep_the_volume(key: str, write: Callable[..., np.ndarray], words: str) -> None:
    right = dataset_from_structures(sheared(lambda stress, volume: stress)).stress
    dataset = dataset_from_structures(sheared(write, key))
    np.testing.assert_allclose(dataset.stress, right, rtol=1e-9, atol=1e-12)
    [note] = dataset.sources[0].notes or ("",)
    assert words in note
    assert bool(words) == bool(note)


def test_too_few_strains_and_strains_that_do_not_agree_say_nothing() -> None:
    few = dataset_from_structures(sheared(lambda stress, volume: 10 * stress, count=3))
    assert few.sources[0].notes == ()
    rng = np.random.default_rng(0)
    noise = dataset_from_structures(sheared(lambda stress, volume: rng.normal(size=(3, 3))))
    assert noise.sources[0].notes == ()


@pytest.mark.parametrize(
    ("count", "told", "words"),
    [
        (5, 1.0, "eV/A^3"),
        (4, 1.0, None),
        (5, 1.39, "eV/A^3"),
        (5, 1.41, None),
        (5, 1.0 / UNITS["kbar"], "kbar"),
        (5, -1.39 / UNITS["kbar"], "kbar with the sign turned (it was positive in compression)"),
        (5, 1.41 / UNITS["kbar"], None),
    ],
)
def test_a_unit_is_told_by_five_steps_that_agree_within_two_fifths(count: int, told: float, words: str | None) -> None:
    """Each step takes 1 eV, of which the stress tells ``told``: it does volume times 3 per cent of it."""
    steps = Steps(*(np.arange(count),) * 2, np.tile(0.01 * np.eye(3), (count, 1, 1)), np.ones(count))
    stress = np.tile(told / 0.03 * np.eye(3), (count, 1, 1))
    found = fitting(steps, stress, np.ones(count), ways(virial=False)[:8])
    assert (None if found is None else found.words) == words


@pytest.mark.parametrize(("other", "told"), [(0.75, True), (0.85, False)])
def test_a_way_must_fit_twice_as_well_as_the_next(other: float, told: bool) -> None:
    steps = Steps(*(np.arange(9),) * 2, np.tile(0.01 * np.eye(3), (9, 1, 1)), np.ones(9))
    stress = np.tile(1 / 0.03 * np.eye(3), (9, 1, 1))
    known = [Way("far", 0.0), Way("near", 0.9), Way("next", other)]
    assert fitting(steps, stress, np.ones(9), known) == (known[1] if told else None)


def test_virials_and_units_in_names() -> None:
    right = dataset_from_structures(states()).stress
    np.testing.assert_allclose(dataset_from_structures(states(key="virial")).stress, right, rtol=1e-9, atol=1e-12)
    named = dataset_from_structures(states(key="stress_GPa", factor=1 / units.GPa))
    np.testing.assert_allclose(named.stress, right, rtol=1e-9, atol=1e-12)
    given = dataset_from_structures(states(factor=10 / units.GPa)[:2], stress_unit="kbar")
    np.testing.assert_allclose(given.stress, right[:2], rtol=1e-9, atol=1e-12)


def test_a_stress_of_an_impossible_size_is_not_used() -> None:
    some = states(factor=1 / units.GPa)[::4]  # too far apart for energies to tell
    for atoms in some:
        atoms.info["stress"] = atoms.info["stress"] + 100 * np.eye(3)
    dataset = dataset_from_structures(some)
    assert np.isnan(dataset.stress).all()
    assert "--stress-unit GPa, kbar, bar" in dataset.sources[0].notes[0]
    with pytest.raises(DatasetError, match=r"stress_unit as one of eV/A\^3, GPa, kbar, bar"):
        dataset_from_structures(some, stress_unit="atm")


@pytest.mark.parametrize("name", ["Ta_JCP2014", "InP_JPCA2020", "Fe_NPJ2021"])
def test_stress_of_real_data_is_the_energies_derivative(name: str) -> None:
    dataset = read_dataset(real_data(f"{name}.extxyz"))
    assert np.isfinite(dataset.stress).all(axis=(1, 2)).mean() > 0.9
    assert dataset.sources[0].notes == ()
    told = 0
    for group in np.unique(dataset.groups):
        rows = np.flatnonzero(dataset.groups == group)
        forces = dataset.forces[np.isin(dataset.structure_of, rows)]
        steps = small_steps(dataset.structures.taken(rows), dataset.energy[rows], forces)
        for factor, way in ((1.0, "eV/A^3"), (1 / UNITS["GPa"], "GPa")):
            fit = fitting(steps, factor * dataset.stress[rows], dataset.volumes[rows], ways(virial=False))
            assert fit is None or fit.words == way
            told += fit is not None
    assert told >= 6  # three groups, each of them twice


def test_isolated_atoms_by_any_name(tmp_path: Path) -> None:
    crystal = bulk("Cu")
    far = Atoms("Cu", cell=[9, 9, 9], pbc=True)
    named = [
        Atoms("Cu", cell=[5, 5, 5], pbc=True, info={"config_type": name}) for name in ("isolated_atom", "Free atom")
    ]
    pair = Atoms("Cu2", [[0, 0, 0], [0, 0, 2]], info={"config_type": "dimer"})
    frames = [crystal, far, *named, pair, Atoms("Cu")]
    for atoms in frames:
        atoms.info["head"] = "pbe"
    dataset = dataset_from_structures(frames, group_key="head", allow_unlabelled=True)
    assert set(dataset.groups) == {"pbe"}
    assert dataset.isolated.tolist() == [False, True, True, True, False, True]


def test_groups_are_the_text_of_the_file(tmp_path: Path) -> None:
    path = file_of(
        tmp_path, *[(f"energy=-1 head={text} config_type={text}", "forces") for text in ("007", "12e4", "T")]
    )
    assert read_dataset(path).groups.tolist() == ["007", "12e4", "T"]
    assert read_dataset(path, group_key="head").groups.tolist() == ["007", "12e4", "T"]
    with pytest.raises(DatasetError, match=r"No frame has an entry 'confg_type'.*there are: config_type, head"):
        read_dataset(path, group_key="confg_type")

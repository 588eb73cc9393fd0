"""Units that a file does not say are told from its distances, said, and can be chosen; what is converted is said."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk, molecule
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator

from meagraph.datasets import DatasetError, read_dataset
from meagraph.datasets.storage import stored_sha256

dpdata = pytest.importorskip("dpdata")


def rattled() -> Atoms:
    atoms = bulk("Cu", cubic=True).repeat((2, 1, 1))
    atoms.rattle(0.1, seed=1)
    atoms.calc = EMT()
    results = {"energy": atoms.get_potential_energy(), "forces": atoms.get_forces()}
    atoms.calc = SinglePointCalculator(atoms, **results)
    return atoms


def input_data(path: Path, frames: list[Atoms], length: float = 1.0, energy: float = 1.0) -> Path:
    lines = []
    for atoms in frames:
        lines += ["begin", "comment made by hand"]
        lines += [f"lattice {x!r} {y!r} {z!r}" for x, y, z in (atoms.cell.array / length).tolist()]
        forces = (atoms.get_forces() / energy * length).tolist()
        for symbol, (x, y, z), (fx, fy, fz) in zip(
            atoms.symbols, (atoms.positions / length).tolist(), forces, strict=True
        ):
            lines.append(f"atom {x!r} {y!r} {z!r} {symbol} 0.0 0.0 {fx!r} {fy!r} {fz!r}")
        lines += [f"energy {float(atoms.get_potential_energy() / energy)!r}", "charge 0.0", "end"]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize(("system", "length", "energy"), [("metal", 1.0, 1.0), ("atomic", units.Bohr, units.Hartree)])
def test_units_are_told_from_distances(tmp_path: Path, system: str, length: float, energy: float) -> None:
    wanted = rattled()
    path = input_data(tmp_path / "input.data", [wanted, wanted], length, energy)
    told, chosen = read_dataset(path), read_dataset(path, units=system)
    for data in (told, chosen):
        assert data.energy[0] == pytest.approx(wanted.get_potential_energy())
        assert data.forces[:8] == pytest.approx(wanted.get_forces())
        assert data.structures[0].cell.array == pytest.approx(wanted.cell.array)
        assert data.structures[0].info == {"comment": "made by hand"}  # no charge is made up
    assert ("Bohr" if system == "atomic" else "in Å") in told.sources[0].notes[0]
    assert "--units" in told.sources[0].notes[0]
    assert "as chosen" in chosen.sources[0].notes[0]


def test_n2p2_as_dpdata_reads_it(tmp_path: Path) -> None:
    path = input_data(tmp_path / "input.data", [rattled(), rattled()], units.Bohr, units.Hartree)
    system = dpdata.LabeledSystem(str(path), fmt="n2p2")
    data = read_dataset(path)
    assert data.energy == pytest.approx(system["energies"], rel=1e-6)
    assert np.sort(data.forces[:8].ravel()) == pytest.approx(np.sort(system["forces"][0].ravel()), rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("distance", [1.3, 5.0])
def test_units_that_distances_do_not_tell_are_asked_for(tmp_path: Path, distance: float) -> None:
    atoms = Atoms("Cu2", [[0, 0, 0], [2.64 * distance, 0, 0]])
    atoms.calc = SinglePointCalculator(atoms, energy=1.0, forces=np.zeros((2, 3)))
    path = input_data(tmp_path / "input.data", [atoms, atoms])
    path.write_text(path.read_text().replace("lattice 0.0 0.0 0.0\n", ""))
    with pytest.raises(DatasetError, match=r"--units metal .*--units atomic"):
        read_dataset(path)
    assert read_dataset(path, units="atomic").structures[0].get_distance(0, 1) == pytest.approx(
        2.64 * distance * units.Bohr
    )


@pytest.mark.parametrize(("old", "new", "message"), [
    ("energy", "begin\nenergy", "expected 'end'"),
    ("lattice", "latice", "three lattice vectors or none"),
    ("Cu", "Qq", "Qq is none"),
    (" Cu 0.0 0.0 ", " Cu 0.0 ", "some have less"),
    ("energy ", "energy low", "expected an energy"),
])  # fmt: skip
def test_bad_frames(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = input_data(tmp_path / "input.data", [rattled(), rattled()])
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(DatasetError, match=message):
        read_dataset(path, units="metal")


def test_energies_of_cp2k_are_hartree(tmp_path: Path) -> None:
    water = molecule("H2O")
    rows = "\n".join(f"{s} {x} {y} {z}" for s, (x, y, z) in zip(water.symbols, water.positions, strict=True))
    text = "".join(f"3\n i = {k:8}, time = {k}.000, E =       -17.{k}00000000\n{rows}\n" for k in range(2))
    path = tmp_path / "water-pos-1.xyz"
    path.write_text(text)
    data = read_dataset(path, allow_unlabelled=True)
    assert data.energy == pytest.approx(np.array([-17.0, -17.1]) * 27.211386)
    assert data.sources[0].format == "cp2k-xyz"
    assert "from Hartree" in data.sources[0].notes[0]
    (tmp_path / "water-frc-1.xyz").write_text(text)
    with pytest.raises(DatasetError, match="expected positions, but CP2K writes forces"):
        read_dataset(tmp_path / "water-frc-1.xyz")


def cp2k(steps: Sequence[int], symbols: str, values: float = 0.0) -> str:
    """A trajectory as CP2K writes it: value k/10 on all axes of atom k, plus ``values`` and a hundredth of the step."""
    frames = []
    for step in steps:
        rows = [f"  {name} " + 3 * f" {values + k / 10 + step / 100:.6f}" for k, name in enumerate(symbols.split())]
        frames += [f"      {len(rows)}", f" i = {step:8}, time = {step / 2:12.3f}, E =       -17.{step:09}", *rows]
    return "\n".join(frames) + "\n"


def test_forces_and_cells_of_cp2k_lie_beside_the_positions(tmp_path: Path) -> None:
    """Forces in Hartree/Bohr, 51.42207 eV/Å each, of every second step; a restart repeats a step in both files."""
    path = tmp_path / "run-pos-1.xyz"
    path.write_text(cp2k([0, 1, 2, 2, 3], "H O"))
    (tmp_path / "run-frc-1.xyz").write_text(cp2k([0, 2, 2], "H O", values=1.0))
    (tmp_path / "run-1.cell").write_text(
        "#   Step   Time [fs]       Ax [Angstrom]       Ay\n"
        + "".join(f"  {step} {step / 2} 9 0 0  1 {8 + step} 0  0 0 7  {9 * (8 + step) * 7}\n" for step in range(4))
    )
    data = read_dataset(path, allow_unlabelled=True)
    forces = data.forces.reshape(5, 2, 3)
    assert np.isnan(forces[[1, 4]]).all()
    assert forces[0, :, 0] == pytest.approx(np.array([1.0, 1.1]) * 51.42207, rel=1e-6)
    assert forces[2, :, 2] == pytest.approx(np.array([1.02, 1.12]) * 51.42207, rel=1e-6)
    np.testing.assert_array_equal(forces[3], forces[2])
    assert data.structures[4].cell.array.tolist() == [[9, 0, 0], [1, 11, 0], [0, 0, 7]]
    assert data.periodic.all()
    assert [note for note in data.sources[0].notes if "run-frc-1.xyz" in note or "run-1.cell" in note][1:]
    whole = read_dataset(tmp_path, allow_unlabelled=True)  # neither counts as a file of its own
    assert [source.path for source in whole.sources] == [f"{tmp_path}/run-pos-1.xyz"]
    assert not any("Passed over" in note for note in whole.sources[0].notes)
    before = data.sources[0].sha256
    assert before == stored_sha256(path, "cp2k-xyz")
    (tmp_path / "run-frc-1.xyz").write_text(cp2k([0, 2, 2], "H O", values=2.0))
    assert before != stored_sha256(path, "cp2k-xyz")


def test_files_of_cp2k_that_do_not_belong_together(tmp_path: Path) -> None:
    path, forces, cell = (tmp_path / name for name in ("r-pos-1.xyz", "r-frc-1.xyz", "r-1.cell"))
    path.write_text(cp2k([0, 1], "H O"))
    forces.write_text(cp2k([0, 1], "O H"))
    with pytest.raises(DatasetError, match=r"frame 0 .*r-frc-1.xyz, but those of step 0 are of others"):
        read_dataset(path)
    forces.write_text(cp2k([0, 1], "H O"))
    cell.write_text("# Step\n 0 0.0 9 0 0 0 9 0 0 0 9 729\n 5 0.0 9 0 0 0 9 0 0 0 9 729\n")
    with pytest.raises(DatasetError, match=r"frame 1 .*expected a cell of step 1"):
        read_dataset(path)
    cell.write_text("# Step\n 0 0.0 9 0 0 0 9\n")
    with pytest.raises(DatasetError, match=r"nine numbers of the cell in each line of r-1.cell"):
        read_dataset(path)
    cell.write_text("# Step\n 0 0.0 9 0 0 0 9 0 0 0 9 729\n")  # written once: it stays
    assert read_dataset(path).volumes.tolist() == pytest.approx([729, 729])


def test_what_ase_converts_is_said(tmp_path: Path) -> None:
    step = "PRIMCOORD {}\n2 1\nCu 0 0 0 1 0 0\nCu 0 0 2 -1 0 0\n"
    head = "ANIMSTEPS 2\nCRYSTAL\nPRIMVEC\n5 0 0\n0 5 0\n0 0 5\n"
    (tmp_path / "a.xsf").write_text(head + step.format(1) + step.format(2))
    data = read_dataset(tmp_path / "a.xsf", allow_unlabelled=True)
    assert data.forces[:, 0] == pytest.approx(np.array([1, -1, 1, -1]) * 27.211386)
    assert "Hartree" in data.sources[0].notes[0]


def test_elements_that_ase_makes_up_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ASE gives every atom of an AMBER trajectory without types the number 1, and a binary dump its type numbers."""

    def made_up(*_: object, **__: object) -> Iterator[Atoms]:
        for _frame in range(2):
            atoms = Atoms([1, 2], [[0, 0, 0], [0, 0, 2]])
            atoms.calc = SinglePointCalculator(atoms, energy=0.0, forces=np.ones((2, 3)))
            yield atoms

    monkeypatch.setattr(ase.io, "iread", made_up)
    for name, format in (("md.nc", "netcdftrajectory"), ("md.bin", "lammps-dump-binary")):
        (tmp_path / name).write_bytes(b"CDF\x01 no names")
        with pytest.raises(DatasetError, match="--elements"):
            read_dataset(tmp_path / name, format=format, allow_unlabelled=True)
        data = read_dataset(tmp_path / name, format=format, elements="Cu Ag", allow_unlabelled=True)
        assert data.numbers.tolist() == [29, 47, 29, 47]
        assert np.isnan(data.energy).all()
        assert (data.forces == 1).all()


def test_a_package_that_ase_lacks_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def lacking(*_: object, **__: object) -> Iterator[Atoms]:
        raise ModuleNotFoundError("No module named 'netCDF4'", name="netCDF4")

    monkeypatch.setattr(ase.io, "iread", lacking)
    (tmp_path / "md.nc").write_bytes(b"CDF\x01")
    with pytest.raises(DatasetError, match="needs the package netCDF4"):
        read_dataset(tmp_path / "md.nc", format="netcdftrajectory", allow_unlabelled=True)

"""Units that a file does not say are told from its distances, said, and can be chosen; what is converted is said."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk, molecule
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator

from meagraph.datasets import DatasetError, read_dataset

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

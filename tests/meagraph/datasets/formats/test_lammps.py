"""LAMMPS' files: labels and elements are the file's own or missing, never made up."""

from __future__ import annotations

import gzip
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk
from ase.io.lammpsdata import write_lammps_data

from meagraph.datasets import DatasetError, read_dataset

dpdata = pytest.importorskip("dpdata")

HEAD = "ITEM: TIMESTEP\n{step}\nITEM: NUMBER OF ATOMS\n2\nITEM: BOX BOUNDS {box}\n"
ORTHOGONAL = "pp pp ff\n1 5\n0 6\n0 7"
TRICLINIC = "xy xz yz pp pp pp\n-1 5.5 1\n0 6.25 0.5\n0 7 0.25"


def frame(step: int, columns: str, rows: list[str], box: str = ORTHOGONAL) -> str:
    return HEAD.format(step=step, box=box) + f"ITEM: ATOMS {columns}\n" + "\n".join(rows) + "\n"


def dump(folder: Path, *frames: str, name: str = "md.lammpstrj") -> Path:
    path = folder / name
    path.write_text("".join(frames))
    return path


@pytest.fixture
def typed(tmp_path: Path) -> Path:
    rows = ["2 2 2 3 4 0.1 0.2 0.3", "1 1 1 0 0 -0.1 -0.2 -0.3"]
    return dump(tmp_path, *(frame(step, "id type x y z fx fy fz", rows) for step in (0, 10)))


def test_a_dump_has_no_energy(typed: Path) -> None:
    with pytest.raises(DatasetError, match="expected energy"):
        read_dataset(typed, elements=["Cu", "Ag"])
    data = read_dataset(typed, elements=["Cu", "Ag"], allow_unlabelled=True)
    assert np.isnan(data.energy).all()
    assert "energy" not in data.structures[0].calc.results
    assert data.forces[:2].tolist() == [[-0.1, -0.2, -0.3], [0.1, 0.2, 0.3]]  # by id
    assert data.numbers[:2].tolist() == [29, 47]
    assert data.structures[0].positions.tolist() == [[0, 0, 0], [1, 3, 4]]  # the box starts at 1
    assert data.structures[0].pbc.tolist() == [True, True, False]
    assert data.structures[0].cell.lengths().tolist() == [4, 6, 7]
    assert [atoms.info["timestep"] for atoms in data.structures] == [0, 10]
    assert "assumed" in data.sources[0].notes[0]


@pytest.mark.parametrize("given", [(), ("Cu",), "Cu"])
def test_types_without_elements_are_refused(typed: Path, given: object) -> None:
    with pytest.raises(DatasetError, match=r"frame 0 .*type numbers 1, 2 .*--elements Cu Ag"):
        read_dataset(typed, elements=given, allow_unlabelled=True)


def test_what_is_no_element_is_refused(typed: Path) -> None:
    with pytest.raises(DatasetError, match="'Qq' is none"):
        read_dataset(typed, elements="Cu,Qq", allow_unlabelled=True)


def test_element_column_needs_no_option(tmp_path: Path) -> None:
    rows = ["1 1 Cu 1 0 0 0.5", "2 1 Ag 2 0 0 0.25"]
    path = dump(tmp_path, *(frame(k, "id type element x y z c_pe", rows) for k in range(2)))
    data = read_dataset(path, allow_unlabelled=True)
    assert data.numbers[:2].tolist() == [29, 47]
    assert data.structures[0].arrays["c_pe"].tolist() == [0.5, 0.25]
    assert np.isnan(data.forces).all()


@pytest.mark.parametrize(
    ("said", "option", "force", "length"),
    [
        ("real", None, units.kcal / units.mol, 1.0),
        ("metal", None, 1.0, 1.0),
        (None, "real", units.kcal / units.mol, 1.0),
        ("metal", "electron", units.Hartree / units.Bohr, units.Bohr),
        ("si", None, 6.241509074e8, 1e10),
    ],
)
def test_units(tmp_path: Path, said: str | None, option: str | None, force: float, length: float) -> None:
    first = f"ITEM: UNITS\n{said}\n" if said else ""
    rows = ["1 Cu 2 3 4 1 0 0", "2 Cu 3 3 4 2 0 0"]
    text = "".join(frame(k, "id element x y z fx fy fz", rows) for k in range(2))
    data = read_dataset(dump(tmp_path, first + text), units=option, allow_unlabelled=True)
    assert data.forces[:, 0] == pytest.approx(np.array([1, 2, 1, 2]) * force)
    assert data.structures[1].get_distance(0, 1) == pytest.approx(length)
    assert (option or said) in data.sources[0].notes[0]


def test_units_without_a_size_are_refused(tmp_path: Path) -> None:
    path = dump(tmp_path, "ITEM: UNITS\nlj\n" + frame(0, "id element x y z", ["1 Cu 1 0 0", "2 Cu 2 0 0"]))
    with pytest.raises(DatasetError, match=r"'lj'.*--units"):
        read_dataset(path)


@pytest.mark.parametrize("columns", ["x y z", "xs ys zs", "xu yu zu", "xsu ysu zsu"])
def test_triclinic_boxes_and_all_kinds_of_coordinates(tmp_path: Path, columns: str) -> None:
    """The box is xlo -1 + 0, xhi 5.5 - 1.5 = 4; ylo 0, yhi 6.25 - 0.25 = 6; tilts 1, 0.5, 0.25."""
    cell = np.array([[5, 0, 0], [1, 6, 0], [0.5, 0.25, 7]])
    scaled = np.array([[0.25, 0.5, 0.75], [0.5, 0.25, 0.125]])
    places = scaled @ cell + [-1, 0, 0]
    values = scaled if "s" in columns else places
    rows = [f"{k + 1} Ta {' '.join(map(repr, row.tolist()))}" for k, row in enumerate(values)]
    path = dump(tmp_path, *(frame(k, f"id element {columns}", rows, TRICLINIC) for k in range(2)))
    data = read_dataset(path, allow_unlabelled=True)
    assert data.structures[0].cell.array == pytest.approx(cell)
    assert data.structures[0].get_scaled_positions(wrap=False) == pytest.approx(scaled)


def test_the_same_as_other_readers(tmp_path: Path) -> None:
    rows = [
        "2 2 2 3 4",
        "1 1 1 0 0",
    ]
    path = dump(tmp_path, *(frame(k, "id type x y z", rows, TRICLINIC) for k in range(2)))
    ours = read_dataset(path, elements=["Cu", "Ag"], allow_unlabelled=True).structures[0]
    system = dpdata.System(str(path), fmt="lammps/dump", type_map=["Cu", "Ag"])
    assert ours.cell.array == pytest.approx(system["cells"][0])
    assert ours.positions == pytest.approx(system["coords"][0] - system["orig"])
    ases = ase.io.read(path, 0, format="lammps-dump-text", specorder=["Cu", "Ag"])
    assert ours.get_all_distances(mic=True) == pytest.approx(ases.get_all_distances(mic=True))


def test_general_triclinic_box(tmp_path: Path) -> None:
    box = "abc origin pp pp pp\n0 4 0 1\n-5 0 0 0\n0 0 6 0"
    path = dump(tmp_path, *(frame(k, "id element x y z", ["1 Cu 1 1 0", "2 Cu 1 2 0"], box) for k in range(2)))
    data = read_dataset(path, allow_unlabelled=True)
    assert data.structures[0].cell.array.tolist() == [[0, 4, 0], [-5, 0, 0], [0, 0, 6]]
    assert data.structures[0].positions.tolist() == [[0, 1, 0], [0, 2, 0]]


@pytest.mark.parametrize(("text", "message"), [
    (frame(0, "id element x y z", ["1 Cu 0 0 0"]) + frame(1, "id element x y z", ["1 Cu 0 0 0", "2 Cu 0 0 1"]),
     r"frame 0 .*ends after 1"),
    (frame(0, "id element x y z", ["1 Cu 0 0 0", "2 Cu 0 0 1"]) + "ITEM: TIMESTEP\n1\n", r"frame 1 .*file ends"),
    (frame(0, "id element x y z", ["1 Cu 0 0 0", "2 Cu 0 0"]), r"frame 0 .*some rows differ"),
    (frame(0, "id element vx vy vz", ["1 Cu 0 0 0", "2 Cu 0 0 1"]), r"frame 0 .*expected positions"),
    (frame(0, "id element x y z", ["1 C1 0 0 0", "2 Cu 0 0 1"]), r"frame 0 .*C1 is none.*--elements"),
    (frame(0, "id x y z", ["1 0 0 0", "2 0 0 1"]), r"frame 0 .*'element' or 'type'"),
])  # fmt: skip
def test_bad_dumps(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        read_dataset(dump(tmp_path, text), allow_unlabelled=True)


def test_compressed_and_by_content(tmp_path: Path, typed: Path) -> None:
    odd = tmp_path / "trajectory.out.gz"
    odd.write_bytes(gzip.compress(typed.read_bytes()))
    data = read_dataset(odd, elements="Cu Ag", allow_unlabelled=True)
    assert data.sources[0].format == "lammps-dump-text"
    assert data.fingerprint == read_dataset(typed, elements="Cu Ag", allow_unlabelled=True).fingerprint


# Data files


def structure() -> Atoms:
    atoms = bulk("Cu", cubic=True)
    atoms.set_cell([[3.6, 0, 0], [0.4, 3.7, 0], [0.2, 0.3, 3.8]], scale_atoms=True)
    atoms.symbols[1] = "Ag"
    return atoms


@pytest.mark.parametrize("style", ["atomic", "charge", "full"])
def test_data_file_as_ase_writes_it(tmp_path: Path, style: str) -> None:
    wanted = structure()
    files = [tmp_path / f"{k}.data" for k in range(2)]
    for file in files:
        write_lammps_data(file, wanted, atom_style=style, specorder=["Cu", "Ag"], masses=True)
    data = read_dataset(files, elements=["Cu", "Ag"], allow_unlabelled=True)
    assert data.sources[0].format == "lammps-data"
    assert data.structures[0].symbols.get_chemical_formula() == "AgCu3"
    assert data.structures[0].get_all_distances(mic=True) == pytest.approx(wanted.get_all_distances(mic=True))
    assert data.structures[0].cell.cellpar() == pytest.approx(wanted.cell.cellpar())
    with pytest.raises(DatasetError, match="expected energy"):
        read_dataset(files, elements=["Cu", "Ag"])


def test_data_file_names_elements_by_remarks_or_labels_or_not_at_all(tmp_path: Path) -> None:
    text = "cell\n\n2 atoms\n2 atom types\n0 4 xlo xhi\n0 4 ylo yhi\n0 4 zlo zhi\n\n{}\nAtoms # atomic\n\n{}\n"
    masses = "Masses\n\n1 63.5 # Cu\n2 107.9 # Ag\n"
    labels = "Atom Type Labels\n\n1 Cu\n2 Ag\n"
    cases = [
        (masses, "1 1 0 0 0\n2 2 1 1 1"),
        (labels, "1 Cu 0 0 0\n2 Ag 1 1 1"),
        (labels + "\nMasses\n\n1 63.5\n2 107.9\n", "2 2 1 1 1\n1 1 0 0 0"),
    ]
    for k, case in enumerate(cases):
        (tmp_path / f"{k}.lmp").write_text(text.format(*case))
    data = read_dataset([tmp_path / f"{k}.lmp" for k in range(3)], allow_unlabelled=True)
    assert data.numbers.tolist() == [29, 47] * 3
    (tmp_path / "bare.lmp").write_text(text.format("Masses\n\n1 63.5\n2 107.9\n", cases[0][1]))
    with pytest.raises(DatasetError, match=r"type numbers 1, 2.*--elements"):
        read_dataset(tmp_path / "bare.lmp", allow_unlabelled=True)

"""What is wrong in a file of another program is one clear error, which names the file and, where it can, the frame."""

from __future__ import annotations

import bz2
import gzip
import json
import sqlite3
from pathlib import Path

import ase.db
import numpy as np
import pytest
from ase.build import bulk

from meagraph.datasets import DatasetError, read_dataset
from meagraph.limits import MEMBERS

DATA = """a file by hand

2 atoms
2 atom types
0 4 xlo xhi
0 4 ylo yhi
{bounds}
{style}

{atoms}
"""
BOUNDS = "0 4 zlo zhi"
RUNNER = """begin
comment two atoms
lattice 12 0 0
lattice 0 12 0
lattice 0 0 12
atom 0 0 0 Cu 0 0 0.1 0 0
atom 0 0 5 Cu 0 0 -0.1 0 0
energy -2.5
charge 0
end
"""
DUMP = """ITEM: TIMESTEP
0
ITEM: NUMBER OF ATOMS
1
ITEM: BOX BOUNDS pp pp pp
0 4
0 4
0 4
ITEM: ATOMS id element x y z
1 Cu 0 0 0
"""


def lammps(style: str = "Atoms # atomic", atoms: str = "1 1 0 0 0\n2 2 1 1 1", bounds: str = BOUNDS) -> str:
    return DATA.format(style=style, atoms=atoms, bounds=bounds)


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("a.lmp", lammps("Velocities"), "expected a section 'Atoms', but there is none. Give a file of write_data"),
        ("a.lmp", lammps("Atoms # sphere"), r"expected an atom style among .*, but it is sphere\. Write it behind"),
        ("a.lmp", lammps("Atoms", "1 1 0 0\n2 2 1 1"), r"expected an atom style .* not named, with 4 columns\."),
        ("a.lmp", lammps(bounds=""), r"expected box bounds, but 'zlo zhi' is missing\. Repair the header"),
        ("a.lmp", lammps(atoms="1 Cu 0 0 0\n2 Qq 1 1 1"), r"expected elements as type labels, but \['Cu', 'Qq'\]"),
        ("a.lammpstrj", DUMP + "no item\n" + DUMP, r"frame 0 .*expected 1 atoms|frame 1 .*expected a line 'ITEM: ...'"),
        ("a.lammpstrj", DUMP.replace("ITEM: NUMBER OF ATOMS\n1\n", ""), "frame 0 .*expected 'ITEM: NUMBER ...' before"),
        ("a.runner", RUNNER + RUNNER.replace("end\n", ""), "frame 1 .*expected 'end', but the file ends: it is trunc"),
        ("a.runner", RUNNER.replace("end\n", "") + RUNNER, "frame 0 .*expected 'end' before the next 'begin'"),
        ("a.runner", RUNNER.replace("begin", "begin x y z"), "frame 0 .*expected 'begin' alone, .*'begin x y z'"),
        ("a.runner", RUNNER.replace("-2.5", "low"), r"frame 0 .*expected an energy, but came 'low'\. Repair"),
        ("a.runner", RUNNER.replace("0 0 5 Cu", "0 0 five Cu"), "frame 0 .*expected numbers, but could not convert"),
    ],
)
def test_a_broken_text(file: str, text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / file).write_text(text)
    form = "runnerdata" if file.endswith("runner") else None
    units = "atomic" if form else None
    with pytest.raises(DatasetError, match=rf"{file}.*(?:{message})"):
        read_dataset(tmp_path / file, format=form, units=units, allow_unlabelled=True)


def test_atom_styles_that_the_columns_tell(tmp_path: Path) -> None:
    """Without a remark: five and eight columns are atomic, seven and ten full, of six whole thirds molecular."""
    rows = {
        "atomic": "1 1 0 0 0\n2 1 1 1 1",
        "atomic, with images": "1 1 0 0 0 0 0 0\n2 1 1 1 1 0 0 0",
        "full": "1 1 1 0.5 0 0 0\n2 1 1 -0.5 1 1 1",
        "molecular": "1 7 1 0 0 0\n2 7 1 1 1 1",
        "charge": "1 1 0.5 0 0 0\n2 1 -0.5 1 1 1",
    }
    for name, atoms in rows.items():
        (tmp_path / f"{name}.lmp").write_text(lammps("Atoms", atoms))
    files = [tmp_path / f"{name}.lmp" for name in rows]
    data = read_dataset(files, elements=["Cu"], allow_unlabelled=True)
    for atoms in data.structures:
        assert atoms.positions.tolist() == [[0, 0, 0], [1, 1, 1]]
        assert atoms.get_chemical_symbols() == ["Cu", "Cu"]


def test_a_cell_by_its_vectors(tmp_path: Path) -> None:
    """As LAMMPS writes boxes of any shape."""
    bounds = "4 0 0 avec\n1 4 0 bvec\n0 1 4 cvec\n0.5 0.5 0.5 abc origin"
    text = lammps(bounds=bounds).replace("0 4 xlo xhi\n0 4 ylo yhi\n", "")
    (tmp_path / "a.lmp").write_text(text)
    data = read_dataset(tmp_path / "a.lmp", elements=["Cu", "Ag"], allow_unlabelled=True, fewest=1)
    assert data.structures[0].cell.array.tolist() == [[4, 0, 0], [1, 4, 0], [0, 1, 4]]


def test_charges_of_runner_are_kept(tmp_path: Path) -> None:
    text = RUNNER.replace("Cu 0 0 0.1", "Cu 0.25 0 0.1").replace("charge 0", "charge 0.25")
    (tmp_path / "input.data").write_text(text)
    (atoms,) = read_dataset(tmp_path / "input.data", format="runnerdata", units="atomic", fewest=1).structures
    assert atoms.get_initial_charges().tolist() == [0.25, 0.0]
    assert atoms.info["charge"] == 0.25
    assert atoms.info["comment"] == "two atoms"


def test_databases_that_are_none_or_do_more_than_hold_rows(tmp_path: Path) -> None:
    (tmp_path / "no.db").write_bytes(b"SQLite format 3\0" + b"\1" * 400)
    with pytest.raises(DatasetError, match=r"no\.db: expected a database of ASE, but it cannot be read \(.*Copy the"):
        read_dataset(tmp_path / "no.db", format="db")
    path = tmp_path / "more.db"
    with ase.db.connect(path) as rows:
        rows.write(bulk("Cu"))
    base = sqlite3.connect(path)
    base.execute("CREATE VIEW endless AS SELECT * FROM systems")
    base.commit()
    base.close()
    with pytest.raises(DatasetError, match=r"holds tables alone, but it has a view\. Write its rows to a new one"):
        read_dataset(path)


def test_an_lmdb_file_that_is_cut_off(tmp_path: Path) -> None:
    lmdb = pytest.importorskip("lmdb")
    path = tmp_path / "cut.aselmdb"
    with lmdb.open(str(path), subdir=False, map_size=2**20) as store, store.begin(write=True) as rows:
        rows.put(b"1", b"x" * 30_000)
    path.write_bytes(path.read_bytes()[:20_000])
    with pytest.raises(DatasetError, match=r"cut\.aselmdb: expected an LMDB file, but .*\(.*cut off.*\)\. Copy the"):
        read_dataset(path)


def test_a_file_of_more_than_is_held_at_once_is_decompressed_and_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counted first, then decompressed whole; what is broken, or changes in between, is an error."""
    monkeypatch.setattr("meagraph.datasets.compressed.FREE", 1000)
    monkeypatch.setattr("meagraph.datasets.compressed.CHUNK", 256)
    rng = np.random.default_rng(0)
    lines = "".join(f"Cu {x!r} {y!r} {z!r}\n" for x, y, z in rng.uniform(0, 90, (100, 3)).tolist())
    text = f'100\nLattice="90 0 0 0 90 0 0 0 90" Properties=species:S:1:pos:R:3\n{lines}'.encode()
    path = tmp_path / "a.xyz.bz2"
    path.write_bytes(bz2.compress(text))
    assert read_dataset(path, allow_unlabelled=True, fewest=1).n_environments == 100
    path.write_bytes(bz2.compress(text)[:-20])
    with pytest.raises(DatasetError, match=r"a\.xyz\.bz2: expected"):
        read_dataset(path, allow_unlabelled=True)
    path = tmp_path / "b.xyz.gz"
    path.write_bytes(gzip.compress(text))

    from meagraph.datasets import compressed

    opened, times = compressed.DECOMPRESS[".gz"], iter(range(9))

    def shrinking(file: Path):  # type: ignore[no-untyped-def]
        if next(times) == 1:
            file.write_bytes(gzip.compress(text[:2000]))
        return opened(file)

    monkeypatch.setitem(compressed.DECOMPRESS, ".gz", shrinking)
    with pytest.raises(DatasetError, match="expected a file that nobody writes, but it changed while it was read"):
        compressed.decompressed(path, "b.xyz.gz", 2**30)


def test_a_folder_of_too_many_files_is_no_dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from meagraph.datasets import storage

    monkeypatch.setenv(MEMBERS.variable, "3")
    for number in range(4):
        (tmp_path / f"{number}.json").write_text("{}")
    with pytest.raises(DatasetError, match="expected a folder of at most 3 files as one dataset, but it holds more"):
        storage.place_sha256(tmp_path, "fitsnap")


COLUMNS = "species:S:1:pos:R:3"


@pytest.mark.parametrize(
    ("entries", "row", "message"),
    [
        (f'Lattice="" Properties={COLUMNS}', "Cu 0 0 0", "expected nine numbers in the entry Lattice, but it is empty"),
        (
            f'cell="4 0 0 0 4 0 0 0 4" Cell="5 0 0 0 5 0 0 0 5" Properties={COLUMNS}',
            "Cu 0 0 0",
            "expected one cell, but the entries cell, Cell say different ones",
        ),
        ("Properties=pos:R:3", "0 0 0", "expected the elements in a column species:S:1 or Z:I:1"),
        ("Properties=species:S:1", "Cu", "expected the positions in three columns pos:R:3"),
        (f"Properties={COLUMNS}:n:I:1", "Cu 0 0 0 1.5", r"atom 0, column n: expected a whole number, but came '1\.5'"),
        (f"Properties={COLUMNS}:ok:L:1", "Cu 0 0 0 maybe", "atom 0, column ok: expected T or F, but came 'maybe'"),
        (
            f"Properties={COLUMNS}:q:R:1 properties={COLUMNS}",
            "Cu 0 0 0 1",
            "expected one declaration of the columns, but Properties, properties say different ones",
        ),
        (f"Properties={COLUMNS}:positions:R:3", "Cu 0 0 0 1 1 1", "expected other names than 'positions'"),
    ],
)
def test_a_frame_that_says_too_little_or_two_things(entries: str, row: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "a.xyz").write_text(f"1\n{entries}\n{row}\n")
    with pytest.raises(DatasetError, match=rf"a\.xyz, frame 0 .*(?:{message})"):
        read_dataset(tmp_path / "a.xyz", allow_unlabelled=True)


def test_numbers_as_other_programs_write_them(tmp_path: Path) -> None:
    """A whole number with a point, and Fortran's exponents of double precision."""
    (tmp_path / "a.xyz").write_text(f"1\nProperties={COLUMNS}:n:I:1:q:R:1\nCu 1.5D0 -2d-1 0 2.0 2.5D+1\n")
    (atoms,) = read_dataset(tmp_path / "a.xyz", allow_unlabelled=True, fewest=1).structures
    assert atoms.positions.tolist() == [[1.5, -0.2, 0.0]]
    assert (atoms.arrays["n"].tolist(), atoms.arrays["q"].tolist()) == ([2], [25.0])


def test_atoms_that_all_lie_at_the_origin_have_no_positions(tmp_path: Path) -> None:
    (tmp_path / "a.xyz").write_text(f"2\nProperties={COLUMNS}\nCu 0 0 0\nCu 0 0 0\n")
    with pytest.raises(DatasetError, match="expected positions, but all atoms lie at the origin: the comment line"):
        read_dataset(tmp_path / "a.xyz", allow_unlabelled=True)


@pytest.mark.parametrize(
    ("second", "message"),
    [("VEC2 0 5 0", ""), ("VEC2 0 five 0", "expected VEC2 and three numbers"), ("VEC3 0 5 0", "expected VEC2 and")],
)
def test_vectors_after_the_atoms(second: str, message: str, tmp_path: Path) -> None:
    """As in plain XYZ of other programs: one for each direction that repeats."""
    (tmp_path / "a.xyz").write_text(f"1\nplain\nCu 0 0 0\nVEC1 4 0 0\n{second}\n" * 2)
    if message:
        with pytest.raises(DatasetError, match=rf"frame 0 .*{message}"):
            read_dataset(tmp_path / "a.xyz", allow_unlabelled=True)
        return
    for atoms in read_dataset(tmp_path / "a.xyz", allow_unlabelled=True).structures:
        assert atoms.pbc.tolist() == [True, True, False]
        assert atoms.cell.array.tolist() == [[4, 0, 0], [0, 5, 0], [0, 0, 0]]


def test_fitsnap_without_what_it_needs(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps({"Dataset": {"Data": [{"Positions": [[0, 0, 0]]}]}}))
    with pytest.raises(DatasetError, match=r"a\.json: expected FitSNAP's JSON, but .*KeyError: 'AtomTypes'"):
        read_dataset(tmp_path / "a.json", format="fitsnap", fewest=1)

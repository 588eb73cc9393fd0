"""Subjects that hold structures: every format with a reader of ours, and some of ASE's; plain, compressed, packed."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import ase.db
import ase.io
import numpy as np
from ase import Atoms
from ase.io.jsonio import encode

from meagraph.datasets import read_dataset
from meagraph.datasets.label_table import label_table
from meagraph.datasets.store import write_store
from tests.support.fuzzing.subjects import Subject, folder_files
from tests.support.structures import niobium_structures

LIMITS = {"allow_unlabelled": True, "fewest": 1, "max_bytes": 20_000_000, "elements": ("Nb", "Cu", "Ag")}


def _reader(*names: str, **options: object):
    def read(folder: Path) -> object:
        data = read_dataset([folder / name for name in names], **{**LIMITS, **options})
        found = [(atoms.numbers, atoms.positions, atoms.info, atoms.arrays) for atoms in data.structures]
        return data.structure_keys, data.fingerprint, label_table(data), found

    return read


PLAIN = "3\ncomment\nNb 0 0 0\nNb 0 0 2.9\nNb 1 2 3\nVEC1 5 0 0\nVEC2 0 5 0\nVEC3 0 0 5\n" * 2
DUMP = (
    "ITEM: UNITS\nmetal\nITEM: TIMESTEP\n0\nITEM: NUMBER OF ATOMS\n2\n"
    "ITEM: BOX BOUNDS xy xz yz pp pp ff\n-1 5.5 1\n0 6.25 0.5\n0 7 0.25\n"
    "ITEM: ATOMS id type element x y z fx fy fz c_pe\n2 2 Cu 0.5 3 4 0.1 0.2 0.3 1\n1 1 Nb 0 0 0 -0.1 -0.2 -0.3 2\n"
)
TYPED = (
    "ITEM: TIMESTEP\n0\nITEM: NUMBER OF ATOMS\n2\nITEM: BOX BOUNDS pp pp pp\n0 5\n0 6\n0 7\n"
    "ITEM: ATOMS id type x y z\n1 1 0 0 0\n2 2 1 2 3\n"
)
DATA = (
    "LAMMPS\n\n3 atoms\n2 atom types\n\n0 4 xlo xhi\n0 5 ylo yhi\n0 6 zlo zhi\n0.1 0.2 0.3 xy xz yz\n\n"
    "Masses\n\n1 92.9 # Nb\n2 63.5 # Cu\n\nAtoms # full\n\n1 1 1 0.5 0 0 0\n2 1 2 -0.5 1 1 2\n3 1 2 0 2 3 4\n"
)
RUNNER = (
    "begin\ncomment a b\nlattice 10 0 0\nlattice 0 10 0\nlattice 0 0 10\natom 0 0 0 Nb 0 0 1 2 3\n"
    "atom 0 0 5.2 Nb 0.1 0 1 2 3\nenergy -3.5\ncharge 0.1\nend\n"
)
CFG = (
    "BEGIN_CFG\n Size\n 2\n Supercell\n 4 0 0\n 0 4 0\n 0 0 4\n"
    " AtomData: id type cartes_x cartes_y cartes_z fx fy fz\n 1 0 0 0 0 0.1 0.2 0.3\n 2 1 2 2 2 -0.1 0 0\n"
    " Energy\n -3.5\n PlusStress:  xx yy zz yz xz xy\n 1 2 3 4 5 6\n Feature EFS_by VASP\nEND_CFG\n"
)
STEPS = "2\n i = {0}, time = {0}.000, E = -17.164\n Nb 0 0 0\n Nb 0 0 2.5\n"
FORCES = "2\n i = {0}, time = {0}.000, E = -17.164\n Nb 0.1 0 0\n Nb 0 0 -0.1\n"
CELL = "# Step Time Ax Ay Az Bx By Bz Cx Cy Cz Volume\n0 0.0 9 0 0 0 9 0 0 0 9 729\n1 1.0 9 0 0 0 9 0 0 0 9 729\n"
FITSNAP = "# made\n" + json.dumps(
    {
        "Dataset": {
            "Data": [
                {
                    "Stress": [[1, 2, 3], [2, 4, 5], [3, 5, 6]],
                    "Positions": [[0, 0, 0], [2, 2, 2]],
                    "Energy": -3.5,
                    "AtomTypes": ["Nb", "Cu"],
                    "Lattice": [[4, 0, 0], [0, 4, 0], [0, 0, 4]],
                    "NumAtoms": 2,
                    "Forces": [[0.1, 0, 0], [-0.1, 0, 0]],
                }
            ],
            "Label": "made",
            "EnergyStyle": "electronvolt",
            "StressStyle": "bar",
        }
    }
)


def _ml_ab() -> str:
    rule, stars, line = "=" * 50, "*" * 50, "-" * 50
    parts = {
        "System name": ["alloy of two"],
        "The number of atom types": ["1"],
        "The number of atoms": ["2"],
        "Atom types and atom numbers": ["Nb 2"],
        "CTIFOR": ["0.002"],
        "Primitive lattice vectors (ang.)": ["4 0 0", "0 4 0", "0 0 4"],
        "Atomic positions (ang.)": ["0 0 0", "2 2 2"],
        "Total energy (eV)": ["-3.5"],
        "Forces (eV ang.^-1)": ["0.1 0 0", "-0.1 0 0"],
        "Stress (kbar)": [line, "XX YY ZZ", line, "1 2 3", line, "XY YZ ZX", line, "4 5 6"],
    }
    text = [" 1.0 Version", stars, "     The number of configurations", line, "  2", rule]
    for k in range(2):
        text += [stars, f"     Configuration num.    {k + 1}"]
        for title, lines in parts.items():
            text += [rule, f"     {title}", line, *lines]
    return "\n".join([*text, stars, ""])


def extended(structures: Sequence[Atoms], format: str = "extxyz") -> bytes:
    """The text of some structures in one of ASE's formats."""
    stream = io.StringIO()
    ase.io.write(stream, list(structures), format=format)
    return stream.getvalue().encode()


def packed(content: bytes, suffix: str) -> bytes:
    """``content`` compressed by a suffix, or in an archive under three names."""
    import zstandard

    stream = io.BytesIO()
    match suffix:
        case ".gz":
            return gzip.compress(content)
        case ".bz2":
            return bz2.compress(content)
        case ".xz":
            return lzma.compress(content)
        case ".zst":
            return zstandard.ZstdCompressor().compress(content)
        case ".zip":
            with zipfile.ZipFile(stream, "w") as archive:
                for name in ("a.xyz", "runs/b.extxyz", "runs/readme.txt"):
                    archive.writestr(name, content)
        case ".tar":
            with tarfile.open(fileobj=stream, mode="w") as archive_tar:
                for name in ("a.xyz", "runs/b.extxyz"):
                    info = tarfile.TarInfo(name)
                    info.size = len(content)
                    archive_tar.addfile(info, io.BytesIO(content))
        case _:
            raise ValueError(suffix)
    return stream.getvalue()


def of_data(folder: Path) -> list[Subject]:
    """All of them; ``folder`` is where what only libraries can write is made."""
    frames = [atoms for atoms in niobium_structures(1, 1) if len(atoms) < 16]
    frames[0].info |= {"words": "a b", "REF_energy": -3.0, "list": [1, 2], "dict": {"a": 1}, "virial": np.eye(3)}
    frames[0].arrays["names"] = np.array(["a"] * len(frames[0]))
    frames[0].arrays["move_mask"] = np.ones(len(frames[0]), dtype=bool)
    text = extended(frames)
    subjects = [
        Subject("extxyz", {"a.xyz": text}, _reader("a.xyz")),
        Subject("extxyz-quarantine", {"a.xyz": text}, _reader("a.xyz", on_error="quarantine")),
        Subject("xyz-vectors", {"a.xyz": PLAIN.encode()}, _reader("a.xyz")),
        *(
            Subject(f"xyz{s}", {f"a.xyz{s}": packed(text, s)}, _reader(f"a.xyz{s}"))
            for s in (".gz", ".bz2", ".xz", ".zst")
        ),
        *(Subject(f"archive{s}", {f"a{s}": packed(text, s)}, _reader(f"a{s}")) for s in (".zip", ".tar")),
        Subject("member", {"a.zip": packed(text, ".zip")}, _reader("a.zip/runs/b.extxyz")),
        Subject("tar.gz", {"a.tar.gz": gzip.compress(packed(text, ".tar"))}, _reader("a.tar.gz")),
        Subject("folder", {"d/a.xyz": text, "d/b.md": b"# a\n", "d/x.dump": DUMP.encode()}, _reader("d")),
        Subject("lammps-dump", {"a.dump": (DUMP + DUMP).encode()}, _reader("a.dump")),
        Subject("lammps-types", {"a.lammpstrj": (TYPED + TYPED).encode()}, _reader("a.lammpstrj")),
        Subject("lammps-data", {"a.data": DATA.encode()}, _reader("a.data")),
        Subject("runner", {"input.data": (RUNNER + RUNNER).encode()}, _reader("input.data")),
        Subject("mtp", {"a.cfg": (CFG + CFG).encode()}, _reader("a.cfg")),
        Subject("ml-ab", {"ML_AB": _ml_ab().encode()}, _reader("ML_AB")),
        Subject("fitsnap", {"G/a.json": FITSNAP.encode(), "G/b.json": FITSNAP.encode()}, _reader("G")),
        Subject(
            "cp2k",
            {
                "x-pos-1.xyz": (STEPS.format(0) + STEPS.format(1)).encode(),
                "x-frc-1.xyz": (FORCES.format(0) + FORCES.format(1)).encode(),
                "x-1.cell": CELL.encode(),
            },
            _reader("x-pos-1.xyz"),
        ),
        Subject("cif", {"a.cif": _by_ase(frames[0], "cif")}, _reader("a.cif")),
        Subject("poscar", {"POSCAR": _by_ase(frames[0], "vasp")}, _reader("POSCAR")),
        Subject("xsf", {"a.xsf": _by_ase(frames[0], "xsf")}, _reader("a.xsf")),
        Subject("traj", {"a.traj": _by_ase(frames[0], "traj")}, _reader("a.traj")),
    ]
    return subjects + _made(folder, frames)


def _by_ase(atoms: Atoms, format: str) -> bytes:
    stream = io.BytesIO() if format in ("traj", "cif") else io.StringIO()
    ase.io.write(stream, atoms, format=format)
    content = stream.getvalue()
    return content if isinstance(content, bytes) else content.encode()


def _made(folder: Path, frames: list[Atoms]) -> list[Subject]:
    folder.mkdir(parents=True, exist_ok=True)
    arrays = folder / "system" / "set.000"
    arrays.mkdir(parents=True)
    (arrays.parent / "type.raw").write_text("0\n1\n1\n")
    (arrays.parent / "type_map.raw").write_text("Nb\nCu\n")
    values = {
        "coord": np.arange(18.0).reshape(2, 9),
        "box": np.tile(np.eye(3).ravel() * 9, (2, 1)),
        "energy": np.array([-1.0, -2.0]),
        "force": np.zeros((2, 9)),
        "virial": np.zeros((2, 9)),
        "real_atom_types": np.array([[0, 1, -1], [1, 1, 0]]),
    }
    for name, array in values.items():
        np.save(arrays / f"{name}.npy", array)
    subjects = [Subject("deepmd", folder_files(folder), _reader("system"))]
    import h5py

    with h5py.File(folder / "a.hdf5", "w") as file:
        file["sys/type.raw"], file["sys/type_map.raw"] = [0, 1, 1], ["Nb", "Cu"]
        for name, array in values.items():
            if name != "real_atom_types":
                file[f"sys/set.000/{name}.npy"] = array
    subjects.append(Subject("hdf5", {"a.hdf5": (folder / "a.hdf5").read_bytes()}, _reader("a.hdf5")))
    for kind in ("db", "json"):
        path = folder / f"rows.{kind}"
        with ase.db.connect(path, append=False, use_lock_file=False) as rows:
            for atoms in frames[:2]:
                rows.write(atoms, data={"a": [1.0, 2.0]}, key="b")
        subjects.append(Subject(f"ase-{kind}", {path.name: path.read_bytes()}, _reader(path.name)))
    import lmdb

    path = folder / "rows.aselmdb"
    with lmdb.open(str(path), subdir=False, map_size=2**17, lock=False) as stored, stored.begin(write=True) as writing:
        for number, atoms in enumerate(frames[:2], 1):
            row = {
                "numbers": atoms.numbers,
                "positions": atoms.positions,
                "cell": atoms.cell.array,
                "pbc": atoms.pbc,
                "unique_id": f"{number:032d}",
                "ctime": 1.0,
                "mtime": 1.0,
                "user": "a",
                "calculator": "unknown",
                "energy": -1.0,
                "forces": np.zeros((len(atoms), 3)).tolist(),
                "key_value_pairs": {},
                "data": {},
            }
            writing.put(str(number).encode(), zlib.compress(encode(row).encode()))
        writing.put(b"nextid", zlib.compress(b"3"))
    subjects.append(Subject("aselmdb", {path.name: path.read_bytes()}, _reader(path.name)))
    source = folder / "source.xyz"
    source.write_bytes(extended(frames))
    write_store(read_dataset([source]), folder / "a.meadata")
    files = {f"a.meadata/{name}": content for name, content in folder_files(folder / "a.meadata").items()}
    read = _reader("a.meadata", elements=())
    subjects.append(Subject("store", files, read))
    subjects.append(Subject("store-header", files, read, damaged=("a.meadata/header.json",)))
    return subjects

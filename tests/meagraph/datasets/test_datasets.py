"""Known files give known datasets; every kind of bad input gives one clear error and nothing else."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import itertools
import json
import lzma
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from hypothesis import given, settings
from hypothesis import strategies as st

from meagraph.datasets import (
    AtomicDataset,
    DatasetError,
    Source,
    dataset_from_structures,
    read_dataset,
    summarise,
)
from meagraph.datasets.frames import scan_frames
from meagraph.errors import Cancelled
from tests.support.structures import real_data

LABELLED = "Properties=species:S:1:pos:R:3:forces:R:3"
DIMER = f"""2
{LABELLED} energy=-1.5 config_type=dimer pbc="F F F"
H 0 0 0 0.5 0 0
H 0 0 1 -0.5 0 0
"""
CRYSTAL = f"""1
Lattice="3 0 0 0 3 0 0 0 3" {LABELLED} energy=-4 config_type=bulk pbc="T T T"
Ta 0 0 0 0 0 0
"""
UNLABELLED = """2
Properties=species:S:1:pos:R:3 config_type=bare pbc="F F F"
H 0 0 0
H 0 0 1
"""


def write(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.fixture
def two(tmp_path: Path) -> Path:
    return write(tmp_path / "two.extxyz", DIMER + CRYSTAL)


def test_hand_written_file(two: Path) -> None:
    dataset = read_dataset(two)
    assert dataset.name == "two"
    assert dataset.n_structures == 2
    assert dataset.n_environments == 3
    assert dataset.offsets.tolist() == [0, 2, 3]
    assert dataset.numbers.tolist() == [1, 1, 73]
    assert dataset.structure_of.tolist() == [0, 0, 1]
    assert dataset.atom_of.tolist() == [0, 1, 0]
    assert dataset.species == (1, 73)
    assert dataset.groups.tolist() == ["dimer", "bulk"]
    assert dataset.energy.tolist() == [-1.5, -4.0]
    assert dataset.forces.tolist() == [[0.5, 0, 0], [-0.5, 0, 0], [0, 0, 0]]
    assert dataset.source_index.tolist() == [0, 0]
    assert dataset.frame_index.tolist() == [0, 1]
    text = two.read_bytes()
    assert [text[start:end].decode() for start, end in dataset.frame_span] == [DIMER, CRYSTAL]
    assert dataset.sources[0].sha256 == hashlib.sha256(text).hexdigest()
    assert (dataset.sources[0].path, dataset.sources[0].format) == (str(two), "extxyz")
    assert dataset.sources[0].n_frames == 2
    kinds = [dataset.offsets, dataset.structure_of, dataset.atom_of, dataset.frame_index, dataset.frame_span]
    assert all(array.dtype == np.int64 for array in kinds)
    assert dataset.source_index.dtype == np.int32
    assert dataset.forces.dtype == dataset.energy.dtype == np.float64


def test_several_files_in_the_order_given(tmp_path: Path, two: Path) -> None:
    other = write(tmp_path / "other.xyz", CRYSTAL)
    dataset = read_dataset([other, str(two)])
    assert dataset.name == "other+two"
    assert dataset.groups.tolist() == ["bulk", "dimer", "bulk"]
    assert dataset.source_index.tolist() == [0, 1, 1]
    assert dataset.frame_index.tolist() == [0, 0, 1]
    assert [source.path for source in dataset.sources] == [str(other), str(two)]
    assert dataset.locate(2) == f"{two}, frame 1 (counting from 0)"


def test_name_of_many_files_stays_short(tmp_path: Path) -> None:
    files = [write(tmp_path / f"part{k}.xyz.gz", gzip.compress(CRYSTAL.encode())) for k in range(5)]
    assert read_dataset(files).name == "part0+4-more"


@pytest.mark.parametrize(
    ("suffix", "compress"), [(".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress)]
)
def test_compressed(tmp_path: Path, two: Path, suffix: str, compress) -> None:
    packed = write(tmp_path / f"packed.xyz{suffix}", compress(two.read_bytes()))
    dataset, plain = read_dataset(packed), read_dataset(two)
    assert dataset.name == "packed"
    assert dataset.fingerprint == plain.fingerprint
    assert dataset.frame_span.tolist() == plain.frame_span.tolist()
    assert dataset.sources[0].sha256 == hashlib.sha256(packed.read_bytes()).hexdigest()


def test_line_endings_missing_newline_blank_lines_and_byte_order_mark(tmp_path: Path, two: Path) -> None:
    wanted = read_dataset(two)
    windows = (DIMER + CRYSTAL).replace("\n", "\r\n").encode()
    variants = {
        "crlf": windows,
        "no-newline": (DIMER + CRYSTAL).rstrip("\n").encode(),
        "blank": f"\n{DIMER}\n\n  \n{CRYSTAL}\n \n".encode(),
        "mark": b"\xef\xbb\xbf" + (DIMER + CRYSTAL).encode(),
    }
    for name, text in variants.items():
        dataset = read_dataset(write(tmp_path / f"{name}.xyz", text))
        assert dataset.fingerprint == wanted.fingerprint, name
        for start, end in dataset.frame_span:
            assert text[start:end].split()[0] in (b"1", b"2"), name
    crlf = read_dataset(tmp_path / "crlf.xyz")
    start, end = crlf.frame_span[1]
    assert windows[start:end] == CRYSTAL.replace("\n", "\r\n").encode()


def test_vectors_after_the_atoms_belong_to_their_frame(tmp_path: Path) -> None:
    frame = "1\nold style\nTa 0 0 0\nVEC1 3 0 0\nVEC2 0 3 0\nVEC3 0 0 3\n"
    dataset = read_dataset(write(tmp_path / "vec.xyz", frame * 2), allow_unlabelled=True)
    assert dataset.frame_span.tolist() == [[0, len(frame)], [len(frame), 2 * len(frame)]]
    assert dataset.structures[1].cell.lengths().tolist() == [3, 3, 3]


def test_comment_in_another_encoding(tmp_path: Path) -> None:
    text = (DIMER.replace("config_type=dimer", "config_type=größe") + CRYSTAL).encode("latin-1")
    assert read_dataset(write(tmp_path / "latin.xyz", text)).groups.tolist() == ["größe", "bulk"]


# Labels and groups


@pytest.mark.parametrize("prefix", ["REF_", "dft_", "DFT_"])
def test_labels_under_other_usual_names(tmp_path: Path, prefix: str) -> None:
    text = (DIMER + CRYSTAL).replace(" energy=", f" {prefix}energy=").replace("forces:R", f"{prefix}forces:R")
    dataset = read_dataset(write(tmp_path / "named.xyz", text))
    assert dataset.energy.tolist() == [-1.5, -4.0]
    assert dataset.forces[0].tolist() == [0.5, 0, 0]


def test_named_keys_win_and_are_tried_in_order(tmp_path: Path) -> None:
    text = (DIMER + CRYSTAL).replace("energy=-1.5", "energy=-1.5 mine=7").replace("forces:R", "pull:R")
    path = write(tmp_path / "keys.xyz", text)
    dataset = read_dataset(path, energy_key=("mine", "energy"), forces_key="pull")
    assert dataset.energy.tolist() == [7.0, -4.0]
    assert dataset.forces[0].tolist() == [0.5, 0, 0]
    with pytest.raises(DatasetError, match=r"frame 1 .*expected energy, named mine .*this frame has none"):
        read_dataset(path, energy_key="mine", forces_key="pull")


def test_two_names_in_one_file_are_not_mixed_unasked(tmp_path: Path) -> None:
    everywhere = (DIMER + CRYSTAL + CRYSTAL).replace("energy=", "REF_energy=-9 energy=", 1)
    with pytest.raises(DatasetError, match="frame 0"):
        read_dataset(write(tmp_path / "mixed.xyz", everywhere.replace(" energy=-1.5", "")))
    both = (DIMER + CRYSTAL).replace("energy=", "REF_energy=-9 energy=").replace(" energy=-1.5", "")
    path = write(tmp_path / "both.xyz", both)
    with pytest.raises(DatasetError, match=r"frame 0 .*one family.*REF_energy.*--forces-key"):
        read_dataset(path)
    assert read_dataset(path, energy_key="REF_energy", forces_key="forces").energy.tolist() == [-9, -9]


def test_each_file_may_have_its_own_names(tmp_path: Path) -> None:
    first = write(tmp_path / "a.xyz", DIMER)
    second = write(tmp_path / "b.xyz", CRYSTAL.replace("energy=", "REF_energy="))
    assert read_dataset([first, second]).energy.tolist() == [-1.5, -4.0]


def test_single_atom_may_lack_forces_but_not_energy(tmp_path: Path) -> None:
    atom = '1\nProperties=species:S:1:pos:R:3 energy=-0.25 pbc="F F F"\nH 0 0 0\n'
    dataset = read_dataset(write(tmp_path / "atom.xyz", DIMER + atom))
    assert dataset.forces[2].tolist() == [0, 0, 0]
    assert dataset.groups.tolist() == ["dimer", "Default"]
    with pytest.raises(DatasetError, match=r"frame 1 .*expected energy"):
        read_dataset(write(tmp_path / "bare.xyz", DIMER + atom.replace("energy=-0.25 ", "")))


def test_unlabelled_frames_only_when_allowed(tmp_path: Path) -> None:
    path = write(tmp_path / "bare.xyz", DIMER + UNLABELLED)
    with pytest.raises(DatasetError, match=r"frame 1 .*--allow-unlabelled.*Allow frames without labels") as caught:
        read_dataset(path)
    assert "--energy-key" in str(caught.value)
    assert "config_type" in str(caught.value), "it lists what the frame stores"
    dataset = read_dataset(path, allow_unlabelled=True)
    assert np.isnan(dataset.energy).tolist() == [False, True]
    assert np.isnan(dataset.forces).any(axis=1).tolist() == [False, False, True, True]


def test_nan_labels_count_as_missing(tmp_path: Path) -> None:
    path = write(tmp_path / "nan.xyz", DIMER + DIMER.replace("-0.5 0 0", "nan 0 0").replace("-1.5", "nan"))
    with pytest.raises(DatasetError, match=r"frame 1 .*expected energy"):
        read_dataset(path)
    dataset = read_dataset(path, allow_unlabelled=True)
    assert np.isnan(dataset.energy).tolist() == [False, True]
    assert np.isnan(dataset.forces[2:]).all()


def test_groups_are_text_and_default(tmp_path: Path) -> None:
    frames = DIMER + DIMER.replace("=dimer", "=7") + DIMER.replace("config_type=dimer", "")
    path = write(tmp_path / "groups.xyz", frames)
    assert read_dataset(path).groups.tolist() == ["dimer", "7", "Default"]
    with pytest.raises(DatasetError, match=r"no frame|No frame has an entry 'energy_origin'.*config_type"):
        read_dataset(path, group_key="energy_origin")
    blank = Atoms("H", info={"config_type": " "})
    assert dataset_from_structures([blank], allow_unlabelled=True).groups.tolist() == ["Default"]


def test_stress_stays_in_the_structure(tmp_path: Path) -> None:
    text = CRYSTAL.replace("energy=", 'stress="1 4 5 4 2 6 5 6 3" energy=')
    dataset = read_dataset(write(tmp_path / "stress.xyz", text * 2))
    assert dataset.structures[0].get_stress().tolist() == [1, 2, 3, 6, 5, 4]


def test_results_of_a_moved_structure_are_not_its_labels() -> None:
    atoms = bulk("Cu", cubic=True)
    atoms.calc = EMT()
    atoms.get_forces()
    assert dataset_from_structures([atoms]).energy[0] == pytest.approx(atoms.get_potential_energy())
    frozen = atoms.copy()
    frozen.calc = SinglePointCalculator(atoms, energy=1.0, forces=np.zeros((4, 3)))
    frozen.rattle(0.1)
    with pytest.raises(DatasetError, match="expected energy"):
        dataset_from_structures([frozen])


# Other formats


def structures_with_labels() -> list[Atoms]:
    crystals = []
    for k in range(3):
        atoms = bulk("Cu", cubic=True)
        atoms.rattle(0.1, seed=k)
        atoms.calc = SinglePointCalculator(atoms, energy=-float(k), forces=np.full((4, 3), k + 0.1))
        crystals.append(atoms)
    return crystals


@pytest.mark.parametrize("name", ["c.traj", "c.json", "c.db", "c.traj.gz", "c.json.xz"])
def test_other_formats_of_ase(tmp_path: Path, name: str) -> None:
    plain = tmp_path / name.removesuffix(".gz").removesuffix(".xz")
    ase.io.write(plain, structures_with_labels())
    if name.endswith(".gz"):
        write(tmp_path / name, gzip.compress(plain.read_bytes()))
    if name.endswith(".xz"):
        write(tmp_path / name, lzma.compress(plain.read_bytes()))
    dataset = read_dataset(tmp_path / name)
    assert dataset.name == "c"
    assert dataset.sources[0].format == plain.suffix[1:]
    assert dataset.energy.tolist() == [0, -1, -2]
    assert dataset.forces[4].tolist() == [1.1, 1.1, 1.1]
    assert (dataset.frame_span == -1).all()
    assert dataset.frame_index.tolist() == [0, 1, 2]


def test_format_by_name_and_by_content(tmp_path: Path, two: Path) -> None:
    odd = write(tmp_path / "structures.training", two.read_bytes())
    assert read_dataset(odd, format="extxyz").frame_span.tolist() == read_dataset(two).frame_span.tolist()
    nameless = write(tmp_path / "structures", two.read_bytes())
    ase.io.write(tmp_path / "c.traj", structures_with_labels())
    magic = write(tmp_path / "trajectory.bin", (tmp_path / "c.traj").read_bytes())
    assert read_dataset(magic).sources[0].format == "traj"
    with pytest.raises(DatasetError, match="--format"):
        read_dataset(odd)
    assert read_dataset(nameless, format="xyz").n_structures == 2


def test_at_sign_in_a_name_is_no_index(tmp_path: Path) -> None:
    ase.io.write(tmp_path / "c.traj", structures_with_labels())
    odd = write(tmp_path / "c@0.traj", (tmp_path / "c.traj").read_bytes())
    assert read_dataset(odd).n_structures == 3


# Bad input: one clear error each


def frames(text: str) -> str:
    """A good frame before the bad one, so that the message must find the right frame."""
    return DIMER + text


def with_cell(lattice: str) -> str:
    return CRYSTAL.replace("3 0 0 0 3 0 0 0 3", lattice)


BAD_FILES = {
    "empty": ("", "the file is empty"),
    "blank": (" \n \n", "the file is empty"),
    "prose": ("Dear reader,\nthis is no structure.\n", r"first line is 'Dear reader,'.*--format"),
    "truncated": (
        frames("3\n\nH 0 0 0\nH 0 0 1\n"),
        r"frame 1 .*expected 3 atoms.*ends after 2: it is truncated",
    ),
    "no comment": (frames("3\n"), r"frame 1 .*expected 3 atoms.*ends after 0"),
    "count too small": (
        DIMER.replace("2\n", "1\n", 1) + CRYSTAL,
        r"frame 0 .*after the 1 atoms that its first line says.*another atom: 'H 0 0 1 -0.5 0 0'",
    ),
    "count too large": (
        DIMER.replace("2\n", "3\n", 1) + CRYSTAL,
        r"frame 0 .*atom 2: expected 7 columns.*Another frame begins",
    ),
    "short row": (frames(DIMER.replace("-0.5 0 0", "-0.5")), r"frame 1 .*line 5: atom 1: expected 7 columns.*came 5"),
    "word for number": (frames(DIMER.replace("-0.5 0 0", "a b c")), r"frame 1 .*atom 1, column forces: .*came 'a'"),
    "unknown element": (frames(DIMER.replace("H 0 0 1", "Qq 0 0 1")), r"frame 1 .*atom 1: species 'Qq' is no element"),
    "charge": (frames(DIMER.replace("H 0 0 1", "Fe2+ 0 0 1")), r"frame 1 .*atom 1: species 'Fe2\+' .*; write Fe\."),
    "two elements": (
        frames(DIMER.replace("species:S:1", "species:S:1:Z:I:1").replace("\nH 0", "\nH 2 0")),
        r"frame 1 .*atom 0: .*species says H and the atomic number 2",
    ),
    "open quote": (frames(DIMER.replace("config_type=dimer", "config_type='dimer")), r"frame 1 .*' opens a text"),
    "cell of four": (frames(with_cell("3 0 0 0")), r"frame 1 .*expected Lattice as nine numbers.*came 4"),
    "odd periodicity": (frames(CRYSTAL.replace('"T T T"', '"T maybe T"')), r"frame 1 .*periodicity as .*'T maybe T'"),
    "dummy element": (frames(DIMER.replace("H 0 0 1", "X 0 0 1")), r"frame 1 .*atom 1 is the dummy species"),
    "zero atoms": (frames("0\n\n"), r"frame 1 .*zero atoms"),
    "negative": (frames("-2\n\n"), r"frame 1 .*came '-2'"),
    "one frame": (DIMER, "one frame only.*several structures, or several files"),
    "no positions": (frames(DIMER.replace(":pos:", ":place:")), r"frame 1 .*positions in three columns pos:R:3"),
    "nan position": (frames(DIMER.replace("H 0 0 1", "H 0 nan 1")), r"frame 1 .*atom 1 lies at NaN"),
    "infinite position": (frames(DIMER.replace("H 0 0 1", "H inf 0 1")), r"frame 1 .*atom 1 lies at NaN"),
    "infinite energy": (frames(DIMER.replace("-1.5", "inf")), r"frame 1 .*energy.*infinite"),
    "infinite force": (frames(DIMER.replace("-0.5", "-inf")), r"frame 1 .*forces.*atom 1 is infinite"),
    "energy of two numbers": (frames(DIMER.replace("-1.5", '"1 2"')), r"frame 1 .*one number as energy"),
    "energy in words": (
        frames(DIMER.replace("-1.5", "low")),
        r"frame 1 .*'energy': expected one number as energy, but came 'low'",
    ),
    "forces in 2D": (
        frames(DIMER.replace("forces:R:3", "forces:R:2")),
        r"frame 1 .*shape \(2, 3\), but they have shape \(2, 2\)",
    ),
    "no cell": (frames(DIMER.replace('"F F F"', '"T T T"')), r"frame 1 .*cell that spans.*pbc T T T"),
    "flat cell": (
        frames(with_cell("3 0 0 0 3 0 3 3 0")),
        r"frame 1 .*enclose no volume",
    ),
    "zero vector": (frames(with_cell("3 0 0 0 3 0 0 0 0")), r"frame 1 .*enclose no volume"),
    "infinite cell": (frames(with_cell("3 0 0 0 3 0 0 0 inf")), r"frame 1 .*enclose no volume"),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_bad_file(tmp_path: Path, case: str) -> None:
    text, message = BAD_FILES[case]
    path = write(tmp_path / "bad.xyz", text)
    with pytest.raises(DatasetError, match=f"(?s){message}") as caught:
        read_dataset(path)
    assert str(caught.value).startswith(str(path))


def test_cells_that_are_fine(tmp_path: Path) -> None:
    slab = with_cell("3 0 0 0 3 0 0 0 0").replace('"T T T"', '"T T F"')
    open_but_flat = with_cell("3 0 0 0 3 0 3 3 0").replace('"T T T"', '"F F F"')
    chain = with_cell("0 0 0 0 0 0 0 0 3").replace('"T T T"', '"F F T"')
    needle = with_cell("0.1 0 0 0 0.1 0 0 0 10000")
    dataset = read_dataset(write(tmp_path / "fine.xyz", slab + open_but_flat + chain + needle))
    assert dataset.n_structures == 4


def test_missing_directory_and_same_file(tmp_path: Path, two: Path) -> None:
    with pytest.raises(DatasetError, match="there is none of this name"):
        read_dataset(tmp_path / "absent.xyz")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match="it is empty"):
        read_dataset(tmp_path / "empty")
    with pytest.raises(DatasetError, match="at least one file"):
        read_dataset([])
    link = tmp_path / "link.xyz"
    link.symlink_to(two)
    hard = tmp_path / "hard.xyz"
    hard.hardlink_to(two)
    for same in (two, str(two), link, hard, tmp_path / "." / "two.extxyz"):
        with pytest.raises(DatasetError, match=r"is the same as .*Name each file once"):
            read_dataset([two, same])


def test_too_many_atoms(tmp_path: Path, two: Path) -> None:
    with pytest.raises(DatasetError, match=r"frame 0 .*at most 1 atoms.*has 2.*--max-atoms 2"):
        read_dataset(two, max_atoms=1)
    ase.io.write(tmp_path / "c.traj", structures_with_labels())
    with pytest.raises(DatasetError, match=r"frame 0 .*at most 3 atoms.*has 4"):
        read_dataset(tmp_path / "c.traj", max_atoms=3)
    huge = write(tmp_path / "huge.xyz", DIMER + f"{10**15}\n\nH 0 0 0\n")
    with pytest.raises(DatasetError, match=r"frame 1 .*--max-atoms 1000000000000000"):
        read_dataset(huge)


def test_unknown_suffix_names_the_known_ones(tmp_path: Path) -> None:
    path = write(tmp_path / "what.abc", "nonsense\n")
    with pytest.raises(DatasetError, match=r"'abc' is none.*\.extxyz.*\.traj.*\.gz.*--format.*extxyz") as caught:
        read_dataset(path)
    assert "postgresql" not in str(caught.value)
    with pytest.raises(DatasetError, match="'abcd' is none"):
        read_dataset(path, format="abcd")


@pytest.mark.parametrize("name", ["a.pkl", "a.pckl", "a.pickle.gz", "a.npy", "a.pckl.gzip"])
def test_pickles_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(DatasetError, match="may run code"):
        read_dataset(write(tmp_path / name, b"\x80\x04K\x01."))


@pytest.mark.parametrize("format", ["py", "bundletrajectory", "postgresql", "mysql"])
def test_formats_that_run_code_or_reach_out_are_refused(two: Path, format: str) -> None:
    with pytest.raises(DatasetError, match=f"format '{format}' is refused"):
        read_dataset(two, format=format)


def test_python_file_is_refused_not_run(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    with pytest.raises(DatasetError, match="refused"):
        read_dataset(write(tmp_path / "a.py", f"open({str(mark)!r}, 'w')\n"))
    assert not mark.exists()


@pytest.mark.parametrize("suffix", [".gz", ".bz2", ".xz"])
def test_broken_compression(tmp_path: Path, two: Path, suffix: str) -> None:
    with pytest.raises(DatasetError, match="cannot be decompressed"):
        read_dataset(write(tmp_path / f"a.xyz{suffix}", two.read_bytes()))
    packed = {".gz": gzip, ".bz2": bz2, ".xz": lzma}[suffix].compress(two.read_bytes() * 50)
    with pytest.raises(DatasetError, match="cannot be decompressed"):
        read_dataset(write(tmp_path / f"b.xyz{suffix}", packed[:-20]))


def test_broken_file_of_another_format(tmp_path: Path) -> None:
    ase.io.write(tmp_path / "c.traj", structures_with_labels())
    whole = (tmp_path / "c.traj").read_bytes()
    for name, text in {
        "cut.traj": whole[: len(whole) // 2],
        "a.json": b'{"x": 1}',
        "a.cif": b"data_\n",
    }.items():
        with pytest.raises(DatasetError, match=name):
            read_dataset(write(tmp_path / name, text))


def test_unreadable_file(two: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(DatasetError, match=r"two\.extxyz: .*Permission denied.*permissions"):
        read_dataset(two)


def test_dataset_fields_must_agree(two: Path) -> None:
    good = read_dataset(two)
    fields = {name: getattr(good, name) for name in AtomicDataset.__dataclass_fields__}
    for name in ("groups", "energy", "forces", "frame_span", "source_index", "frame_index"):
        with pytest.raises(DatasetError, match=f"expected {name} of shape"):
            AtomicDataset(**{**fields, name: fields[name][:-1]})
    with pytest.raises(DatasetError, match="source_index within"):
        AtomicDataset(**{**fields, "source_index": np.array([0, 1])})
    with pytest.raises(DatasetError, match="there are none"):
        dataset_from_structures([])


# Progress, content hashes, summary


def test_progress_runs_to_the_end_and_never_back(tmp_path: Path, two: Path) -> None:
    other = write(tmp_path / "other.xyz", CRYSTAL * 3_000)
    calls: list[tuple[int, int, str]] = []
    read_dataset([two, other], progress=lambda *call: calls.append(call))
    shares = [done / total for done, total, _ in calls]
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert len(calls) > 3
    assert "3,000 frames" in calls[-1][2]


@pytest.mark.parametrize("name", ["two.extxyz", "c.traj"])
def test_progress_cancels(tmp_path: Path, two: Path, name: str) -> None:
    ase.io.write(tmp_path / "c.traj", structures_with_labels())

    def cancel(done: int, total: int, message: str) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        read_dataset(tmp_path / name, progress=cancel)


def test_keys_follow_content_not_place(tmp_path: Path, two: Path) -> None:
    swapped = read_dataset(write(tmp_path / "swapped.xyz", CRYSTAL + DIMER))
    dataset = read_dataset(two)
    assert swapped.structure_keys == dataset.structure_keys[::-1]
    assert swapped.fingerprint != dataset.fingerprint
    zero = read_dataset(write(tmp_path / "zero.xyz", (DIMER + CRYSTAL).replace("H 0 0 0", "H -0.0 0 0")))
    assert zero.fingerprint == dataset.fingerprint


@pytest.mark.parametrize(
    ("old", "new", "same_structures"),
    [
        ("H 0 0 1", "H 0 0 1.0000001", False),
        ("Ta", "W", False),
        ('"T T T"', '"T T F"', False),
        ("3 0 0 0 3", "3 0 0 0 4", False),
        ("-1.5", "-1.6", True),
        ("0.5 0 0\nH", "0.6 0 0\nH", True),
        ("dimer", "pair", True),
    ],
)
def test_fingerprint_sees_every_change(tmp_path: Path, two: Path, old: str, new: str, same_structures: bool) -> None:
    dataset = read_dataset(two)
    other = read_dataset(write(tmp_path / "other.xyz", (DIMER + CRYSTAL).replace(old, new)))
    assert (other.structure_keys == dataset.structure_keys) == same_structures
    assert other.fingerprint != dataset.fingerprint


def test_summary_is_json(tmp_path: Path, two: Path) -> None:
    summary = json.loads(json.dumps(summarise(read_dataset(two))))
    assert (summary["structures"], summary["environments"], summary["species"]) == (2, 3, ["H", "Ta"])
    assert summary["groups"] == {
        "dimer": {"structures": 1, "environments": 2},
        "bulk": {"structures": 1, "environments": 1},
    }
    assert summary["environments_per_species"] == {"H": 2, "Ta": 1}
    assert summary["energy_per_atom"] == [-4.0, -0.75]
    assert summary["max_force"] == 0.5
    assert (summary["structures_without_energy"], summary["environments_without_forces"]) == (0, 0)
    bare = summarise(read_dataset(write(tmp_path / "bare.xyz", UNLABELLED * 2), allow_unlabelled=True))
    assert bare["energy_per_atom"] is None
    assert bare["max_force"] is None
    assert (bare["structures_without_energy"], bare["environments_without_forces"]) == (2, 4)


def test_structures_from_memory() -> None:
    dataset = dataset_from_structures(structures_with_labels(), name="copper")
    assert dataset.name == "copper"
    assert dataset.sources == (dataset.sources[0],)
    assert dataset.sources[0].format == "memory"
    assert dataset.energy.tolist() == [0, -1, -2]
    with pytest.raises(DatasetError, match=r"copper, frame 1 .*zero atoms"):
        dataset_from_structures([Atoms("H"), Atoms()], name="copper")
    with pytest.raises(DatasetError, match=r"copper, frame 2 .*at most"):
        dataset_from_structures([*structures_with_labels()[:2], bulk("Cu") * (3, 3, 3)], name="copper", max_atoms=26)


def test_sources_may_interleave() -> None:
    first, second, third = structures_with_labels()
    second.info["REF_energy"], second.calc = 5.0, None
    dataset = dataset_from_structures(
        [first, second, third],
        sources=(Source("a", "", "memory", 2), Source("b", "", "memory", 1)),
        source_index=np.array([0, 1, 0]),
        allow_unlabelled=True,
    )
    assert dataset.energy.tolist() == [0, 5, -2]
    assert dataset.forces[8].tolist() == [2.1, 2.1, 2.1]
    assert np.isnan(dataset.forces[4:8]).all()


# Frame scan: any concatenation of frames is found again

text_line = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n\r"), max_size=30).filter(
    lambda line: not line.lstrip().startswith("VEC")
)


@st.composite
def frame(draw: st.DrawFn) -> tuple[bytes, int]:
    n_atoms = draw(st.integers(1, 6))
    newline = draw(st.sampled_from(["\n", "\r\n"]))
    count = draw(st.sampled_from(["{}", " {}", "{}  ", "\t{}", "0{}"])).format(n_atoms)
    lines = [count, *(draw(text_line) for _ in range(n_atoms + 1))]
    return "".join(line + newline for line in lines).encode(), n_atoms


@settings(deadline=None)
@given(st.lists(st.tuples(frame(), st.sampled_from(["", "\n", " \n\t\n", "\r\n"])), max_size=8))
def test_scan_finds_every_frame(parts: list[tuple[tuple[bytes, int], str]]) -> None:
    data, expected = b"", []
    for (text, n_atoms), gap in parts:
        expected.append((len(data), len(data) + len(text), n_atoms))
        data += text + gap.encode()
    assert [tuple(span)[:3] for span in scan_frames(data, path="any", max_atoms=10)] == expected


@settings(deadline=None)
@given(st.lists(frame(), min_size=1, max_size=5), st.integers(1, 6))
def test_scan_notices_missing_lines(parts: list[tuple[bytes, int]], missing: int) -> None:
    *before, (last, n_atoms) = parts
    lines = last.split(b"\n")[:-1]
    cut = b"\n".join(lines[: max(1, len(lines) - missing)]) + b"\n"
    message = f"(?s)frame {len(before)} .*expected {n_atoms} atoms.*truncated"
    with pytest.raises(DatasetError, match=message):
        list(scan_frames(b"".join(text for text, _ in before) + cut, path="any", max_atoms=10))


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_scan_of_any_bytes_fails_only_clearly(data: bytes) -> None:
    try:
        spans = list(scan_frames(data, path="any", max_atoms=50))
    except DatasetError:
        return
    assert all(0 <= span.start < span.end <= len(data) for span in spans)
    assert all(one.end <= two.start for one, two in itertools.pairwise(spans))


# Real data


@pytest.mark.parametrize(
    ("name", "structures", "environments", "groups"),
    [
        ("Ta_JCP2014.extxyz", 363, 4_224, 12),
        ("Nb_bcc2020.extxyz", 4_008, 45_983, 24),
        ("Fe_NPJ2021.extxyz", 2_517, 62_932, 8),
        ("InP_JPCA2020.extxyz", 1_894, 118_214, 19),
    ],
)
def test_real_dataset(name: str, structures: int, environments: int, groups: int) -> None:
    path = real_data(name)
    dataset = read_dataset(path)
    assert (dataset.n_structures, dataset.n_environments) == (structures, environments)
    assert len(np.unique(dataset.groups)) == groups
    assert np.isfinite(dataset.energy).all()
    assert np.isfinite(dataset.forces).all()
    # The frames lie end to end, and each, read by ASE on its own, is the structure at its place.
    assert dataset.frame_span[0, 0] == 0
    assert (dataset.frame_span[1:, 0] == dataset.frame_span[:-1, 1]).all()
    assert dataset.frame_span[-1, 1] == path.stat().st_size
    for structure in (0, structures // 2, structures - 1):
        atoms = ase.io.read(path, structure, format="extxyz")
        rows = slice(dataset.offsets[structure], dataset.offsets[structure + 1])
        assert atoms == dataset.structures[structure]
        assert atoms.get_potential_energy() == dataset.energy[structure]
        assert (atoms.get_forces() == dataset.forces[rows]).all()
        assert str(atoms.info["config_type"]) == dataset.groups[structure]

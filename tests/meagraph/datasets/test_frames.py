"""Extended XYZ as people write it: cells, periodicity and columns in every spelling, frames that cannot be used."""

from __future__ import annotations

import io
import pickle
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.calculator import PropertyNotImplementedError
from ase.constraints import FixAtoms
from ase.io.extxyz import read_xyz
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from meagraph.datasets import DatasetError, read_dataset
from meagraph.datasets.columnar import pack
from meagraph.datasets.frames import read_frames
from meagraph.datasets.results import current_results
from tests.support.structures import real_data

COLUMNS = "species:S:1:pos:R:3:forces:R:3"
CELL = "4 0 0 0 5 0 0 0 6"


def frame(comment: str, rows: str = "Cu 0 0 0 1 2 3\nAg 1 1 1 -1 -2 -3") -> str:
    return f"{len(rows.splitlines())}\n{comment}\n{rows}\n"


def one(text: str) -> Atoms:
    (_, atoms), *others = read_frames(text.encode(), path="some.xyz", max_atoms=100)
    assert not others
    if isinstance(atoms, DatasetError):
        raise atoms
    return atoms


@pytest.mark.parametrize(
    ("entry", "lengths"),
    [
        (f'Lattice="{CELL}"', (4, 5, 6)),
        (f'lattice="{CELL}"', (4, 5, 6)),
        (f'LATTICE = "{CELL}"', (4, 5, 6)),
        (f'cell="{CELL}"', (4, 5, 6)),
        ("Cell=[[4, 0, 0], [0, 5, 0], [0, 0, 6]]", (4, 5, 6)),
        ('cell="4 5 6"', (4, 5, 6)),
        ('cell="4 5 6 90 90 90"', (4, 5, 6)),
        (f'Lattice="{CELL}" cell=primitive', (4, 5, 6)),
    ],
)
def test_cells_in_every_spelling(entry: str, lengths: tuple[float, ...]) -> None:
    atoms = one(frame(f"{entry} Properties={COLUMNS}"))
    np.testing.assert_allclose(atoms.cell.array, np.diag(lengths), atol=1e-12)
    assert atoms.pbc.all()
    assert not {"lattice", "Lattice", "Properties"} & atoms.info.keys()


@pytest.mark.parametrize(
    ("text", "flags"),
    [
        ('"T T F"', "TTF"),
        ("TTF", "TTF"),
        ("[T, T, F]", "TTF"),
        ("{T T F}", "TTF"),
        ('"p p f"', "TTF"),
        ("ppf", "TTF"),
        ('"pp pp ff"', "TTF"),
        ('"1 1 0"', "TTF"),
        ('"True True False"', "TTF"),
        ("T", "TTT"),
        ("F", "FFF"),
        ('"p s m"', "TFF"),
    ],
)
def test_periodicity_in_every_spelling(text: str, flags: str) -> None:
    for key in ("pbc", "PBC", "Pbc"):
        atoms = one(frame(f'Lattice="{CELL}" Properties={COLUMNS} {key}={text}'))
        assert "".join("FT"[int(flag)] for flag in atoms.pbc) == flags


@pytest.mark.parametrize(
    ("comment", "message"),
    [
        (f'Lattice="4 0 0 0" Properties={COLUMNS}', "expected Lattice as nine numbers .* but came 4"),
        (f"Lattice=big Properties={COLUMNS}", "Lattice as nine numbers .* came something else: 'big'"),
        (f'Lattice="{CELL}" lattice="1 0 0 0 1 0 0 0 1" Properties={COLUMNS}', "one cell, .* different ones"),
        (f'Lattice="{CELL}" pbc="T maybe T" Properties={COLUMNS}', "periodicity .* came 'T maybe T'"),
        (f'Lattice="{CELL}" pbc= Properties={COLUMNS}', "periodicity"),
        (f'pbc="T T T" PBC="F F F" Lattice="{CELL}" Properties={COLUMNS}', "one periodicity"),
        ("Properties=species:S:1:pos:R", "name:type:count"),
        ("Properties=species:S:1:pos:Q:3", "name:type:count"),
        ("Properties=pos:R:3:forces:R:3", "atom 0, column pos: expected a number, but came 'Cu'"),
        (f"Properties={COLUMNS} note='open", "' opens a text that never closes"),
    ],
)
def test_what_is_there_and_not_understood_is_refused(comment: str, message: str) -> None:
    with pytest.raises(DatasetError, match=rf"^some\.xyz, frame 0 \(counting from 0\), from line 1: .*{message}"):
        one(frame(comment))


def test_columns_in_any_case_and_order() -> None:
    rows = "0 1 0 0 0 7 Cu T a\n1 2 1 1 1 8 Ag F b"
    atoms = one(frame("properties=id:I:1:w:R:1:POS:R:3:n:I:1:Species:S:1:on:L:1:tag:S:1", rows))
    assert atoms.get_chemical_symbols() == ["Cu", "Ag"]
    assert atoms.positions.tolist() == [[0, 0, 0], [1, 1, 1]]
    assert atoms.arrays["id"].tolist() == [0, 1]
    assert atoms.arrays["w"].tolist() == [1, 2]
    assert atoms.arrays["n"].dtype == np.int64
    assert atoms.arrays["on"].tolist() == [True, False]
    assert atoms.arrays["tag"].tolist() == ["a", "b"]


def test_species() -> None:
    rows = "D 0 0 0\nT 1 0 0\nCU 2 0 0\nag 3 0 0\n29 4 0 0"
    assert one(frame("Properties=species:S:1:pos:R:3", rows)).numbers.tolist() == [1, 1, 29, 47, 29]
    assert one(frame("Properties=Z:I:1:pos:R:3", "29 0 0 0\n47 1 0 0")).numbers.tolist() == [29, 47]
    both = "Properties=species:S:1:Z:I:1:pos:R:3"
    assert one(frame(both, "Cu 29 0 0 0\nAg 47 1 0 0")).numbers.tolist() == [29, 47]
    with pytest.raises(DatasetError, match=r"atom 1: expected one element, .* says Ag and the atomic number 79"):
        one(frame(both, "Cu 29 0 0 0\nAg 79 1 0 0"))
    with pytest.raises(DatasetError, match=r"atom 1: species 'Fe2\+' is no element; write Fe\."):
        one(frame("Properties=species:S:1:pos:R:3", "Cu 0 0 0\nFe2+ 1 0 0"))
    with pytest.raises(DatasetError, match="atom 0: species 'Q' is no element"):
        one(frame("Properties=species:S:1:pos:R:3", "Q 0 0 0\nCu 1 0 0"))


def test_numbers_that_json_does_not_know() -> None:
    rows = "Cu +1 1. .5 nan inf 1D-2\nAg 1e3 -0 00.5 1 2 3"
    atoms = one(frame(f"Properties={COLUMNS}", rows))
    assert atoms.positions.tolist() == [[1, 1, 0.5], [1000, 0, 0.5]]
    found = atoms.calc.results["forces"]
    assert np.isnan(found[0, 0])
    assert found[0, 1:].tolist() == [np.inf, 0.01]


def test_a_short_and_a_long_line_do_not_make_up_for_each_other() -> None:
    rows = "Cu 0 0 0 1 2\nAg 1 1 1 -1 -2 -3 9"
    with pytest.raises(DatasetError, match=r"atom 0: expected 7 columns \(species 1, pos 3, forces 3\), but came 6"):
        one(frame(f"Properties={COLUMNS}", rows))


def test_entries_that_cannot_be_results_stay_entries() -> None:
    comment = f'Properties={COLUMNS} energy=None dipole=None virial=None stress="1 2 3 4 5 6" magmom=low free_energy=-2'
    atoms = one(frame(f'Lattice="{CELL}" {comment}'))
    assert atoms.info == {"energy": "None", "dipole": "None", "virial": "None", "magmom": "low"}
    assert atoms.calc.results["stress"].tolist() == [1, 2, 3, 4, 5, 6]
    assert atoms.calc.results["free_energy"] == -2


def test_masks_of_what_may_move() -> None:
    atoms = one(frame("Properties=species:S:1:pos:R:3:move_mask:L:1", "Cu 0 0 0 F\nAg 1 1 1 T"))
    assert isinstance(atoms.constraints[0], FixAtoms)
    assert atoms.constraints[0].index.tolist() == [0]


@given(arrays(np.float64, (3, 6), elements=st.floats(-1e6, 1e6, allow_subnormal=False)))
@settings(deadline=None)
def test_every_digit_is_read(values: np.ndarray) -> None:
    values[0, 0] += 0.125  # not all at the origin
    rows = "\n".join("Cu " + " ".join(map(repr, row)) for row in values.tolist())
    atoms = one(frame(f"Properties={COLUMNS} energy=1", rows))
    np.testing.assert_array_equal(atoms.positions, values[:, :3])
    np.testing.assert_array_equal(atoms.calc.results["forces"], values[:, 3:])


@pytest.mark.parametrize("name", ["Ta_JCP2014", "Nb_bcc2020", "InP_JPCA2020", "Fe_NPJ2021"])
def test_real_files_are_read_as_ase_reads_them(name: str) -> None:
    data = real_data(f"{name}.extxyz").read_bytes()[:400_000]
    data = data[: data.rfind(b"\n", 0, data.rfind(b"Lattice")) + 1]
    data = data[: data.rfind(b"\n", 0, len(data) - 1) + 1]  # without the count of the frame cut off
    found = [atoms for _, atoms in read_frames(data, path=name, max_atoms=10_000)]
    for atoms, expected in zip(found, read_xyz(io.StringIO(data.decode()), slice(None)), strict=True):
        assert isinstance(atoms, Atoms)
        assert np.array_equal(atoms.numbers, expected.numbers)
        assert np.array_equal(atoms.positions, expected.positions)
        assert np.array_equal(atoms.cell.array, expected.cell.array)
        assert np.array_equal(atoms.pbc, expected.pbc)
        assert {key: str(value) for key, value in atoms.info.items()} == {
            key: str(value) for key, value in expected.info.items()
        }
        assert atoms.calc.results.keys() == expected.calc.results.keys()
        for key, value in expected.calc.results.items():
            np.testing.assert_allclose(atoms.calc.results[key], value, rtol=1e-12, atol=1e-9)


GOOD = frame(f'Lattice="{CELL}" Properties={COLUMNS} energy=-1')
BROKEN = {
    "short row": GOOD.replace("1 2 3", "1 2"),
    "one atom more than said": GOOD.replace("2\n", "1\n", 1),
    "one atom fewer than said": GOOD.replace("2\n", "3\n", 1),
    "many fewer than said": GOOD.replace("2\n", "4\n", 1),
    "count in words": GOOD.replace("2\n", "two\n", 1),
    "zero": "0\n\n",
    "unclosed quote": GOOD.replace("energy=-1", 'energy="-1'),
    "nan force": GOOD.replace("-1 -2 -3", "-1 nan -3"),
    "no energy": GOOD.replace("energy=-1", "energy=None"),
    "infinite energy": GOOD.replace("energy=-1", "energy=inf"),
    "nan position": GOOD.replace("Ag 1 1 1", "Ag 1 nan 1"),
    "flat cell": GOOD.replace(CELL, "4 0 0 4 0 0 0 0 6"),
    "too large": frame(f"Properties={COLUMNS} energy=1", "\n".join(["Cu 1 2 3 0 0 0"] * 9)),
}


@pytest.mark.parametrize("kind", BROKEN)
@pytest.mark.parametrize("place", ["first", "middle", "last"])
def test_quarantine_takes_the_bad_frame_and_no_other(kind: str, place: str, tmp_path: Path) -> None:
    at = {"first": 0, "middle": 2, "last": 4}[place]
    parts = [GOOD.replace("energy=-1", f"energy=-{number + 1}") for number in range(4)]
    parts.insert(at, BROKEN[kind])
    file = tmp_path / "some.xyz"
    file.write_text("".join(parts))
    with pytest.raises(DatasetError, match=r"some\.xyz"):
        read_dataset(file, max_atoms=8)
    dataset = read_dataset(file, on_error="quarantine", max_atoms=8)
    assert dataset.energy.tolist() == [-1, -2, -3, -4]
    assert [frame.frame for frame in dataset.quarantined] == [at]
    (aside,) = dataset.quarantined
    assert aside.path == str(file)
    assert aside.line == 1 + 4 * at
    assert aside.cause.startswith(str(file))
    text = file.read_bytes()
    whole = [part for index, part in enumerate(parts) if index != at]
    assert [text[start:end].decode() for start, end in dataset.frame_span] == whole
    assert dataset.frame_index.tolist() == [number for number in range(5) if number != at]
    assert dataset.sources[0].n_frames == 5


def test_a_truncated_last_frame_is_set_aside(tmp_path: Path) -> None:
    file = tmp_path / "cut.xyz"
    file.write_text(GOOD * 3 + GOOD[: -len("Ag 1 1 1 -1 -2 -3\n")])
    dataset = read_dataset(file, on_error="quarantine")
    assert dataset.n_structures == 3
    assert "truncated" in dataset.quarantined[0].cause


def test_nothing_usable_is_an_error_even_in_quarantine(tmp_path: Path) -> None:
    file = tmp_path / "none.xyz"
    file.write_text(BROKEN["short row"] * 3)
    with pytest.raises(DatasetError, match=r"None of the 3 frames can be used\. The first: .*frame 0"):
        read_dataset(file, on_error="quarantine")
    file.write_text(BROKEN["no energy"] * 3)
    with pytest.raises(DatasetError, match=r"frame 0 .*expected energy.*\(3 of 3 frames"):
        read_dataset(file, on_error="quarantine")
    with pytest.raises(DatasetError, match="on_error as one of stop, quarantine"):
        read_dataset(file, on_error="ignore")


def test_results_of_a_frame_are_forgotten_when_it_moves() -> None:
    """As ASE has it with results that its own reader stores."""
    atoms = one(frame(f'Lattice="{CELL}" Properties={COLUMNS} energy=-1'))
    assert atoms.get_potential_energy() == -1
    assert atoms.get_forces().tolist() == [[1, 2, 3], [-1, -2, -3]]
    copied = pack([atoms])[0]
    assert copied.get_potential_energy() == -1
    assert current_results(atoms)["energy"] == -1
    atoms.positions[0, 0] += 0.5
    assert current_results(atoms) == {}
    with pytest.raises(PropertyNotImplementedError):
        atoms.get_potential_energy()
    assert copied.get_potential_energy() == -1
    assert pickle.loads(pickle.dumps(copied)).get_potential_energy() == -1


def test_one_usable_frame_is_too_few(tmp_path: Path) -> None:
    file = tmp_path / "one.xyz"
    file.write_text(GOOD + BROKEN["nan position"])
    with pytest.raises(DatasetError, match=r"only one frame can be used\. The first that cannot: .*frame 1 "):
        read_dataset(file, on_error="quarantine")

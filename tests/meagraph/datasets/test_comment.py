"""Comment lines: every way to write an entry that is in use, and none that swallows another."""

from __future__ import annotations

import io

import numpy as np
import pytest
from ase import Atoms
from ase.io.extxyz import key_val_str_to_dict
from hypothesis import given
from hypothesis import strategies as st

from meagraph.datasets.comment import CommentError, entries, meaning

LINES = {
    'a=1 b="x y" c=-3.5e-2': {"a": "1", "b": "x y", "c": "-3.5e-2"},
    "a='q r' b={1 2 3} c=[T, T, F]": {"a": "q r", "b": "1 2 3", "c": "T, T, F"},
    "cell=[[1, 0, 0], [0, 1, 0], [0, 0, 1]] x=1": {"cell": "[1, 0, 0], [0, 1, 0], [0, 0, 1]", "x": "1"},
    "converged REF_energy energy=-3": {"converged": None, "REF_energy": None, "energy": "-3"},
    "comment=Smith's run don't energy=-3": {"comment": "Smith's", "run": None, "don't": None, "energy": "-3"},
    "user=Bob's energy=-3 note=Al's": {"user": "Bob's", "energy": "-3", "note": "Al's"},
    "energy= forces=3": {"energy": "", "forces": "3"},
    'key = value k2 = "a=b c"': {"key": "value", "k2": "a=b c"},
    'a="x\\"y" b=2': {"a": 'x"y', "b": "2"},
    '"quoted key"=3 x': {"quoted key": "3", "x": None},
    'Lattice="1 0 0"Properties=species:S:1': {"Lattice": "1 0 0", "Properties": "species:S:1"},
    "a=b=c": {"a": "b=c"},
    "a=1 a=2": {"a": "2"},
    "i = 1, time = 0.5, E = -17.2": {"i": "1,", "time": "0.5,", "E": "-17.2"},
    "": {},
    "  ": {},
}


@pytest.mark.parametrize("line", LINES)
def test_entries(line: str) -> None:
    assert entries(line) == LINES[line]


@pytest.mark.parametrize(
    ("line", "came"),
    [
        ('note="abc energy=3', '" opens a text that never closes: "abc energy=3'),
        ("note='tis energy=3", "' opens"),
        ("note='s energy=-3 other=Bob's", "' opens"),
        ("pbc=[T, T energy=3", r"\[ opens"),
        ("pbc={T T energy=3", "{ opens"),
        ('a = "open', '" opens'),
    ],
)
def test_what_never_closes_is_refused_not_swallowed(line: str, came: str) -> None:
    with pytest.raises(CommentError, match=came):
        entries(line)


def test_meanings() -> None:
    assert meaning("a", "7") == 7
    assert isinstance(meaning("a", "7.0"), float)
    assert meaning("a", "007") == 7
    assert meaning("a", "12345678901234567890") == 12345678901234567890.0
    assert meaning("a", None) is True
    assert meaning("a", "T") is True
    assert meaning("a", "T, F") == [True, False]
    assert meaning("a", "true") is True
    assert meaning("a", "solid") == "solid"
    assert meaning("a", "") == ""
    assert meaning("a", "1 2.5").tolist() == [1, 2.5]
    assert np.isnan(meaning("a", "nan"))
    assert meaning("uid", "123") == "123"
    assert meaning("a", '_JSON {"b": [1, 2]}') == {"b": [1, 2]}
    assert meaning("a", "_JSON [1, 2]").tolist() == [1, 2]
    assert meaning("a", "_JSON {broken") == "{broken"
    assert meaning("stress", "1 2 3 4 5 6 7 8 9").tolist() == [[1, 4, 7], [2, 5, 8], [3, 6, 9]]
    assert meaning("stress", "1 2 3 4 5 6").tolist() == [1, 2, 3, 4, 5, 6]


VALUES = st.one_of(
    st.integers(-(10**9), 10**9).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.sampled_from(["T", "F", "True", "false", "bulk", "a-b", "x:y"]),
    st.lists(st.integers(-9, 9).map(str), min_size=2, max_size=4).map(" ".join),
)


@given(st.dictionaries(st.from_regex(r"[A-Za-z][A-Za-z0-9_]{0,6}", fullmatch=True), VALUES, min_size=1, max_size=6))
def test_what_ase_reads_is_read_alike(wanted: dict[str, str]) -> None:
    line = " ".join(f'{key}="{value}"' if " " in value else f"{key}={value}" for key, value in wanted.items())
    expected = key_val_str_to_dict(line)
    found = {key: meaning(key, text) for key, text in entries(line).items()}
    assert found.keys() == expected.keys()
    for key in found:
        assert np.array_equal(found[key], expected[key])
        assert np.asarray(found[key]).dtype.kind == np.asarray(expected[key]).dtype.kind


def test_what_ase_writes_is_read(tmp_path: object) -> None:
    """An entry of None is a bare word in ASE's files; quotes and braces come back."""
    from ase.io.extxyz import write_xyz

    atoms = Atoms("H", info={"none": None, "text": 'say "so" {x}', "list": [1, 2], "flag": True, "number": 1e-9})
    stream = io.StringIO()
    write_xyz(stream, atoms)
    found = entries(stream.getvalue().splitlines()[1])
    assert found["none"] is None
    assert {key: meaning(key, found[key]) for key in ("text", "flag", "number")} == {
        "text": 'say "so" {x}',
        "flag": True,
        "number": 1e-9,
    }

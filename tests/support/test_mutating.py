"""Faults are put where they are said to be, one at a time, also into functions that others have imported already."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.mutating import functions_of, mutants, put_in

CODE = '''"""Sums."""

SIZE = 2


def twice(value: int = 1) -> int:
    """Text with 3 in it."""
    if value > 0 and not value == 7:
        return value * 2
    raise ValueError(f"{value}")
'''


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "made_of_sums.py").write_text(CODE)
    yield tmp_path / "made_of_sums.py"
    sys.modules.pop("made_of_sums", None)


def test_a_fault_stands_where_it_is_said_to(module: Path) -> None:
    found = mutants(module, module.parent)
    assert {one.function for one in found} == {"twice"}
    assert found[0].after == "if not (value > 0 and (not value == 7)): return value * 2"
    assert [(one.line, one.before, one.after) for one in found[1:]] == [
        (8, "And", "Or"),
        (8, "Gt", "GtE"),
        (8, "Gt", "Lt"),
        (8, "0", "1"),
        (8, "not value == 7", "value == 7"),
        (8, "Eq", "NotEq"),
        (8, "7", "8"),
        (9, "return value * 2", "return None"),
        (9, "Mult", "Div"),
        (9, "2", "3"),
    ]


def test_the_function_that_is_known_already_has_the_fault(module: Path) -> None:
    twice = importlib.import_module("made_of_sums").twice
    assert twice(4) == 8
    fault = next(one for one in mutants(module, module.parent) if one.after == "3")
    known = functions_of(module.parent)
    assert known == [twice]
    assert put_in(fault, module.parent, []) == 0
    assert twice(4) == 8
    assert put_in(fault, module.parent, known) == 1
    assert twice(4) == 12
    assert twice(1) == 3


def test_where_nobody_says_which_functions_there_are_they_are_looked_for(module: Path) -> None:
    twice = importlib.import_module("made_of_sums").twice
    fault = next(one for one in mutants(module, module.parent) if one.after == "3")
    assert put_in(fault, module.parent) == 1
    assert twice(4) == 12

"""Text and HTML of results: whatever a file holds is shown as text."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from meagraph.display.cards import Shown, Table, as_html, as_text, brief, counted, html_table, percent, printable

HOSTILE = '<img src=q onerror="alert(1)">'


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("bcc, 300 K", "bcc, 300 K"),
        ("Ta₂O₅ – β", "Ta₂O₅ – β"),
        ("\x1b[2Jgone", "\ufffd[2Jgone"),  # clears a terminal
        ("one\nline", "one\ufffdline"),
        ("a\u202eb", "a\ufffdb"),  # turns what follows round
        ("\ud800", "\ufffd"),  # cannot be encoded
    ],
)
def test_only_what_can_be_read_is_printed(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_long_text_is_cut() -> None:
    assert printable("x" * 60) == "x" * 60
    assert printable("x" * 61) == "x" * 59 + "…"
    assert len(as_text("t" * 500, [("n" * 500, "v" * 5000)])) < 400


def test_facts_stand_below_each_other() -> None:
    assert as_text("Plan", [("kept", "3"), ("clusters", "5")]) == "Plan\n  kept      3\n  clusters  5"


def test_html_shows_text_and_runs_nothing() -> None:
    page = as_html(HOSTILE, [(HOSTILE, HOSTILE)], [html_table(Table((HOSTILE,), ((HOSTILE,),)))])
    assert HOSTILE not in page
    assert page.count("&lt;img src=q onerror=&quot;alert(1)&quot;&gt;") == 5
    assert "<script" not in page
    assert "mathjax_ignore" in page  # Jupyter would typeset a group named $x$


def test_columns_of_numbers_are_marked_and_long_tables_cut() -> None:
    rows = tuple((str(row), f"{row} %", "words") for row in range(30))
    table = html_table(Table(("first", "share", "of"), rows), 20)
    assert table.count("<tr>") == 21
    assert "10 more" in table
    assert table.startswith('<table><tr><th>first</th><th class="number">share</th><th>of</th></tr><tr><td>0</td>')
    assert "more" not in html_table(Table(("first", "share", "of"), rows))
    assert html_table(Table(("empty",), ())) == "<table><tr><th>empty</th></tr></table>"


def test_counts_and_shares_in_words() -> None:
    assert counted({"fcc": 4, "bcc": 1700}) == "bcc 1,700, fcc 4"
    assert counted({f"g{n}": n for n in range(9)}) == "g8 8, g7 7, g6 6, g5 5, g4 4, g3 3 and 3 more"
    assert (percent(1, 3), percent(0, 0)) == ("33.3 %", "–")


def test_arrays_are_named_by_type_and_shape() -> None:
    @dataclass(frozen=True, eq=False, repr=False)
    class Result(Shown):
        values: np.ndarray
        seed: int
        rate: float
        names: tuple[str, ...]
        nothing: None = None

    result = Result(np.zeros((100_000, 3), np.float32), 7, 1 / 3, ("a", "b"))
    lines = ["Result", "values   float32 (100000, 3)", "seed     7", "rate     0.333333", "names    a, b"]
    assert repr(result) == str(result) == "\n  ".join([*lines, "nothing  none"])
    assert brief(result) == "Result"
    assert brief({"k": 2, "of": (result, result)}) == "k 2, of 2 entries"

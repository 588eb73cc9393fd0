"""Findings as text, JSON and a page: what comes from files stays text, and nothing is fetched."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from meagraph.datasets import from_atoms
from meagraph.errors import MEAGraphError
from meagraph.inspection.findings import Findings, examine
from meagraph.inspection.findings.page import as_json, as_lines, as_page, claim_page, write_page
from tests.support.structures import niobium_structures

NASTY = "<script>alert(1)</script>\x1b[31m"


@pytest.fixture
def found() -> Findings:
    structures = niobium_structures()
    for atoms in structures[:2]:
        atoms.info["config_type"] = NASTY
    return examine(from_atoms(structures, name=NASTY))


def test_json_holds_what_was_found(found: Findings) -> None:
    content = json.loads(json.dumps(as_json(found), allow_nan=False))
    (one,) = content["findings"]
    assert (one["key"], one["severity"], one["structures"], one["environments"]) == ("duplicates", "warning", [6], [])
    assert content["elements"] == {"Nb": {"environments": 7 * 16 + 4 * 8 + 1, "structures": 12}}
    assert sum(content["distributions"]["n_atoms"]["counts"]) == 12
    (pair,) = content["pairs"]
    assert sum(pair["lengths"]["counts"]) == pair["neighbours"] > 0
    assert content["coverage"]["energy"] == {"known": 12, "total": 12, "of": "structures"}


def test_the_page_shows_text_of_files_as_text(found: Findings) -> None:
    page = as_page(found)
    assert "<script" not in page
    assert "\x1b" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "prefers-color-scheme: dark" in page
    assert not re.search(r"""(?:src|href|url\()\s*=?\s*["']?\s*(?:https?:)?//""", page)
    assert page.count("<svg") == len(found.distributions) + len(found.pairs)


def test_lines_are_for_a_terminal(found: Findings) -> None:
    text = "\n".join(as_lines(found))
    assert "\x1b" not in text
    assert "warning  1 of 12 structures repeats an earlier one exactly" in text
    assert "Structure 6." in text
    assert re.search(r"Nb–Nb +11 ", text)  # structures with two atoms or more


def test_a_page_replaces_a_page_and_nothing_else(tmp_path: Path, found: Findings) -> None:
    page, notes = tmp_path / "page.html", tmp_path / "notes.html"
    claim_page(page, [])
    write_page(page, found)
    claim_page(page, [])
    with pytest.raises(MEAGraphError, match="it is read here"):
        claim_page(page, [page])
    notes.write_text("mine", encoding="utf-8")
    with pytest.raises(MEAGraphError, match="this is another one"):
        claim_page(notes, [])
    with pytest.raises(MEAGraphError, match="folder"):
        claim_page(tmp_path, [])


def test_it_shows_itself(found: Findings) -> None:
    assert repr(found).splitlines()[0].endswith("no error, 1 warning, no note")
    assert "<script" not in found._repr_html_()

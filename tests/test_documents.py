"""The examples of the documentation run, as they stand there."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import ase.io
import nbclient
import nbformat
import pytest

from tests.support import ROOT
from tests.support.structures import niobium_structures

NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))


def blocks(document: Path, language: str = "python") -> list[tuple[int, str]]:
    """The blocks of code of a document, and the line on which each begins."""
    text = document.read_text(encoding="utf-8")
    found = re.finditer(rf"^```{language}\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)
    return [(text.count("\n", 0, match.start(1)), match[1]) for match in found]


def execute(document: Path) -> dict[str, Any]:
    """Run the blocks of a document one after the other; a traceback names the line of the document."""
    names: dict[str, Any] = {}
    for line, block in blocks(document):
        exec(compile("\n" * line + block, str(document), "exec"), names)
    return names


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files that the examples name, in which they run."""
    structures = niobium_structures(30, 20)
    ase.io.write(tmp_path / "train.extxyz", structures, format="extxyz")
    ase.io.write(tmp_path / "more.xyz", niobium_structures(8, 6, seed=5), format="extxyz")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MEAVIZ_DATA_HOME", str(tmp_path / "home"))
    return tmp_path


def test_the_example_of_the_readme_runs(folder: Path) -> None:
    names = execute(ROOT / "README.md")
    assert names["plan"].n_structures == len(names["plan"].atoms()) > 0
    assert sorted(path.suffix for path in (folder / "pruned").iterdir()) == [".csv", ".extxyz", ".html", ".json"]


def test_the_examples_of_the_page_on_python_run(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = ROOT / "docs" / "python.md"
    names = execute(document)
    printed = capsys.readouterr().out
    (shown,) = [text for _, text in blocks(document, "text")]
    assert shown in printed  # what the page shows is what is printed
    assert "The keep fraction must be above 0 and at most 1, got 20." in printed
    assert "{'group': '', 'cluster': '', 'force': 'eV/Å', 'score': ''}" in printed
    assert names["files"].report.is_file()
    documented = {
        name
        for row in re.findall(r"^\| (`.*?) \|", document.read_text(), flags=re.M)
        for name in re.findall(r"`(\w+)`", row)
    }
    columns = set(names["found"].to_dataframe()) | set(names["found"].to_dataframe("structures"))
    assert columns - {name for name in columns if name.startswith(("by_", "latent_"))} <= documented


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_stored_without_outputs(path: Path) -> None:
    """They are made by who reads it: an output in the repository would be of another version."""
    book = nbformat.read(path, as_version=4)
    nbformat.validate(book)
    assert [cell.id for cell in book.cells if cell.cell_type == "code" and (cell.outputs or cell.execution_count)] == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a kernel of its own, from an empty cache; each cell shows what it promises."""
    for name in ("JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "IPYTHONDIR"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    book = nbformat.read(path, as_version=4)
    resources = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(book, timeout=300, kernel_name="python3", resources=resources).execute()
    outputs = [output for cell in book.cells if cell.cell_type == "code" for output in cell.outputs]
    kinds = {kind for output in outputs for kind in output.get("data", {})}
    assert {"text/html", "image/png", "application/vnd.jupyter.widget-view+json"} <= kinds
    cards = [
        output.data["text/html"] for output in outputs if "meagraph" in output.get("data", {}).get("text/html", "")
    ]
    assert len(cards) == 6
    assert sum("data:image/png" in card for card in cards) == 1  # the map
    assert [output.text for output in outputs if output.get("name") == "stderr"] == []  # no warnings
    assert len(list(tmp_path.glob("*/pruned/*"))) == 4

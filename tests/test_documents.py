"""The examples of the documentation run, as they stand there; versions, names and requirements agree everywhere."""

from __future__ import annotations

import ast
import os
import re
import runpy
import tempfile
import tomllib
from pathlib import Path
from typing import Any

import ase.io
import nbclient
import nbformat
import pytest
import yaml

import meagraph
from tests.support import ROOT
from tests.support.structures import niobium_structures

NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))
OTHERWISE = {  # the names that conda-forge has for packages
    "torch": "pytorch",
    "torch_geometric": "pytorch_geometric",
    "vesin": "python-vesin",
    "matplotlib": "matplotlib-base",
}


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


def run_cell(source: str, names: dict[str, Any]) -> Any:
    """Run a cell of a notebook; what its last line is worth, None where that is no expression."""
    lines = ast.parse(source).body
    last = lines.pop() if isinstance(lines[-1], ast.Expr) else None
    exec(compile(ast.Module(lines, []), "cell", "exec"), names)
    return None if last is None else eval(compile(ast.Expression(last.value), "cell", "eval"), names)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files that the examples name, in which they run."""
    structures = niobium_structures(30, 20)
    ase.io.write(tmp_path / "train.extxyz", structures, format="extxyz")
    ase.io.write(tmp_path / "more.xyz", niobium_structures(8, 6, seed=5), format="extxyz")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MEAVIZ_DATA_HOME", str(tmp_path / "home"))
    return tmp_path


def test_the_example_of_the_first_page_runs(folder: Path) -> None:
    names = execute(ROOT / "docs" / "README.md")
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


def test_the_long_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a kernel of its own, from an empty cache; each cell shows what it promises."""
    for name in ("JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "IPYTHONDIR"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    book = nbformat.read(ROOT / "docs" / "notebooks" / "from-file-to-pruned.ipynb", as_version=4)
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


def test_the_short_notebook_runs(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In this process, which has loaded what a kernel of its own would load anew."""
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    book = nbformat.read(ROOT / "docs" / "notebooks" / "five-minutes.ipynb", as_version=4)
    names: dict[str, Any] = {}
    values = [run_cell(cell.source, names) for cell in book.cells if cell.cell_type == "code"]
    pages = [value._repr_html_() for value in values if hasattr(value, "_repr_html_")]
    cards = [page for page in pages if "meagraph" in page]
    assert len(cards) == 3  # findings, analysis, files
    assert sum("data:image/png" in card for card in cards) == 1  # the map
    assert "fitted to all data" in capsys.readouterr().out
    assert len(list(folder.glob("*/pruned/*"))) == 4


def test_the_version_is_the_same_everywhere() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == version
    assert yaml.safe_load((ROOT / "recipe" / "recipe.yaml").read_text())["context"]["version"] == version
    assert f"## [{version}] - " in (ROOT / "CHANGELOG.md").read_text()


def test_the_recipe_needs_what_the_package_needs() -> None:
    def plain(requirements: list[str]) -> set[str]:
        return {requirement.replace(" ", "") for requirement in requirements}

    needed = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    recipe = yaml.safe_load((ROOT / "recipe" / "recipe.yaml").read_text())["requirements"]["run"]
    named = [re.sub(r"^[\w.-]+", lambda name: OTHERWISE.get(name[0], name[0]), one) for one in needed]
    assert plain(recipe) - {"python>=${{python_min}}"} == plain(named)


def test_the_reference_has_every_public_name() -> None:
    pages = sorted((ROOT / "docs" / "reference").glob("*.md"))
    shown = {name for page in pages for name in re.findall(r"^::: meagraph\.(\w+)$", page.read_text(), flags=re.M)}
    assert shown == set(meagraph.__all__) - {"__version__"}


def test_what_a_page_loads_from_other_hosts_is_found(tmp_path: Path) -> None:
    offences = runpy.run_path(str(ROOT / "docs" / "building" / "outside.py"))["offences"]
    (tmp_path / "good.html").write_text(
        '<a href="https://arxiv.org">paper</a><script src="a.js"></script><link href="b.css"><img src="data:,">'
    )
    (tmp_path / "b.css").write_text("a { background: url(c.png) }")
    assert list(offences(tmp_path)) == []
    (tmp_path / "bad.html").write_text(
        '<link rel="stylesheet" href="https://fonts.example/a.css"><script src="//cdn.example/b.js"></script>'
        '<style>@import "https://c.example/c.css";</style><p style="background: url(http://d.example/d.png)">'
    )
    (tmp_path / "bad.css").write_text("@font-face { src: url('https://e.example/e.woff2') }")
    found = list(offences(tmp_path))
    assert [line.split(":")[0] for line in found] == ["bad.css", *["bad.html"] * 4]
    assert all(any(f"{host}.example" in line for line in found) for host in ("fonts", "cdn", "c", "d", "e"))


def test_links_work_in_the_site_as_in_the_repository() -> None:
    pytest.importorskip("mkdocs", reason="needs the extra docs")
    relinked = runpy.run_path(str(ROOT / "docs" / "building" / "hooks.py"))["relinked"]
    text = "[a](../benchmarks/README.md#x) [b](map.md) [c](../meagraph/files.py) [d](https://e.org/f) [e](#g)"
    assert relinked(text, "docs/cli.md", "cli.md") == (
        "[a](benchmarks.md#x) [b](map.md) c [d](https://e.org/f) [e](#g)"
    )
    assert relinked("![h](../assets/pruning.png)", "docs/cli.md", "cli.md") == "![h](pictures/dark.png)"
    assert relinked("[no](nowhere.md)", "docs/cli.md", "cli.md") == "[no](nowhere.md)"  # the build complains of it
    assert relinked("[i](../docs/map.md)", "benchmarks/README.md", "benchmarks.md") == "[i](map.md)"
    assert relinked("[j](notebooks/five-minutes.ipynb)", "docs/cli.md", "cli.md") == "[j](notebooks/five-minutes.md)"
    assert relinked("[k](../../benchmarks/README.md)", "docs/howto/mace.md", "howto/mace.md") == "[k](../benchmarks.md)"
    code = "`a[b](c)` and\n```\nd[e](../LICENSE)\n```\n"
    assert relinked(code + "[`g`](../LICENSE)", "docs/cli.md", "cli.md") == code + "`g`"

"""The page to show others: complete, closed, the same each time, and text stays text."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import meagraph as mg
from meagraph.errors import MEAGraphError
from meagraph.pages.packing import unpacked
from tests.support.finished import Finished
from tests.support.predicted import errors_off

EVIL = "</title></script><script>window.__hit=1</script><img src=q onerror=window.__hit=2>&\u202e"


class Reader(HTMLParser):
    """The elements of a page, and what its scripts hold."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.inside: dict[str, list[str]] = {"script": [], "style": [], "title": [], "h1": []}
        self.open = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        self.open = tag
        if tag in self.inside:
            self.inside[tag].append("")

    def handle_endtag(self, tag: str) -> None:
        self.open = ""

    def handle_data(self, data: str) -> None:
        if self.open in self.inside:
            self.inside[self.open][-1] += data


def page(path: Path, found: mg.Analysis, **options: Any) -> tuple[str, Reader, dict[str, Any]]:
    mg.share(found, path, **options)
    text = path.read_text(encoding="utf-8")
    reader = Reader(text)
    return text, reader, json.loads(reader.inside["script"][0])


@pytest.fixture(scope="module")
def made(finished: Finished, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Reader, dict[str, Any]]:
    plan = mg.prune(finished.analysis, keep=0.3, alpha=0.5)
    return page(tmp_path_factory.mktemp("page") / "p.html", finished.analysis, plan=plan, title=EVIL, comment=EVIL)


def test_nothing_but_its_own_script_and_style_may_run(made: tuple[str, Reader, dict[str, Any]]) -> None:
    text, reader, _ = made
    policy = dict(part.strip().split(" ", 1) for part in re.search(r'Policy" content="([^"]*)"', text)[1].split(";"))  # type: ignore[index]
    assert policy["default-src"] == "'none'"
    for kind, content in (("script", reader.inside["script"][1]), ("style", reader.inside["style"][0])):
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert policy[f"{kind}-src"] == f"'sha256-{digest}'"
    names = {name for name, _ in reader.attributes}
    assert not {name for name in names if name.startswith("on")} | (names & {"src", "href", "style", "action"})
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(|fetch\(|XMLHttp|import\(", text)


def test_what_is_given_is_text(made: tuple[str, Reader, dict[str, Any]]) -> None:
    _, reader, _ = made
    assert reader.tags.count("script") == 2
    assert "img" not in reader.tags
    assert reader.inside["title"] == reader.inside["h1"] == [EVIL.replace("\u202e", "\N{REPLACEMENT CHARACTER}")]


def test_points_are_where_they_were_and_say_what_they_are(
    made: tuple[str, Reader, dict[str, Any]], finished: Finished
) -> None:
    _, _, data = made
    found, dataset = finished.analysis, finished.analysis.dataset
    xy = found.survey.projection.xy
    assert data["count"] == len(xy)
    for axis, name in enumerate("xy"):
        assert np.abs(unpacked(data[name]) - xy[:, axis]).max() <= np.ptp(xy[:, axis]) / 131_000
    assert unpacked(data["atom"]).tolist() == dataset.atom_of.tolist()
    columns = {column["name"]: column for column in data["columns"]}
    labels = unpacked(columns["cluster"]["codes"]).astype(int) - 1
    assert labels.tolist() == found.survey.clusters.labels.tolist()
    assert sum(columns["group"]["counts"]) == len(xy)
    energy = unpacked(columns["energy"]["values"])
    assert np.abs(energy - (dataset.energy / dataset.sizes)[dataset.structure_of]).max() < 1e-3
    plan = np.bincount(unpacked(columns["plan"]["codes"]), minlength=4).tolist()
    assert plan == columns["plan"]["counts"]
    assert plan[3] == mg.prune(found, keep=0.3, alpha=0.5).n_environments


def test_atoms_are_where_they_were(made: tuple[str, Reader, dict[str, Any]], finished: Finished) -> None:
    _, _, data = made
    dataset, parts = finished.analysis.dataset, data["structures"]
    positions = unpacked(data["positions"]).reshape(-1, 3)
    origin, step = unpacked(parts["origin"]).reshape(-1, 3), unpacked(parts["step"])
    of = dataset.structure_of
    there = origin[of] + step[of, None] * positions
    away = there - np.concatenate([atoms.positions for atoms in dataset.structures])
    assert np.abs(away).max() < 1e-3
    assert unpacked(parts["cell"]).reshape(-1, 3, 3)[0] == pytest.approx(dataset.structures[0].cell.array, abs=1e-5)
    assert unpacked(parts["periodic"]).tolist() == [7] * 11 + [0]


def test_the_same_input_gives_the_same_bytes_and_tells_no_folders(finished: Finished, tmp_path: Path) -> None:
    first, again = tmp_path / "a.html", tmp_path / "b.html"
    for path in (first, again):
        mg.share(finished.analysis, path)
    assert first.read_bytes() == again.read_bytes()
    assert str(finished.path.parent) not in first.read_text(encoding="utf-8")
    assert finished.path.name in first.read_text(encoding="utf-8")


def test_larger_data_is_sampled_and_the_page_says_so(finished: Finished, tmp_path: Path) -> None:
    text, _, data = page(tmp_path / "p.html", finished.analysis, points=60, properties=["n_atoms"])
    assert data["count"] == 60
    assert not data["whole"]
    assert "The map shows 60 of 145 environments" in text
    columns = {column["name"]: column for column in data["columns"]}
    assert sum(columns["cluster"]["counts"]) == 145
    assert "n_atoms" in columns
    central = np.array(data["clusters"])
    labels = unpacked(columns["cluster"]["codes"]).astype(int)
    for label, point in enumerate(central[:-1].tolist()):
        assert labels[point] == label + 1


def test_what_does_not_fit_is_refused(finished: Finished, tmp_path: Path) -> None:
    found = finished.analysis
    with pytest.raises(mg.MEAGraphError, match="no property 'colour'"):
        mg.share(found, tmp_path / "p.html", properties=["colour"])
    with pytest.raises(mg.MEAGraphError, match="at least 1 point"):
        mg.share(found, tmp_path / "p.html", points=0)
    with pytest.raises(mg.MEAGraphError, match="it is read here"):
        mg.share(found, finished.path, overwrite=True)
    other = tmp_path / "mine.html"
    other.write_text("mine")
    with pytest.raises(mg.MEAGraphError, match="another one"):
        mg.share(found, other)
    plan = mg.prune(found, keep=0.3, alpha=0.5)
    with pytest.raises(mg.MEAGraphError, match="Expected a plan of"):
        mg.share(found, tmp_path / "p.html", plan=replace(plan, keep=plan.keep[:-1]))
    assert other.read_text() == "mine"
    assert not (tmp_path / "p.html").exists()


def test_errors_of_predictions_are_shown_and_colour_the_map(finished: Finished, tmp_path: Path) -> None:
    analysis = finished.analysis
    errors = errors_off(analysis.dataset)
    text, _, content = page(tmp_path / "p.html", analysis, errors=errors)
    (force,) = (one for one in content["columns"] if one["name"] == "force_error")
    shown = unpacked(force["values"])
    assert np.nanargmax(shown) == 7  # all environments are drawn, in their order
    assert shown[7] == pytest.approx(5.0, rel=1e-4)
    assert "How far predictions are off" in text
    known = np.isfinite(errors.energy)
    assert f"{1000 * 0.4 / np.sqrt(known.sum()):.2f}" in text  # RMSE of all, meV/atom
    assert "How far predictions are off" not in page(tmp_path / "q.html", analysis)[0]
    other = replace(analysis.dataset, energy=analysis.dataset.energy + 1.0)
    with pytest.raises(MEAGraphError, match="Read the predictions for the data"):
        mg.share(analysis, tmp_path / "r.html", errors=replace(errors, dataset=other))

"""``meagraph share`` and ``meagraph plot``: what they write, and what they refuse before anything is computed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from meagraph.cli import main
from meagraph.pipeline.planning import prune
from meagraph.step_files.plans import write_plan
from tests.support.finished import Finished


@pytest.fixture(autouse=True)
def analysed(finished: Finished, monkeypatch: pytest.MonkeyPatch) -> None:
    """The analysis is there."""
    monkeypatch.setattr("meagraph.pipeline.analysis.analyse", lambda *given, **options: finished.analysis)


def test_a_page_with_a_plan_of_a_file(finished: Finished, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = finished.analysis
    plan = prune(found, keep=0.3, alpha=0.5)
    write_plan(tmp_path / "plan.npz", plan, found.dataset, found.survey.clusters)
    page = tmp_path / "page.html"
    given = [str(finished.path), "-o", str(page), "--plan", str(tmp_path / "plan.npz"), "--title", "T <i>", "--json"]
    assert main(["share", *given, "--property", "n_atoms"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["points"] == figures["environments"] == 145
    assert figures["bytes"] == page.stat().st_size
    text = page.read_text(encoding="utf-8")
    assert "T &lt;i&gt;" in text
    assert f"<b>{plan.n_structures}</b>of 12 structures kept" in text
    assert "predictions are off" not in text
    assert main(["share", *given, "--predicted-file", str(finished.path)]) == 0  # over one of ours
    assert "predictions are off" in page.read_text(encoding="utf-8")


def test_a_figure_and_the_plan_in_it(finished: Finished, tmp_path: Path) -> None:
    figure = tmp_path / "map.svg"
    given = [str(finished.path), "-o", str(figure), "--width", "double"]
    assert main(["plot", "map", *given, "--colour-by", "plan", "--alpha", "0.5", "--keep", "0.4"]) == 0
    assert "in kept structures (" in figure.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["share", "-o", "page.txt"], "ends in .html"),
        (["share", "-o", "page.html", "--evaluate", "--no-plan"], "--no-plan leaves it out"),
        (["share", "-o", "page.html", "--plan", "p.npz", "--no-plan"], "Give one of them"),
        (["share", "-o", "mine.html"], "another one"),
        (["plot", "map", "-o", "map.gif"], "ends in .svg"),
        (["plot", "map", "-o", "map.svg", "--width", "wide"], "width"),
        (["plot", "curves", "-o", "curves.svg", "--beside", "best"], "no selector 'best'"),
    ],
)
def test_what_is_refused(
    finished: Finished,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.html").write_text("mine")
    assert main([*arguments, str(finished.path)]) == 1
    assert words in capsys.readouterr().err
    assert Path("mine.html").read_text() == "mine"

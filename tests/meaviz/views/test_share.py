"""The dialog that writes a page and figures of what the session shows."""

from __future__ import annotations

from pathlib import Path

import panel_material_ui as pmui
import pytest

from meaviz.jobs.workflow import Workflow
from meaviz.session import Session
from meaviz.style.text import TextPane
from meaviz.views.share import ShareView
from tests.support.jobs import RunsAtOnce
from tests.support.made_up import session_of


@pytest.fixture
def view(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ShareView:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("meaviz.jobs.show_job.JobRunner", RunsAtOnce)
    session = session_of(240, 12)
    made = ShareView(session, Workflow(session))
    made.open()
    return made


def problem(view: ShareView) -> str:
    return " ".join(str(pane.object) for pane in view.problem.select(TextPane))


def test_a_page_of_what_is_there(view: ShareView) -> None:
    assert view.dialog.open
    assert view.title.value == "made up"
    view.comment.value = "For you <b>"
    view.write_page.clicks += 1
    text = Path("meaviz-page.html").read_text(encoding="utf-8")
    assert "For you &lt;b&gt;" in text
    assert f"<b>{view.session.planning.plan.n_structures}</b>of 20 structures kept" in text  # type: ignore[union-attr]
    assert [one.filename for one in view.files.select(pmui.FileDownload)] == ["meaviz-page.html"]
    assert not problem(view)


def test_figures_of_what_is_chosen(view: ShareView) -> None:
    view.session.appearance.colour_by = "energy"
    view.open()
    assert view.by.value == "energy"
    view.write_figure.clicks += 1
    assert "Energy per atom" in Path("meaviz-map.svg").read_text(encoding="utf-8")
    view.kind.value = "composition"
    assert view.by.value == "group"
    assert "energy" not in view.by.options.values()
    view.format.value = ".png"
    view.write_figure.clicks += 1
    assert Path("meaviz-composition.png").read_bytes()[:4] == b"\x89PNG"
    view.kind.value = "curves"
    view.write_figure.clicks += 1
    assert "Trace it in the tab Cost" in problem(view)


def test_files_of_others_stay(view: ShareView) -> None:
    Path("meaviz-page.html").write_text("mine")
    view.write_page.clicks += 1
    assert "another one" in problem(view)
    view.page.value = ""
    view.write_page.clicks += 1
    assert "Name the file" in problem(view)
    assert Path("meaviz-page.html").read_text() == "mine"


def test_without_a_map_there_is_nothing_to_show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    session = Session()
    view = ShareView(session, Workflow(session))
    view.open()
    view.write_page.clicks += 1
    assert "no map yet" in problem(view)

"""The dialog with the recipe: what it shows is what is, while it is open."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from meagraph.recipe import Recipe
from meaviz.session import Session
from meaviz.session.recipe import recipe_of
from meaviz.views.shared.recipe import RecipeDialog
from tests.support.made_up import session_of


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEAVIZ_DATA_HOME", str(tmp_path / "home"))


def test_it_follows_each_action_while_it_is_open() -> None:
    session = session_of(1200, 12)
    view = RecipeDialog(session)
    session.planning.settings = replace(session.planning.settings, keep=0.5)
    assert view.copy.text == "", "nobody looks"
    view.start()
    assert view.dialog.open
    assert Recipe.from_yaml(view.copy.text) == recipe_of(session)
    assert "  keep: 0.5\n" in view.copy.text
    for act, line in (
        (lambda: session.judging.judge(np.array([3]), "outlier", reason="<b>odd</b>"), "- {verdict: outlier, "),
        (lambda: setattr(session.planning, "leave_out_flagged", False), "  leave_out_flagged: false\n"),
        (lambda: setattr(session.planning, "keep_ordinary", True), "  keep_ordinary: true\n"),
    ):
        assert line not in view.copy.text
        act()
        assert line in view.copy.text
    assert "&lt;b&gt;odd" in view.text.object
    assert "<b>odd" not in view.text.object
    session.judging.undo()
    assert "verdict" not in view.copy.text


def test_without_a_plan_it_says_what_to_do() -> None:
    view = RecipeDialog(Session(author="Ana"))
    view.start()
    assert view.copy.text == ""
    assert "Compute the map first" in view.text.object

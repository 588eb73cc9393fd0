"""Users of one server: what each keeps is their own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from meagraph.datasets import AtomicDataset
from meaviz.judgements.ledger import ledger_path
from meaviz.options import folder_name, home_of
from meaviz.session import Session
from meaviz.session.recent import add_recent, clear_recent, read_recent


@pytest.fixture
def log_in(
    niobium: AtomicDataset, survey_by_hand: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], Session]:
    """``log_in(user)``: a session of theirs at the map of the tiny niobium."""
    monkeypatch.setenv("MEAVIZ_DATA_HOME", str(tmp_path / "home"))
    descriptors, learned, survey = survey_by_hand(niobium, {})

    def start(user: str) -> Session:
        session = Session(user=user, home=home_of(user))
        session.set_dataset(niobium)
        session.set_descriptors(descriptors)
        session.set_learned(learned)
        session.set_survey(survey)
        return session

    return start


def test_judgements_and_named_selections_are_their_own(log_in: Callable[[str], Session], tmp_path: Path) -> None:
    ana = log_in("ana")
    assert ana.judging.author == "ana"
    ana.judging.judge(np.array([20, 21]), "outlier")
    ana.selection.named = ana.selection.named.keep("mine", np.arange(145) < 7)
    bo = log_in("bo")
    assert not bo.judging.flags.any()
    assert bo.selection.named.names == []
    bo.judging.judge(np.array([30]), "outlier")
    again = log_in("ana")
    assert np.flatnonzero(again.judging.flags).tolist() == [20, 21]
    assert again.selection.named.mask("mine").sum() == 7
    assert again.judging.undo() is None  # of this session alone
    owner = log_in("")
    assert not owner.judging.flags.any()
    kept = {path.relative_to(tmp_path / "home").parts[:2] for path in (tmp_path / "home").rglob("*.sqlite")}
    assert {("users", "ana"), ("users", "bo")} <= kept
    assert ledger_path(home_of("ana")) == tmp_path / "home" / "users" / "ana" / "judgements.sqlite"


def test_what_was_opened_is_their_own(tmp_path: Path) -> None:
    ana, bo = tmp_path / "ana", tmp_path / "bo"
    add_recent(["/a.extxyz"], {}, ana)
    add_recent(["/b.extxyz"], {}, bo)
    assert [one.paths for one in read_recent(ana)] == [("/a.extxyz",)]
    clear_recent(bo)
    assert read_recent(bo) == ()
    assert len(read_recent(ana)) == 1


@pytest.mark.parametrize("user", ["../bo", "a/b", ".", "ana@lab.org", "ana bo", "Ä", "..", "a\0b"])
def test_an_account_names_no_folder_of_another(user: str) -> None:
    name = folder_name(user)
    assert name not in ("", ".", "..", "bo")
    assert not set(name) & set("/\\\0 ")
    assert folder_name("ana") == "ana"
    assert folder_name(user + "x") != name

"""The inbox without a browser: what is on the list, what keys do, and what is said when something goes wrong."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from panel.util import edit_readonly

from meagraph.datasets import AtomicDataset
from meaviz.jobs.workflow import Workflow
from meaviz.judgements.ledger import ledger_path
from meaviz.session import Session
from meaviz.views.outliers import inbox
from meaviz.views.outliers.inbox import InboxView
from tests.support.messages import from_browser
from tests.support.results import bcc_off

# rows 0-111 are cells of 16 atoms: the candidates lie in the structures 1, 2, 7 and 5 (which is there twice)
SCORES = {20: 4.0, 40: 3.0, 21: 2.0, 115: 1.5, 22: 1.2, 90: 1.1}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MEAVIZ_DATA_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def at_the_map(niobium: AtomicDataset, survey_by_hand: Callable[..., Any]) -> Callable[..., tuple[Session, InboxView]]:
    """``at_the_map(scores)``: a session with candidates, and its inbox."""

    def start(scores: dict[int, float] = SCORES, families: Any = ()) -> tuple[Session, InboxView]:
        descriptors, learned, survey = survey_by_hand(niobium, scores, families)
        session = Session(author="Ana")
        view = InboxView(session, Workflow(session))
        session.set_dataset(niobium)
        session.set_descriptors(descriptors)
        session.set_learned(learned)
        session.set_survey(survey)
        return session, view

    return start


def run(work: Callable[[], Any]) -> None:
    """Run ``work``, which may start jobs, on an event loop as the server does."""

    async def within() -> None:
        result = work()
        if result is not None:
            await result

    with ThreadPoolExecutor(1) as pool:  # a browser test before this one may have left its own loop here
        pool.submit(asyncio.run, within()).result()


def leads(view: InboxView) -> list[int]:
    return [row["row"] for row in view.list.rows]


def press(view: InboxView, key: str, current: int | None = None) -> None:
    current = view.list.current if current is None else current
    from_browser(view.list, {"type": "key", "key": key, "current": current})


def test_keys_judge_and_go_on(at_the_map: Callable[..., tuple[Session, InboxView]]) -> None:
    session, view = at_the_map()

    def work() -> None:
        assert leads(view) == [20, 40, 115, 90]
        press(view, "a")  # nothing chosen
        assert not session.judging.flags.any()
        press(view, "j")
        assert session.judging.candidate == session.selection.inspected == view.list.current == 20
        press(view, "a")
        assert np.flatnonzero(session.judging.flags).tolist() == [20, 21, 22]
        assert session.judging.candidate == 40
        assert leads(view) == [40, 115, 90]
        assert "<b>1</b> of 4 judged" in view.progress.object
        press(view, "a", current=20)  # pressed while the page still showed the one before
        assert session.judging.candidate == 40
        assert session.judging.flags.sum() == 3
        press(view, "r")
        press(view, "k")
        assert session.judging.candidate == 90  # the ends meet
        press(view, "u")
        assert session.judging.candidate == 40
        assert not session.judging.ordinary.any()
        view.which.value = "all"
        assert [row["verdict"] for row in view.list.rows] == ["outlier", "", "", ""]
        session.selection.inspected = 60
        session.flag_selection(True)
        press(view, "u")  # of the map, not of the inbox
        assert not session.judging.flags[60]
        assert session.judging.candidate == 40

    run(work)


def test_an_explanation_of_the_newest_question(at_the_map: Callable[..., tuple[Session, InboxView]]) -> None:
    session, view = at_the_map()

    async def work() -> None:
        for _ in range(3):
            press(view, "j")
        deadline = time.monotonic() + 30
        while session.judging.explanation is None:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.02)
        assert session.judging.explanation.row == session.judging.candidate == 115
        assert "descriptor component" in view.why.object
        assert "component 4" in view.why.object
        view.inspect(3)
        assert "neighbour 4" in view.in_3d.object
        assert session.selection.inspected == session.judging.explanation.neighbours[3]
        assert session.judging.candidate == 115
        session.selection.inspected = 115
        assert "this one" in view.in_3d.object
        session.selection.inspected = 3
        assert "another" in view.in_3d.object
        session.set_dataset(session.data.dataset)
        assert session.judging.explanation is None
        assert "Comparing" not in view.why.object

    run(work)


def test_pages_follow_the_candidate(
    at_the_map: Callable[..., tuple[Session, InboxView]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox, "PAGE", 2)
    session, view = at_the_map()

    def work() -> None:
        assert leads(view) == [20, 40]
        assert view.pages.object == "page 1 of 2"
        for _ in range(3):
            press(view, "j")
        assert session.judging.candidate == 115
        assert leads(view) == [115, 90]
        view.turn(-1)
        assert leads(view) == [20, 40]
        view.turn(-1)
        assert view.pages.object == "page 1 of 2"
        view.signal.value = "short distance"
        assert leads(view) == [20]
        assert not view.pager.visible
        view.grouped.value = False
        assert leads(view) == [20, 21]
        view.turn(5)
        assert leads(view) == [22]

    run(work)


def test_what_is_off_together_is_one_row(
    at_the_map: Callable[..., tuple[Session, InboxView]], niobium: AtomicDataset
) -> None:
    """Chosen by one step, all members are selected; one verdict holds for all of them."""
    session, view = at_the_map(families=[bcc_off(niobium)])

    def work() -> None:
        assert leads(view) == [20, 40, 48, 115, 90]
        row = view.list.rows[2]
        assert (row["rank"], row["title"]) == (3, "group bcc: 2 of 7 structures")
        assert row["text"] == "2.50 · lie 1.4 eV/atom above the others of it (frames 3 to 4)"
        press(view, "j")
        assert not session.selection.mask.any()
        for _ in range(2):
            press(view, "j")
        assert session.judging.candidate == 48
        assert np.flatnonzero(session.selection.mask).tolist() == list(range(48, 80))
        assert "group bcc: 2 of 7 structures" in view.why.object
        press(view, "a")
        assert np.flatnonzero(session.judging.flags).tolist() == list(range(48, 80))
        assert leads(view) == [20, 40, 115, 90]
        press(view, "u")
        assert not session.judging.flags.any()
        view.grouped.value = False
        assert "structure 3, atom 0" in [one["title"] for one in view.list.rows]

    run(work)


def test_without_candidates(at_the_map: Callable[..., tuple[Session, InboxView]]) -> None:
    session, view = at_the_map({})

    def work() -> None:
        for key in "jkaru":
            press(view, key)
        assert session.judging.candidate == -1
        assert view.list.empty == "No candidates: nothing stands out."
        session.set_dataset(None)
        press(view, "j")
        assert view.list.empty == "No candidates yet: compute the map first."

    run(work)


def test_a_judgement_that_fails_is_told_and_stays_open(
    at_the_map: Callable[..., tuple[Session, InboxView]], home: Path
) -> None:
    session, view = at_the_map()

    def work() -> None:
        press(view, "j")
        home.mkdir()
        ledger_path().write_text("no database " * 100)
        view.note.value = "spin"
        press(view, "a")
        assert "not a database" in view.problem.objects[0][0].object
        assert session.judging.candidate == 20
        assert view.note.value == "spin"
        with edit_readonly(view.reason):
            view.reason.value_input = "typed, not entered"
        ledger_path().unlink()
        press(view, "a")
        assert view.problem.objects == []
        assert session.judging.judgements.of(20)[0].note == "spin"
        assert session.judging.judgements.of(20)[0].reason == "typed, not entered"
        press(view, "a")
        assert session.judging.judgements.of(40)[0].reason == session.judging.judgements.of(40)[0].note == ""

    run(work)

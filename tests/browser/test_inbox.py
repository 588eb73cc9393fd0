"""The inbox of outlier candidates, by keyboard in a real browser."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import panel as pn
import pytest
from playwright.sync_api import Page, expect

from meagraph.datasets import AtomicDataset
from meaviz.jobs.workflow import Workflow
from meaviz.session import Session
from meaviz.views.outliers.inbox import InboxView
from tests.support.browser import choose, open_page, wait_until
from tests.support.results import bcc_off

# rows 0-111 are cells of 16 atoms: the candidates lie in the structures 1, 2, 7 and 5 (which is there twice)
SCORES = {20: 4.0, 40: 3.0, 21: 2.0, 115: 1.5, 22: 1.2, 90: 1.1}


@pytest.fixture
def inbox(
    request: pytest.FixtureRequest,
    serve: Callable[..., Any],
    page: Page,
    niobium: AtomicDataset,
    survey_by_hand: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[[], tuple[Session, Any]]:
    """``inbox()``: load the page anew, with a session of its own at the map; return it and the tab that holds it."""
    monkeypatch.setenv("MEAVIZ_DATA_HOME", str(tmp_path / "judgements"))
    families = getattr(request, "param", False)
    descriptors, learned, survey = survey_by_hand(niobium, SCORES, [bcc_off(niobium)] if families else [])
    opened: list[tuple[Session, Any]] = []

    def app() -> Any:
        pn.extension()
        session = Session(author="Ana")
        tab = pn.Column(InboxView(session, Workflow(session)), height=340, width=1200)
        opened.append((session, tab))

        def show() -> None:
            session.set_dataset(niobium)
            session.set_descriptors(descriptors)
            session.set_learned(learned)
            session.set_survey(survey)

        pn.state.onload(show)
        return tab

    served = serve(app)

    def load() -> tuple[Session, Any]:
        open_page(page, served)
        expect(page.get_by_text("judged", exact=False).first).to_be_visible()
        session, tab = opened[-1]
        return session, lambda visible: served.run(lambda: setattr(tab, "visible", visible))

    return load


def verdicts(session: Session) -> tuple[list[int], list[int]]:
    return np.flatnonzero(session.judging.flags).tolist(), np.flatnonzero(session.judging.ordinary).tolist()


def test_the_inbox_by_keyboard_and_after_a_reload(inbox: Callable[[], tuple[Session, Any]], page: Page) -> None:
    session, show = inbox()
    options = page.get_by_role("option")
    expect(options).to_have_count(4)
    expect(options.nth(0)).to_contain_text("structure 1, 3 atoms")
    expect(page.get_by_text("0 of 4 judged")).to_be_visible()

    # J goes to the first; what sets it apart appears, and the 3D view follows
    page.keyboard.press("a")  # nothing chosen yet: nothing to judge
    page.keyboard.press("j")
    wait_until(page, lambda: session.judging.candidate == 20, what="the first candidate")
    assert session.selection.inspected == 20
    assert verdicts(session) == ([], [])
    expect(options.nth(0)).to_have_attribute("aria-selected", "true")
    expect(page.get_by_role("heading", name="Structure 1, atom 4 (Nb)")).to_be_visible()
    wait_until(page, lambda: session.judging.explanation is not None, what="an explanation")
    assert session.judging.explanation.row == 20
    force = np.linalg.norm(session.data.dataset.forces[20])
    expect(page.get_by_role("row", name="force on the atom")).to_contain_text(f"{force:.4f}")
    expect(page.get_by_role("row", name="component")).to_have_count(5)  # four and the head

    # a neighbour in 3D, and back
    page.get_by_role("button", name="2", exact=True).click()
    wait_until(
        page, lambda: session.selection.inspected == session.judging.explanation.neighbours[1], what="a neighbour"
    )
    assert session.judging.candidate == 20
    page.get_by_role("button", name="This one").click()
    wait_until(page, lambda: session.selection.inspected == 20, what="the candidate in 3D")

    # letters typed into a field are text
    note = page.get_by_label("Note")
    note.fill("")
    note.press_sequentially("a jar, kr")
    assert session.judging.candidate == 20
    reason = page.get_by_label("Reason")
    reason.click()
    page.get_by_role("option", name="wrong label").click()
    page.get_by_role("listbox", name="Outlier candidates").focus()
    page.keyboard.press("a")
    wait_until(page, lambda: session.judging.flags.any(), what="a judgement")
    assert verdicts(session) == ([20, 21, 22], [])
    (act,) = session.judging.judgements.of(20)
    assert (act.author, act.verdict, act.reason, act.note) == ("Ana", "outlier", "wrong label", "a jar, kr")
    wait_until(page, lambda: session.judging.candidate == 40, what="the next candidate")
    expect(page.get_by_text("1 of 4 judged")).to_be_visible()
    expect(options).to_have_count(3)
    expect(note).to_have_value("")

    # back and forth, reject, undo; arrows on the list, with nothing stored on the way
    page.keyboard.press("ArrowDown")
    wait_until(page, lambda: session.judging.candidate == 115, what="the third")
    expect(options.nth(1)).to_have_attribute("aria-selected", "true")  # a verdict counts for what the page shows
    page.keyboard.press("k")
    wait_until(page, lambda: session.judging.candidate == 40, what="the second again")
    expect(options.nth(0)).to_have_attribute("aria-selected", "true")
    page.keyboard.press("r")
    wait_until(page, lambda: session.judging.ordinary.any(), what="a rejection")
    assert verdicts(session) == ([20, 21, 22], [40])
    wait_until(page, lambda: session.judging.candidate == 115, what="the third")
    expect(options).to_have_count(2)
    page.keyboard.press("u")
    wait_until(page, lambda: not session.judging.ordinary.any(), what="undo")
    wait_until(page, lambda: session.judging.candidate == 40, what="the one that was taken back")
    expect(options).to_have_count(3)
    expect(options.nth(0)).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Control+a")  # the browser's own

    # out of sight, keys judge nothing
    show(False)
    expect(page.get_by_role("listbox", name="Outlier candidates")).to_be_hidden()
    page.keyboard.press("a")
    page.keyboard.press("j")
    show(True)
    expect(page.get_by_role("listbox", name="Outlier candidates")).to_be_visible()
    page.keyboard.press("r")
    wait_until(page, lambda: session.judging.ordinary.any(), what="a rejection")
    assert verdicts(session) == ([20, 21, 22], [40])

    # another person after a reload sees it all, and disagrees
    other, _ = inbox()
    assert other is not session
    expect(page.get_by_text("2 of 4 judged")).to_be_visible()
    expect(options).to_have_count(2)
    page.get_by_label("Your name").fill("Bo")
    page.get_by_label("Your name").press("Enter")
    wait_until(page, lambda: other.judging.author == "Bo", what="another name")
    page.get_by_role("button", name="Judged", exact=True).click()
    expect(options.nth(0)).to_contain_text("structure 1, 3 atoms")  # as many are judged as open
    expect(options).to_have_count(2)
    options.nth(0).click()
    wait_until(page, lambda: other.judging.candidate == 20, what="the candidate that was clicked")
    expect(page.get_by_text("Ana: outlier · wrong label · a jar, kr")).to_be_visible()
    page.get_by_role("button", name="Ordinary (R)").click()
    wait_until(page, lambda: other.judging.judgements.disputed[20], what="disagreement")
    assert verdicts(other) == ([], [20, 21, 22, 40])
    expect(page.get_by_text("disputed")).to_be_visible()

    # one by one, and of one reason
    page.get_by_role("button", name="All", exact=True).click()
    page.get_by_label("By structure").click()
    expect(options).to_have_count(6)
    expect(options.nth(1)).to_contain_text("atom 8")
    choose(page, "Signal", "short distance")
    expect(options).to_have_count(3)


def test_the_browser_remembers_who_judges(inbox: Callable[[], tuple[Session, Any]], page: Page) -> None:
    session, _ = inbox()
    name = page.get_by_label("Your name")
    expect(name).to_have_value("Ana")
    name.fill(" Bo ")
    name.press("Enter")
    wait_until(page, lambda: session.judging.author == "Bo", what="another name")
    wait_until(page, lambda: page.evaluate("localStorage.getItem('meaviz.author')") == "Bo", what="the name kept")
    later, _ = inbox()
    expect(name).to_have_value("Bo")
    wait_until(page, lambda: later.judging.author == "Bo", what="the name of the visit before")
    name.fill("")
    name.press("Enter")
    wait_until(page, lambda: page.evaluate("localStorage.getItem('meaviz.author')") is None, what="the name forgotten")
    last, _ = inbox()
    expect(name).to_have_value("Ana")
    assert last.judging.author == "Ana"


@pytest.mark.parametrize("inbox", [True], indirect=True)
def test_structures_that_are_off_together_are_one_row(inbox: Callable[[], tuple[Session, Any]], page: Page) -> None:
    """One click selects all members, one verdict holds for all."""
    session, _ = inbox()
    options = page.get_by_role("option")
    expect(options).to_have_count(5)
    together = page.get_by_role("option", name="group bcc: 2 of 7 structures")
    expect(together).to_contain_text("lie 1.4 eV/atom above the others of it")
    together.click()
    wait_until(page, lambda: session.selection.any, what="a selection")
    assert np.flatnonzero(session.selection.mask).tolist() == list(range(48, 80))
    expect(page.get_by_role("heading", name="group bcc: 2 of 7 structures")).to_be_visible()
    page.get_by_role("button", name="Outlier (A)").click()
    wait_until(page, lambda: session.judging.flags.any(), what="a judgement")
    assert verdicts(session) == (list(range(48, 80)), [])
    expect(page.get_by_text("1 of 5 judged")).to_be_visible()
    expect(options).to_have_count(4)

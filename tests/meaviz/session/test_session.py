"""What the session remembers, without a widget or a browser: judgements and what follows from them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from meagraph.datasets import AtomicDataset
from meagraph.errors import MEAGraphError
from meagraph.pruning.settings import PruningConfig
from meaviz.judgements import ledger
from meaviz.judgements.candidates import find_candidates, next_place, telling_signals
from meaviz.judgements.ledger import add_judgement, ledger_path
from meaviz.session import Session

# rows 0-111 are seven cells of 16 atoms, the last two of them equal; 112-143 four of 8; 144 is alone
SCORES = {20: 4.0, 40: 3.0, 21: 2.0, 115: 1.5, 22: 1.2, 90: 1.1}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MEAVIZ_DATA_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def open_session(niobium: AtomicDataset, survey_by_hand: Callable) -> Callable[..., Session]:
    """``open_session(author)``: a session at the map of the tiny niobium."""
    descriptors, learned, survey = survey_by_hand(niobium, SCORES)

    def start(author: str = "Ana") -> Session:
        session = Session(author=author)
        session.set_dataset(niobium)
        session.set_descriptors(descriptors)
        session.set_learned(learned)
        session.set_survey(survey)
        return session

    return start


def rows_of(mask: np.ndarray) -> list[int]:
    return np.flatnonzero(mask).tolist()


def test_a_judgement_leaves_its_structure_out_of_the_plan(open_session: Callable[..., Session]) -> None:
    session = open_session()
    session.planning.settings = PruningConfig(keep=1.0)
    whole = session.planning.plan.structures
    assert whole.all()
    assert session.judging.judge(np.array([20, 21]), "outlier", reason="wrong label", note="spin") == 2
    assert rows_of(session.judging.flags) == [20, 21]
    assert rows_of(~session.planning.plan.structures) == [1]
    assert session.describe(20)["judged"] == "outlier (Ana)"
    mask = np.zeros(145, dtype=bool)
    mask[[21, 60]] = True
    assert session.judging.judge(mask, "ordinary") == 2
    assert rows_of(session.judging.ordinary) == [21, 60]
    assert rows_of(session.judging.flags) == [20]
    assert session.judging.judge(np.array([20]), "ordinary") == 1
    assert session.planning.plan.structures.all()
    assert session.judging.judgements.of(20)[1].note == "spin"


def test_judgements_of_equal_structures_are_one(open_session: Callable[..., Session]) -> None:
    session = open_session()
    session.judging.judge(np.array([80]), "outlier")
    assert rows_of(session.judging.flags) == [80, 96]  # the sixth cell is in the dataset twice
    assert session.judging.judge(np.array([80, 96, 97, 40]), "ordinary") == 4  # both of them at once
    assert rows_of(session.judging.ordinary) == [40, 80, 81, 96, 97]


def test_undo_goes_back_through_this_session_only(open_session: Callable[..., Session]) -> None:
    open_session("Bo").judging.judge(np.array([5]), "ordinary")
    session = open_session()
    session.planning.settings = PruningConfig(keep=1.0)
    session.judging.judge(np.array([5, 6]), "outlier")
    session.judging.judge(np.array([6]), "ordinary")
    assert session.judging.undo().verdict == "ordinary"
    assert rows_of(session.judging.flags) == [5, 6]
    assert not session.planning.plan.structures[0]
    assert session.judging.undo().verdict == "outlier"
    assert rows_of(session.judging.ordinary) == [5]  # as Bo left it
    assert session.planning.plan.structures[0]
    assert session.judging.undo() is None
    assert rows_of(open_session().judging.ordinary) == [5]


def test_flags_of_the_selection(open_session: Callable[..., Session]) -> None:
    """Flag and unflag count what changes; without a selection the inspected environment is meant."""
    session = open_session()
    session.selection.select(np.arange(145) < 10)
    assert session.flag_selection(True) == 10
    assert session.flag_selection(True) == 0
    session.selection.select(np.arange(145) < 4)
    assert session.flag_selection(False) == 4
    assert rows_of(session.judging.flags) == [4, 5, 6, 7, 8, 9]
    assert not session.judging.ordinary.any()
    session.selection.clear()
    session.selection.inspected = 30
    assert session.flag_selection(True) == 1
    assert session.judging.flags[30]
    assert len({act.uid for act, *_ in ledger.all_entries(ledger_path())}) == 3


def test_what_others_judge_meanwhile_is_seen(open_session: Callable[..., Session]) -> None:
    one, two = open_session("Ana"), open_session("Bo")
    two.judging.judge(np.array([1]), "outlier")
    assert not one.judging.flags.any()
    one.judging.refresh()
    assert rows_of(one.judging.flags) == [1]
    one.judging.judge(np.array([1]), "ordinary")
    two.judging.judge(np.array([2]), "outlier")  # judging looks as well
    assert (rows_of(two.judging.flags), rows_of(two.judging.ordinary)) == ([2], [1])
    assert two.judging.judgements.disputed[1]
    assert two.describe(1)["judged"] == "ordinary (Ana), outlier (Bo)"


def test_a_judgement_that_cannot_be_stored_changes_nothing(open_session: Callable[..., Session], home: Path) -> None:
    session = open_session()
    home.mkdir(exist_ok=True)
    ledger_path().write_text("no database " * 100)
    plan = session.planning.plan
    with pytest.raises(MEAGraphError, match="not a database"):
        session.judging.judge(np.array([3]), "outlier")
    session.selection.inspected = 3
    assert session.flag_selection(True) == 0
    assert "not a database" in session.activity.problem[1]
    assert not session.judging.flags.any()
    assert session.planning.plan is plan
    with pytest.raises(MEAGraphError, match="Compute the map first"):
        Session(author="Ana").judging.judge(np.array([3]), "outlier")
    session.judging.author = " "
    with pytest.raises(MEAGraphError, match="name"):
        session.judging.judge(np.array([3]), "outlier")


def test_flags_of_an_earlier_version_are_there(
    open_session: Callable[..., Session], niobium: AtomicDataset, home: Path
) -> None:
    home.mkdir()
    flags = {"format": "meaviz-flags-1", "flags": {niobium.structure_keys[2]: [3]}}
    (home / "flags.json").write_text(json.dumps(flags))
    assert rows_of(open_session().judging.flags) == [35]
    assert rows_of(open_session().judging.flags) == [35]


def test_a_new_dataset_forgets_and_the_old_one_remembers(
    open_session: Callable[..., Session], niobium: AtomicDataset
) -> None:
    session = open_session()
    session.judging.judge(np.array([7]), "outlier")
    add_judgement(ledger_path(), ["f" * 32], [0], [7], verdict="outlier", author="Ana")  # of another dataset
    session.set_dataset(niobium)
    assert session.judging.judgements is session.judging.flags is session.judging.ordinary is None
    session.judging.refresh()
    assert rows_of(open_session().judging.flags) == [7]


def test_the_author_is_the_user_at_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "čeněk")
    assert Session().judging.author == "čeněk"


# The inbox's order


def test_candidates_one_by_one_and_by_structure(niobium: AtomicDataset, survey_by_hand: Callable) -> None:
    outliers = survey_by_hand(niobium, SCORES)[2].outliers
    single = find_candidates(outliers, niobium, by_structure=False)
    assert single.leads.tolist() == list(SCORES)
    assert single.members(21).tolist() == [21]
    grouped = find_candidates(outliers, niobium)
    assert grouped.leads.tolist() == [20, 40, 115, 90]
    assert grouped.members(20).tolist() == [20, 21, 22]
    assert grouped.members(21).tolist() == []  # no lead
    judged = np.isin(np.arange(145), [20, 22, 40])
    assert grouped.done(judged).tolist() == [False, True, False, False]
    judged[21] = True
    assert grouped.shown(judged, "open").tolist() == [2, 3]
    assert grouped.shown(judged, "judged").tolist() == [0, 1]
    assert grouped.shown(judged, "all").tolist() == [0, 1, 2, 3]
    shown = grouped.shown(judged, "open")
    assert [grouped.page_of(lead, shown, 1) for lead in (20, 115, 90)] == [0, 0, 1]  # of 20 that of the next one
    assert grouped.page_of(90, shown[:1], 1) is None
    assert telling_signals(outliers) == ["force", "short distance"]
    assert telling_signals(survey_by_hand(niobium, {})[2].outliers) == []
    some = find_candidates(outliers, niobium, signal="short distance")  # suspects 20, 21 and 22
    assert some.leads.tolist() == [20]
    none = find_candidates(survey_by_hand(niobium, {})[2].outliers, niobium)
    assert none.shown(judged, "open").tolist() == []


def test_next_place_by_hand() -> None:
    shown = np.array([1, 4, 6])
    assert [next_place(shown, place, 1) for place in (-1, 1, 2, 6, 9)] == [1, 4, 4, 1, 1]
    assert [next_place(shown, place, -1) for place in (9, 6, 5, 1, 0)] == [6, 4, 4, 6, 6]
    assert next_place(np.empty(0, dtype=int), 3, 1) == -1


def test_the_places_of_a_map_are_the_maps_own(open_session: Callable[..., Session]) -> None:
    """Each page on a server would hold a copy of them, and one of each coordinate."""
    first, second = open_session(), open_session()
    planes = []
    for session in (first, second):
        assert session.data.properties is not None
        planes.append(session.data.properties.plane("umap_1", "umap_2"))
        turned = session.data.properties.plane("umap_2", "umap_1")
        assert turned.tolist() == planes[0][:, ::-1].tolist()
    assert first.data.survey is not None
    assert planes[0] is planes[1] is first.data.survey.projection.xy

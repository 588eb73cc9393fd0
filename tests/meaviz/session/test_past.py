"""Everything that a person does can be undone and done again, in the order in which it was done."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from meaviz.session import Session
from meaviz.session.filters import Filters
from meaviz.session.past import DRAG
from tests.support.finished import Finished


@pytest.fixture
def session(known: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Session:
    monkeypatch.setenv("MEAVIZ_DATA_HOME", str(tmp_path / "home"))
    made = Session(author="ada")
    made.set_dataset(known.analysis.dataset)
    made.set_analysis(known.analysis, known.analysis.evidence)
    return made


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_each_thing_that_is_done_is_undone_and_done_again(session: Session) -> None:
    clock = Clock()
    past = session.past
    past.clock = clock
    selection, planning, judging = session.selection, session.planning, session.judging
    whole = len(selection.mask)
    acts = {
        "selection": (lambda: selection.select_rows(range(30)), lambda: selection.mask.sum(), 30),
        "filters": (
            lambda: selection.set_filters(Filters(ranges=(("structure", 0, 1),))),
            lambda: whole if selection.shown is None else int(selection.shown.sum()),
            None,
        ),
        "named selections": (lambda: selection.keep("mine"), lambda: selection.named.names, ["mine"]),
        "settings of the plan": (
            lambda: setattr(planning, "settings", replace(planning.settings, keep=0.5)),
            lambda: planning.settings.keep,
            0.5,
        ),
        "named plans": (lambda: planning.keep("half"), lambda: list(planning.plans), ["half"]),
        "what becomes of flagged structures": (
            lambda: setattr(planning, "leave_out_flagged", False),
            lambda: planning.leave_out_flagged,
            False,
        ),
        "judgement": (
            lambda: judging.judge(np.array([3, 4]), "outlier"),
            lambda: np.flatnonzero(judging.flags).tolist(),
            [3, 4],
        ),
        "settings of the next computation": (
            lambda: setattr(session.data, "next_config", replace(session.data.next_config, seed=9)),
            lambda: session.data.next_config.seed,
            9,
        ),
        "colours and axes": (
            lambda: setattr(session.appearance, "colour_by", "element"),
            lambda: session.appearance.colour_by,
            "element",
        ),
        "pinned environment": (lambda: setattr(selection, "pinned", 7), lambda: selection.pinned, 7),
    }
    seen = []
    for act, look, after in acts.values():
        before = look()
        act()
        clock.now += 10
        assert look() != before
        assert after is None or look() == after
        seen.append((before, look()))
    steps = list(zip(acts.items(), seen, strict=True))
    for (name, (_, look, _)), (before, _) in reversed(steps):
        assert name in past.move(-1)
        assert look() == before, name
    assert past.move(-1) == ""
    for (name, (_, look, _)), (_, after) in steps:
        assert name in past.move(1)
        assert look() == after, name
    assert past.move(1) == ""
    assert judging.verdicts(3) == "outlier (ada)"


def test_what_is_done_after_undo_takes_the_place_of_what_was_undone(session: Session) -> None:
    clock = Clock()
    past = session.past
    past.clock = clock
    session.selection.select_rows([1])
    clock.now += 10
    session.selection.select_rows([2])
    past.move(-1)
    clock.now += 10
    session.selection.select_rows([3])
    assert not past.can_redo
    past.move(-1)
    assert np.flatnonzero(session.selection.mask).tolist() == [1]


def test_a_slider_that_is_dragged_is_one_step(session: Session) -> None:
    clock = Clock()
    past = session.past
    past.clock = clock
    first = session.planning.settings.keep
    for keep in (0.3, 0.35, 0.4, 0.45):
        session.planning.settings = replace(session.planning.settings, keep=keep)
        clock.now += DRAG / 2
    past.move(-1)
    assert session.planning.settings.keep == first
    past.move(1)
    assert session.planning.settings.keep == 0.45


def test_a_level_of_the_clusters_is_a_step_and_another_map_begins_anew(session: Session) -> None:
    clock = Clock()
    past = session.past
    past.clock = clock
    survey = session.data.survey
    tree = survey.clusters.hierarchy
    assert tree is not None
    other = next(count for count in range(1, len(tree.parent) + 1) if count != survey.clusters.n_clusters)
    session.set_level(other)
    clock.now += 10
    assert "level" in past.move(-1)
    assert session.data.survey.clusters.n_clusters == survey.clusters.n_clusters
    session.selection.select_rows([1])
    session.set_survey(replace(survey, embedding=replace(survey.embedding)))
    assert not past.can_undo

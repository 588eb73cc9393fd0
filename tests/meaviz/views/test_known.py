"""The tab of what is known already, without a browser, and what it makes of map and colours."""

from __future__ import annotations

import numpy as np
import pytest

from meagraph.evaluation.novelty import find_novelty
from meaviz.jobs.workflow import Workflow
from meaviz.session import Session
from meaviz.style.palette import KNOWN, KNOWN_GREY, NEUTRAL, pack
from meaviz.views.known import KnownView, summary
from meaviz.views.shared.colours import choices, colour
from tests.support.beside import session_beside
from tests.support.made_up import session_of


@pytest.fixture(scope="module")
def made() -> Session:
    session = session_beside(1200, 20)
    found = session.data.found
    session.set_novelty(find_novelty(found.dataset, found.learned.points, found.learned.condensed))
    return session


@pytest.fixture
def session(made: Session) -> Session:
    made.selection.clear()
    made.selection.inspected = -1
    made.appearance.colour_by = "cluster"
    return made


def test_it_says_how_to_give_known_data() -> None:
    session = session_of(200, 20)
    view = KnownView(session, Workflow(session))
    assert view.empty.visible
    assert "--known train.extxyz" in view.empty.object


def test_the_most_novel_structures_are_listed_and_selected_by_a_click(session: Session) -> None:
    view, data = KnownView(session, Workflow(session)), session.data.dataset
    assert not view.empty.visible
    rows = view.list.rows
    assert len(rows) == (~data.known).sum() == 40
    assert {row["id"] for row in rows[:20]} == set(range(40, 60))  # the last third
    assert [float(row["mark"]) for row in rows] == sorted((float(row["mark"]) for row in rows), reverse=True)
    view.choose(rows[0]["id"])
    assert set(data.structure_of[session.selection.mask]) == {rows[0]["id"]}
    found = session.data.novelty
    assert found.value[session.selection.inspected] == pytest.approx(float(rows[0]["mark"]), abs=0.01)
    assert view.list.current == rows[0]["id"]


def test_what_is_new_can_be_selected_and_coloured(session: Session) -> None:
    view = KnownView(session, Workflow(session))
    view.select_new()
    far = session.data.dataset.structure_of >= 40
    assert far[session.selection.mask].mean() > 0.9
    assert (session.selection.mask & far).sum() == far.sum()
    view.colour()
    assert session.appearance.colour_by == "novelty"


def test_the_curve_has_the_known_alone_first(session: Session) -> None:
    view, found = KnownView(session, Workflow(session)), session.data.novelty
    session.planning.novelty = found.along([session.planning.plan])
    assert view.chart.source.data["structures"].tolist() == [0, session.planning.plan.n_structures]
    assert view.chart.source.data["covered"][0] == pytest.approx(100 * (1 - found.share))
    assert view.chart.figure.yaxis.axis_label.endswith("%")


def test_groups_are_text(session: Session) -> None:
    text = str(summary(session.data.novelty))
    assert "group 0" in text
    assert "beyond what is known" in text


def test_the_known_are_grey(session: Session) -> None:
    known = session.data.dataset.known_environments
    for name in ("cluster", "group"):
        found = colour(session, name)
        assert set(found.rgba[known]) == {pack([KNOWN_GREY])[0]}
        assert pack([KNOWN_GREY])[0] not in set(found.rgba[~known])
        assert found.entries[-1][:2] == (KNOWN, KNOWN_GREY)
        assert sum(entry.size for entry in found.entries) == len(known)
    assert set(colour(session, "force").rgba[known]) == {pack([NEUTRAL])[0]}
    assert len(set(colour(session, "known").rgba)) == 2
    assert "novelty" in {value for _, value in choices(session)["Often used"]}


def test_plans_leave_out_the_known(session: Session) -> None:
    plan = session.planning.plan
    assert not plan.structures[session.data.dataset.known].any()
    assert "novelty" in session.describe(1199)
    assert session.describe(0)["known"] == "already"
    assert np.isfinite(session.data.properties["novelty"].values).all()


def test_what_is_known_is_neither_kept_nor_pruned() -> None:
    session = session_beside(1200, 20)
    known, plan = session.data.dataset.known_environments, session.planning.plan
    found = session.data.properties
    np.testing.assert_array_equal(found.find('kept == "known already"'), known)
    np.testing.assert_array_equal(found.find('kept == "kept"'), plan.keep & ~known)
    np.testing.assert_array_equal(found.find('kept == "pruned"'), ~plan.keep & ~known)
    assert session_of(400, 20).data.properties["kept"].names == ("pruned", "kept")

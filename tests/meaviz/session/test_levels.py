"""Another level of the clusters in a session: what follows, and what stays."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from meagraph.errors import MEAGraphError
from meaviz.session import Session
from meaviz.session.filters import Filters
from tests.support.made_up import BLOBS, session_of


@pytest.fixture
def session() -> Session:
    return session_of(2000, 20)


def test_what_hangs_on_clusters_follows_and_the_rest_stays(session: Session) -> None:
    data, known = session.data, session.data.survey
    session.selection.select(known.clusters.labels == 3)
    mask, plan = session.selection.mask, session.planning.plan
    session.planning.keep("first")
    data.cluster_stability = np.ones(BLOBS)
    told = []
    data.param.watch(lambda *events: told.append({event.name for event in events}), ["survey", "sight", "properties"])
    session.set_level(BLOBS + 1)
    assert told == [{"survey", "sight", "properties"}]
    found = data.survey
    assert found is data.sight
    assert found.clusters.n_clusters == BLOBS + 1
    assert found.config.clustering.clusters == BLOBS + 1
    assert (found.embedding, found.projection, found.outliers) == (known.embedding, known.projection, known.outliers)
    moved = found.clusters.labels != known.clusters.labels
    assert set(found.clusters.labels[moved]) == {BLOBS}
    np.testing.assert_array_equal(data.properties["cluster"].values, found.clusters.labels)
    assert data.cluster_stability is None
    np.testing.assert_array_equal(session.selection.mask, mask)
    assert session.judging.judgements is not None
    now = session.planning.plan
    np.testing.assert_array_equal(now.keep, plan.keep)
    np.testing.assert_array_equal(now.per_cluster, found.clusters.count(now.keep))
    np.testing.assert_array_equal(session.planning.plans["first"].per_cluster, now.per_cluster)
    session.set_level(BLOBS)
    np.testing.assert_array_equal(data.survey.clusters.labels, known.clusters.labels)


def test_what_was_set_by_cluster_is_no_more(session: Session) -> None:
    planning = session.planning
    usual = planning.plan
    planning.settings = replace(planning.settings, fractions=((2, 1.0),))
    assert planning.plan.per_cluster[2] == session.data.survey.clusters.sizes[2]
    planning.keep("by hand")
    session.set_level(5)
    assert planning.settings.fractions == planning.plan.config.fractions == ()
    assert planning.plans == {}
    np.testing.assert_array_equal(planning.plan.keep, usual.keep)
    assert len(planning.plan.per_cluster) == 6


def test_filters_by_cluster_follow(session: Session) -> None:
    session.selection.set_filters(Filters(choices=(("cluster", ("1",)),)))
    shown = session.data.survey.clusters.labels == 1
    np.testing.assert_array_equal(session.selection.shown, shown)
    session.set_level(2)
    np.testing.assert_array_equal(session.selection.shown, session.data.survey.clusters.labels == 1)
    assert session.selection.shown.sum() > shown.sum()


def test_a_level_that_there_is_not(session: Session) -> None:
    before = session.data.survey
    with pytest.raises(MEAGraphError, match="got 5000"):
        session.set_level(5000)
    assert session.data.survey is before
    Session().set_level(3)  # nothing to show, nothing to do

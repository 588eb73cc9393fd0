"""The slider from coarse to fine: its places, and what it does."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from panel.util import edit_readonly

from meagraph.latent.clustering import Clusters
from meaviz.views.clusters.levels import EVERY, LevelSlider, counts_of
from tests.support.made_up import BLOBS, PARTS, session_of


def test_each_number_of_few_clusters_has_its_place_and_the_ends_are_there() -> None:
    tree = session_of(2000, 20).data.survey.clusters.hierarchy
    counts = counts_of(tree, 77).tolist()
    assert counts[:EVERY] == [*range(1, EVERY + 1)]
    assert counts[-1] == tree.finest == BLOBS * PARTS
    assert 77 in counts
    assert tree.default in counts
    assert all(later > sooner for sooner, later in pairwise(counts))
    assert len(counts) < 60


def test_the_slider_moves_the_level_and_follows_it() -> None:
    session = session_of(2000, 20)
    view = LevelSlider(session)
    assert view.slider.value == BLOBS - 1
    assert view.slider.marks == [{"value": BLOBS - 1, "label": f"{BLOBS}"}]
    with edit_readonly(view.slider):
        view.slider.value_throttled = 3
    assert session.data.survey.clusters.n_clusters == 4
    assert view.slider.value == 3
    assert "4 of at most 120" in view.slider.label
    session.set_level(20)
    assert view.slider.value == 19
    assert session.data.survey.clusters.n_clusters == 20


def test_clusters_without_levels_say_so() -> None:
    session = session_of(400, 20)
    known = session.data.survey
    session.set_survey(replace(known, clusters=Clusters(known.clusters.labels, known.clusters.sizes, "leiden")))
    view = LevelSlider(session)
    assert not view.slider.visible
    assert view.none.visible

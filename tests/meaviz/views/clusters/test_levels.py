"""The slider from coarse to fine: its places, and what it does."""

from __future__ import annotations

from dataclasses import replace

from panel.util import edit_readonly

from meagraph.latent.clustering import Clusters
from meaviz.views.clusters.levels import LevelSlider
from tests.support.made_up import BLOBS, session_of


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
    for count in (20, 77, 120):  # of 77 there is no place of its own before it is asked for
        session.set_level(count)
        assert f"{count} of at most 120" in view.slider.label
        assert session.data.survey.clusters.n_clusters == count
    assert view.slider.value == view.slider.end


def test_clusters_without_levels_say_so() -> None:
    session = session_of(400, 20)
    known = session.data.survey
    session.set_survey(replace(known, clusters=Clusters(known.clusters.labels, known.clusters.sizes, "leiden")))
    view = LevelSlider(session)
    assert not view.slider.visible
    assert view.none.visible

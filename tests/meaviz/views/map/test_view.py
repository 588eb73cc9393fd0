"""The map's view of a session: names of clusters, density, the whole window, and what stands in place of a map."""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
import pytest

from meagraph.inspection.properties import NAME
from meagraph.pipeline.phasing import evidence
from meaviz.jobs.workflow import Workflow
from meaviz.session import Session
from meaviz.session.appearance import DENSITY
from meaviz.views.map.view import MapView
from tests.support.made_up import session_of

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def known() -> Session:
    session = session_of(2000, 20)
    session.data.evidence = evidence(session.data.dataset)
    session.set_survey(session.data.survey)
    return session


@pytest.fixture
def view(known: Session) -> MapView:
    known.appearance.param.update(labels=True, whole=False, colour_by="cluster")
    return MapView(known, Workflow(known))


def words(view: MapView) -> str:
    return str(view.map.__panel__().objects[0].object)


def test_clusters_are_named_where_they_are_and_not_at_all_if_so_wished(known: Session, view: MapView) -> None:
    clusters, xy = known.data.survey.clusters, known.data.survey.projection.xy
    names = view.map.labels
    in_words = known.data.properties[NAME].names
    for name in names:
        number = str(name.index)
        assert name.text == number or name.text.startswith(f"{number} · {in_words[name.index][:10]}")
    assert names[0].index == int(np.argmax(clusters.sizes))
    per_x, per_y = view.map.view.scale
    for name in names:
        of_it = xy[clusters.labels == name.index]
        away = np.hypot((of_it[:, 0] - name.x) * per_x, (of_it[:, 1] - name.y) * per_y)
        assert away.min() < max(name.width, name.height)  # on it or right beside it
    known.appearance.labels = False
    assert view.map.labels == []
    known.appearance.labels = True
    assert view.map.labels == names


def test_density_is_a_picture_and_so_is_what_is_saved(known: Session, view: MapView) -> None:
    known.appearance.colour_by = DENSITY
    saved = ElementTree.parse(view.picture("svg")).getroot()
    assert saved.find(f".//{SVG}image") is not None
    texts = ["".join(node.itertext()) for node in saved.iter(f"{SVG}text")]
    assert any(text.startswith("Density / environments within") for text in texts)
    assert {name.text for name in view.map.labels} <= set(texts)


def test_the_whole_window_is_a_state_of_the_session(known: Session, view: MapView) -> None:
    before = view.map.view
    known.appearance.whole = True
    assert view.map.floating
    assert view.map.view.x[1] > before.x[1]  # room for the legend
    view.map.zoom_to(known.data.survey.clusters.labels == 0)
    closer = view.map.view
    known.appearance.whole = False
    assert not view.map.floating
    assert view.map.view == closer  # who has zoomed stays there
    view.map.zoom_to(None)
    assert view.map.view == before


def test_in_place_of_a_map_stands_what_is_done_for_it() -> None:
    session = Session()
    view = MapView(session, Workflow(session))
    assert "once the steps on the left have run" in words(view)
    session.activity.param.update(running="model", progress=(0.25, "training <1>"))
    assert "training &lt;1&gt; (25%)" in words(view)
    session.activity.param.update(running="", problem=("descriptors", "The cutoff is too long."))
    assert "The cutoff is too long." in words(view)
    session.activity.param.update(problem=("export", "Not of the map."))
    assert "Not of the map." not in words(view)

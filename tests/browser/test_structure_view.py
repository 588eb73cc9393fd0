"""The 3D view and the gallery with their tools, in a real browser, on a dataset whose map is made by hand."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import panel as pn
import pytest

from meagraph.datasets import AtomicDataset
from meagraph.inspection.alignment import Alignment
from meagraph.pipeline.run import Run
from meaviz.session import Session
from meaviz.views.gallery import GalleryView
from meaviz.views.structure.tools import picture_name
from meaviz.views.structure.view import StructureView, alignment_text
from tests.support.browser import Served, choose, open_page, wait_until
from tests.support.messages import from_browser

DEBUG = "globalThis.__meaviz_debug = [];"
DRAWN = "(id) => { const view = __meaviz_debug?.at(-1); return !!view && view.idle() && view.scene()?.id === id; }"


def ready_session(run: Run) -> Session:
    """A session as it is once the map is there."""
    session = Session()
    session.set_dataset(run.dataset)
    session.set_descriptors(run.descriptors)
    session.set_learned(run.learned)
    session.set_survey(run.survey)
    return session


@dataclass
class Opened:
    page: Any
    served: Served
    session: Session
    view: StructureView
    gallery: GalleryView

    def settle(self) -> None:
        """Wait for the newest scene: another may have replaced the one that was asked for."""
        drawn = lambda: self.page.evaluate(DRAWN, self.view.viewer.scene.get("id", -1))  # noqa: E731
        wait_until(self.page, drawn, what="the scene to be drawn")

    def button(self, name: str) -> Any:
        """The button whose name, its label or a sentence that begins with it, begins with ``name``."""
        return self.page.get_by_role("button", name=re.compile(f"^{re.escape(name)}( |:|$)")).first


@pytest.fixture
def opened(
    niobium: AtomicDataset, ready_run: Callable[[AtomicDataset], Run], serve: Callable[..., Served], page: Any
) -> Opened:
    found: list[Any] = []

    def app() -> pn.Row:
        session = ready_session(ready_run(niobium))
        view, gallery = StructureView(session, None), GalleryView(session, None)
        view.viewer.awake = True
        found.append((session, view, gallery))
        return pn.Row(pn.Column(view, width=420, height=700), pn.Column(gallery, width=760, height=700))

    page.add_init_script(DEBUG)
    served = serve(app)
    open_page(page, served)
    return Opened(page, served, *found[-1])


def test_a_walk_through_the_tools(opened: Opened, niobium: AtomicDataset) -> None:
    """Step, switch the mode, colour, pin, compare, step by keys; settings stay, one stage serves all."""
    page, session, view = opened.page, opened.session, opened.view
    viewer = view.viewer
    opened.button("Next").click()
    wait_until(page, lambda: session.selection.inspected == 0, what="the first environment")
    opened.settle()
    assert viewer.scene["around"]
    assert page.get_by_text("0 of 16 (Nb)").is_visible()

    opened.button("View").click()
    page.get_by_label("Forces").check()
    choose(page, "Colour atoms by", "Cluster")
    wait_until(page, lambda: session.appearance.atoms_by == "cluster" and viewer.arrows, what="the settings")
    choose(page, "Cells, a", "2")
    opened.button("Structure").click()
    wait_until(page, lambda: viewer.scene["repeats"] == [2, 1, 1] and not viewer.scene["around"], what="the structure")
    opened.settle()
    assert viewer.legend["title"] == "Cluster"
    assert viewer.legend["entries"] == [["0", "#0072B2"]]

    session_rows = np.zeros(niobium.n_environments, dtype=bool)
    session_rows[[3, 40, 120, 130]] = True  # the last two are of the other cluster
    opened.served.run(lambda: setattr(session.selection, "mask", session_rows))
    page.locator(".viewer").focus()
    page.keyboard.press("ArrowRight")
    wait_until(page, lambda: session.selection.inspected == 3, what="the first of the selection")
    opened.settle()
    assert (view.shown.mode, view.shown.repeats, viewer.arrows) == ("structure", (2, 1, 1), True)
    assert viewer.scene["centers"] == [3]

    opened.button("Environment").click()
    opened.button("Pin").click()
    wait_until(page, lambda: session.selection.pinned == 3, what="a pinned environment")
    page.locator(".viewer").focus()
    page.keyboard.press("ArrowLeft")
    wait_until(page, lambda: session.selection.inspected == 130, what="the last of the selection")
    wait_until(page, lambda: len(viewer.scene["centers"]) == 2, what="both environments")
    opened.settle()
    assert [name for name, _ in viewer.legend["entries"]] == ["0", "1"]
    page.get_by_text("RMSD").wait_for()
    assert page.get_by_role("cell", name="130").is_visible()
    opened.button("Pin").click()
    wait_until(
        page, lambda: session.selection.pinned == -1 and len(viewer.scene["centers"]) == 1, what="one environment"
    )
    opened.settle()
    assert page.locator(".viewer canvas").count() == 1

    with page.expect_download() as download:
        opened.button("Save picture").click()
    assert download.value.suggested_filename == picture_name(session, "environment")

    picture = page.locator(".gallery button").nth(4)
    row = int(picture.get_attribute("data-row"))
    picture.click()
    wait_until(page, lambda: session.selection.inspected == row, what="the environment of the picture")
    page.locator(f'.gallery button.current[data-row="{row}"]').first.wait_for()


def test_the_view_without_a_browser(niobium: AtomicDataset, ready_run: Callable[[AtomicDataset], Run]) -> None:
    session = ready_session(ready_run(niobium))
    view = StructureView(session, None)
    session.selection.inspected = 20
    assert view.viewer.scene["near"].size > 8
    from_browser(view.viewer, {"type": "click", "scene": view.viewer.scene["id"], "index": -1})
    assert view.shown.mode == "structure"
    from_browser(view.viewer, {"type": "click", "scene": view.viewer.scene["id"], "index": 7})
    assert session.selection.inspected == niobium.offsets[niobium.structure_of[20]] + 7
    assert view.shown.mode == "structure"  # the choice of an atom does not change what is shown
    assert view.viewer.scene["centers"] == [7]
    here = int(niobium.offsets[niobium.structure_of[20]])
    for index, keys in ((3, {"shift": True}), (5, {"shift": True}), (3, {"ctrl": True})):
        from_browser(view.viewer, {"type": "click", "scene": view.viewer.scene["id"], "index": index, **keys})
    assert np.flatnonzero(session.selection.mask).tolist() == [here + 5]
    assert session.selection.inspected == here + 7  # what is looked at stays
    session.selection.clear()
    from_browser(view.viewer, {"type": "step", "by": -5})
    assert session.selection.inspected == niobium.offsets[niobium.structure_of[20]] + 6
    session.appearance.atoms_by = "selected"
    grey = view.viewer.scene["colors"]
    session.selection.mask = np.ones(niobium.n_environments, dtype=bool)
    assert (view.viewer.scene["colors"] != grey).all()
    assert [name for name, _ in view.viewer.legend["entries"]] == ["selected"]
    view.shown.mode, session.selection.pinned = "environment", 100
    assert view.comparing
    first = view.viewer.scene["starts"][1]
    from_browser(view.viewer, {"type": "click", "scene": view.viewer.scene["id"], "index": first})
    assert session.selection.pinned == 100
    from_browser(view.viewer, {"type": "click", "scene": view.viewer.scene["id"], "index": 0})
    assert session.selection.inspected == 100  # the centre of the pinned one
    session.set_learned(session.data.learned)  # the map is gone
    assert session.selection.pinned == -1
    assert view.viewer.scene["centers"] == [int(niobium.atom_of[100])]  # what was looked at stays in sight
    session.set_dataset(None)
    assert view.viewer.scene == {}


def test_names_and_lengths() -> None:
    assert picture_name(Session(), "structure") == "structure.png"
    pairs = np.array([[0, 1], [1, 0]])
    text = alignment_text(Alignment(np.eye(3), pairs, 0.25, (1, 2), 0.05, (1, 2)))
    assert text == "RMSD 0.250 Å over 2 neighbours, 3 without partner (1 pinned, 2 this). As mirror images: 0.050 Å."
    assert "No neighbours" in alignment_text(Alignment(np.eye(3), pairs[:0], np.nan, (1, 2), np.nan, (1, 2)))


def test_the_gallery_lists_clusters_and_answers_only_for_its_own_pictures(
    niobium: AtomicDataset, ready_run: Callable[[AtomicDataset], Run]
) -> None:
    session = ready_session(ready_run(niobium))
    view = GalleryView(session, None)
    assert list(view.cluster.options.values()) == [0, 1, 2]
    central, edge, drawn = view.gallery.sections
    labels = session.data.survey.clusters.labels
    for section in (central, edge, drawn):
        assert len(section["items"]) == 6
        assert (labels[[item["row"] for item in section["items"]]] == 0).all()
    view.draw_others()
    assert view.gallery.sections[2] != drawn
    view.cluster.value = 2
    assert [item["row"] for item in view.gallery.sections[0]["items"]] == [144]  # the isolated atom
    from_browser(view.gallery, {"row": 3})
    assert session.selection.inspected == -1
    from_browser(view.gallery, {"row": 144})
    assert session.selection.inspected == 144
    session.set_dataset(None)
    assert view.gallery.sections == []

"""Pictures of a cluster's members: central ones, those at the edge, random ones."""

from __future__ import annotations

from typing import Any

import panel as pn
import panel_material_ui as pmui
from ase.data import chemical_symbols
from numpy.typing import NDArray

from meagraph.latent.exemplars import exemplars
from meaviz.components.gallery import Gallery
from meaviz.jobs.workflow import Workflow
from meaviz.session import Session, cluster_name
from meaviz.session.appearance import ELEMENT
from meaviz.style.page import FACTS_CSS
from meaviz.style.text import TextPane
from meaviz.views.shared.atom_colours import AtomColours
from meaviz.views.shared.buttons import small_button
from meaviz.views.shared.pictures import picture

COUNT = 6
SIZE = 110


class GalleryView(pn.viewable.Viewer):
    """Members of one cluster side by side; a click inspects the environment."""

    def __init__(self, session: Session, workflow: Workflow) -> None:
        super().__init__()
        self.session = session
        self._colours = AtomColours(session)
        self._seed = 0
        self._listed: object = None  # the map whose clusters are listed
        self.gallery = Gallery(sizing_mode="stretch_width", margin=(4, 12))
        self.cluster = pmui.Select(label="Cluster", options={}, size="small", width=240, margin=(6, 8, 0, 12))
        again = small_button(
            "Draw others", self.draw_others, description="Draw others: random members, other ones each time"
        )
        self._empty = TextPane(
            "No clusters yet: compute the map first.", margin=16, css_classes=["empty"], stylesheets=[FACTS_CSS]
        )
        self._filled = pn.Column(
            pn.FlexBox(self.cluster, again, align_items="center", margin=0),
            self.gallery,
            sizing_mode="stretch_both",
            margin=0,
            scroll=True,
        )
        self._layout = pn.Column(self._empty, self._filled, sizing_mode="stretch_both", margin=0)
        self.cluster.param.watch(self._draw, "value")
        self.gallery.param.watch(self._inspect, "clicked", onlychanged=False)
        session.data.param.watch(self._list, "survey")
        session.appearance.param.watch(self._recolour, ["atoms_by", "dark"])
        session.selection.param.watch(self._recolour, "mask")
        session.judging.param.watch(self._recolour, "flags")
        session.data.param.watch(self._recolour, "properties")
        session.planning.param.watch(self._recolour, "plan")
        session.selection.param.watch(lambda event: setattr(self.gallery, "current", event.new), "inspected")
        self._list()

    def __panel__(self) -> pn.Column:
        """Return the view for Panel to lay out."""
        return self._layout

    def _list(self, *events: object) -> None:
        survey = self.session.data.survey
        self._empty.visible, self._filled.visible = survey is None, survey is not None
        self._colours.forget()
        if survey is None:
            self.gallery.sections = []
            return
        sizes = {cluster_name(label): (label, int(size)) for label, size in enumerate(survey.clusters.sizes)}
        alone = int(survey.clusters.count()[-1])
        if alone:
            sizes[cluster_name(-1)] = (-1, alone)
        options = {f"{name} ({size:,} environments)": label for name, (label, size) in sizes.items()}
        same_map = survey.embedding is self._listed
        self._listed, self._seed = survey.embedding, self._seed if same_map else 0
        stays = same_map and self.cluster.value in options.values()
        value = self.cluster.value if stays else next(iter(options.values()))
        self.cluster.param.update(options=options, value=value)
        self._draw()

    def draw_others(self) -> None:
        """Other random members."""
        self._seed += 1
        self._draw()

    def _recolour(self, *events: Any) -> None:
        self._colours.forget()
        changed = {event.name for event in events}
        self.gallery.dark = self.session.appearance.dark
        if changed & {"atoms_by", "dark"} or self.session.appearance.atoms_by != ELEMENT:
            self._draw()

    def _draw(self, *events: object) -> None:
        analysis = self.session.data.analysis
        if analysis is None or self.cluster.value is None:
            return
        found = exemplars(
            analysis.survey.clusters,
            analysis.learned.condensed,
            analysis.survey.embedding.values,
            int(self.cluster.value),
            count=COUNT,
            seed=self._seed,
        )
        near, far = found.central_distance, found.edge_distance
        self.gallery.sections = [
            self._section("Central", f"{near[0]:.2g} to {near[-1]:.2g} from the latent mean", found.central),
            self._section("Edge", f"{far[-1]:.2g} to {far[0]:.2g} from it", found.edge),
            self._section("Random", f"of {found.members:,}", found.random),
        ]
        self.gallery.current = self.session.selection.inspected

    def _section(self, title: str, note: str, rows: NDArray[Any]) -> dict[str, Any]:
        return {"title": title, "note": note, "items": [self._item(title, int(row)) for row in rows]}

    def _item(self, title: str, row: int) -> dict[str, Any]:
        session, data = self.session, self.session.data.found.dataset
        structure = int(data.structure_of[row])
        colors, _ = self._colours.of(structure)
        tip = f"{title} member: environment {row:,}, {chemical_symbols[data.numbers[row]]}, {data.groups[structure]}"
        return {
            "row": row,
            "svg": picture(session, row, SIZE, colors),
            "label": str(data.groups[structure])[:16],
            "tip": tip,
        }

    def _inspect(self, event: Any) -> None:
        self.session.selection.inspected = event.new

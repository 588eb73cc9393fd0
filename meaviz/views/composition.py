"""What the clusters are made of: how the environments of each group, or other category, spread over them."""

from __future__ import annotations

import panel as pn
import panel_material_ui as pmui

from meagraph.inspection.composition import Composition, composition
from meaviz.components.charts.heat_map import HeatMap
from meaviz.jobs.runner import held
from meaviz.jobs.workflow import Workflow
from meaviz.session import Session, cluster_name
from meaviz.style.page import FACTS_CSS, FILL, SEGMENT
from meaviz.style.text import TextPane, markup
from meaviz.views.shared.remembered import remember

MOST = 60  # rows, and columns; the largest
EMPTY = markup('<p class="empty">No clusters yet: compute the map first.</p>')


class CompositionView(pn.viewable.Viewer):
    """Clusters against a category; a click on a cell selects its environments."""

    def __init__(self, session: Session, workflow: Workflow) -> None:
        super().__init__()
        self.session = session
        self._found: Composition | None = None
        self.category = pmui.Select(
            label="Composition by", options={}, value=None, size="small", width=190, margin=(10, 12, 6, 12)
        )
        self.of = pmui.RadioButtonGroup(
            options={"% of cluster": "cluster", "% of category": "category"},
            value="cluster",
            size="small",
            sx=SEGMENT,
            margin=(8, 12, 0, 12),
        )
        self.only = pmui.Switch(label="Selected only", value=False, size="small", margin=(8, 12, 0, 12))
        self._empty = TextPane(EMPTY, margin=(0, 12), stylesheets=[FACTS_CSS])
        self._chart = HeatMap("composition", self._select)
        tools = pn.Column(self.category, self.of, self.only, width=214, margin=0)
        self._holder = pn.Row(tools, pn.Column(self._chart, scroll="y-auto", **FILL), visible=False, **FILL)
        self._layout = pn.Column(self._empty, self._holder, **FILL)
        for widget in (self.category, self.of, self.only):
            widget.param.watch(held(self._draw), "value")
        session.data.param.watch(held(self._offer), "survey")
        session.appearance.param.watch(held(self._draw), "dark")
        session.selection.param.watch(held(self._follow), "mask")
        self._offer()
        remember(session, composition_by=self.category, composition_of=self.of, composition_only=self.only)

    def __panel__(self) -> pn.Column:
        """Return the view for Panel to lay out."""
        return self._layout

    def _offer(self, *events: object) -> None:
        known, self._found = self.session.data.properties, None
        there = self.session.data.survey is not None
        self._empty.visible, self._holder.visible = not there, there
        if not there or known is None:
            return
        options = {title: name for title, name in known.titles("category").items() if name != "cluster"}
        value = self.category.value if self.category.value in options.values() else "group"
        self.category.param.update(options=options, value=value)
        self._draw()

    def _follow(self, *events: object) -> None:
        if self.only.value:
            self._draw()

    def _draw(self, *events: object) -> None:
        session, known, survey = self.session, self.session.data.properties, self.session.data.survey
        if survey is None or known is None or not self.category.value:
            return
        per_category = self.of.value == "category"
        category = known[self.category.value]
        found = composition(
            category,
            survey.clusters,
            of=session.selection.mask if self.only.value and session.selection.any else None,
            per_category=per_category,
            most=MOST,
        )
        self._found = found
        self._chart.show(
            found.counts,
            found.share,
            found.names,
            [cluster_name(label) for label in found.labels],
            labels=("Cluster", category.title, f"% of the {category.title.lower() if per_category else 'cluster'}"),
            dark=session.appearance.dark,
        )

    def _select(self, row: int, column: int) -> None:
        if self._found is not None:
            self.session.selection.select(self._found.members(row, column))

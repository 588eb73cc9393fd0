"""What the clusters are made of: how the environments of each group, or other category, spread over them."""

from __future__ import annotations

from typing import Any

import numpy as np
import panel as pn
import panel_material_ui as pmui

from meagraph.latent.clustering import contingency
from meaviz.components.charts.heat_map import HeatMap
from meaviz.jobs.runner import held
from meaviz.jobs.workflow import Workflow
from meaviz.session import Session, cluster_name
from meaviz.style.page import FACTS_CSS, FILL, SEGMENT
from meaviz.style.text import TextPane, markup

MOST = 60  # rows, and columns; the largest
EMPTY = markup('<p class="empty">No clusters yet: compute the map first.</p>')


class CompositionView(pn.viewable.Viewer):
    """Clusters against a category; a click on a cell selects its environments."""

    def __init__(self, session: Session, workflow: Workflow) -> None:
        super().__init__()
        self.session = session
        self._codes: tuple[Any, Any] = (None, None)
        self._category = pmui.Select(
            label="Composition by", options={}, value=None, size="small", width=190, margin=(10, 12, 6, 12)
        )
        self._of = pmui.RadioButtonGroup(
            options={"% of cluster": "cluster", "% of category": "category"},
            value="cluster",
            size="small",
            sx=SEGMENT,
            margin=(8, 12, 0, 12),
        )
        self._only = pmui.Switch(label="Selected only", value=False, size="small", margin=(8, 12, 0, 12))
        self._empty = TextPane(EMPTY, margin=(0, 12), stylesheets=[FACTS_CSS])
        self._chart = HeatMap("composition", self._select)
        tools = pn.Column(self._category, self._of, self._only, width=214, margin=0)
        self._holder = pn.Row(tools, pn.Column(self._chart, scroll="y-auto", **FILL), visible=False, **FILL)
        self._layout = pn.Column(self._empty, self._holder, **FILL)
        for widget in (self._category, self._of, self._only):
            widget.param.watch(held(self._draw), "value")
        session.param.watch(held(self._offer), "survey")
        session.param.watch(held(self._draw), "dark")
        session.param.watch(held(self._follow), "selection")
        self._offer()

    def __panel__(self) -> pn.Column:
        """Return the view for Panel to lay out."""
        return self._layout

    def _offer(self, *events: object) -> None:
        known = self.session.properties
        there = self.session.survey is not None and known is not None
        self._empty.visible, self._holder.visible = not there, there
        if not there:
            return
        options = {
            known.title_of(name): name for name in known if known.kind_of(name) == "category" and name != "cluster"
        }
        value = self._category.value if self._category.value in options.values() else "group"
        self._category.param.update(options=options, value=value)
        self._draw()

    def _follow(self, *events: object) -> None:
        if self._only.value:
            self._draw()

    def _draw(self, *events: object) -> None:
        session, known = self.session, self.session.properties
        if session.survey is None or known is None or not self._category.value:
            return
        clusters, found = session.survey.clusters, known[self._category.value]
        bins = clusters.bins
        codes = np.where(found.values < 0, len(found.names), found.values)
        shape = (len(found.names) + 1, clusters.n_clusters + 1)
        whole = contingency(codes, bins, shape)
        counts = whole
        if self._only.value and session.selection.any():
            counts = contingency(codes[session.selection], bins[session.selection], shape)
        total = counts.sum(axis=0) if self._of.value == "cluster" else counts.sum(axis=1)[:, None]
        share = 100 * counts / np.maximum(total, 1)
        rows = np.argsort(-whole.sum(axis=1), kind="stable")[:MOST]
        rows = rows[whole.sum(axis=1)[rows] > 0]
        columns = np.flatnonzero(whole.sum(axis=0))[:MOST]
        self._codes = (rows, columns)
        names = [*found.names, "none"]
        of = "cluster" if self._of.value == "cluster" else found.title.lower()
        self._chart.show(
            counts[np.ix_(rows, columns)],
            share[np.ix_(rows, columns)],
            [names[row] for row in rows],
            [cluster_name(int(column) if column < clusters.n_clusters else -1) for column in columns],
            labels=(
                "Cluster",
                found.title,
                f"% of the {of}",
            ),
            dark=session.dark,
        )

    def _select(self, row: int, column: int) -> None:
        session, known = self.session, self.session.properties
        rows, columns = self._codes
        if session.survey is None or rows is None:
            return
        found = known[self._category.value]
        code, label = rows[row], columns[column]
        session.select(
            (np.where(found.values < 0, len(found.names), found.values) == code)
            & (session.survey.clusters.bins == label)
        )

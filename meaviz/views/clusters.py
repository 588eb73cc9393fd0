"""The table of clusters: sizes, groups, labels, what is kept."""

from __future__ import annotations

from html import escape

import numpy as np
import pandas as pd
import panel as pn
import panel_material_ui as pmui
from numpy.typing import NDArray

from meagraph.selectors import cluster_bins
from meagraph.summaries import mean_and_spread
from meaviz.page_style import DENSE, FACTS_CSS, FILL, table_look
from meaviz.session import Session, cluster_name
from meaviz.style import NEUTRAL, palette
from meaviz.workflow import CLUSTERS, Workflow

COLUMNS = {
    "colour": {"title": "", "width": 34},
    "cluster": {"title": "Cluster", "width": 100},
    "size": {"title": "Environments", "width": 125},
    "share": {"title": "Share / %", "width": 95},
    "kept": {"title": "Kept", "width": 90},
    "kept_share": {"title": "Kept / %", "width": 95},
    "group": {"title": "Most frequent group", "width": 230},
    "stability": {"title": "Stability", "width": 95},
    "force": {"title": "Force / eV/Å", "width": 140},
    "energy": {"title": "Energy / eV/atom", "width": 160},
    "candidates": {"title": "Outlier candidates", "width": 150},
    "flagged": {"title": "Flagged", "width": 90},
}
NUMBERS = ("size", "share", "kept", "kept_share", "stability", "force", "energy", "candidates", "flagged")


ABOUT = "Stability: how much of a cluster is found again without a fifth of the data; 0.75 and more is stable."


class ClusterView(pn.viewable.Viewer):
    """One row a cluster; a click selects its environments everywhere."""

    def __init__(self, session: Session, workflow: Workflow) -> None:
        super().__init__()
        self.session = session
        self._facts: pd.DataFrame | None = None
        self._table = pn.widgets.Tabulator(
            pd.DataFrame(columns=list(COLUMNS)),
            show_index=False,
            disabled=True,
            selectable=1,
            layout="fit_data",
            sizing_mode="stretch_both",
            min_height=150,
            titles={name: column["title"] for name, column in COLUMNS.items()},
            widths={name: column["width"] for name, column in COLUMNS.items()},
            formatters={"colour": {"type": "color"}},
            text_align={"colour": "center", **dict.fromkeys(NUMBERS, "right")},
            header_align=dict.fromkeys(COLUMNS, "left") | dict.fromkeys(NUMBERS, "right"),
            **table_look(session.dark),
        )
        self._empty = pn.pane.HTML(
            "No clusters yet: compute the map first.",
            margin=16,
            css_classes=["empty"],
            stylesheets=[FACTS_CSS],
        )
        self._measure = pmui.Button(
            label="Measure stability", variant="outlined", size="small", sx=DENSE, margin=(6, 12), disabled=True
        )
        self._measure.on_click(lambda event: workflow.measure_cluster_stability())
        self._cancel = pmui.Button(
            label="Cancel", variant="text", color="error", size="small", margin=(4, 4), visible=False
        )
        self._cancel.on_click(lambda event: workflow.cancel())
        self._message = pn.pane.HTML(ABOUT, margin=(10, 4), styles={"font-size": "13px"}, stylesheets=[FACTS_CSS])
        tools = pn.Row(self._measure, self._cancel, self._message, margin=0, sizing_mode="stretch_width")
        self._layout = pn.Column(self._empty, tools, self._table, **FILL)
        self._table.on_click(self._select)
        session.param.watch(self._show, ["survey", "dark"])
        session.param.watch(self._update, ["plan", "flags", "cluster_stability"])
        session.param.watch(self._show_activity, ["running", "progress", "problem", "survey"])
        self._show()

    def __panel__(self) -> pn.Column:
        """Return the view for Panel to lay out."""
        return self._layout

    def _show(self, *events: object) -> None:
        there = self.session.survey is not None
        self._empty.visible, self._table.visible = not there, there
        self._table.css_classes = table_look(self.session.dark)["css_classes"]
        self._facts = self._summarise() if there else None
        self._update()

    def _update(self, *events: object) -> None:
        if self._facts is None or self.session.plan is None:
            self._table.value = pd.DataFrame(columns=list(COLUMNS))
            return
        table = self._facts.copy()
        kept = self.session.plan.per_cluster[table["label"]]
        table["kept"] = kept
        stability = self.session.cluster_stability
        known = [] if stability is None else [f"{value:.2f}" for value in stability]
        table["stability"] = [known[label] if label < len(known) else "–" for label in table["label"]]
        table["kept_share"] = np.round(100 * kept / table["size"], 1)
        table["flagged"] = self._total(self.session.flags)[table["label"]]
        self._table.value = table[list(COLUMNS)]

    def _show_activity(self, *events: object) -> None:
        session = self.session
        running = session.running == CLUSTERS
        self._measure.disabled = session.survey is None or bool(session.running)
        self._cancel.visible = running
        step, problem = session.problem
        if running:
            self._message.object = f"{session.progress[1]} ({session.progress[0]:.0%})"
        else:
            self._message.object = escape(problem) if step == CLUSTERS and problem else ABOUT

    def _spread(self, values: NDArray[np.float64], digits: str) -> list[str]:
        """Mean and standard deviation of ``values`` (N,) in each cluster, the unclustered ones last, as text."""
        clusters = self.session.survey.clusters
        pairs = zip(*mean_and_spread(values, cluster_bins(clusters), clusters.n_clusters + 1), strict=True)
        return [f"{mean:{digits}} ± {spread:{digits}}" if np.isfinite(mean) else "–" for mean, spread in pairs]

    def _total(self, mask: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Environments of ``mask`` (N,) in each cluster, the unclustered ones last."""
        clusters = self.session.survey.clusters
        return np.bincount(cluster_bins(clusters)[mask], minlength=clusters.n_clusters + 1)

    def _summarise(self) -> pd.DataFrame:
        session = self.session
        data, clusters = session.dataset, session.survey.clusters
        n = clusters.n_clusters
        sizes = np.append(clusters.sizes, np.sum(clusters.labels < 0))
        names, codes = np.unique(data.groups, return_inverse=True)
        bins = np.where(clusters.labels < 0, n, clusters.labels)
        counts = np.zeros((n + 1, len(names)), dtype=np.int64)
        np.add.at(counts, (bins, codes[data.structure_of]), 1)
        top = counts.argmax(axis=1)
        energy = (data.energy / np.diff(data.offsets))[data.structure_of]
        share = np.divide(counts.max(axis=1), np.maximum(sizes, 1))
        table = pd.DataFrame(
            {
                "label": np.arange(n + 1),
                "colour": [*palette(n), NEUTRAL],
                "cluster": [*(cluster_name(label) for label in range(n)), cluster_name(-1)],
                "size": sizes,
                "share": np.round(100 * sizes / data.n_environments, 1),
                "group": [f"{names[g]} ({100 * part:.0f} %)" for g, part in zip(top, share, strict=True)],
                "force": self._spread(np.linalg.norm(data.forces, axis=1), ".2f"),
                "energy": self._spread(energy, ".3f"),
                "candidates": self._total(session.survey.outliers.score >= 1.0),
            }
        )
        return table[table["size"] > 0].reset_index(drop=True)

    def _select(self, event: pn.models.tabulator.TableEditEvent) -> None:
        if self._facts is None:
            return
        label = int(self._facts["label"].iloc[event.row])
        clusters = self.session.survey.clusters
        self.session.select(clusters.labels == (-1 if label == clusters.n_clusters else label))

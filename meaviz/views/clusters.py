"""The table of clusters: sizes, groups, labels, what is kept."""

from __future__ import annotations

import numpy as np
import pandas as pd
import panel as pn
from numpy.typing import NDArray

from meagraph.selectors import cluster_bins
from meaviz.page_style import FACTS_CSS
from meaviz.session import Session, cluster_name
from meaviz.style import NEUTRAL, palette
from meaviz.workflow import Workflow

COLUMNS = {
    "colour": {"title": "", "width": 34},
    "cluster": {"title": "Cluster", "width": 100},
    "size": {"title": "Environments", "width": 125},
    "share": {"title": "Share / %", "width": 95},
    "kept": {"title": "Kept", "width": 90},
    "kept_share": {"title": "Kept / %", "width": 95},
    "group": {"title": "Most frequent group", "width": 230},
    "force": {"title": "Mean force / eV/Å", "width": 150},
    "energy": {"title": "Mean energy / eV/atom", "width": 175},
    "candidates": {"title": "Outlier candidates", "width": 150},
    "flagged": {"title": "Flagged", "width": 90},
}
NUMBERS = ("size", "share", "kept", "kept_share", "force", "energy", "candidates", "flagged")


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
            stylesheets=[":host .tabulator { font-size: 13px }"],
        )
        self._empty = pn.pane.HTML(
            "No clusters yet: compute the map first.",
            margin=16,
            css_classes=["empty"],
            stylesheets=[FACTS_CSS],
        )
        self._layout = pn.Column(self._empty, self._table, sizing_mode="stretch_both", margin=0)
        self._table.on_click(self._select)
        session.param.watch(self._show, ["survey", "dark"])
        session.param.watch(self._update, ["plan", "flags"])
        self._show()

    def __panel__(self) -> pn.Column:
        """Return the view for Panel to lay out."""
        return self._layout

    def _show(self, *events: object) -> None:
        there = self.session.survey is not None
        self._empty.visible, self._table.visible = not there, there
        self._table.theme = "midnight" if self.session.dark else "simple"
        self._facts = self._summarise() if there else None
        self._update()

    def _update(self, *events: object) -> None:
        if self._facts is None or self.session.plan is None:
            self._table.value = pd.DataFrame(columns=list(COLUMNS))
            return
        table = self._facts.copy()
        kept = self.session.plan.per_cluster[table["label"]]
        table["kept"] = kept
        table["kept_share"] = np.round(100 * kept / table["size"], 1)
        table["flagged"] = self._per_cluster(self.session.flags.astype(float), total=True)[table["label"]].astype(int)
        self._table.value = table[list(COLUMNS)]

    def _per_cluster(self, values: NDArray[np.float64], *, total: bool = False) -> NDArray[np.float64]:
        """Sum or mean of ``values`` (N,) over each cluster, the unclustered ones last; NaN is left out."""
        clusters = self.session.survey.clusters
        bins = cluster_bins(clusters)
        known = np.isfinite(values)
        size = clusters.n_clusters + 1
        sums = np.bincount(bins[known], weights=values[known], minlength=size).astype(np.float64)
        if total:
            return sums
        with np.errstate(invalid="ignore"):
            return sums / np.bincount(bins[known], minlength=size)

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
                "force": np.round(self._per_cluster(np.linalg.norm(data.forces, axis=1)), 3),
                "energy": np.round(self._per_cluster(energy), 4),
                "candidates": self._per_cluster(
                    (session.survey.outliers.score >= 1.0).astype(float), total=True
                ).astype(int),
            }
        )
        return table[table["size"] > 0].reset_index(drop=True)

    def _select(self, event: pn.models.tabulator.TableEditEvent) -> None:
        if self._facts is None:
            return
        label = int(self._facts["label"].iloc[event.row])
        clusters = self.session.survey.clusters
        self.session.select(clusters.labels == (-1 if label == clusters.n_clusters else label))

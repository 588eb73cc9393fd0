"""Keep fractions of single clusters, set by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import panel as pn
import panel_material_ui as pmui

from meagraph.latent.clustering import NOISE
from meaviz.session import Session, cluster_name
from meaviz.views.shared.buttons import small_button


class ClusterShares(pn.viewable.Viewer):
    """A slider for each cluster that is not left to the budget; the others share what is left of it."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self._cluster = pmui.Select(
            label="Cluster with a share of its own",
            options={},
            size="small",
            sizing_mode="stretch_width",
            margin=(8, 4, 2, 12),
        )
        planning = session.planning
        add = small_button("Set", lambda: self._set(self._cluster.value, planning.settings.keep), margin=(12, 12, 2, 4))
        self._sliders = pn.Column(sizing_mode="stretch_width", margin=0)
        self._layout = pn.Column(
            pn.Row(self._cluster, add, margin=0, sizing_mode="stretch_width"),
            self._sliders,
            sizing_mode="stretch_width",
            margin=0,
        )
        session.data.param.watch(self._offer, "survey")
        session.planning.param.watch(self._show, "settings")
        self._offer()

    def __panel__(self) -> pn.Column:
        """Return the sliders for Panel to lay out."""
        return self._layout

    def _offer(self, *events: object) -> None:
        survey = self.session.data.survey
        if survey is None:
            self._cluster.options = {}
            return
        labels = [*range(survey.clusters.n_clusters), NOISE]
        options = {f"{cluster_name(label)}": label for label in labels}
        self._cluster.param.update(options=options, value=0 if survey.clusters.n_clusters else NOISE)

    def _show(self, *events: object) -> None:
        shares = self.session.planning.settings.by_hand
        shown = [row.tags[0] for row in self._sliders]
        if shown == [label for label, _ in shares]:
            for row, (_, part) in zip(self._sliders, shares, strict=True):
                row[0].value = round(100 * part)
            return
        self._sliders.objects = [self._row(label, part) for label, part in shares]

    def _row(self, label: int, part: float) -> pn.Row:
        slider = pmui.IntSlider(
            label=f"Cluster {cluster_name(label)} / %", value=round(100 * part), start=0, end=100, size="small",
            sizing_mode="stretch_width", margin=(2, 4, 2, 12),
        )  # fmt: skip
        slider.param.watch(lambda event: self._set(label, event.new / 100), "value")
        free = small_button("Release", lambda: self._set(label, None), variant="text", margin=(8, 12, 2, 0))
        return pn.Row(slider, free, margin=0, sizing_mode="stretch_width", tags=[label])

    def _set(self, label: Any, part: float | None) -> None:
        if label is None:
            return
        planning = self.session.planning
        shares = dict(planning.settings.by_hand)
        if part is None:
            shares.pop(label, None)
        else:
            shares[label] = part
        settings = replace(planning.settings, fractions=tuple(shares.items()))
        if settings != planning.settings:
            planning.settings = settings

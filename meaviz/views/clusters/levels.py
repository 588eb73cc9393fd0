"""How many clusters are shown: a slider from coarse to fine."""

from __future__ import annotations

from typing import Any

import panel as pn
import panel_material_ui as pmui

from meaviz.session import Session
from meaviz.style.text import caption

NO_LEVELS = "These clusters have no levels. The method hierarchy, step 4, gives some."


class LevelSlider(pn.viewable.Viewer):
    """Moves along the hierarchy of the session's clusters; the level at first is marked."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self._counts = [1]  # clusters at each place of the slider
        self._following = False
        self.slider = pmui.IntSlider(
            label="Clusters, from coarse to fine",
            value=0,
            start=0,
            end=1,
            size="small",
            show_value=False,
            tooltips=False,
            width=300,
            margin=(6, 20, 0, 16),
        )
        self.none = caption(NO_LEVELS, visible=False, margin=(12, 12))
        self._layout = pn.Row(self.slider, self.none, margin=0)
        self.slider.param.watch(self._name, "value")
        self.slider.param.watch(self._move, "value_throttled")  # once let go: each level is drawn anew
        session.data.param.watch(self._show, "survey")
        self._show()

    def __panel__(self) -> pn.Row:
        """Return the slider for Panel to lay out."""
        return self._layout

    def _show(self, *events: object) -> None:
        survey = self.session.data.survey
        tree = None if survey is None else survey.clusters.hierarchy
        self.slider.visible = tree is not None and tree.finest > 1
        self.none.visible = survey is not None and tree is None
        if survey is None or tree is None:
            return
        shown = survey.clusters.n_clusters
        self._counts = sorted({*tree.stops(), shown})
        at, first = self._counts.index(shown), self._counts.index(tree.default)
        self._following = True
        marks = [{"value": first, "label": f"{tree.default}"}]
        self.slider.param.update(start=0, end=max(len(self._counts) - 1, 1), value=at, marks=marks)
        self._following = False
        self._name()

    def _name(self, *events: object) -> None:
        count = self._counts[min(self.slider.value, len(self._counts) - 1)]
        self.slider.label = f"Clusters, from coarse to fine: {count} of at most {self._counts[-1]}"

    def _move(self, event: Any) -> None:
        if not self._following and event.new is not None:
            self.session.set_level(self._counts[min(int(event.new), len(self._counts) - 1)])

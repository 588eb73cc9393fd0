"""Histograms of chosen properties, brushed like the map."""

from __future__ import annotations

from typing import Any

import panel as pn
import panel_material_ui as pmui

from meagraph.inspection.summaries import Histogram, histogram
from meaviz.components.charts.histogram import HistogramChart
from meaviz.jobs.runner import held
from meaviz.jobs.workflow import Workflow
from meaviz.session import Session, on_another_map
from meaviz.style.page import DENSE_CHOICE, FACTS_CSS, FILL
from meaviz.style.text import TextPane, markup
from meaviz.views.shared.remembered import remember

FIRST = ("energy", "force", "score")
MOST = 6
EMPTY = markup('<p class="empty">No histograms yet: open a dataset first.</p>')


class HistogramsView(pn.viewable.Viewer):
    """Up to six properties; a drag along an axis selects, with Shift it adds, with Ctrl it removes."""

    def __init__(self, session: Session, workflow: Workflow) -> None:
        super().__init__()
        self.session = session
        self._charts: dict[str, tuple[Histogram, HistogramChart]] = {}
        self.choice = pmui.MultiChoice(
            label=f"Properties (at most {MOST})",
            options={},
            value=[],
            max_items=MOST,
            searchable=True,
            sx=DENSE_CHOICE,
            sizing_mode="stretch_width",
            margin=(6, 12, 0, 12),
        )
        self._hint = TextPane(EMPTY, margin=(0, 12), stylesheets=[FACTS_CSS])
        self._row = pn.Row(**FILL)
        self._layout = pn.Column(self.choice, self._hint, self._row, **FILL)
        self.choice.param.watch(held(self._draw), "value")
        session.data.param.watch(held(on_another_map(self._offer)), ["dataset", "sight"])
        session.selection.param.watch(held(self._select), "mask")
        session.appearance.param.watch(held(self._restyle), "dark")
        self._offer()
        remember(session, histograms=self.choice)

    def __panel__(self) -> pn.Column:
        """Return the view for Panel to lay out."""
        return self._layout

    def _offer(self, *events: object) -> None:
        known = self.session.data.properties
        self._charts = {}
        if known is None:
            self.choice.param.update(options={}, value=[], visible=False)
            self._hint.object = EMPTY
            self._row.objects = []
            return
        numbers = known.titles("number")
        value = [name for name in self.choice.value or FIRST if name in numbers.values()]
        self.choice.param.update(options=numbers, value=[], visible=True)
        self.choice.value = value

    def _draw(self, *events: object) -> None:
        """Charts of the chosen properties; those that were there stay."""
        known = self.session.data.properties
        if known is None:
            return
        charts: dict[str, tuple[Histogram, HistogramChart]] = {}
        missing = []
        for name in self.choice.value:
            if name in self._charts:
                charts[name] = self._charts[name]
                continue
            found = histogram(known[name].values)
            if found is None:
                missing.append(known.title_of(name))
                continue
            chart = HistogramChart(name, self._brush(found), log=found.log)
            chart.show(found, known.title_of(name), dark=self.session.appearance.dark)
            charts[name] = (found, chart)
        self._charts = charts
        nothing = markup("<p>No environment has a value of {}.</p>", ", ".join(missing))
        self._hint.object = nothing if missing else ""
        self._row.objects = [pn.Column(chart, **FILL) for _, chart in charts.values()]
        self._select()

    def _brush(self, found: Histogram) -> Any:
        def brush(low: float, high: float, mode: str) -> None:
            self.session.selection.select(found.between(low, high), mode)

        return brush

    def _select(self, *events: object) -> None:
        selection = self.session.selection.mask
        if selection is None:
            return
        for found, chart in self._charts.values():
            chart.select(found.of(selection))

    def _restyle(self, *events: object) -> None:
        known = self.session.data.properties
        for name, (found, chart) in self._charts.items():
            if known is not None and name in known:
                chart.show(found, known.title_of(name), dark=self.session.appearance.dark)
        self._select()

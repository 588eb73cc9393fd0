"""What errors say beyond their size: whether they lie where the data is thin, and which labels may be wrong."""

from __future__ import annotations

import panel as pn

from meagraph.predictions.quantities import Quantity
from meaviz.components.charts.novelty_chart import NoveltyChart
from meaviz.components.choice_list import ChoiceList
from meaviz.jobs.runner import held
from meaviz.session import Session
from meaviz.session.predictions import suspect_rows
from meaviz.style.page import FILL
from meaviz.style.text import TextPane

WAITS = "Known once there is a map."
SOUND = "No label stands out: no error lies far beyond those on neighbouring environments."


class Deeper:
    """``thin`` has the answer to one question as a sentence and a chart, ``wrong`` the structures to look at."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._quantity: Quantity | None = None
        self.answer = TextPane("", margin=(2, 8), sizing_mode="stretch_width", styles={"font-size": "13px"})
        self.chart = NoveltyChart()
        self.suspects = ChoiceList(
            self.choose,
            label="Labels that may be wrong",
            empty=WAITS,
            dark=session.appearance.dark,
            sizing_mode="stretch_both",
            margin=0,
        )
        self.thin = pn.Column(self.answer, self.chart, visible=False, **FILL)
        self.wrong = pn.Column(self.suspects, visible=False, **FILL)
        session.data.param.watch(held(self._draw), "thin")
        session.data.param.watch(held(self._list), "suspects")
        session.selection.param.watch(self._mark, "inspected")
        session.appearance.param.watch(held(self._restyle), "dark")
        self._list()

    def show(self, quantity: Quantity) -> None:
        """Answer for the errors of this quantity."""
        self._quantity = quantity
        self._draw()

    def choose(self, row: int) -> None:
        """Select a structure whose label may be wrong, and show where it is most suspicious."""
        dataset = self.session.data.dataset
        if dataset is not None:
            self.session.selection.select(dataset.structure_of == dataset.structure_of[row])
            self.session.selection.inspect(row)

    def _draw(self, *events: object) -> None:
        one = self._quantity
        if one is None:
            return
        answer, known = self.session.data.thin.get(one.name), self.session.data.novelty is not None
        far = "to known data / its spacing" if known else "of the nearest environments / usual one"
        self.answer.object = WAITS if answer is None else answer.sentence
        self.chart.show(
            answer, (f"distance {far} (median)", one.error_unit), one.scale, dark=self.session.appearance.dark
        )

    def _list(self, *events: object) -> None:
        found, dataset = self.session.data.suspects, self.session.data.dataset
        rows = [] if found is None or dataset is None else suspect_rows(found, dataset)
        self.suspects.param.update(rows=rows, empty=WAITS if found is None else SOUND)
        self._mark()

    def _mark(self, *events: object) -> None:
        self.suspects.current = self.session.selection.inspected

    def _restyle(self, *events: object) -> None:
        self.suspects.dark = self.session.appearance.dark
        self._draw()

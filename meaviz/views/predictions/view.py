"""Predictions beside the labels: parity plots, errors of parts of the data, the worst, and where the data is thin."""

from __future__ import annotations

from typing import Any

import panel as pn
import panel_material_ui as pmui
from numpy.typing import NDArray

from meagraph.predictions.quantities import Compared, compared, known_quantities
from meaviz.components.charts.parity_chart import ParityChart
from meaviz.components.choice_list import ChoiceList
from meaviz.jobs.runner import held
from meaviz.jobs.workflow import Workflow
from meaviz.session import Session
from meaviz.session.predictions import (
    KINDS,
    PROPERTY,
    codes_of,
    heads,
    part_of,
    part_rows,
    summary,
    worst_rows,
)
from meaviz.style.page import FACTS_CSS, FILL, SEGMENT
from meaviz.style.text import TextPane, caption, markup
from meaviz.views.predictions.deeper import Deeper
from meaviz.views.predictions.source import Source
from meaviz.views.shared.buttons import small_button, toggle

NONE = markup(
    "<p>No predictions yet. Three ways to bring them:</p>"
    "<p>In the same files: another family of names beside the labels, as <code>MACE_energy</code> and "
    "<code>MACE_forces</code>, is taken as the files are opened.</p>"
    "<p>In another file of the same structures, in any order, opened here.</p>"
    "<p>From a model: such a file is written by <code>meagraph predict data.extxyz --calculator mace --model my.model "
    "--out predicted.extxyz</code></p>"
)
NO_DATA = markup("<p>Open a dataset on the left first; predictions of a model are then compared with its labels.</p>")
SIDES = ("Lists", "Thin data?", "Wrong labels?")
COLUMN = {"min-width": "0", "padding": "0 0 8px"}


class PredictionsView(pn.viewable.Viewer):
    """At left a parity plot, then a table of parts, at right the worst, or errors along the distance to other data."""

    def __init__(self, session: Session, workflow: Workflow) -> None:
        super().__init__()
        self.session = session
        self._compared: Compared | None = None
        self._codes: NDArray[Any] | None = None  # of the parts that are listed
        dark = session.appearance.dark
        self.source = Source(session, workflow.predictions)
        self.quantity = self._switch({}, None, width=230)
        self.difference = toggle("Difference", "Difference: predicted less reference", margin=0)
        self.summary = caption(
            margin=(3, 6), sizing_mode="stretch_width", styles={"font-size": "12px", "min-width": "0"}
        )
        self.colour = small_button(
            "Colour by error", self.colour_by_error, description="Colour by error: the map and the atoms"
        )
        self.other = toggle(
            "Other predictions", "Other predictions: another family of names, or another file", margin=0
        )
        self.chart = ParityChart(self.brush, self.tap, dark=dark)
        self.kind = self._switch(list(KINDS), KINDS[0], width=290)
        self.parts = ChoiceList(
            self.choose_part,
            label="Errors by part",
            empty="Not known yet.",
            dark=dark,
            sizing_mode="stretch_both",
            margin=0,
        )
        self.side = self._switch(list(SIDES), SIDES[0], width=290)
        self.worst = ChoiceList(
            self.choose_worst,
            label="The worst",
            empty="Nothing has both.",
            dark=dark,
            sizing_mode="stretch_both",
            margin=0,
        )
        self.deeper = Deeper(session)
        self.empty = TextPane("", margin=(8, 16), css_classes=["empty"], stylesheets=[FACTS_CSS])
        self._layout = pn.Column(*self._rows(), **FILL)
        self.quantity.param.watch(held(self._show_quantity), "value")
        self.difference.param.watch(held(self._draw), "value")
        self.kind.param.watch(held(self._list_parts), "value")
        self.side.param.watch(held(self._turn), "value")
        self.other.param.watch(held(self._turn), "value")
        session.data.param.watch(held(self._show), ["dataset", "errors"])
        session.data.param.watch(held(self._list_parts), ["properties", "sight"])
        session.selection.param.watch(held(self._select), "mask")
        session.selection.param.watch(held(self._mark), "inspected")
        session.appearance.param.watch(held(self._restyle), "dark")
        self._show()

    def __panel__(self) -> pn.Column:
        """Return the view for Panel to lay out."""
        return self._layout

    @staticmethod
    def _switch(options: Any, value: Any, *, width: int) -> pmui.RadioButtonGroup:
        return pmui.RadioButtonGroup(options=options, value=value, size="small", sx=SEGMENT, width=width, margin=0)

    def _rows(self) -> list[Any]:
        tools = pn.Row(
            self.quantity,
            self.difference,
            self.summary,
            self.colour,
            self.other,
            sizing_mode="stretch_width",
            margin=(6, 12, 4, 12),
            styles={"gap": "8px"},
        )
        switches = pn.Row(
            self.kind, pn.HSpacer(), self.side, margin=(0, 0, 4, 0), sizing_mode="stretch_width", height=28
        )
        listed = {"min-width": "0"}
        self._lists = pn.Row(
            pn.Column(self.parts, styles={"flex": "1.2 1 0", **listed}, **FILL),
            pn.Column(self.worst, styles={"flex": "1 1 0", **listed}, **FILL),
            styles={"gap": "10px"},
            **FILL,
        )
        body = pn.Row(
            pn.Column(self.chart, styles={"flex": "1 1 0", **COLUMN}, **FILL),
            pn.Column(
                switches, self._lists, self.deeper.thin, self.deeper.wrong, styles={"flex": "2 1 0", **COLUMN}, **FILL
            ),
            styles={"gap": "10px", "padding": "0 12px 0 8px"},
            **FILL,
        )
        self._filled = pn.Column(tools, body, visible=False, **FILL)
        self._choice = pn.Column(self.source.panel, margin=0, sizing_mode="stretch_width")
        return [self.empty, self._choice, self.source.activity, self._filled]

    # ---- what the user does

    def brush(self, points: NDArray[Any], mode: str) -> None:
        """Select the environments of points in a box or lasso."""
        if self._compared is not None:
            self.session.selection.select(self._compared.environments(points), mode)

    def tap(self, point: int) -> None:
        """Show the environment, or the structure, of a point."""
        if self._compared is not None and point >= 0:
            self._inspect(point // self._compared.reference.shape[1])

    def choose_part(self, code: int) -> None:
        """Select the environments of a part."""
        if self._codes is not None:
            self.session.selection.select(self._codes == code)

    def choose_worst(self, member: int) -> None:
        """Select one of the worst and show it in 3D."""
        if self._compared is not None:
            self.session.selection.select(self._compared.members_of(member))
            self._inspect(member)

    def colour_by_error(self) -> None:
        """Colour the map and the atoms by the error of the quantity that is shown."""
        if self._compared is not None:
            name = PROPERTY[self._compared.quantity.name]
            self.session.appearance.param.update(colour_by=name, atoms_by=name)

    def _inspect(self, member: int) -> None:
        found = self._compared
        if found is not None:
            self.session.selection.inspect(found.environment(member), whole=found.quantity.level == "structure")

    # ---- what is shown

    def _show(self, *events: object) -> None:
        """Other predictions, or none."""
        errors = self.session.data.errors
        self.empty.object = NO_DATA if self.session.data.dataset is None else NONE
        self.empty.visible, self._filled.visible = errors is None, errors is not None
        if errors is None:
            self._compared = self._codes = None
            self.parts.rows = self.worst.rows = []
        else:
            options = {one.title: one.name for one in known_quantities(errors)}
            names = list(options.values())
            value = self.quantity.value if self.quantity.value in names else names[0]
            self.other.value = False
            as_it_was = value == self.quantity.value  # else the change shows it
            self.quantity.param.update(options=options, value=value)
            if as_it_was:
                self._show_quantity()
        self._turn()

    def _turn(self, *events: object) -> None:
        """Which of the parts that take turns are in sight."""
        there = self.session.data.dataset is not None
        self._choice.visible = there and (self.session.data.errors is None or bool(self.other.value))
        self.kind.visible = self.side.value == SIDES[0]
        for side, part in zip(SIDES, (self._lists, self.deeper.thin, self.deeper.wrong), strict=True):
            part.visible = self.side.value == side

    def _show_quantity(self, *events: object) -> None:
        errors = self.session.data.errors
        if errors is None or self.quantity.value is None:
            return
        self._compared = found = compared(errors, self.quantity.value)
        self.summary.object = f"{self.source.words}: {summary(found)}"
        self._draw()
        self._list_parts()
        self.worst.rows = worst_rows(found)
        self.deeper.show(found.quantity)
        self._mark()

    def _draw(self, *events: object) -> None:
        found, mask = self._compared, self.session.selection.mask
        if found is None:
            return
        one, apart = found.quantity, bool(self.difference.value)
        upright = "error" if apart else "predicted"
        self.chart.show(
            found.plane(difference=apart),
            None if mask is None else found.points(mask),
            (f"{one.title.lower()}, reference / {one.unit}", f"{upright} / {one.unit}"),
            difference=apart,
        )

    def _list_parts(self, *events: object) -> None:
        found = self._compared
        if found is None:
            return
        there = codes_of(self.session.data, self.kind.value)
        self._codes = None if there is None else there[0]
        rows = [] if there is None else part_rows(found, *there)
        self.parts.param.update(heads=heads(found), rows=rows)
        self._mark_part()

    def _select(self, *events: object) -> None:
        """The selection is another one."""
        found, mask = self._compared, self.session.selection.mask
        if found is not None:
            self.chart.select(None if mask is None else found.points(mask))
            self._mark_part()

    def _mark_part(self) -> None:
        mask = self.session.selection.mask
        self.parts.current = -1 if mask is None or self._codes is None else part_of(self._codes, mask)

    def _mark(self, *events: object) -> None:
        """Mark what is in 3D among the worst."""
        found, row = self._compared, self.session.selection.inspected
        if found is not None:
            by_structure = found.quantity.level == "structure" and row >= 0
            self.worst.current = int(found.errors.dataset.structure_of[row]) if by_structure else row

    def _restyle(self, *events: object) -> None:
        dark = self.session.appearance.dark
        self.parts.dark = self.worst.dark = dark
        self.chart.style(dark)

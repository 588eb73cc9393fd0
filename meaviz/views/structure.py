"""One environment in 3D, with its facts."""

from __future__ import annotations

from html import escape

import panel as pn
import panel_material_ui as pmui

from meagraph.errors import MEAGraphError
from meaviz.components.structure_viewer import StructureViewer
from meaviz.page_style import DENSE, FACTS_CSS, SEGMENT
from meaviz.session import Session
from meaviz.workflow import Workflow


class StructureView(pn.viewable.Viewer):
    """The environment chosen on the map: its atom and neighbours stand out, the rest of the structure is dimmed."""

    def __init__(self, session: Session, workflow: Workflow) -> None:
        super().__init__()
        self.session = session
        self.viewer = StructureViewer(awake=False, sizing_mode="stretch_both", min_height=220, margin=0)
        back = pmui.Button(label="Previous", variant="outlined", size="small", sx=DENSE, margin=(6, 4, 6, 0))
        forth = pmui.Button(label="Next", variant="outlined", size="small", sx=DENSE, margin=(6, 8, 6, 0))
        back.on_click(lambda event: session.step_through(-1))
        forth.on_click(lambda event: session.step_through(1))
        style = pmui.RadioButtonGroup(
            options={"Sticks": "ball+stick", "Spheres": "spacefill"},
            value="ball+stick",
            size="small",
            sx=SEGMENT,
            margin=(6, 8, 6, 0),
        )
        style.link(self.viewer, value="representation")
        tools = pn.FlexBox(
            back, forth, style, align_items="center", gap="4px", sizing_mode="stretch_width", margin=(4, 8)
        )
        self._facts = pn.pane.HTML("", sizing_mode="stretch_width", margin=(6, 10, 8, 10), stylesheets=[FACTS_CSS])
        self._layout = pn.Column(tools, self.viewer, self._facts, sizing_mode="stretch_both", margin=0)
        self._shown = -1  # structure
        session.param.watch(self._show, ["inspected", "dataset"])
        session.param.watch(lambda *events: self._show_facts(), ["flags", "survey"])
        session.param.watch(lambda event: setattr(self.viewer, "awake", True), "survey")
        session.param.watch(lambda event: setattr(self.viewer, "dark", event.new), "dark")
        self.viewer.param.watch(self._choose, "clicked", onlychanged=False)

    def __panel__(self) -> pn.Column:
        """Return the view for Panel to lay out."""
        return self._layout

    def _show(self, *events: object) -> None:
        row, data = self.session.inspected, self.session.dataset
        if row < 0 or data is None:
            self.viewer.clear()
            self._shown = -1
        else:
            structure = int(data.structure_of[row])
            cutoff = float(self.session.descriptors.parameters.get("r_cut", 5.0))
            try:
                self.viewer.show(
                    data.structures[structure],
                    focus=int(data.atom_of[row]),
                    cutoff=cutoff,
                    fit=structure != self._shown,
                )
            except MEAGraphError as error:
                self.session.problem = ("map", str(error))
                return
            self._shown = structure
        self._show_facts()

    def _show_facts(self) -> None:
        row = self.session.inspected
        if row < 0 or self.session.dataset is None:
            self._facts.object = ""
            return
        facts = "".join(
            f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in self.session.describe(row).items()
        )
        reasons = self.session.survey.outliers.reasons(row) if self.session.survey is not None else []
        why = "".join(f"<li>{escape(reason)}</li>" for reason in reasons)
        self._facts.object = f'<dl class="facts">{facts}</dl>' + (f'<ul class="reasons">{why}</ul>' if why else "")

    def _choose(self, event: object) -> None:
        data, row, atom = self.session.dataset, self.session.inspected, self.viewer.clicked
        if data is None or row < 0:
            return
        structure = int(data.structure_of[row])
        if atom < 0:  # beside the atoms: the whole structure, none dimmed
            self.viewer.show(data.structures[structure], fit=False)
        elif data.offsets[structure] + atom == row:
            self._show()  # back from the whole structure
        else:
            self.session.inspected = int(data.offsets[structure] + atom)

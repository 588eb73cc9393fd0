"""The map of environments: colour, brush, flag, click."""

from __future__ import annotations

from collections.abc import Callable

import panel as pn
import panel_material_ui as pmui

from meaviz.colours import COLOURINGS, colour
from meaviz.components.environment_map import EnvironmentMap
from meaviz.jobs import held
from meaviz.page_style import DENSE, SEGMENT
from meaviz.session import Session
from meaviz.style import Colouring
from meaviz.workflow import Workflow

EMPTY = "The map appears here once the steps on the left have run."


class MapView(pn.viewable.Viewer):
    """The UMAP map and what is done with the selection."""

    def __init__(self, session: Session, workflow: Workflow) -> None:
        super().__init__()
        self.session = session
        self.map = EnvironmentMap(on_select=session.select, on_tap=self._tap, hover=self._hover)
        self.map.clear(EMPTY)
        self._drawn: object = None  # the survey whose points are on the map
        self._colour = pmui.Select(
            label="Colour by",
            options={title: name for name, (title, _) in COLOURINGS.items()},
            value=session.colour_by,
            size="small",
            width=150,
            margin=(6, 8, 0, 0),
        )
        self._mode = pmui.RadioButtonGroup(
            options={"New": "replace", "Add": "add", "Remove": "remove", "Overlap": "intersect"},
            value="replace",
            size="small",
            sx=SEGMENT,
            margin=(0, 8, 0, 0),
            description="What a box or lasso does to the selection; keys: Shift adds, Ctrl removes, both intersect",
        )
        self._clear = self._action("Clear", session.clear_selection)
        self._flag = self._action("Flag", lambda: session.flag_selection(True), color="error")
        self._unflag = self._action("Unflag", lambda: session.flag_selection(False))
        self._count = pn.pane.HTML("", margin=(0, 4), css_classes=["selection-count"], min_width=150)
        tools = pn.FlexBox(
            self._colour,
            self._mode,
            self._clear,
            self._flag,
            self._unflag,
            self._count,
            align_items="center",
            gap="4px",
            sizing_mode="stretch_width",
            margin=(4, 8, 4, 8),
        )
        self._layout = pn.Column(tools, self.map, sizing_mode="stretch_both", margin=0)
        self._colour.link(session, value="colour_by")
        self._mode.param.watch(held(lambda event: setattr(self.map, "mode", event.new)), "value")
        self.map.param.watch(lambda event: setattr(self._mode, "value", event.new), "mode")
        session.param.watch(held(self._show_survey), "survey")
        session.param.watch(held(self._recolour), "colour_by")
        session.param.watch(held(self._show_selection), ["selection", "flags"])
        session.param.watch(held(self._mark), "inspected")
        session.param.watch(held(self._show_plan), ["plan", "show_pruned"])
        session.param.watch(held(lambda event: setattr(self.map, "dark", event.new)), "dark")
        self._show_survey()

    def __panel__(self) -> pn.Column:
        """Return the view for Panel to lay out."""
        return self._layout

    def colours(self) -> Colouring | None:
        """The colours on the map; None while it is empty."""
        if self.session.survey is None or self.session.dataset is None:
            return None
        return colour(self.session, self.session.colour_by)

    def _action(self, label: str, act: Callable[[], object], color: str = "primary") -> pmui.Button:
        widget = pmui.Button(
            label=label, variant="outlined", size="small", color=color, sx=DENSE, margin=0, disabled=True
        )
        widget.on_click(lambda event: act())
        return widget

    def _show_survey(self, *events: object) -> None:
        survey = self.session.survey
        if survey is None:
            self.map.clear(EMPTY)
        else:
            self.map.set_points(survey.projection.xy)
            self._drawn = survey
            self._recolour()
            self._show_plan()
        self._show_selection()

    def _recolour(self, *events: object) -> None:
        colours = self.colours()
        if colours is not None and self._drawn is self.session.survey:
            self.map.set_colouring(colours)

    def _show_selection(self, *events: object) -> None:
        selection = self.session.selection
        there = selection is not None
        self._clear.disabled = self._flag.disabled = self._unflag.disabled = not there
        if not there:
            self._count.object = ""
            return
        if self._drawn is not self.session.survey:
            return
        chosen = int(selection.sum())
        flagged = int(self.session.flags.sum()) if self.session.flags is not None else 0
        self._count.object = f"<b>{chosen:,}</b> of {len(selection):,} selected · <b>{flagged:,}</b> flagged"
        self.map.set_selection(selection if chosen else None)
        if self.session.colour_by == "flag":
            self._recolour()

    def _show_plan(self, *events: object) -> None:
        plan = self.session.plan
        if self._drawn is self.session.survey is not None:  # else the new map follows in a moment
            self.map.set_pruned(~plan.keep if self.session.show_pruned and plan is not None else None)

    def _mark(self, *events: object) -> None:
        if self._drawn is self.session.survey is not None:
            self.map.set_marker(self.session.inspected)

    def _tap(self, row: int) -> None:
        self.session.inspected = row

    def _hover(self, row: int) -> str:
        return "\n".join(f"{name}: {value}" for name, value in self.session.describe(row).items())

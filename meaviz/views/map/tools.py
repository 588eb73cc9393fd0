"""What is done with the selection: the row of small tools above the map."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import panel as pn
import panel_material_ui as pmui

from meaviz.components.map.environment_map import EnvironmentMap
from meaviz.jobs.runner import held
from meaviz.session import Session
from meaviz.style.page import COUNT_CSS, SEGMENT
from meaviz.style.text import TextPane, join, markup
from meaviz.views.shared.buttons import icon_button, small_button, toggle
from meaviz.views.shared.feedback import keep_state

MODES = {"New": "replace", "Add": "add", "Remove": "remove", "Overlap": "intersect"}
WHOLE = {
    False: ("fullscreen", "The map in the whole window (key F)"),
    True: ("fullscreen_exit", "Back to the page (key F or Esc)"),
}  # picture and words of the button by whether it is


class SelectionTools(pn.viewable.Viewer):
    """How selections combine, the steps back and forth, what a selection is used for, and how much is selected."""

    def __init__(self, session: Session, the_map: EnvironmentMap, zoom: Callable[[], object]) -> None:
        super().__init__()
        self.session, selection = session, session.selection
        self._mode = pmui.RadioButtonGroup(
            options=MODES,
            value="replace",
            size="small",
            sx=SEGMENT,
            margin=(0, 6, 0, 0),
            description="What a box, lasso, polygon or search does; keys: Shift adds, Ctrl removes, both intersect",
        )
        self._undo = icon_button("undo", "Undo the last selection", lambda: selection.move_in_history(-1))
        self._redo = icon_button("redo", "Redo the selection", lambda: selection.move_in_history(1))
        self._buttons = [
            icon_button("clear", "Select nothing", selection.clear),
            icon_button("flip", "Invert the selection", selection.invert),
            icon_button("hub", "Grow to whole clusters", selection.grow),
            icon_button("center_focus_strong", "Zoom to the selection", zoom),
        ]
        self._flag = small_button("Flag", lambda: session.flag_selection(True), color="error", disabled=True)
        self._unflag = small_button("Unflag", lambda: session.flag_selection(False), disabled=True)
        self._count = TextPane("", margin=(4, 4), stylesheets=[COUNT_CSS])
        icon, description = WHOLE[False]
        self._whole = toggle("", description, icon=icon)
        self._whole.link(session.appearance, value="whole", bidirectional=True)
        tools = (
            self._mode, self._undo, self._redo, *self._buttons, self._flag, self._unflag, self._whole, self._count
        )  # fmt: skip
        self._layout = pn.FlexBox(
            *tools, align_items="center", gap="3px", sizing_mode="stretch_width", margin=(4, 8, 4, 8)
        )
        self._mode.param.watch(held(lambda event: setattr(the_map, "mode", event.new)), "value")
        the_map.param.watch(lambda event: setattr(self._mode, "value", event.new), "mode")
        session.data.param.watch(self._allow, "sight")
        session.data.param.watch(self._show_count, "sight")
        session.selection.param.watch(self._show_count, ["mask", "shown"])
        session.selection.param.watch(self._allow, "mask")
        session.judging.param.watch(self._show_count, "flags")
        session.judging.param.watch(self._allow, "flags")
        session.appearance.param.watch(self._name_button, "whole")
        keep_state(self._allow, self._undo, self._redo)
        self._allow()
        self._show_count()

    def __panel__(self) -> pn.FlexBox:
        """Return the row for Panel to lay out."""
        return self._layout

    @property
    def mode(self) -> str:
        """What a selection does to the one that is there."""
        return str(self._mode.value)

    def next_mode(self) -> None:
        """Let a selection do the next thing to the one that is there: new, add, remove, overlap, new."""
        ways = list(MODES.values())
        self._mode.value = ways[(ways.index(self._mode.value) + 1) % len(ways)]

    def _allow(self, *events: object) -> None:
        selection = self.session.selection
        for button in self._buttons:
            button.disabled = self.session.data.sight is None
        for button in (self._flag, self._unflag):
            button.disabled = self.session.judging.flags is None
        self._undo.disabled = selection.mask is None or not selection.history.can_undo
        self._redo.disabled = selection.mask is None or not selection.history.can_redo

    def _name_button(self, event: Any) -> None:
        icon, description = WHOLE[event.new]
        self._whole.param.update(icon=icon, description=description)

    def _show_count(self, *events: object) -> None:
        """Say how much is selected, flagged and filtered out."""
        selection, flags = self.session.selection, self.session.judging.flags
        if selection.mask is None:
            self._count.object = ""
            return
        count = len(selection.mask)
        facts = {
            f"of {count:,} selected": int(selection.mask.sum()),
            "flagged": int(flags.sum()) if flags is not None else 0,
        }
        if selection.shown is not None:
            facts["filtered out"] = count - int(selection.shown.sum())
        text = join((markup("<b>{:,}</b> {}", number, what) for what, number in facts.items()), " · ")
        widest = " · ".join(f"{count:,} {what}" for what in facts)
        self._count.object = markup('<div class="count" data-widest="{}">{}</div>', widest, text)

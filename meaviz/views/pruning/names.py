"""Plans under names, and two of them side by side."""

from __future__ import annotations

from collections.abc import Callable

import panel as pn
import panel_material_ui as pmui

from meagraph.errors import MEAGraphError
from meaviz.session import Session
from meaviz.style.page import FACTS_CSS
from meaviz.style.text import TextPane, join, markup, plain
from meaviz.views.shared.buttons import small_button


class PlanNames(pn.viewable.Viewer):
    """Keep the plan under a name, take one up again, compare two: the map is then coloured by who keeps what."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self._name = pmui.TextInput(
            label="Name of the plan",
            placeholder="plan A",
            size="small",
            margin=(8, 4, 2, 12),
            sizing_mode="stretch_width",
        )
        self._first, self._second = (
            pmui.Select(label=label, options=[], size="small", margin=margin, sizing_mode="stretch_width")
            for label, margin in (("Plan", (6, 4, 2, 12)), ("Compare with", (6, 12, 2, 4)))
        )
        self._said = TextPane("", margin=(2, 12), sizing_mode="stretch_width", stylesheets=[FACTS_CSS])
        self._stop = self._button("End the comparison", self._end)
        self._stop.visible = False
        self._layout = pn.Column(
            pn.Row(self._name, self._button("Keep", self._keep, top=14), margin=0, sizing_mode="stretch_width"),
            pn.Row(self._first, self._second, margin=0, sizing_mode="stretch_width"),
            pn.FlexBox(
                self._button("Use", lambda: session.planning.use(self._first.value or "")),
                self._button("Forget", lambda: session.planning.forget(self._first.value or "")),
                self._button("Compare", self._compare),
                self._stop,
                margin=(0, 8),
            ),
            self._said,
            sizing_mode="stretch_width",
            margin=0,
        )
        session.planning.param.watch(self._offer, "plans")
        session.planning.param.watch(self._show, "compared")
        self._offer()

    def __panel__(self) -> pn.Column:
        """Return the controls for Panel to lay out."""
        return self._layout

    def _button(self, label: str, act: Callable[[], object], top: int = 8) -> pmui.Button:
        def attempt() -> None:
            try:
                act()
            except MEAGraphError as error:
                self._said.object = markup("<p>{}</p>", error)

        return small_button(label, attempt, margin=(top, 4, 2, 4))

    def _offer(self, *events: object) -> None:
        names = list(self.session.planning.plans)
        for widget, place in ((self._first, 0), (self._second, -1)):
            value = widget.value if widget.value in names else (names[place] if names else None)
            widget.param.update(options={plain(name): name for name in names}, value=value, disabled=not names)

    def _keep(self) -> None:
        name = self._name.value_input.strip()
        self.session.planning.keep(name)
        self._second.value = name
        self._name.param.update(value="", value_input="")
        self._said.object = ""

    def _compare(self) -> None:
        if self._first.value == self._second.value:
            raise MEAGraphError("Choose two different plans: keep one, change the settings, keep another.")
        self.session.planning.compare(self._first.value or "", self._second.value or "")

    def _end(self) -> None:
        self.session.planning.compared = ("", "")

    def _show(self, *events: object) -> None:
        planning = self.session.planning
        self._stop.visible = all(planning.compared)
        if not all(planning.compared):
            self._said.object = ""
            return
        counts = planning.difference().counts
        lines = join(markup("<dt>{}</dt><dd>{:,}</dd>", name, count) for name, count in counts.items())
        self._said.object = markup('<dl class="facts" style="grid-template-columns:max-content 1fr">{}</dl>', lines)

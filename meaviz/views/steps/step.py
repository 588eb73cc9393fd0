"""A step of the side bar: its settings, what came of it, progress, cancelling, and what went wrong."""

from __future__ import annotations

import time
from typing import Any

import panel as pn
import panel_material_ui as pmui
from markupsafe import escape

from meagraph.workers.clients import active_client, dashboard
from meaviz.jobs.time_left import TimeLeft, in_words
from meaviz.jobs.workflow import Workflow
from meaviz.session import STEPS, Session
from meaviz.style.page import PROGRESS_CSS
from meaviz.style.text import TextPane, caption, markup
from meaviz.views.shared.feedback import alert, progress_bar

COMPACT: dict[str, Any] = {"sizing_mode": "stretch_width", "margin": (4, 0)}


class Step(pn.viewable.Viewer):
    """One step; a subclass names it, lays out its settings and sums up its result."""

    step = ""  # one of STEPS
    title = ""

    def __init__(self, session: Session, workflow: Workflow) -> None:
        super().__init__()
        self.session, self.workflow = session, workflow
        self._bar = TextPane("", stylesheets=[PROGRESS_CSS], sizing_mode="stretch_width", margin=(2, 0, 0, 0))
        self._message = caption(margin=0, sizing_mode="stretch_width")
        cancel = pmui.Button(label="Cancel", variant="text", size="small", color="error", margin=0, width=80)
        cancel.on_click(lambda event: workflow.cancel())
        page = "" if session.user else dashboard(active_client())  # whoever sees that page sees all that workers do
        link = markup('<a href="{}" target="_blank" rel="noopener" title="What Dask shows of them">Workers</a>', page)
        shown = [TextPane(link, margin=(7, 6), styles={"font-size": "12px"})] if page else []
        self._activity = pn.Column(
            self._bar,
            pn.Row(self._message, *shown, cancel, margin=0, sizing_mode="stretch_width"),
            visible=False,
            margin=(0, 12, 4, 12),
            sizing_mode="stretch_width",
        )
        self._left = TimeLeft()
        self._problem = pn.Column(margin=0, sizing_mode="stretch_width")
        settings, unfolded = self.settings(), self.step == "data"
        self._card = pmui.Card(
            *(settings if unfolded else ()),
            title=self.title,
            title_variant="subtitle2",
            collapsed=not unfolded,
            margin=0,
            sizing_mode="stretch_width",
        )

        def unfold(*events: object) -> None:
            """What is folded away is not sent before it is wanted: the page is there sooner."""
            if not self._card.collapsed and not self._card.objects:
                self._card.objects = settings

        self._card.param.watch(unfold, "collapsed")
        self._layout = pn.Column(
            self._card,
            self._activity,
            *self.below(),
            self._problem,
            margin=(0, 0, 8, 0),
            sizing_mode="stretch_width",
        )
        session.activity.param.watch(self._show_activity, ["running", "progress"])
        session.activity.param.watch(self._show_problem, "problem")
        session.data.param.watch(self._show_summary, ["dataset", "descriptors", "learned", "survey"])
        self._show_summary()

    def settings(self) -> list[pn.viewable.Viewable]:
        """The widgets of the step."""
        raise TypeError(f"{type(self).__name__} must lay out its settings")

    def below(self) -> list[pn.viewable.Viewable]:
        """What stays in sight when the settings are folded away."""
        return []

    def summary(self) -> str:
        """What the step brought, in a few words; empty while there is no result."""
        raise TypeError(f"{type(self).__name__} must sum up its result")

    def __panel__(self) -> pn.Column:
        """Return the step for Panel to lay out."""
        return self._layout

    def _show_activity(self, *events: object) -> None:
        running = self.session.activity.running == self.step
        if running and not self._activity.visible:
            self._left.restart(time.monotonic())
        self._activity.visible = running
        if running:
            fraction, message = self.session.activity.progress
            self._bar.object = progress_bar(int(100 * fraction), self.title)  # painted a hundred times, not thousands
            left = in_words(self._left.report(fraction, time.monotonic()))
            self._message.object = " · ".join(filter(None, (message or "starting", left)))

    def _show_problem(self, *events: object) -> None:
        step, message = self.session.activity.problem
        mine = step == self.step and bool(message)
        self._problem.objects = [alert(message)] if mine else []
        if mine:
            self._card.collapsed = False

    def _show_summary(self, *events: object) -> None:
        summary = self.summary()
        number = STEPS.index(self.step) + 1
        title = f"{number}  {self.title}" + (f"  ·  {summary}" if summary else "")
        self._card.title = str(escape(title))  # the toolkit shows titles of cards as HTML


def button(label: str, **options: object) -> pmui.Button:
    """The button that starts a step."""
    return pmui.Button(label=label, **{"variant": "contained", "size": "small", **COMPACT, **options})

"""Where predictions come from: another family of names in the same files, or another file of the same structures."""

from __future__ import annotations

from collections.abc import Sequence

import panel as pn
import panel_material_ui as pmui

from meagraph.errors import MEAGraphError
from meagraph.predictions.families import families_beside
from meaviz.jobs.predictions_job import PredictionsJob
from meaviz.jobs.runner import held
from meaviz.session import Session
from meaviz.style.page import PROGRESS_CSS
from meaviz.style.text import TextPane, caption, plain
from meaviz.views.shared.buttons import small_button
from meaviz.views.shared.feedback import alert, progress_bar
from meaviz.views.shared.paths import path_field
from meaviz.views.shared.upload import Upload

OTHER = "/"  # in place of a family; no name holds it


class Source:
    """``panel`` chooses predictions, ``activity`` says how the reading of them goes and what went wrong."""

    def __init__(self, session: Session, job: PredictionsJob) -> None:
        self.session, self.job = session, job
        self.family = pmui.Select(
            label="Other names in the data", options={}, value=None, size="small", width=230, margin=(6, 12, 0, 0)
        )
        self.path = path_field(
            session,
            "In another file of the same structures",
            "predicted.extxyz",
            self.open_typed,
            width=260,
            margin=(4, 6, 0, 0),
        )
        self.upload = Upload(session, job.open, anywhere=False, width=300, sizing_mode="fixed")
        self._among = pn.Column(self.family, visible=False, margin=0)
        self.panel = pn.FlexBox(
            self._among,
            self.path,
            small_button("Open", self.open_typed, margin=(14, 12, 0, 0), description="Open predictions"),
            self.upload,
            align_items="flex-start",
            gap="0px",
            sizing_mode="stretch_width",
            margin=(0, 12, 4, 12),
        )
        self._bar = TextPane("", stylesheets=[PROGRESS_CSS], width=160, margin=(6, 8, 0, 0))
        self._message = caption(margin=(4, 8, 0, 0))
        cancel = pmui.Button(label="Cancel", variant="text", size="small", color="error", margin=0)
        cancel.on_click(lambda event: job.cancel())
        self._working = pn.Row(self._bar, self._message, cancel, visible=False, margin=(0, 12))
        self._problem = pn.Column(margin=(0, 12), sizing_mode="stretch_width")
        self.activity = pn.Column(self._working, self._problem, margin=0, sizing_mode="stretch_width")
        self.family.param.watch(held(self._take), "value")
        session.data.param.watch(held(self._offer), ["dataset", "errors"])
        session.activity.param.watch(held(self._show_activity), "predicting")
        session.activity.param.watch(held(self._show_problem), "not_predicted")
        self._offer()
        self._show_activity()
        self._show_problem()

    def open_typed(self) -> None:
        """Open what stands in the field."""
        try:
            paths = self.session.places.paths_in(self.path.value)
            if not paths:
                raise MEAGraphError("Name a file first, for example predicted.extxyz.")
        except MEAGraphError as error:
            self.job.refuse(str(error))
            return
        self.open(paths)

    def open(self, paths: Sequence[str]) -> None:
        """Compare with these files."""
        self.job.open(paths)

    def _take(self, event: object) -> None:
        """Another family was chosen; one that is shown already is not read again."""
        if self.family.value in self._families and self.family.value != self._shown():
            self.job.take_family(self.family.value)

    @property
    def words(self) -> str:
        """What is shown: the family, or the file."""
        errors, family = self.session.data.errors, self._shown()
        if errors is None:
            return ""
        return errors.predicted.name if family is None else family or "plain names"

    def _shown(self) -> str | None:
        """The family whose errors are shown; None for a file, or nothing."""
        errors = self.session.data.errors
        return errors.predicted.name if errors is not None and errors.predicted.name in self._families else None

    def _offer(self, *events: object) -> None:
        dataset = self.session.data.dataset
        self._families = {} if dataset is None else families_beside(dataset)
        options = {plain(words): family for family, words in self._families.items()}
        self._among.visible = bool(options)
        shown = self._shown()
        if shown is None:  # a choice of its own: without one the toolkit would take the first
            errors = self.session.data.errors
            options[plain("none of these" if errors is None else f"{errors.predicted.name}, a file")] = OTHER
        self.family.param.update(options=options, value=OTHER if shown is None else shown)

    def _show_activity(self, *events: object) -> None:
        fraction, message = self.session.activity.predicting
        self._working.visible = bool(message)
        if message:
            self._bar.object = progress_bar(int(100 * fraction), "Predictions")
            self._message.object = message

    def _show_problem(self, *events: object) -> None:
        message = self.session.activity.not_predicted
        self._problem.objects = [alert(message)] if message else []

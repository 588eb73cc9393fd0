"""Step 1: open a dataset."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import panel as pn
import panel_material_ui as pmui
from ase.data import chemical_symbols

from meagraph.datasets.known import known_words
from meagraph.errors import MEAGraphError
from meaviz.demo import demo_path
from meaviz.style.text import TextPane, join, markup
from meaviz.views.shared.buttons import small_button
from meaviz.views.shared.paths import path_field
from meaviz.views.shared.upload import Upload
from meaviz.views.steps.browser import FileBrowser
from meaviz.views.steps.labels import LabelNames
from meaviz.views.steps.recent import RecentFiles
from meaviz.views.steps.step import COMPACT, Step, button


class DataStep(Step):
    """Open files by path, from a list of folders, from the user's own machine, or once more."""

    step = "data"
    title = "Data"

    def settings(self) -> list[pn.viewable.Viewable]:
        """Path, options, buttons and what the dataset holds."""
        session = self.session
        self.path = path_field(
            session,
            "Files (several: separate by commas)",
            "train.extxyz, runs/, runs/*.xyz, a.zip",
            self.open_typed,
            **COMPACT,
        )
        self.known = path_field(
            session, "In the training set already (optional)", "known.extxyz", self.open_typed, **COMPACT
        )
        self.unlabelled = pmui.Checkbox(label="Allow frames without labels", size="small", value=False, **COMPACT)
        open_files, browse = button("Open"), button("Browse", variant="outlined")
        open_files.on_click(lambda event: self.open_typed())
        self.browser = FileBrowser(session, self.open_listed)
        browse.on_click(lambda event: self.browser.start())
        self.names = LabelNames(session, self.workflow)
        self.recent = RecentFiles(session, self.workflow)
        self.upload = Upload(session, self.open, **COMPACT)
        self._facts = TextPane("", sizing_mode="stretch_width", margin=(6, 0, 0, 0))
        self._labels = small_button("Labels", self.names.start, margin=(4, 6, 0, 0), disabled=True)
        session.data.param.watch(self._offer_labels, ["dataset", "labels", "asked"])
        session.data.param.watch(self._show_known, "asked")
        self._show_known()
        return [
            self.path,
            self.known,
            pn.Row(open_files, pn.Spacer(width=6), browse, margin=0, sizing_mode="stretch_width"),
            self.upload,
            self.unlabelled,
            self._facts,
            pn.Row(
                self._labels,
                self.recent.switch,
                small_button("Open the demo", self._open_demo, margin=(4, 0, 0, 6)),
                margin=0,
            ),
            self.recent,
            self.browser,
            self.names,
        ]

    def summary(self) -> str:
        """Structures and environments."""
        data = self.session.data.dataset
        self._offer_labels()
        if data is None:
            self._facts.object = ""
            return ""
        elements = ", ".join(chemical_symbols[number] for number in data.species)
        groups = len(set(data.groups.tolist()))
        known = f"of these known already: {known_words(data)}" if data.known.any() else ""
        aside = f"{len(data.quarantined):,} frames in quarantine (tab Outliers)" if data.quarantined else ""
        self._facts.object = markup(
            "<b>{}</b><br>{:,} structures, {:,} environments<br>{} group{}; {}{}",
            data.name,
            data.n_structures,
            data.n_environments,
            groups,
            "s" * (groups != 1),
            elements,
            join(markup("<br>{}", words) for words in (known, aside) if words),
        )
        return f"{data.n_environments:,} environments"

    def open_typed(self) -> None:
        """Open what stands in the field."""
        try:
            paths = self.session.places.paths_in(self.path.value)
        except MEAGraphError as error:
            self.session.activity.problem = (self.step, str(error))
            return
        if paths:
            self.open(paths)
        else:
            self.session.activity.problem = (self.step, "Name a file first, for example train.extxyz.")

    def open_listed(self, paths: Sequence[str]) -> None:
        """Open what was chosen in the browser of folders."""
        try:
            self.open(self.session.places.openable(paths))
        except MEAGraphError as error:
            self.session.activity.problem = (self.step, str(error))

    def open(self, paths: Sequence[str]) -> None:
        """Open files, folders, patterns and archives together, wherever they lie, beside what is known already."""
        try:
            known = self.session.places.paths_in(self.known.value)
        except MEAGraphError as error:
            self.session.activity.problem = (self.step, str(error))
            return
        beside: dict[str, Any] = {"known": tuple(known)} if known else {}
        self.workflow.open(list(paths), allow_unlabelled=self.unlabelled.value, **beside)

    def _show_known(self, *events: object) -> None:
        """What was named elsewhere, as on the command line."""
        asked = self.session.data.asked
        known = () if asked is None else asked.reading.get("known", ())
        if known:
            self.known.value = ", ".join(map(str, known))

    def _offer_labels(self, *events: object) -> None:
        self._labels.disabled = self.session.data.asked is None

    def _open_demo(self) -> None:
        self.path.value = str(demo_path())
        self.workflow.open([demo_path()])

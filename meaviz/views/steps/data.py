"""Step 1: open a dataset."""

from __future__ import annotations

import panel as pn
import panel_material_ui as pmui
from ase.data import chemical_symbols

from meaviz.demo import demo_path
from meaviz.style.text import TextPane, markup
from meaviz.views.steps.step import COMPACT, Step, button


class DataStep(Step):
    """Open files by path; over ssh the files are where the app runs, so nothing is uploaded."""

    step = "data"
    title = "Data"

    def settings(self) -> list[pn.viewable.Viewable]:
        """Path, options, buttons and what the dataset holds."""
        self._path = pmui.TextInput(
            label="Files (several: separate by commas)", placeholder="train.extxyz", size="small", **COMPACT
        )
        self._unlabelled = pmui.Checkbox(label="Allow frames without labels", size="small", value=False, **COMPACT)
        open_files = button("Open")
        open_demo = button("Open the demo", variant="outlined")
        open_files.on_click(lambda event: self._open())
        self._path.param.watch(lambda event: self._open(), "enter_pressed")
        open_demo.on_click(lambda event: self._open_demo())
        self._facts = TextPane("", sizing_mode="stretch_width", margin=(6, 0, 0, 0))
        return [self._path, self._unlabelled, pn.Row(open_files, open_demo, margin=0), self._facts]

    def summary(self) -> str:
        """Structures and environments."""
        data = self.session.data.dataset
        if data is None:
            self._facts.object = ""
            return ""
        elements = ", ".join(chemical_symbols[number] for number in data.species)
        groups = len(set(data.groups.tolist()))
        self._facts.object = markup(
            "<b>{}</b><br>{:,} structures, {:,} environments<br>{} group{}; {}",
            data.name,
            data.n_structures,
            data.n_environments,
            groups,
            "s" * (groups != 1),
            elements,
        )
        return f"{data.n_environments:,} environments"

    def _open(self) -> None:
        paths = [part.strip() for part in self._path.value_input.split(",") if part.strip()]
        if paths:
            self.workflow.open(paths, allow_unlabelled=self._unlabelled.value)
        else:
            self.session.activity.problem = (self.step, "Name a file first, for example train.extxyz.")

    def _open_demo(self) -> None:
        self._path.value = str(demo_path())
        self.workflow.open([demo_path()])

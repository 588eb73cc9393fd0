"""Which names the frames carry, and which are read as energy, forces and group."""

from __future__ import annotations

from typing import Any

import panel as pn
import panel_material_ui as pmui

from meagraph.datasets.label_table import SETTINGS, LabelTable
from meagraph.datasets.units import UNITS
from meaviz.jobs.workflow import Workflow
from meaviz.session import Session
from meaviz.style.page import LABELS_CSS
from meaviz.style.text import TextPane, join, markup, plain
from meaviz.views.shared.buttons import small_button

USUAL = ""  # an option of a choice: whatever name is usual
CHOICE: dict[str, Any] = {"width": 190, "size": "small", "margin": 6}
UNREAD = "The frames cannot be read yet: name below what the message asks for."
ABOUT = "Names that the frames carry. Choose what is read as what, then read the files again."


class LabelNames(pn.viewable.Viewer):
    """A dialog with the table of names, a choice for each setting of reading, and a button that reads again."""

    def __init__(self, session: Session, workflow: Workflow) -> None:
        super().__init__()
        self.session, self.workflow = session, workflow
        self.table = TextPane("", margin=(8, 0), sizing_mode="stretch_width", stylesheets=[LABELS_CSS])
        self.choices = {
            name: pmui.Select(label=f"Read as {setting.title.lower()}", options={}, **CHOICE)
            for name, setting in SETTINGS.items()
        }
        self.units = pmui.Select(
            label="Units of the file", options={"As it says": USUAL, **{name: name for name in UNITS}}, **CHOICE
        )
        self.elements = pmui.TextInput(
            label="Elements of types",
            placeholder="Nb, Ta: of types 1 and 2",
            size="small",
            width=220,
            margin=6,
        )
        self.unlabelled = pmui.Checkbox(label="Allow frames that lack them", size="small", margin=6)
        self._content = (
            TextPane(ABOUT, margin=0),
            self.table,
            pn.FlexBox(
                *self.choices.values(), self.units, self.elements, self.unlabelled, align_items="center", margin=0
            ),
            pn.Row(small_button("Read again", self.read_again, variant="contained"), margin=(8, 0, 0, 0)),
        )
        self.dialog = pmui.Dialog(
            title="Labels",
            show_close_button=True,
            close_on_click=True,
            width_option="md",
        )
        session.data.param.watch(self._show, "labels")

    def __panel__(self) -> pmui.Dialog:
        """Return the dialog for Panel to lay out."""
        return self.dialog

    def start(self) -> None:
        """Open the dialog; the table is made now if it is not there."""
        if self.session.data.labels is None and self.session.data.dataset is None:
            self.table.object = UNREAD
        elif self.session.data.labels is None:
            self.table.object = "Looking at the frames …"
            self.workflow.list_labels()
        else:
            self._show()
        if not self.dialog.objects:  # not sent before it is wanted
            self.dialog.objects = list(self._content)
        self.dialog.open = True

    def read_again(self) -> None:
        """Read the same files with the names that are chosen."""
        asked = self.session.data.asked
        if asked is None:
            return
        reading = dict(asked.reading)
        for name, choice in self.choices.items():
            reading.pop(name, None)
            if choice.value:
                reading[name] = choice.value
        for name, value in (("elements", self.elements.value_input.strip()), ("units", self.units.value)):
            reading.pop(name, None)
            if value:
                reading[name] = value
        reading["allow_unlabelled"] = bool(self.unlabelled.value)
        self.dialog.open = False
        self.workflow.open(asked.paths, **reading)

    def _show(self, *events: object) -> None:
        found, asked = self.session.data.labels, self.session.data.asked
        if found is None:
            return
        self.table.object = label_markup(found)
        reading: dict[str, Any] = {} if asked is None else dict(asked.reading)
        for name, choice in self.choices.items():
            given = reading.get(name)
            taken = given if isinstance(given, str) else USUAL
            names = dict.fromkeys((*found.names(name), *([taken] if taken else ())))
            options = {"The usual name": USUAL, **{plain(one): one for one in names}}
            choice.param.update(options=options, value=taken)
        self.unlabelled.value = bool(reading.get("allow_unlabelled"))


def label_markup(found: LabelTable) -> Any:
    """The table as HTML; names are text."""
    table = found.table()
    head = join(markup("<th>{}</th>", name) for name in table.heads)
    rows = join(markup("<tr>{}</tr>", join(markup("<td>{}</td>", cell) for cell in row)) for row in table.rows)
    body = rows or markup("<tr><td>{}</td></tr>", "The frames carry no labels at all.")
    return markup('<table class="labels" tabindex="0"><tr>{}</tr>{}</table>', head, body)

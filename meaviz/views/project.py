"""The project: where the work is kept and whether it is, saving under a name, merging, data that is missing."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import panel as pn
import panel_material_ui as pmui

from meagraph.errors import MEAGraphError
from meaviz.components.browser_memory import BrowserMemory
from meaviz.jobs.runner import held
from meaviz.jobs.workflow import Workflow
from meaviz.projects import SUFFIX, is_project
from meaviz.projects.keeper import held as held_here
from meaviz.projects.merging import merge_into_session
from meaviz.projects.places import unnamed
from meaviz.session import Session
from meaviz.style.page import HEAD_BUTTON
from meaviz.style.text import TextPane, caption, plain
from meaviz.views.shared.buttons import small_button
from meaviz.views.shared.feedback import alert, keep_state
from meaviz.views.shared.paths import path_field

STATES = {"off": "not kept", "saving": "saving", "saved": "saved", "failed": "NOT SAVED", "elsewhere": "elsewhere"}
OTHER = "only to look at"
ABOUT = (
    "Everything that you do is saved by itself, a moment after you did it. Under a name it is saved in a folder that "
    "you choose, which opens again with: meaviz NAME.meaviz"
)
STEP_BUTTON = {**HEAD_BUTTON, "&.Mui-disabled": {"color": "#FFFFFF80", "borderColor": "#FFFFFF40"}}
EARLIER = 5  # projects without a name that are listed
NARROW = {"margin": (4, 0), "sizing_mode": "stretch_width"}


class ProjectMenu(pn.viewable.Viewer):
    """A button for the page's head, the dialog that it opens, and a strip that says what must not be overlooked."""

    def __init__(self, session: Session, workflow: Workflow) -> None:
        super().__init__()
        self.session, self.workflow = session, workflow
        self.button = pmui.Button(label="Project", variant="outlined", size="small", sx=HEAD_BUTTON, margin=(0, 8))
        self.button.on_click(lambda event: self.show())
        self.memory = BrowserMemory("meaviz.project", tab=True)  # what the tab showed comes again after F5
        self.memory.param.watch(self._come_back, "value")
        self.undo, self.redo = (
            pmui.Button(label=label, variant="outlined", size="small", sx=STEP_BUTTON, margin=(0, 4), disabled=True)
            for label in ("Undo", "Redo")
        )
        self.undo.on_click(held(lambda event: self.move(-1)))
        self.redo.on_click(held(lambda event: self.move(1)))
        self.said = caption("", margin=(6, 8), styles={"font-size": "12px", "color": "#FFFFFF"})
        self.strip = pn.Column(visible=False, margin=0, sizing_mode="stretch_width")
        self.where = TextPane("", **NARROW)
        self.target = path_field(session, f"Save as (a folder NAME{SUFFIX})", f"niobium{SUFFIX}", self.save, **NARROW)
        self.other = path_field(session, "Merge the project of somebody else", f"theirs{SUFFIX}", self.merge, **NARROW)
        self.told = pn.Column(**NARROW)
        self.earlier = pn.Column(**NARROW)
        self.folder = path_field(session, "Where the data lies now (a folder)", "/data", self.look, **NARROW)
        self.dialog = pmui.Dialog(
            self.where,
            caption(ABOUT, **NARROW),
            self.target,
            small_button("Save", self.save),
            self.other,
            small_button("Merge", self.merge),
            self.told,
            self.earlier,
            title="Project",
            close_on_click=True,
            show_close_button=True,
            width_option="sm",
        )
        self._layout = pn.Column(self.dialog, self.memory, width=0, height=0, margin=0)
        session.keeping.param.watch(held(self._show), ["path", "named", "state", "message", "missing", "notes"])
        session.past.watch(held(self._offer))
        keep_state(self._name, self.button, what="label")  # or "saving" might stay though all is saved
        keep_state(self._offer, self.undo, self.redo)
        self._striped: tuple[Any, ...] = ("", False, (), ())  # what the strip says
        self._waits = ""  # to be opened once nothing runs
        session.activity.param.watch(self._go_back, "running")
        self._show()
        self._offer()
        pn.state.onload(self._say_again)

    def __panel__(self) -> pn.Column:
        """Return the dialog for Panel to lay out; it takes no room."""
        return self._layout

    def show(self) -> None:
        """Open the dialog."""
        self.told.objects = []
        self._list_earlier()
        self.dialog.open = True

    def save_now(self) -> None:
        """Save under the name that there is, or ask for one."""
        keeper = self.workflow.keeper
        if keeper is not None and self.session.keeping.named and self.session.keeping.state != "read-only":
            keeper.save()
        else:
            self.show()

    def save(self) -> None:
        """Save under the name in the field."""
        try:
            path = self._path(self.target.value, "Name the project, for example niobium.meaviz.")
            if self.workflow.keeper is None:
                raise MEAGraphError("Nothing is kept here. Start the app with the command meaviz.")
            self.workflow.keeper.save_as(path)
        except MEAGraphError as error:
            self.told.objects = [alert(str(error))]
            return
        self.told.objects = [TextPane(f"It is saved in {path} from now on.", **NARROW)]

    def merge(self) -> None:
        """Take over what the project in the field holds of judgements, plans and selections."""
        try:
            path = self._path(self.other.value, "Name the project to merge, for example theirs.meaviz.")
            found = merge_into_session(self.session, path)
        except MEAGraphError as error:
            self.told.objects = [alert(str(error))]
            return
        self.told.objects = [TextPane(found.words(), **NARROW)]

    def look(self) -> None:
        """Open the project once more, looking for its data in the folder in the field."""
        keeping = self.session.keeping
        try:
            folder = self.session.places.path_of(self.folder.value)
        except MEAGraphError as error:
            keeping.notes = (str(error),)
            return
        self.workflow.open([keeping.path], folders=[folder])

    def move(self, by: int) -> None:
        """Undo (-1) or redo (1) a step of whatever was done."""
        try:
            what = self.session.past.move(by)
        except MEAGraphError as error:
            self.said.object = str(error)
            return
        if what:
            self.said.object = f"{'Undone' if by < 0 else 'Done again'}: {what}"

    def _list_earlier(self) -> None:
        """Offer what was kept without a name, unless a root confines the session: it may be of files outside."""
        own = self.session.keeping.path
        kept = () if self.session.places.confined else unnamed(self.session.home)
        there = tuple(one for one in kept if str(one.path) != own)
        head = [caption("Earlier work without a name:", **NARROW)] if there else []
        self.earlier.objects = [
            *head,
            *(
                small_button(
                    plain(f"{one.data} · {one.saved[:16].replace('T', ' ')} UTC"),
                    partial(self._open_earlier, one.path),
                    margin=(2, 0),
                )
                for one in there[:EARLIER]
            ),
        ]

    def _open_earlier(self, path: Path) -> None:
        self.dialog.open = False
        self.workflow.open([path])

    def _path(self, text: str, wanted: str) -> Path:
        if not text.strip():
            raise MEAGraphError(wanted)
        name = text.strip() if is_project(text.strip()) else f"{text.strip()}{SUFFIX}"
        return self.session.places.written(name).absolute()

    def _come_back(self, event: Any) -> None:
        """Open what this tab showed before it was loaded anew, where that is something else than what it opened."""
        path, session = str(event.new), self.session
        if (
            path in ("", session.keeping.path)
            or self.workflow.keeper is None
            or not held_here().knows(path, session.home)
        ):
            return
        if session.activity.running:  # what the command named: it is not wanted now
            self._waits = path
            self.workflow.cancel()
        else:
            self.workflow.open([path])

    def _go_back(self, event: Any) -> None:
        path, self._waits = self._waits, ""
        if path and not event.new:
            self.workflow.open([path])
        else:
            self._waits = path

    def _offer(self, *events: object) -> None:
        self.undo.disabled, self.redo.disabled = not self.session.past.can_undo, not self.session.past.can_redo

    def _show(self, *events: object) -> None:
        keeping = self.session.keeping
        if keeping.path and keeping.state != "elsewhere":
            self.memory.value = keeping.path
        self._name()
        state = STATES.get(keeping.state, OTHER)
        self.where.object = (
            f"{keeping.path or 'Nothing is open'}: {state}" if keeping.named else f"Work without a name: {state}."
        )
        what = (keeping.message, keeping.state == "elsewhere", keeping.missing, keeping.notes)
        if what != self._striped:
            self._striped = what
            self._fill_strip()

    def _name(self, *events: object) -> None:
        keeping = self.session.keeping
        name = Path(keeping.path).stem if keeping.named else "no name"
        self.button.label = plain(f"{name} · {STATES.get(keeping.state, OTHER)}") if keeping.on else "Project"

    def _say_again(self) -> None:
        """Say it to a page that is there now: what changed while it was on its way has not reached it."""
        self.button.label = ""  # :func:`keep_state` sets all three back at once
        for step in (self.undo, self.redo):
            step.disabled = not step.disabled

    def _fill_strip(self) -> None:
        keeping = self.session.keeping
        parts = [*([alert(keeping.message)] if keeping.message else [])]
        if keeping.state == "elsewhere":
            parts.append(small_button("Go on here", self._go_on))
        notes = [TextPane(note, **NARROW) for note in keeping.notes]
        close = small_button("Close", self._close, margin=(9, 0, 0, 8))
        if keeping.missing:
            more = f" and {len(keeping.missing) - 3:,} more" if len(keeping.missing) > 3 else ""
            parts += [
                TextPane(
                    f"Not found: {', '.join(keeping.missing[:3])}{more}. The project's own copy of the data is shown; "
                    "an export writes its frames anew, not byte for byte.",
                    **NARROW,
                ),
                pn.Row(self.folder, small_button("Look there", self.look, margin=(9, 0, 0, 8)), close, **NARROW),
                *notes,
            ]
        elif notes:
            parts += [*notes[:-1], pn.Row(notes[-1], close, **NARROW)]
        self.strip.objects, self.strip.visible = parts, bool(parts)

    def _close(self) -> None:
        self.session.keeping.param.update(notes=(), missing=())

    def _go_on(self) -> None:
        if self.workflow.keeper is not None:
            self.workflow.keeper.go_on_here()

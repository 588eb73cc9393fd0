"""What was opened before, to be opened again."""

from __future__ import annotations

from pathlib import Path

import panel as pn
import panel_material_ui as pmui

from meagraph.errors import MEAGraphError
from meaviz.demo import FILE_NAME
from meaviz.jobs.workflow import Workflow
from meaviz.session import Session
from meaviz.session.places import missing
from meaviz.session.recent import Recent, add_recent, clear_recent, read_recent
from meaviz.style.text import plain
from meaviz.views.shared.buttons import small_button, toggle

NAMED = 2  # files of an entry that are named, of more their number


class RecentFiles(pn.viewable.Viewer):
    """A list that folds away; an entry whose files are gone is grey."""

    def __init__(self, session: Session, workflow: Workflow) -> None:
        super().__init__()
        self.session, self.workflow = session, workflow
        self.switch = toggle("Opened before", margin=(4, 0, 0, 0))
        self.list = pn.Column(visible=False, margin=(4, 0, 0, 0), sizing_mode="stretch_width")
        self.switch.param.watch(self._unfold, "value")
        session.data.param.watch(self._note, "dataset")

    def __panel__(self) -> pn.Column:
        """Return the list for Panel to lay out."""
        return self.list

    def open(self, entry: Recent) -> None:
        """Open the files of an entry as they were opened before. One outside the root is refused."""
        try:
            paths = self.session.places.openable(entry.paths)
            if known := entry.reading.get("known"):
                self.session.places.openable(known)
        except MEAGraphError as error:
            self._fail(error)
            return
        self.workflow.open(paths, **entry.reading)

    def clear(self) -> None:
        """Forget all."""
        self._attempt_list(clear=True)

    def _unfold(self, event: object) -> None:
        self.list.visible = bool(self.switch.value)
        if self.list.visible:
            self._attempt_list()

    def _attempt_list(self, *, clear: bool = False) -> None:
        try:
            entries = (clear_recent if clear else read_recent)(self.session.home)
        except MEAGraphError as error:
            self._fail(error)
            entries = ()
        self.list.objects = [*map(self._row, entries), self._clear_button(empty=not entries)]

    def _row(self, entry: Recent) -> pmui.Button:
        names = ", ".join(Path(path).name for path in entry.paths[:NAMED])
        more = len(entry.paths) - NAMED
        return small_button(
            plain(names + (f" and {more} more" if more > 0 else "")),
            lambda: self.open(entry),
            description=plain("\n".join(entry.paths[:8])),
            disabled=missing(entry.paths),
            variant="text",
            margin=0,
        )

    def _clear_button(self, *, empty: bool) -> pmui.Button:
        label = "Nothing yet" if empty else "Clear the list"
        return small_button(label, self.clear, margin=(4, 0, 0, 0), disabled=empty)

    def _note(self, *events: object) -> None:
        """Put what is open now on top of the list, unless it is the demo or goes with the session."""
        data, asked = self.session.data.dataset, self.session.data.asked
        if data is None or asked is None:
            return
        passing = self.session.uploads.holds
        if any(passing(path) or Path(path).name == FILE_NAME for path in asked.paths):
            return
        try:
            add_recent(asked.paths, asked.reading, self.session.home)
        except MEAGraphError as error:
            self._fail(error)
            return
        if self.list.visible:
            self._attempt_list()

    def _fail(self, error: MEAGraphError) -> None:
        self.session.activity.problem = ("data", str(error))

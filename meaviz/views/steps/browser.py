"""Look for files and folders on the machine that the app runs on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import panel as pn
import panel_material_ui as pmui

from meagraph.errors import MEAGraphError
from meaviz.components.file_list import FileList
from meaviz.session import Session
from meaviz.style.text import TextPane
from meaviz.views.shared.buttons import small_button

EMPTY = "This folder holds no files or folders to open."


class FileBrowser(pn.viewable.Viewer):
    """A dialog over the folders under the session's root; ``on_open(paths)`` is told what was chosen."""

    def __init__(self, session: Session, on_open: Callable[[Sequence[str]], object]) -> None:
        super().__init__()
        self.session, self._on_open = session, on_open
        self.folder: Path = session.places.root
        self.files = FileList(
            on_enter=lambda name: self.show(self.folder / name),
            on_open=self.open,
            on_up=self.up,
            height=320,
            min_width=480,
            sizing_mode="stretch_width",
            margin=(8, 0),
            dark=session.appearance.dark,
        )
        self._where = TextPane("", margin=0, sizing_mode="stretch_width", styles={"overflow-wrap": "anywhere"})
        self._problem = TextPane("", margin=0, visible=False, css_classes=["browser-problem"])
        self._up = small_button("Up", self.up, margin=(0, 10, 0, 0))
        self._open = small_button("Open", self.open, variant="contained", disabled=True, margin=(0, 6, 0, 0))
        self._all = small_button("Tick all", self._tick_all, margin=(0, 6, 0, 0))
        self._whole = small_button("Open this folder", self.open_folder)
        self._content = (
            pn.Row(self._up, self._where, margin=0, sizing_mode="stretch_width"),
            self.files,
            self._problem,
            pn.Row(self._open, self._all, self._whole, margin=0),
        )
        self.dialog = pmui.Dialog(
            title="Open files or a folder",
            show_close_button=True,
            close_on_click=True,
            width_option="md",
        )
        self.files.param.watch(self._count, "ticked")
        session.appearance.param.watch(lambda event: setattr(self.files, "dark", event.new), "dark")

    def __panel__(self) -> pmui.Dialog:
        """Return the dialog for Panel to lay out."""
        return self.dialog

    def start(self) -> None:
        """Open the dialog where it was left."""
        self.show(self.folder if self.folder.is_dir() else self.session.places.root)
        if not self.dialog.objects:  # not sent before it is wanted
            self.dialog.objects = list(self._content)
        self.dialog.open = True

    def show(self, folder: Path) -> None:
        """List ``folder``; one that cannot be listed is named, and the one before stays."""
        try:
            here = self.session.places.path_of(str(folder))
            listed = self.session.places.listed(here)
        except MEAGraphError as error:
            self._problem.param.update(object=str(error), visible=True)
            return
        self.folder = here
        self._where.object = str(here)
        self._up.disabled = self.session.places.above(here) is None
        self._problem.visible = False
        rows = [
            {"name": one.name, "folder": one.folder, "size": "" if one.folder else in_words(one.size)}
            for one in listed.entries
        ]
        more = f"and {listed.more:,} more; type the path instead" if listed.more else ""
        self.files.param.update(rows=rows, ticked=[], note=more if rows else EMPTY)

    def up(self) -> None:
        """List the folder around."""
        above = self.session.places.above(self.folder)
        if above is not None:
            self.show(above)

    def open(self) -> None:
        """Open the files that are ticked, together."""
        if self.files.ticked:
            self.dialog.open = False
            self._on_open([str(self.folder / name) for name in self.files.ticked])

    def open_folder(self) -> None:
        """Open what the folder holds that has labels, as the command line does."""
        self.dialog.open = False
        self._on_open([str(self.folder)])

    def _tick_all(self) -> None:
        names = [row["name"] for row in self.files.rows if not row["folder"]]
        self.files.ticked = [] if self.files.ticked == names else names

    def _count(self, *events: object) -> None:
        count = len(self.files.ticked)
        self._open.param.update(disabled=not count, label=f"Open {count:,} files" if count > 1 else "Open")


def in_words(size: int) -> str:
    """Bytes for people."""
    for unit, of in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= of:
            return f"{size / of:.3g} {unit}"
    return f"{size} B"

"""Write the kept structures, and offer the files."""

from __future__ import annotations

from pathlib import Path

import panel as pn
import panel_material_ui as pmui

from meagraph.exports import ExportedFiles
from meagraph.exports.formats import FORMATS
from meaviz.jobs.workflow import EXPORT, Workflow
from meaviz.session import Session
from meaviz.style.page import DENSE_CHOICE, FACTS_CSS
from meaviz.style.text import TextPane, join, markup
from meaviz.views.shared.feedback import alert, keep_state
from meaviz.views.shared.recipe import RecipeDialog

WHAT = {
    "structures": "kept structures",
    "index": "index of all structures",
    "manifest": "manifest with every setting",
    "report": "report: plots, settings and figures on one page",
    "recipe": "recipe: all of it again, by a command",
}


WEIGHTS = {"No weights": "", "1 where chosen, else 0": "chosen", "By the populations of clusters": "population"}


class ExportView(pn.viewable.Viewer):
    """The folder, the button, and the files once they are written."""

    def __init__(self, session: Session, workflow: Workflow) -> None:
        super().__init__()
        self.session, self.workflow = session, workflow
        self._shown: list[str] = []  # files of parts
        self._exported: ExportedFiles | None = None
        self._folder = pmui.TextInput(
            label="Folder (where the app runs)",
            value="meaviz-export",
            size="small",
            width=360,
            margin=(8, 12),
        )
        self._overwrite = pmui.Checkbox(label="Replace an earlier export", value=False, size="small", margin=(8, 12))
        self._button = pmui.Button(label="Export", variant="contained", size="small", margin=(10, 12), disabled=True)
        self._button.on_click(self._export)
        self._formats = pmui.MultiChoice(
            label="Other formats beside it",
            options={one.title: name for name, one in FORMATS.items()},
            value=[],
            chip=False,
            sx=DENSE_CHOICE,
            width=360,
            margin=(8, 12),
        )
        self._lacks = TextPane("", sizing_mode="stretch_width", margin=(0, 12), styles={"font-size": "13px"})
        self._weights = pmui.Select(
            label="Weights, where a format holds some",
            options=WEIGHTS,
            value="",
            size="small",
            width=260,
            margin=(8, 12),
        )
        self._note = TextPane(
            "", sizing_mode="stretch_width", margin=(4, 12), styles={"font-size": "14px"}, stylesheets=[FACTS_CSS]
        )
        self._problem = pn.Column(margin=(0, 12), sizing_mode="stretch_width")
        self._files = pn.Column(margin=(0, 12), sizing_mode="stretch_width")
        self._parts = pmui.MultiChoice(
            label="Other parts, whole structures, a file each",
            options=[],
            value=[],
            chip=False,
            sx=DENSE_CHOICE,
            width=360,
            margin=(8, 12),
        )
        self._write = pmui.Button(label="Write parts", variant="outlined", size="small", margin=(10, 12), disabled=True)
        self._write.on_click(
            lambda event: workflow.export_parts(
                self._folder.value_input, self._parts.value, overwrite=self._overwrite.value
            )
        )
        self._written = pn.Column(margin=(0, 12), sizing_mode="stretch_width")
        self.recipe = RecipeDialog(session)
        self._layout = pn.Column(
            pn.Row(self._folder, self._overwrite, self._button, self.recipe.button, self.recipe, margin=0),
            pn.Row(self._formats, self._weights, margin=0),
            self._lacks,
            self._note,
            self._problem,
            self._files,
            pn.Row(self._parts, self._write, margin=0),
            self._written,
            scroll="y-auto",
            sizing_mode="stretch_both",
            margin=0,
        )
        session.planning.param.watch(self._show, ["plan", "exported"])
        session.activity.param.watch(self._show, "running")
        session.planning.param.watch(self._offer_parts, ["plan", "written"])
        session.selection.param.watch(self._offer_parts, ["mask", "named"])
        session.judging.param.watch(self._offer_parts, "flags")
        self._parts.param.watch(self._show, "value")
        self._formats.param.watch(self._foretell, "value")
        session.activity.param.watch(self._show_problem, "problem")
        keep_state(self._show, self._button, self._write)
        self._offer_parts()
        self._show()

    def __panel__(self) -> pn.Column:
        """Return the view for Panel to lay out."""
        return self._layout

    def _show(self, *events: object) -> None:
        plan, data = self.session.planning.plan, self.session.data.dataset
        self._button.disabled = plan is None or bool(self.session.activity.running)
        self._write.disabled = not self._parts.value or bool(self.session.activity.running)
        if plan is None or data is None:
            self._note.object = markup('<p class="empty">Nothing to export yet: compute the map first.</p>')
        else:
            self._note.object = markup(
                "<b>{:,}</b> of {:,} structures will be written in their original order, with an index of all and a "
                "manifest. Frames of extended XYZ are copied byte for byte.",
                plan.n_structures,
                int((~data.known).sum()),
            )
        files = self.session.planning.exported
        if files is self._exported:
            return
        self._exported = files
        self._files.objects = (
            []
            if files is None
            else [
                *(self._offer(name, getattr(files, name)) for name in WHAT if getattr(files, name)),
                *(self._tell(name, path) for name, path in files.formats.items()),
                *([self._not_held(files.notes)] if files.notes else []),
            ]
        )

    def _foretell(self, *events: object) -> None:
        """What the formats that are chosen cannot hold."""
        lines = (markup("<b>{}</b> does not hold: {}", name, FORMATS[name].lacks) for name in self._formats.value)
        self._lacks.object = join(lines, markup("<br>"))

    def _export(self, event: object) -> None:
        self.workflow.export(
            self._folder.value_input,
            overwrite=self._overwrite.value,
            formats=self._formats.value,
            weights=self._weights.value or None,
        )

    def _tell(self, name: str, path: Path) -> pn.viewable.Viewable:
        """A folder in another format."""
        return TextPane(markup("{}: read back and compared<br><small>{}</small>", FORMATS[name].title, path), margin=4)

    def _not_held(self, notes: tuple[str, ...]) -> pn.viewable.Viewable:
        """What the other formats could not hold."""
        rows = join(markup("<li>{}</li>", note) for note in notes)
        return TextPane(markup("What the formats do not hold, or hold otherwise:<ul>{}</ul>", rows), margin=4)

    def _offer_parts(self, *events: object) -> None:
        """What can be written now, and what was."""
        names = self.session.part_names()
        if names != self._parts.options:
            self._parts.param.update(options=names, value=[name for name in self._parts.value if name in names])
        files = self.session.planning.written
        named = {} if files is None else {**files.parts, "index": files.index, "manifest": files.manifest}
        paths = [str(path) for path in named.values()]
        if paths != self._shown:
            self._shown = paths
            self._written.objects = [self._offer(name, path) for name, path in named.items()]

    def _offer(self, name: str, path: Path) -> pn.viewable.Viewable:
        download = pmui.FileDownload(
            file=str(path),
            filename=path.name,
            label=path.name,
            variant="outlined",
            size="small",
            margin=(4, 8, 4, 0),
        )
        size = path.stat().st_size
        what = WHAT.get(name, name)
        words = f"{what}, {size / 1e6:.2f} MB" if size > 1e5 else f"{what}, {size:,} bytes"
        return pn.Row(download, TextPane(markup("{}<br><small>{}</small>", words, path)), margin=0)

    def _show_problem(self, *events: object) -> None:
        message = self.session.activity.problem_of(EXPORT)
        self._problem.objects = [alert(message)] if message else []

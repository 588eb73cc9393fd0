"""To show others: a dialog that writes a page of the map, and figures for papers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import panel as pn
import panel_material_ui as pmui

from meagraph.pipeline.showing import SharedPage
from meaviz.jobs.runner import held
from meaviz.jobs.show_job import FIGURES
from meaviz.jobs.workflow import Workflow
from meaviz.session import Session
from meaviz.session.appearance import CLUSTER, GROUP
from meaviz.style.page import HEAD_BUTTON
from meaviz.style.text import TextPane, caption, markup, plain
from meaviz.views.shared.feedback import alert

ABOUT = (
    "One file with the map, the clusters, the structures in 3D and what the plan keeps. It opens by double click, "
    "without network, and can be sent as it is. Paths of folders are not in it."
)
WIDTHS = {"One column, 3.4 in": "single", "Two columns, 7 in": "double"}
KINDS = {"SVG": ".svg", "PDF": ".pdf", "PNG": ".png"}
ROW: dict[str, Any] = {"margin": (4, 8), "size": "small"}


class ShareView(pn.viewable.Viewer):
    """The button in the page's head, and the dialog that it opens."""

    def __init__(self, session: Session, workflow: Workflow) -> None:
        super().__init__()
        self.session, self.job = session, workflow.showing
        self.job.report = self._report
        self.button = pmui.Button(label="Share", variant="outlined", size="small", sx=HEAD_BUTTON, margin=(0, 8, 0, 0))
        self.button.on_click(held(lambda event: self.open()))
        self.title = pmui.TextInput(label="Title", value="", width=330, **ROW)
        self.comment = pmui.TextAreaInput(label="Comment for the reader", value="", width=680, rows=2, **ROW)
        self.page = pmui.TextInput(label="Page (where the app runs)", value="meaviz-page.html", width=330, **ROW)
        self.replace = pmui.Checkbox(label="Replace any file of these names", value=False, **ROW)
        self.write_page = pmui.Button(label="Write page", variant="contained", size="small", margin=(10, 8))
        self.write_page.on_click(held(lambda event: self._write_page()))
        self.kind = pmui.Select(label="Figure", options=FIGURES, value="map", width=150, **ROW)
        self.by = pmui.Select(label="Of", options={}, width=220, **ROW)
        self.width = pmui.Select(label="Width", options=WIDTHS, value="single", width=200, **ROW)
        self.format = pmui.Select(label="Format", options=KINDS, value=".svg", width=100, **ROW)
        self.figure = pmui.TextInput(label="Figure (where the app runs)", value="meaviz-map", width=330, **ROW)
        self.write_figure = pmui.Button(label="Write figure", variant="outlined", size="small", margin=(10, 8))
        self.write_figure.on_click(held(lambda event: self._write_figure()))
        self._progress = caption()
        self.problem = pn.Column(margin=(0, 8), sizing_mode="stretch_width")
        self.files = pn.Column(margin=(0, 8), sizing_mode="stretch_width")
        self.kind.param.watch(held(self._offer), "value")
        self.dialog = pmui.Dialog(
            TextPane(ABOUT, margin=(0, 8, 8, 8), styles={"font-size": "14px"}),
            pn.Row(self.title, self.page, margin=0),
            self.comment,
            pn.Row(self.write_page, self.replace, self._progress, margin=0),
            TextPane(markup("<b>Figures for papers</b>"), margin=(16, 8, 4, 8), styles={"font-size": "14px"}),
            pn.Row(self.kind, self.by, self.width, self.format, margin=0),
            pn.Row(self.figure, self.write_figure, margin=0),
            self.problem,
            self.files,
            title="To show others",
            show_close_button=True,
            close_on_click=True,
            width_option="md",
        )
        self._layout = pn.Column(self.dialog, width=0, height=0, margin=0)

    def __panel__(self) -> pn.Column:
        """Return the dialog for Panel to lay out; it takes no room."""
        return self._layout

    def open(self) -> None:
        """Show the dialog for the session as it is."""
        dataset = self.session.data.dataset
        if not self.title.value and dataset is not None:
            self.title.value = dataset.name
        self.problem.objects = []
        self._offer()
        self.dialog.open = True

    def _offer(self, *events: object) -> None:
        """What the figure can show: any property on the map, numbers in histograms, categories in a composition."""
        properties, kind = self.session.data.properties, str(self.kind.value)
        if properties is None:
            return
        options: dict[str, str] = {}
        if kind in ("map", "composition"):
            options |= properties.titles("category")
        if kind in ("map", "histogram"):
            options |= properties.titles("number")
        usual = {"map": self.session.appearance.colour_by, "composition": GROUP, "histogram": "energy"}.get(
            kind, CLUSTER
        )
        there = list(options.values())
        value = usual if usual in there else (there[0] if there else None)
        self.by.param.update(options=options, value=value, disabled=not options)
        self.figure.value = f"meaviz-{kind}"

    def _write_page(self) -> None:
        self._begin()
        self.job.write_page(
            self.page.value_input or self.page.value,
            title=self.title.value_input or self.title.value,
            comment=self.comment.value_input or self.comment.value,
            overwrite=self.replace.value,
            take=self._take_page,
            fail=self._fail,
        )

    def _write_figure(self) -> None:
        self._begin()
        path = (self.figure.value_input or self.figure.value).strip()
        suffix = str(self.format.value)
        self.job.write_figure(
            str(self.kind.value),
            path if not path or path.endswith(suffix) else f"{path}{suffix}",
            by=str(self.by.value),
            width=str(self.width.value),
            overwrite=self.replace.value,
            take=self._take,
            fail=self._fail,
        )

    def _begin(self) -> None:
        self.problem.objects = []
        self._progress.object = "Writing …"

    def _report(self, fraction: float, message: str) -> None:
        self._progress.object = f"{message} …" if message else "Writing …"

    def _take_page(self, page: SharedPage) -> None:
        self._take(page.path, page.sampled)

    def _take(self, path: Path, words: str = "") -> None:
        self._progress.object = ""
        name, size = path.name, path.stat().st_size
        download = pmui.FileDownload(
            file=str(path), filename=name, label=plain(name), variant="outlined", size="small", margin=(4, 8, 4, 0)
        )
        about = f"{size / 1e6:.2f} MB" if size > 1e5 else f"{size:,} bytes"
        said = TextPane(
            markup("{}<br><small>{} {}</small>", about, path.resolve(), words), styles={"font-size": "14px"}
        )
        self.files.objects = [pn.Row(download, said, margin=0), *self.files.objects[:4]]

    def _fail(self, message: str) -> None:
        self._progress.object = ""
        self.problem.objects = [alert(message)]

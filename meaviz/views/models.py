"""The trainings of this session side by side, and the way back to each."""

from __future__ import annotations

import pandas as pd
import panel as pn
import panel_material_ui as pmui
from bokeh.models import ColumnDataSource

from meagraph.model.results import best_epoch
from meaviz.components.charts.training_charts import runs_figure, style_runs
from meaviz.jobs.runner import held
from meaviz.jobs.workflow import Workflow
from meaviz.session import Session
from meaviz.session.runs import TrainingRun
from meaviz.style.page import FACTS_CSS, FILL, table_look
from meaviz.style.palette import palette, theme
from meaviz.style.text import TextPane, caption
from meaviz.views.shared.feedback import alert, keep_state

COLUMNS = {
    "colour": ("", 30),
    "run": ("Run", 60),
    "source": ("Model", 110),
    "seed": ("Seed", 65),
    "epochs": ("Epochs", 80),
    "held_out": ("Held-out loss", 115),
    "loss": ("Training loss", 115),
    "seconds": ("Time / s", 85),
    "edges": ("Edge from", 95),
}
NUMBERS = ("run", "seed", "epochs", "held_out", "loss", "seconds", "edges")
EMPTY = "No model yet: train one in step 3. Every training of this dataset is listed here, with its losses."
NO_CURVES = "A loaded model has no losses to show. Train one in step 3: its curve appears here."
RUNNING = "at work"
CHART = 130  # pixels at least


class RunsView(pn.viewable.Viewer):
    """A table of models, their loss curves, and a button that takes one of them again without training."""

    def __init__(self, session: Session, workflow: Workflow) -> None:
        super().__init__()
        self.session, self.workflow = session, workflow
        self.empty = TextPane(EMPTY, margin=16, css_classes=["empty"], stylesheets=[FACTS_CSS])
        self.table = pn.widgets.Tabulator(
            pd.DataFrame(columns=list(COLUMNS)),
            show_index=False,
            disabled=True,
            selectable=1,
            layout="fit_data",
            sizing_mode="stretch_both",
            min_height=110,
            titles={name: title for name, (title, _) in COLUMNS.items()},
            widths={name: width for name, (_, width) in COLUMNS.items()},
            formatters={"colour": {"type": "color"}},
            text_align=dict.fromkeys(NUMBERS, "right"),
            header_align=dict.fromkeys(NUMBERS, "right"),
            **table_look(session.appearance.dark),
        )
        self.use = pmui.Button(label="Use this model", variant="contained", size="small", margin=(8, 8, 8, 12))
        self.use.on_click(lambda event: self.take())
        self._note = caption(margin=(14, 8), sizing_mode="stretch_width")
        self._problem = pn.Column(margin=(0, 12), sizing_mode="stretch_width")
        self.lines = ColumnDataSource({"epoch": [], "loss": [], "colour": [], "run": [], "width": []})
        self._figure = runs_figure(self.lines)
        style_runs(self._figure, theme(session.appearance.dark))
        left = pn.Column(
            pn.Row(self.use, self._note, margin=0, sizing_mode="stretch_width"),
            self._problem,
            self.table,
            sizing_mode="stretch_both",
            margin=0,
            styles={"flex": f"0 1 {sum(width for _, width in COLUMNS.values()) + 12}px", "min-width": "0"},
        )
        self._curves = pn.Column(pn.pane.Bokeh(self._figure, sizing_mode="stretch_both", min_height=CHART), **FILL)
        self._no_curves = TextPane(NO_CURVES, margin=16, css_classes=["empty"], stylesheets=[FACTS_CSS])
        right = pn.Column(
            self._no_curves,
            self._curves,
            styles={"flex": "1 0 300px"},
            **{**FILL, "margin": (4, 8)},
        )
        self._content = pn.Row(left, right, **FILL)
        self._layout = pn.Column(self.empty, self._content, **FILL)
        self.table.param.watch(self._show_choice, "selection")
        session.data.param.watch(self._show_runs, ["runs", "learned"])
        session.data.param.watch(held(self._show_lines), ["runs", "history"])
        session.activity.param.watch(held(self._show_lines), "running")
        session.activity.param.watch(self._show_choice, "running")
        session.data.param.watch(self._show_choice, "learned")
        session.appearance.param.watch(held(self._show_theme), "dark")
        keep_state(self._show_choice, self.use)
        self._show_runs()
        self._show_theme()

    def __panel__(self) -> pn.Column:
        """Return the view for Panel to lay out."""
        return self._layout

    @property
    def chosen(self) -> TrainingRun | None:
        """The run whose row is chosen."""
        rows, runs = self.table.selection, self.session.data.runs
        return runs[rows[0]] if rows and rows[0] < len(runs) else None

    def _show_runs(self, *events: object) -> None:
        runs = self.session.data.runs
        self.table.value = pd.DataFrame([_row(run) for run in runs], columns=list(COLUMNS))
        learned = self.session.data.learned
        self.table.selection = [
            index for index, run in enumerate(runs) if learned is not None and run.learned.key == learned.key
        ]
        self._show_lines()
        self._show_choice()

    def _show_lines(self, *events: object) -> None:
        data = self.session.data
        curves = [(f"{run.number}", run.learned.history) for run in data.runs]
        if self.session.activity.running == "model" and data.history:
            curves.append((RUNNING, data.history))
        tokens = theme(self.session.appearance.dark)
        colours = palette(len(data.runs))
        self.lines.data = {
            "epoch": [[record.epoch for record in history] for _, history in curves],
            "loss": [[record.judged for record in history] for _, history in curves],
            "run": [name for name, _ in curves],
            "colour": [tokens.text if name == RUNNING else colours[int(name) - 1] for name, _ in curves],
            "width": [2.0] * len(curves),
        }
        self.empty.visible, self._content.visible = not curves, bool(curves)
        some = any(history for _, history in curves)
        self._no_curves.visible, self._curves.visible = not some, some

    def _show_choice(self, *events: object) -> None:
        run, learned = self.chosen, self.session.data.learned
        in_use = run is not None and learned is not None and run.learned.key == learned.key
        self.use.disabled = run is None or in_use or bool(self.session.activity.running)
        if run is None:
            self._note.object = "Choose a row to go back to its model."
        elif in_use:
            self._note.object = f"Model {run.number} is in use."
        else:
            self._note.object = f"Model {run.number} is kept as it is: only the map is made anew."

    def _show_theme(self, *events: object) -> None:
        style_runs(self._figure, theme(self.session.appearance.dark))
        self.table.css_classes = table_look(self.session.appearance.dark)["css_classes"]

    def take(self) -> None:
        """Use the model of the chosen row again."""
        run = self.chosen
        if run is None:
            self._problem.objects = [alert("Choose a row of the table first.")]
            return
        self._problem.objects = []
        self.workflow.use(run)


def _row(run: TrainingRun) -> dict[str, object]:
    history, config = run.learned.history, run.learned.config
    best = best_epoch(history) if history else None
    return {
        "colour": palette(run.number)[run.number - 1],
        "run": run.number,
        "source": run.learned.source.split(" ")[0] if history else "loaded",
        "seed": config.seed,
        "epochs": len(history) or None,
        "held_out": None if best is None or best.validation is None else float(f"{best.validation:.4g}"),
        "loss": None if best is None else float(f"{best.loss:.4g}"),
        "seconds": round(run.seconds, 1) if history else None,
        "edges": round(config.graph.lower, 4),
    }

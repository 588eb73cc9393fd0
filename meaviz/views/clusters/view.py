"""The table of clusters: sizes, groups, means of properties, stability, what is kept, and exemplars."""

from __future__ import annotations

from typing import Any

import pandas as pd
import panel as pn
import panel_material_ui as pmui

from meaviz.jobs.runner import held
from meaviz.jobs.workflow import CLUSTERS, Workflow
from meaviz.session import Session, another_level
from meaviz.style.page import DENSE_CHOICE, FACTS_CSS, FILL, table_look
from meaviz.style.text import TextPane
from meaviz.views.clusters.levels import LevelSlider
from meaviz.views.clusters.table import CENTRAL, EDGE, cluster_facts, pictures
from meaviz.views.shared.buttons import small_button
from meaviz.views.shared.feedback import keep_state
from meaviz.views.shared.remembered import remember

BEFORE = {  # title and width in pixels; the means of properties stand between
    "colour": ("", 34),
    "cluster": ("Cluster", 100),
    "name": ("Name", 170),
    CENTRAL: ("Central", 84),
    EDGE: ("Edge", 72),
    "size": ("Environments", 120),
    "selected": ("Selected", 95),
    "share": ("Share / %", 95),
    "groups": ("Groups inside", 190),
    "stability": ("Stability", 95),
}
AFTER = {
    "kept": ("Kept", 80),
    "kept_share": ("Kept / %", 90),
    "candidates": ("Outlier candidates", 150),
    "flagged": ("Flagged", 90),
}
MEAN = 165  # width of a column of means
WORDS = ("cluster", "name", "groups")  # the other columns are numbers
FIRST = ("force", "energy", "volume")  # properties whose means are shown
ROW = 54  # pixels
LOOK = """
.tabulator .tabulator-row .tabulator-cell { padding: 2px 8px; line-height: 16px; align-content: center }
.tabulator-cell svg { display: block; margin: auto; cursor: zoom-in }
.tabulator-cell[tabulator-field=groups] { font-size: 12px }
"""
ABOUT = (
    "A click on a row selects the cluster, on a picture shows that member in 3D. "
    "Stability: how much of a cluster is found again without a fifth of the data; 0.75 and more is stable."
)


class ClusterView(pn.viewable.Viewer):
    """One row a cluster; a click selects its environments everywhere."""

    def __init__(self, session: Session, workflow: Workflow) -> None:
        super().__init__()
        self.session = session
        self._facts: pd.DataFrame | None = None
        self._pictures: dict[str, dict[int, tuple[int, str]]] = {CENTRAL: {}, EDGE: {}}
        look = table_look(session.appearance.dark)
        self._table = pn.widgets.Tabulator(
            pd.DataFrame(columns=[*BEFORE, *AFTER]),
            show_index=False,
            disabled=True,
            selectable=1,
            layout="fit_data",
            sizing_mode="stretch_both",
            min_height=115,
            configuration={"rowHeight": ROW},
            **(look | {"stylesheets": [*look["stylesheets"], LOOK]}),
        )
        self._empty = TextPane(
            "No clusters yet: compute the map first.",
            margin=16,
            css_classes=["empty"],
            stylesheets=[FACTS_CSS],
        )
        self._measure = small_button(
            "Measure stability", workflow.measure_cluster_stability, margin=(10, 4, 6, 12), disabled=True
        )
        self._cancel = pmui.Button(
            label="Cancel", variant="text", color="error", size="small", margin=(8, 4), visible=False
        )
        self._cancel.on_click(lambda event: workflow.cancel())
        self._means = pmui.MultiChoice(
            label="Means of",
            options={},
            value=[],
            chip=False,
            delete_button=False,
            sx=DENSE_CHOICE,
            width=230,
            margin=(12, 8, 0, 12),
        )
        self._message = TextPane(ABOUT, margin=(6, 4), styles={"font-size": "12px"}, stylesheets=[FACTS_CSS])
        self.levels = LevelSlider(session)
        tools = pn.Row(
            self.levels,
            self._means,
            self._measure,
            self._cancel,
            pn.Column(self._message, sizing_mode="stretch_width", margin=0),
            margin=0,
            sizing_mode="stretch_width",
        )
        self._filled = pn.Column(tools, self._table, visible=False, **FILL)
        self._layout = pn.Column(self._empty, self._filled, **FILL)
        self._table.on_click(self._choose)
        self._table.param.watch(self._mark, "selection")  # a click marks its row, whatever it does
        # columns and rows in one message: rows that come while the browser makes the table anew would be lost
        self._means.param.watch(held(self._summarise), "value")
        session.data.param.watch(held(self._show), "survey")
        session.appearance.param.watch(held(self._restyle), "dark")
        session.planning.param.watch(self._update, "plan")
        session.judging.param.watch(self._update, "flags")
        session.data.param.watch(self._update, "cluster_stability")
        session.selection.param.watch(self._update, "mask")
        session.activity.param.watch(self._show_activity, ["running", "progress", "problem"])
        session.data.param.watch(self._show_activity, "survey")
        keep_state(self._show_activity, self._measure)
        self._show()
        remember(session, cluster_means=self._means)

    def __panel__(self) -> pn.Column:
        """Return the view for Panel to lay out."""
        return self._layout

    def _show(self, *events: Any) -> None:
        """Another map, none, or another level of its clusters."""
        known = self.session.data.properties
        there = self.session.data.analysis is not None
        self._empty.visible, self._filled.visible = not there, there
        self._facts = None  # one table for the new choices, not one for each
        if not there or known is None:
            return
        self._pictures = pictures(self.session, self._pictures if another_level(*events) else None)
        numbers = known.titles("number")
        chosen = self._means.value or FIRST
        value = [name for name in chosen if name in numbers.values() and known[name].limits is not None]
        self._means.param.update(options=numbers, value=value)
        self._summarise()

    def _restyle(self, *events: object) -> None:
        self._table.css_classes = table_look(self.session.appearance.dark)["css_classes"]
        if self._facts is not None:
            self._pictures = pictures(self.session)  # what is far fades into the ground
            self._fill()

    def _summarise(self, *events: Any) -> None:
        if self.session.data.survey is None or (events and self._facts is None):
            return
        self._facts = cluster_facts(self.session, self._means.value)
        self._fill()

    def _fill(self) -> None:
        """The whole table anew."""
        known = self.session.data.properties
        if self._facts is None or known is None:
            return
        table = self._facts.assign(
            **{
                column: [found.get(label, (-1, ""))[1] for label in self._facts["label"]]
                for column, found in self._pictures.items()
            },
            **self._live(self._facts),
        )
        means = [known.title_of(name) for name in self._means.value]
        order = [*BEFORE, *means, *AFTER]
        fixed = BEFORE | AFTER
        numbers = [name for name in order if name not in (*WORDS, "colour", CENTRAL, EDGE)]
        right = dict.fromkeys(numbers, "right")
        self._table.param.update(
            value=table[order],
            titles={name: title for name, (title, _) in fixed.items()},
            widths={name: width for name, (_, width) in fixed.items()} | dict.fromkeys(means, MEAN),
            text_align={"colour": "center", **right},
            header_align=dict.fromkeys(order, "left") | right,
            formatters={"colour": {"type": "color"}, **{name: {"type": "html"} for name in (CENTRAL, EDGE, "groups")}},
        )
        self._mark()

    def _live(self, facts: pd.DataFrame) -> dict[str, list[Any]]:
        """The columns that change while the map stays."""
        data, plan = self.session.data, self.session.planning.plan
        count, labels = data.found.survey.clusters.count, facts["label"].tolist()
        kept = [0] * len(labels) if plan is None else plan.per_cluster[labels].tolist()
        measured = [] if data.cluster_stability is None else [f"{value:.2f}" for value in data.cluster_stability]
        return {
            "selected": count(self.session.selection.mask)[labels].tolist(),
            "stability": [measured[label] if label < len(measured) else "–" for label in labels],
            "kept": kept,
            "kept_share": [round(100 * part / size, 1) for part, size in zip(kept, facts["size"], strict=True)],
            "flagged": count(self.session.judging.flags)[labels].tolist(),
        }

    def _update(self, *events: object) -> None:
        """Send what has changed: the pictures are many times the rest."""
        table = self._table.value
        if self._facts is None or self.session.selection.mask is None or not len(table):
            return
        changed = {}
        for name, values in self._live(self._facts).items():
            old = table[name].tolist()
            pairs = [(row, value) for row, value in enumerate(values) if value != old[row]]
            if pairs:
                changed[name] = pairs
        if changed:
            self._table.patch(changed)
        self._mark()

    def _mark(self, *events: object) -> None:
        """The row of the cluster that the selection lies in, where it is one."""
        if self._facts is None:
            return
        touched = [row for row, count in enumerate(self._table.value["selected"]) if count]
        self._table.selection = touched if len(touched) == 1 else []

    def _show_activity(self, *events: object) -> None:
        activity = self.session.activity
        running = activity.running == CLUSTERS
        self._measure.disabled = self.session.data.survey is None or bool(activity.running)
        self._cancel.visible = running
        self._message.object = activity.words if running else activity.problem_of(CLUSTERS) or ABOUT

    def _choose(self, event: pn.models.tabulator.TableEditEvent) -> None:
        survey = self.session.data.survey
        if self._facts is None or survey is None:
            return
        label = int(self._facts["label"].iloc[event.row])
        picture = self._pictures.get(event.column, {}).get(label)
        if picture is not None:
            self.session.selection.inspected = picture[0]
            return
        clusters = survey.clusters
        self.session.selection.select(clusters.labels == (-1 if label == clusters.n_clusters else label))

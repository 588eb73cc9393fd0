"""What is known already beside what is new: how much is new in each group, what covers it, and what is most novel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import panel as pn
from markupsafe import Markup

from meagraph.evaluation.novelty import Novelty
from meaviz.components.charts.cover_chart import CoverChart
from meaviz.components.choice_list import ChoiceList
from meaviz.jobs.novelty_job import NOVELTY
from meaviz.jobs.runner import held
from meaviz.jobs.workflow import Workflow
from meaviz.session import Session
from meaviz.style.page import FACTS_CSS, FILL
from meaviz.style.text import TextPane, caption, join, markup
from meaviz.views.shared.buttons import small_button
from meaviz.views.shared.feedback import alert

MOST = 200  # structures listed
NONE = markup(
    "<p>No known data. Start with the new data and, after --known, what a model has been trained on already:</p>"
    "<p><code>meaviz new.extxyz --known train.extxyz</code></p>"
    "<p>Neither needs labels. The known structures are learned from and lie on the map in grey; here it says what of "
    "the new lies beyond them, and plans choose what adds to them.</p>"
)
WAITS = markup("<p>The novelty of the new structures follows the map.</p>")
ABOUT = (
    "An environment of novelty 1 lies as far from the nearest known one as that from its eighth known neighbour; what "
    "lies farther is new. The curve: what of the new environments is covered by the known alone (dotted), and with the "
    "first structures that the settings of the tab Pruning choose; dashed, the plan of now."
)


class KnownView(pn.viewable.Viewer):
    """Summary, curve and list."""

    def __init__(self, session: Session, workflow: Workflow) -> None:
        super().__init__()
        self.session = session
        self.empty = TextPane(NONE, margin=16, css_classes=["empty"], stylesheets=[FACTS_CSS])
        self.summary = TextPane("", margin=(4, 12), sizing_mode="stretch_width", stylesheets=[FACTS_CSS])
        self.chart = CoverChart()
        self.list = ChoiceList(
            self.choose,
            label="The most novel structures",
            empty="Nothing is new.",
            dark=session.appearance.dark,
            sizing_mode="stretch_both",
            margin=0,
        )
        self.count = caption(margin=(6, 8, 2, 0), sizing_mode="stretch_width")
        self._select = small_button(
            "Select what is new",
            self.select_new,
            description="Select what is new: all environments beyond what is known",
        )
        self._colour = small_button(
            "Colour by novelty", self.colour, description="Colour by novelty: the map and the 3D view"
        )
        tools = pn.Row(self._select, self._colour, margin=(8, 12, 0, 12), styles={"gap": "6px"})
        self._problem = pn.Column(margin=(0, 12), sizing_mode="stretch_width")
        left = pn.Column(
            tools,
            self._problem,
            self.summary,
            caption(ABOUT, margin=(0, 12)),
            scroll=True,
            styles={"flex": "2.1 1 0", "min-width": "0"},
            **FILL,
        )
        middle = pn.Column(
            self.chart,
            styles={"flex": "1 1 0", "min-width": "0"},
            **FILL,
        )
        right = pn.Column(self.count, self.list, styles={"flex": "0 1 260px", "min-width": "0"}, **FILL)
        self._content = pn.Row(left, middle, right, visible=False, **FILL)
        self._layout = pn.Column(self.empty, self._content, **FILL)
        session.data.param.watch(held(self._show), ["novelty", "dataset"])
        session.planning.param.watch(held(self._draw), ["novelty", "plan"])
        session.appearance.param.watch(held(self._show_theme), "dark")
        session.activity.param.watch(self._show_problem, "problem")
        session.selection.param.watch(self._mark, "inspected")
        self._show()

    def __panel__(self) -> pn.Column:
        """Return the view for Panel to lay out."""
        return self._layout

    def choose(self, structure: int) -> None:
        """Select a structure of the list, and show the most novel of its environments."""
        dataset, found = self.session.data.dataset, self.session.data.novelty
        if dataset is None or found is None:
            return
        rows = dataset.rows_of(structure)
        self.session.selection.select(dataset.structure_of == structure)
        self.session.selection.inspect(rows.start + int(found.value[rows].argmax()))

    def select_new(self) -> None:
        """Select all environments that nothing known covers."""
        if self.session.data.novelty is not None:
            self.session.selection.select(self.session.data.novelty.beyond)

    def colour(self) -> None:
        """Colour by novelty."""
        if self.session.data.novelty is not None:
            self.session.appearance.colour_by = "novelty"

    def _show(self, *events: object) -> None:
        found, dataset = self.session.data.novelty, self.session.data.dataset
        known = dataset is not None and bool(dataset.known.any())
        self.empty.object = WAITS if known else NONE
        self.empty.visible, self._content.visible = found is None, found is not None
        if found is None:
            self.list.rows = []
            return
        self.summary.object = summary(found)
        shown = found.ranked[:MOST].tolist()
        self.list.rows = [_row(found, structure, place) for place, structure in enumerate(shown, 1)]
        more = len(found.ranked) - len(shown)
        self.count.object = "The most novel structures" + (f" ({more:,} more)" if more else "")
        self._mark()
        self._draw()

    def _draw(self, *events: object) -> None:
        planning = self.session.planning
        chosen = 0 if planning.plan is None else planning.plan.n_structures
        curve = planning.novelty if self.session.data.novelty is not None else None
        self.chart.show(curve, chosen=chosen, dark=self.session.appearance.dark)

    def _mark(self, *events: object) -> None:
        row, dataset = self.session.selection.inspected, self.session.data.dataset
        self.list.current = -1 if row < 0 or dataset is None else int(dataset.structure_of[row])

    def _show_theme(self, *events: object) -> None:
        self.list.dark = self.session.appearance.dark
        self._draw()

    def _show_problem(self, *events: object) -> None:
        message = self.session.activity.problem_of(NOVELTY)
        self._problem.objects = [alert(message)] if message else []


def summary(found: Novelty) -> Markup:
    """How much is new, of all and of each group, as HTML; names are text."""
    table = found.by_group().table()
    head = join(markup("<th>{}</th>", name) for name in table.heads)
    rows = join(
        markup("<tr><th>{}</th>{}</tr>", first, join(markup("<td>{}</td>", cell) for cell in rest))
        for first, *rest in table.rows
    )
    facts = join(markup("<tr><th>{}</th><td>{}</td></tr>", name, value) for name, value in found._facts())
    return markup(
        '<table class="compared">{}</table><table class="costs" tabindex="0"><tr>{}</tr>{}</table>', facts, head, rows
    )


def _row(found: Novelty, structure: int, place: int) -> dict[str, Any]:
    """The row of a structure, for :class:`meaviz.components.choice_list.ChoiceList`."""
    data = found.dataset
    file = Path(data.sources[data.source_index[structure]].path).name or data.name
    return {
        "id": structure,
        "mark": f"{found.of_structures[structure]:.2f}",
        "kind": "",
        "text": f"{data.groups[structure]} · {file}, frame {data.frame_index[structure]}",
        "count": f"{found.beyond_in[structure]:,} of {data.sizes[structure]:,}",
    }

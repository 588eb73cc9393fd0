"""The first tab: findings as soon as a dataset is open, their structures, distributions and pairs of elements."""

from __future__ import annotations

from functools import partial
from typing import Any

import panel as pn
import panel_material_ui as pmui

from meagraph.inspection.findings import Distribution, Finding, Findings
from meagraph.inspection.findings.about import ABOUT
from meagraph.inspection.findings.finding import structures_with
from meaviz.components.charts.histogram import HistogramChart
from meaviz.components.choice_list import ChoiceList
from meaviz.jobs.examiner import Examiner
from meaviz.jobs.runner import held
from meaviz.jobs.workflow import Workflow
from meaviz.session import Session
from meaviz.style.page import DENSE_CHOICE, FACTS_CSS, FILL, SEGMENT
from meaviz.style.text import TextPane, caption, markup
from meaviz.views.data.facts import facts, pairs
from meaviz.views.shared.buttons import icon_button
from meaviz.views.shared.feedback import keep_state

PARTS = ("Facts", "Histograms", "Pairs", "Structures")
FIRST = ("energy", "force")  # histograms
MOST = 3  # of them at once
LISTED = 500  # structures
EMPTY = "Open a dataset on the left: what is odd in it appears here."
SOUND = "Nothing stands out."
LOOK = """
table.data { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; margin: 0 0 10px }
table.data th, table.data td { padding: 2px 14px 2px 0; text-align: left; vertical-align: top; font-weight: 400 }
table.data th { white-space: nowrap }
table.data:not(.numbers) th { opacity: 0.75 }
table.data:not(.numbers) td { overflow-wrap: anywhere }
table.numbers tr:first-child th { font-weight: 600; white-space: normal; vertical-align: bottom }
table.numbers td, table.numbers tr:first-child th:not(:first-child) { text-align: right; padding-right: 10px }
"""


class DataView(pn.viewable.Viewer):
    """Findings on the left, the most severe first; a click selects their structures and lists them on the right."""

    def __init__(self, session: Session, workflow: Workflow) -> None:
        super().__init__()
        self.session = session
        self.finding: Finding | None = None  # the chosen one
        self.structures: tuple[int, ...] = ()  # listed
        self._charts: dict[str, tuple[Distribution, HistogramChart]] = {}
        dark = session.appearance.dark
        self.list = ChoiceList(
            self.choose, label="Findings", empty=SOUND, dark=dark, sizing_mode="stretch_both", margin=0
        )
        self.about = TextPane("", margin=(4, 0, 0, 0), sizing_mode="stretch_width", stylesheets=[FACTS_CSS])
        self.count = caption(margin=(6, 8, 2, 0), sizing_mode="stretch_width")
        self._cancel = pmui.Button(label="Cancel", variant="text", size="small", color="error", margin=0, visible=False)
        self._again = pmui.Button(label="Look again", variant="text", size="small", margin=0, visible=False)
        self.part = pmui.RadioButtonGroup(
            options=list(PARTS), value=PARTS[0], size="small", sx=SEGMENT, width=340, margin=(4, 8, 4, 0)
        )
        self._parts = {name: pn.Column(visible=name == PARTS[0], scroll="y-auto", **FILL) for name in PARTS}
        self.empty = TextPane(EMPTY, margin=16, css_classes=["empty"], stylesheets=[FACTS_CSS])
        left = pn.Column(
            pn.Row(self.count, self._cancel, self._again, margin=0, sizing_mode="stretch_width"),
            self.list,
            self.about,
            styles={"flex": "1 1 0", "padding": "0 12px 8px"},
            **FILL,
        )
        right = pn.Column(self.part, *self._parts.values(), styles={"flex": "1 1 0", "padding": "0 8px 8px 0"}, **FILL)
        self.filled = pn.Row(left, right, visible=False, **FILL)
        self._layout = pn.Column(self.empty, self.filled, **FILL)
        self._fill_parts()
        self.part.param.watch(held(self._turn), "value")
        session.data.param.watch(held(self._show), ["dataset", "findings"])
        session.selection.param.watch(held(self._follow), ["inspected", "mask"])
        session.appearance.param.watch(held(self._restyle), "dark")
        session.activity.param.watch(self._show_activity, ["examining", "not_examined"])
        self.examiner = Examiner(session)
        self._cancel.on_click(lambda event: self.examiner.cancel())
        self._again.on_click(lambda event: self.examiner.look())
        if pn.state.curdoc is not None:
            pn.state.on_session_destroyed(lambda context: self.examiner.cancel())
        self._show()
        self._show_activity()

    def __panel__(self) -> pn.Column:
        """Return the view for Panel to lay out."""
        return self._layout

    def _fill_parts(self) -> None:
        text: dict[str, Any] = {"sizing_mode": "stretch_width", "margin": 0, "stylesheets": [FACTS_CSS, LOOK]}
        self.facts, self.pairs = TextPane("", **text), TextPane("", **text)
        self.shown = pmui.MultiChoice(
            label=f"Distributions (at most {MOST})",
            options={},
            value=[],
            max_items=MOST,
            chip=False,
            delete_button=False,
            sx=DENSE_CHOICE,
            sizing_mode="stretch_width",
            margin=(6, 0, 0, 0),
        )
        self.shown.param.watch(held(self._draw), "value")
        self._row = pn.Row(**FILL)
        self.listed = ChoiceList(
            self.inspect,
            label="Structures of the finding",
            empty="Choose a finding, or drag along a histogram: its structures are listed here.",
            dark=self.session.appearance.dark,
            sizing_mode="stretch_both",
            margin=0,
        )
        self._back = icon_button("skip_previous", "Previous structure", lambda: self.step(-1))
        self._forth = icon_button("skip_next", "Next structure", lambda: self.step(1))
        self._place = caption(margin=(6, 4), sizing_mode="stretch_width")
        keep_state(self._enable, self._back, self._forth)
        tools = pn.Row(self._back, self._forth, self._place, margin=0, sizing_mode="stretch_width")
        for name, objects in zip(
            PARTS, ([self.facts], [self.shown, self._row], [self.pairs], [tools, self.listed]), strict=True
        ):
            self._parts[name].objects = objects

    # ---- what is known

    def _show(self, *events: Any) -> None:
        """Other findings, or none yet."""
        self._show_activity()
        dataset, found = self.session.data.dataset, self.session.data.findings
        self.empty.visible, self.filled.visible = dataset is None, dataset is not None
        if any(event.name == "dataset" for event in events):
            self.finding = None
            self._list(())
        if found is None:
            self._charts = {}
            self.list.param.update(rows=[], current=-1, empty="")
            self.facts.object = self.pairs.object = self.about.object = ""
            self._row.objects = []
            return
        key = "" if self.finding is None else self.finding.key
        self.finding = next((one for one in found.found if one.key == key), None)
        current = -1 if self.finding is None else found.found.index(self.finding)
        rows = [_row(number, one) for number, one in enumerate(found.found)]
        self.list.param.update(rows=rows, current=current, empty=SOUND if found.complete else "")
        self.facts.object, self.pairs.object = facts(found), pairs(found)
        self._offer(found)

    def _show_activity(self, *events: object) -> None:
        fraction, message = self.session.activity.examining
        problem, found = self.session.activity.not_examined, self.session.data.findings
        self._cancel.visible, self._again.visible = bool(message), bool(problem) and not message
        if message:
            self.count.object = f"{message} ({fraction:.0%})"
        elif problem:
            self.count.object = f"Not all was looked at: {problem}"
        else:
            self.count.object = "" if found is None else found.counts_text()

    def _turn(self, *events: object) -> None:
        for name, part in self._parts.items():
            part.visible = name == self.part.value
        if self.part.value == "Histograms":
            self._draw()

    # ---- findings and their structures

    def choose(self, number: int) -> None:
        """Choose the finding of this number: its structures are selected, listed, and the first one is shown in 3D."""
        dataset, found = self.session.data.dataset, self.session.data.findings
        if dataset is None or found is None or not 0 <= number < len(found.found):
            return
        self.finding = one = found.found[number]
        self.list.current = number
        self.about.object = markup("<p>{}</p>", ABOUT[one.key])
        self._list(tuple(one.structures.tolist()))
        if self.structures:
            self.part.value = "Structures"
            self.session.selection.select(one.mask(dataset))
            self.inspect(self.structures[0])

    def inspect(self, structure: int) -> None:
        """Show a structure in 3D: where the finding names atoms, around the first of them."""
        dataset = self.session.data.dataset
        if dataset is None:
            return
        row = None if self.finding is None else self.finding.first_atom(dataset, structure)
        self.session.selection.inspect(int(dataset.offsets[structure]) if row is None else row, whole=row is None)

    def step(self, by: int) -> None:
        """Show the next of the listed structures, or the one before."""
        if self.structures:
            here = self.listed.current
            place = self.structures.index(here) + by if here in self.structures else (0 if by > 0 else -1)
            self.inspect(self.structures[place % len(self.structures)])

    def _list(self, structures: tuple[int, ...]) -> None:
        self.structures = structures
        dataset = self.session.data.dataset
        self.listed.rows = (
            []
            if dataset is None
            else [
                {
                    "id": one,
                    "mark": f"{one}",
                    "kind": "",
                    "text": str(dataset.groups[one]),
                    "count": f"{int(dataset.sizes[one]):,} atoms",
                }
                for one in structures[:LISTED]
            ]
        )
        self._follow()

    def _follow(self, *events: object) -> None:
        """Mark the structure in 3D."""
        dataset, row = self.session.data.dataset, self.session.selection.inspected
        here = int(dataset.structure_of[row]) if dataset is not None and 0 <= row < dataset.n_environments else -1
        self.listed.current = here
        total = len(self.structures)
        place = f"{self.structures.index(here) + 1:,} of " if here in self.structures else ""
        more = f", the first {LISTED:,} listed" if total > LISTED else ""
        self._place.object = f"{place}{total:,} structure{'s' * (total != 1)}{more}" if total else ""
        self._enable()
        for one, chart in self._charts.values():
            self._mark(one, chart)

    def _enable(self, *events: object) -> None:
        self._back.disabled = self._forth.disabled = not self.structures

    # ---- histograms

    def _offer(self, found: Findings) -> None:
        self._charts = {}
        options = {one.label: one.key for one in found.distributions}
        usual = set(self.shown.value) <= set(FIRST)  # nobody has chosen others
        value = [key for key in (FIRST if usual else self.shown.value) if key in options.values()]
        self.shown.param.update(options=options, value=value)  # at once: the browser answers late to what changes twice
        self._draw()

    def _draw(self, *events: object) -> None:
        """Charts of the chosen distributions, once they are to be seen; those that were there stay."""
        found = self.session.data.findings
        if found is None or self.part.value != "Histograms":
            return
        known = {one.key: one for one in found.distributions}
        charts: dict[str, tuple[Distribution, HistogramChart]] = {}
        for key in self.shown.value:
            if key in self._charts:
                charts[key] = self._charts[key]
            elif key in known:
                one = known[key]
                brush = partial(self.brush, one)
                chart = HistogramChart(f"data-{key}", brush, log=one.histogram.log, counts=f"{one.level}s")
                chart.show(one.histogram, one.label, dark=self.session.appearance.dark)
                charts[key] = one, chart
                self._mark(one, chart)
        self._charts = charts
        self._row.objects = [pn.Column(chart, **FILL) for _, chart in charts.values()]

    def _mark(self, one: Distribution, chart: HistogramChart) -> None:
        dataset, mask = self.session.data.dataset, self.session.selection.mask
        if dataset is not None and mask is not None:
            chart.select(one.selected(dataset, mask))

    def brush(self, one: Distribution, low: float, high: float, mode: str) -> None:
        """List the structures in these bars, and select them where there is a map."""
        dataset = self.session.data.dataset
        if dataset is None:
            return
        self.finding, self.list.current, self.about.object = None, -1, ""
        mask = one.environments(dataset, low, high)
        self._list(structures_with(dataset, mask))
        self.session.selection.select(mask, mode)

    def _restyle(self, *events: object) -> None:
        self.list.dark = self.listed.dark = dark = self.session.appearance.dark
        for one, chart in self._charts.values():
            chart.show(one.histogram, one.label, dark=dark)
            self._mark(one, chart)


def _row(number: int, one: Finding) -> dict[str, Any]:
    count = len(one.structures)
    return {
        "id": number,
        "mark": one.severity,
        "kind": one.severity,
        "text": one.text,
        "count": f"{count:,} structure{'s' * (count != 1)}" if count else "",
    }

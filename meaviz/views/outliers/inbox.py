"""The inbox of outlier candidates: judge one after the other, with what sets each apart beside it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import panel as pn
import panel_material_ui as pmui
from panel.util import edit_readonly

from meagraph.errors import MEAGraphError
from meaviz.components.browser_memory import BrowserMemory
from meaviz.components.candidate_list import CandidateList
from meaviz.jobs.explainer import Explainer
from meaviz.jobs.runner import held
from meaviz.jobs.workflow import Workflow
from meaviz.judgements.candidates import Candidates, find_candidates, next_place, telling_signals
from meaviz.session import Session, on_another_map
from meaviz.style.page import DENSE_FIELD, FACTS_CSS, PROGRESS_CSS, SEGMENT, WHY_CSS
from meaviz.style.palette import theme
from meaviz.style.text import TextPane, markup
from meaviz.views.outliers.quarantine import Quarantine
from meaviz.views.outliers.rows import row_of
from meaviz.views.outliers.why import why
from meaviz.views.shared.buttons import small_button
from meaviz.views.shared.feedback import alert, keep_state
from meaviz.views.shared.remembered import remember

PAGE = 50  # candidates on the list at a time
NEIGHBOURS = 8  # that can be looked at in 3D
ANY = "any signal"
REASONS = (
    "wrong label",
    "calculation not converged",
    "atoms too close",
    "not a physical structure",
    "outside the intended use",
    "duplicate",
    "rare but sound",
    "needed for the intended use",
)
FIELD: dict[str, Any] = {"size": "small", "sizing_mode": "stretch_width", "margin": (3, 0), "sx": DENSE_FIELD}


class InboxView(pn.viewable.Viewer):
    """At left the candidates, beside them the verdict, at right why the current one stands out."""

    def __init__(self, session: Session, workflow: Workflow) -> None:
        super().__init__()
        self.session = session
        self.explainer = Explainer(session)
        self._candidates: Candidates | None = None
        self._trail: dict[str, int] = {}  # acts of judging made here, and the candidate that was current then
        self.list = CandidateList(
            on_choose=self._choose, on_key=self._press, sizing_mode="stretch_both", margin=(0, 0, 0, 12)
        )
        controls = pn.Column(
            *self._verdict_widgets(), width=200, sizing_mode="stretch_height", scroll="y-auto", margin=(4, 12)
        )
        self._layout = pn.Row(self._list_column(), controls, self._why_column(), sizing_mode="stretch_both", margin=0)
        session.data.param.watch(held(on_another_map(self._renew)), "survey")
        session.judging.param.watch(held(self._show_list), ["judgements", "candidate"])
        session.judging.param.watch(held(self._show_why), ["explanation", "candidate", "judgements"])
        session.appearance.param.watch(held(self._show_why), "dark")
        session.selection.param.watch(held(self._mark_neighbour), "inspected")
        session.judging.param.watch(held(self._mark_neighbour), "explanation")
        session.activity.param.watch(held(self._show_problem), "problem")
        session.appearance.param.watch(held(lambda event: setattr(self.list, "dark", event.new)), "dark")
        keep_state(self._allow, self._accept, self._reject, self._undo)
        self.list.dark = session.appearance.dark
        self._renew()
        self._show_why()
        remember(session, outliers_which=self.which, outliers_signal=self.signal, outliers_grouped=self.grouped)

    def __panel__(self) -> pn.Row:
        """Return the view for Panel to lay out."""
        return self._layout

    # ---- layout

    def _list_column(self) -> pn.Column:
        self.which = pmui.RadioButtonGroup(
            options={"Open": "open", "Judged": "judged", "All": "all"},
            value="open",
            size="small",
            sx=SEGMENT,
            margin=(4, 6, 4, 0),
        )
        self.signal = pmui.Select(
            label="Signal", options={ANY: ""}, value="", size="small", sizing_mode="stretch_width", margin=0
        )
        self.grouped = pmui.Checkbox(label="By structure", value=True, size="small", width=120, margin=(0, 0, 0, 8))
        self.progress = TextPane("", sizing_mode="stretch_width", margin=(4, 0, 2, 0))
        self.progress.stylesheets = [WHY_CSS, PROGRESS_CSS]
        self.pages = TextPane("", margin=(4, 6), stylesheets=[WHY_CSS])
        back, forth = _button("‹", lambda: self.turn(-1)), _button("›", lambda: self.turn(1))
        self.pager = pn.Column(
            pn.Row(back, self.pages, forth, margin=0), visible=False, margin=(4, 0, 0, 12), sizing_mode="stretch_width"
        )
        self._page = 0
        self.which.param.watch(held(self._show_list), "value")
        self.signal.param.watch(held(self._find), "value")
        self.grouped.param.watch(held(self._find), "value")
        self.quarantine = Quarantine(self.session)
        filters = pn.Row(self.which, self.signal, margin=(8, 0, 0, 12), sizing_mode="stretch_width")
        return pn.Column(
            self.quarantine,
            filters,
            pn.Row(self.progress, self.grouped, margin=(0, 0, 0, 12), sizing_mode="stretch_width"),
            self.list,
            self.pager,
            sizing_mode="stretch_both",
            margin=(0, 0, 8, 0),
            styles={"flex": "3 1 0", "min-width": "290px"},
        )

    def _verdict_widgets(self) -> list[pn.viewable.Viewable]:
        self._accept = _button("Outlier (A)", lambda: self._judge("outlier"), color="error")
        self._reject = _button("Ordinary (R)", lambda: self._judge("ordinary"))
        back, forth = _button("Previous (K)", lambda: self._step(-1)), _button("Next (J)", self._step)
        self._undo = _button("Undo (U)", self._take_back)
        again = _button("Refresh", self._refresh, description="Refresh: read what others have judged meanwhile")
        self.reason = pmui.AutocompleteInput(
            label="Reason", options=list(REASONS), restrict=False, min_characters=0, value=None, **FIELD
        )
        self.note = pmui.TextInput(label="Note", value="", **FIELD)
        self._name = pmui.TextInput(label="Your name", value=self.session.judging.author, **FIELD)
        self._name.disabled = bool(self.session.user)  # who is known to the server judges by that name
        self._memory = BrowserMemory("meaviz.author")
        self._name.param.watch(held(self._rename), "value")
        self._memory.param.watch(lambda event: self._remember() if pn.state.loaded else None, "value")
        pn.state.onload(self._remember)  # what comes before would not reach the field
        self.problem = pn.Column(margin=0, sizing_mode="stretch_width")
        rows = ((self._accept, self._reject), (back, forth), (self._undo, again))
        return [
            *(pn.Row(*pair, sizing_mode="stretch_width", margin=0) for pair in rows),
            self.reason,
            self.note,
            self._name,
            self._memory,
            self.problem,
        ]

    def _why_column(self) -> pn.Column:
        self.why = TextPane("", sizing_mode="stretch_width", margin=0, stylesheets=[FACTS_CSS, WHY_CSS])
        self.in_3d = TextPane("", margin=(5, 0, 0, 8), stylesheets=[WHY_CSS])
        look = pn.Row(
            _button("This one", lambda: self.inspect(-1)),
            TextPane("or neighbour", margin=(5, 2), stylesheets=[WHY_CSS]),
            *(_button(f"{n + 1}", partial(self.inspect, n)) for n in range(NEIGHBOURS)),
            self.in_3d,
            margin=(0, 0, 4, 0),
        )
        self._look = pn.Column(look, visible=False, margin=0)
        return pn.Column(
            self._look,
            self.why,
            scroll="y-auto",
            sizing_mode="stretch_both",
            margin=(8, 12),
            styles={"flex": "6 1 0", "min-width": "380px"},
        )

    # ---- the list

    def _renew(self, *events: object) -> None:
        """A new map, or none: other candidates, other signals."""
        survey = self.session.data.survey
        self._trail.clear()
        if survey is not None:
            names = telling_signals(survey.outliers)
            self.signal.param.update(options={ANY: "", **{name: name for name in names}}, value="")
        self._find()

    def _find(self, *events: object) -> None:
        survey, data = self.session.data.survey, self.session.data.dataset
        if survey is None or data is None:
            self._candidates = None
        else:
            self._candidates = find_candidates(
                survey.outliers, data, by_structure=self.grouped.value, signal=self.signal.value
            )
        self._show_list()

    def _show_list(self, *events: Any) -> None:
        found, judging = self._candidates, self.session.judging
        if found is None or judging.judgements is None:
            self.list.param.update(rows=[], current=-1, empty="No candidates yet: compute the map first.")
            self.progress.object = ""
            self.pager.visible = False
            return
        judged = judging.judgements.judged
        done = found.done(judged)
        total = len(done)
        share = 100 * done.sum() / max(total, 1)
        self.progress.object = markup(
            '<div class="progress"><div style="width:{:.1f}%"></div></div><b>{:,}</b> of {:,} judged',
            share,
            done.sum(),
            total,
        )
        shown = found.shown(judged, self.which.value)
        pages = max(-(-len(shown) // PAGE), 1)
        page = found.page_of(judging.candidate, shown, PAGE)
        if any(event.name == "candidate" for event in events) and page is not None:
            self._page = page
        self._page = min(self._page, pages - 1)
        self.pages.object = f"page {self._page + 1} of {pages}"
        self.pager.visible = pages > 1
        places = shown[self._page * PAGE : (self._page + 1) * PAGE]
        nothing = {"open": "All judged.", "judged": "None judged yet.", "all": "No candidates: nothing stands out."}
        self.list.param.update(
            rows=[row_of(self.session, found, place) for place in places.tolist()],
            current=judging.candidate,
            empty=nothing[self.which.value if total else "all"],
        )

    def turn(self, step: int) -> None:
        """To the next page, or the one before."""
        self._page = max(self._page + step, 0)
        held(self._show_list)()

    # ---- what people do

    def _rename(self, event: Any) -> None:
        self.session.judging.author = self._memory.value = event.new.strip()

    def _remember(self) -> None:
        """The name that was given in this browser earlier."""
        if self._memory.value and not self.session.user:
            self._name.value = self._memory.value

    def _press(self, key: str) -> None:
        {
            "j": self._step,
            "k": lambda: self._step(-1),
            "a": lambda: self._judge("outlier"),
            "r": lambda: self._judge("ordinary"),
            "u": self._take_back,
        }[key]()

    def _choose(self, row: int) -> None:
        """Look at a candidate; of structures that are off together, select all."""
        with self.session.together():
            self.session.judging.candidate = self.session.selection.inspected = row
            if self._candidates is not None and (family := self._candidates.families.get(row)) is not None:
                self.session.selection.select_rows(family.rows.tolist())

    def _step(self, step: int = 1) -> None:
        found, judging = self._candidates, self.session.judging
        if found is None or judging.judgements is None:
            return
        shown = found.shown(judging.judgements.judged, self.which.value)
        place = found.place(judging.candidate)
        if place < 0 and step < 0:
            place = len(found.leads)
        following = next_place(shown, place, step)
        if following >= 0:
            self._choose(int(found.leads[following]))

    def _judge(self, verdict: str) -> None:
        judging, activity, lead = self.session.judging, self.session.activity, self.session.judging.candidate
        if self._candidates is None or lead < 0:
            return
        words = {"reason": _typed(self.reason), "note": _typed(self.note)}
        try:
            judging.judge(self._candidates.members(lead), verdict, **words)
        except MEAGraphError as error:
            activity.problem = ("outliers", str(error))
            return
        if judging.last is not None:
            self._trail[judging.last.uid] = lead
        activity.problem = ("", "")
        self.reason.value, self.note.value = None, ""
        for field in (self.reason, self.note):
            with edit_readonly(field):  # what was typed and not entered goes as well
                field.value_input = ""
        self._step()

    def _take_back(self) -> None:
        try:
            act = self.session.judging.undo()
        except MEAGraphError as error:
            self.session.activity.problem = ("outliers", str(error))
            return
        if act is not None and act.uid in self._trail:
            self._choose(self._trail[act.uid])

    def _refresh(self) -> None:
        try:
            self.session.judging.refresh()
        except MEAGraphError as error:
            self.session.activity.problem = ("outliers", str(error))

    def inspect(self, neighbour: int) -> None:
        """Look at a neighbour in 3D, at the candidate itself for -1."""
        found = self.session.judging.explanation
        if neighbour < 0:
            self.session.selection.inspected = self.session.judging.candidate
        elif found is not None and neighbour < len(found.neighbours):
            self.session.selection.inspected = int(found.neighbours[neighbour])

    # ---- why

    def _show_why(self, *events: object) -> None:
        session, judging = self.session, self.session.judging
        self._look.visible = judging.candidate >= 0
        self._allow()
        if judging.candidate < 0:
            text = "Press J, or choose a candidate: what sets it apart appears here." if session.data.survey else ""
            self.why.object = markup('<p class="empty">{}</p>', text)
        else:
            self.why.object = why(session, judging.candidate, judging.explanation, theme(session.appearance.dark))

    def _allow(self, *events: object) -> None:
        self._accept.disabled = self._reject.disabled = self.session.judging.candidate < 0
        self._undo.disabled = self.session.judging.judgements is None

    def _mark_neighbour(self, *events: object) -> None:
        """Say what the 3D view shows."""
        found, inspected = self.session.judging.explanation, self.session.selection.inspected
        rows = [self.session.judging.candidate, *([] if found is None else found.neighbours.tolist())]
        place = rows.index(inspected) if inspected in rows else -1
        shown = "another environment" if place < 0 else f"neighbour {place}" if place else "this one"
        self.in_3d.object = markup("<small>in 3D: {}</small>", shown)

    def _show_problem(self, *events: object) -> None:
        message = self.session.activity.problem_of("outliers")
        self.problem.objects = [alert(message)] if message else []


def _button(label: str, act: Callable[[], object], **options: Any) -> pmui.Button:
    return small_button(label, act, margin=2, **options)


def _typed(field: Any) -> str:
    """What a field holds, entered or not."""
    return str(field.value_input or field.value or "")

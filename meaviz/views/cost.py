"""What the plan costs: the errors of a quick force field fitted to what it keeps."""

from __future__ import annotations

from collections.abc import Sequence

import panel as pn
import panel_material_ui as pmui
from markupsafe import Markup

from meagraph.evaluation.against_random import FIGURES, Figure, PlanCost
from meagraph.evaluation.quests import SETS, QuestsMeasures
from meagraph.pruning.selectors import SELECTORS
from meaviz.components.charts.cost_chart import CostChart
from meaviz.jobs.chain import RANK
from meaviz.jobs.plan_jobs import COST, CURVES, QUESTS
from meaviz.jobs.runner import held
from meaviz.jobs.workflow import Workflow
from meaviz.session import Session
from meaviz.style.page import FACTS_CSS, FILL, TIP_LETS_THROUGH
from meaviz.style.text import TextPane, caption, join, markup
from meaviz.views.shared.feedback import alert, keep_state

ABOUT = (
    "A quick linear force field is fitted to the kept structures and tested on structures held out of every fit "
    "(30 % of each group). Beside it: as many environments in structures drawn at random, and all data. It ranks "
    "plans of this dataset; it is no forecast of the error of your model. Wrong labels count as well, in the fits and "
    "in the test: judge outliers first."
)
EXACT = (
    "QUESTS: the exact entropy of this plan, its diversity and its overlap with all data, on QUESTS' own descriptors. "
    "Every two environments are compared, which takes minutes for 50,000 of them."
)
USED = {"all environments": None, "20,000 of each set": 20_000, "5,000 of each set": 5_000}
STALE = markup('<p class="empty">Of an earlier plan; measure again for this one.</p>')


class CostView(pn.viewable.Viewer):
    """The button, progress, and the figures."""

    def __init__(self, session: Session, workflow: Workflow) -> None:
        super().__init__()
        self.session = session
        self._button = pmui.Button(label="Measure", variant="contained", size="small", margin=(10, 12), disabled=True)
        self._button.on_click(lambda event: workflow.plans.measure_cost())
        self._cancel = pmui.Button(
            label="Cancel", variant="text", size="small", color="error", margin=(10, 0), visible=False
        )
        self._cancel.on_click(lambda event: workflow.cancel())
        self._message = caption(margin=(16, 12), sizing_mode="stretch_width")
        self._other = pmui.Select(
            label="Compare with",
            options=[name for name in SELECTORS if name not in ("meagraph", "random")],
            value="fps",
            size="small",
            width=140,
            margin=(9, 8, 0, 12),
        )
        self._trace = pmui.Button(
            label="Along the keep fraction",
            variant="outlined",
            size="small",
            margin=(10, 4),
            disabled=True,
            description="Along the keep fraction: error and coverage, beside random selections and the other selector",
            stylesheets=[TIP_LETS_THROUGH],
        )
        self._trace.on_click(lambda event: workflow.plans.trace_curves([self._other.value]))
        self.quests = pmui.Button(
            label="QUESTS", variant="outlined", size="small", margin=(10, 4, 10, 12), disabled=True
        )
        self.used = pmui.Select(
            label="QUESTS on", options=list(USED), value=next(iter(USED)), size="small", width=170, margin=(9, 8, 0, 4)
        )
        self.quests.on_click(lambda event: workflow.plans.measure_quests(USED[self.used.value]))
        self._chart = CostChart()
        about = TextPane(
            markup('<div tabindex="0"><p>{}</p><p>{}</p></div>', ABOUT, EXACT),  # it scrolls, so keys must reach it
            margin=(0, 12),
            sizing_mode="stretch_width",
            stylesheets=[FACTS_CSS],
        )
        self._figures = TextPane("", margin=(0, 12), sizing_mode="stretch_width", stylesheets=[FACTS_CSS])
        self.entropy = TextPane("", margin=(0, 12), sizing_mode="stretch_width", stylesheets=[FACTS_CSS])
        self.problem = pn.Column(margin=(0, 12), sizing_mode="stretch_width")
        tools = (
            self._button,
            self._trace,
            self._other,
            self.quests,
            self.used,
            self._cancel,
            self._message,
        )
        numbers = pn.Column(self._figures, self.entropy, scroll=True, styles={"flex": "0 0 510px"}, **FILL)
        beside = pn.Column(self._chart, about, scroll="y-auto", styles={"flex": "1 1 0"}, **FILL)
        self._layout = pn.Column(
            pn.Row(*tools, margin=0, sizing_mode="stretch_width"),
            self.problem,
            pn.Row(numbers, beside, **FILL),
            **FILL,
        )
        session.planning.param.watch(self._show, ["plan", "cost", "quests"])
        session.activity.param.watch(self._show_activity, ["running", "progress"])
        session.planning.param.watch(self._show_activity, "plan")
        session.activity.param.watch(self._show_problem, "problem")
        session.planning.param.watch(held(self._show_curves), "curves")
        session.appearance.param.watch(held(self._show_curves), "dark")
        session.planning.param.watch(held(lambda event: self._chart.mark(event.new.keep)), "settings")
        keep_state(self._show_activity, self._button, self._trace, self.quests)
        self._show()
        self._show_activity()

    def __panel__(self) -> pn.Column:
        """Return the view for Panel to lay out."""
        return self._layout

    def _show(self, *events: object) -> None:
        planning = self.session.planning
        found, exact, plan = planning.cost, planning.quests, planning.plan
        old = Markup() if exact is None or exact.plan is plan else STALE
        self.entropy.object = "" if exact is None else old + quests_table(exact)
        if plan is None:
            self._figures.object = markup('<p class="empty">No plan yet: compute the map first.</p>')
        elif found is None:
            self._figures.object = markup('<p class="empty">Not measured yet.</p>') if exact is None else ""
        else:
            self._figures.object = (Markup() if found.plan is plan else STALE) + cost_table(found)

    def _show_activity(self, *events: object) -> None:
        activity = self.session.activity
        running = activity.running in (COST, CURVES, QUESTS, RANK)
        for button in (self._button, self._trace, self.quests):
            button.disabled = self.session.planning.plan is None or bool(activity.running)
        self._cancel.visible = running
        self._message.object = activity.words if running else ""

    def _show_problem(self, *events: object) -> None:
        message = self.session.activity.problem_of(COST, CURVES, QUESTS, RANK)
        self.problem.objects = [alert(message)] if message else []

    def _show_curves(self, *events: object) -> None:
        planning = self.session.planning
        self._chart.show(planning.curves, keep=planning.settings.keep, dark=self.session.appearance.dark)


def cost_table(found: PlanCost) -> Markup:
    """The figures as a table of HTML; of random selections the median and the range."""
    figures = found.figures()
    sets = (("kept", "kept", _one), ("random", "random", _range), ("all data", "whole", _one))
    head = join(markup("<th>{}</th>", name) for name in ("fitted to", *(name for name, *_ in sets)))
    sizes = (found.kept.environments, found.random[0].environments, found.whole.environments)
    rows = join(
        markup(
            "<tr><th>{}</th>{}</tr>",
            figure.title,
            join(markup("<td>{}</td>", show(figures[key][figure.name], figure)) for _, key, show in sets),
        )
        for figure in FIGURES
    )
    return markup(
        '<table class="costs" tabindex="0"><tr>{}</tr><tr><th>environments</th>{}</tr>{}</table>'
        "<p>Worst group of the kept structures: {}</p>",
        head,
        join(markup("<td>{:,}</td>", size) for size in sizes),
        rows,
        found.kept.worst_group or "–",
    )


def quests_table(found: QuestsMeasures) -> Markup:
    """QUESTS' measures as a table of HTML, the parameters below."""
    names = ("QUESTS", "environments", "entropy / nats", "diversity / nats", "overlap")
    body = join(
        markup(
            "<tr><th>{}</th><td>{:,}</td><td>{:.3f}</td><td>{:.3f}</td><td>{:.1f} %</td></tr>",
            label, one.used, one.entropy, one.diversity, 100 * one.overlap,
        )
        for one, label in ((found.sets[name], label) for name, label in SETS.items())
    )  # fmt: skip
    return markup(
        '<table class="costs" tabindex="0"><tr>{}</tr>{}</table><p>Overlap: the share of all data that the set leaves '
        "no surprise about. Computed by {}.</p>",
        join(markup("<th>{}</th>", name) for name in names),
        body,
        found.caption(),
    )


def _one(value: float | None, figure: Figure) -> str:
    return "–" if value is None else f"{figure.factor * value:.{figure.digits}f}"


def _range(values: Sequence[float | None], figure: Figure) -> Markup | str:
    known = [_one(value, figure) for value in values if value is not None]
    return markup("{} <small>({} to {})</small>", *known) if len(known) == len(values) else "–"

"""Pruning controls, and what they do: at once, per cluster and per group."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import panel as pn
import panel_material_ui as pmui
from markupsafe import Markup

from meagraph.errors import MEAGraphError
from meagraph.latent.clustering import NOISE
from meagraph.pruning.plan import PruningPlan
from meagraph.pruning.selectors import SELECTORS
from meagraph.pruning.settings import UNITS
from meagraph.pruning.shares import CHANCE, USUAL
from meagraph.pruning.tally import by_cluster, by_group
from meaviz.components.charts.chart import Chart
from meaviz.jobs.workflow import Workflow
from meaviz.session import Session, cluster_name
from meaviz.style.page import FACTS_CSS, FILL, NUMBER_ONLY
from meaviz.style.text import TextPane, join, markup, plain
from meaviz.views.pruning.bars import PlanBars, draw
from meaviz.views.pruning.names import PlanNames
from meaviz.views.pruning.shares import ClusterShares
from meaviz.views.shared.buttons import icon_button
from meaviz.views.shared.feedback import keep_state

CHART = 130  # pixels at least
SLIDER: dict[str, Any] = {"size": "small", "sizing_mode": "stretch_width", "margin": (2, 12), "show_value": False}
WITH_SHARES = ("meagraph", "kmeans")  # selectors whose bins have shares
SELECTOR_WORDS = (
    "meagraph: latent clusters; random; stratified: random in each group; fps: farthest points; cur: leverage; "
    "kmeans; direct: BIRCH; entropy: sparsest first"
)
RULE_NAMES = {
    "What covers the clusters best": "cover",
    "At least a share": "at-least",
    "Any environment": "any",
    "All environments": "all",
}


NOT_ASKED = (
    f"The clusters share the budget by the usual exponent {USUAL:g}. Which serves this dataset best is found out once "
    "the map is there, where the dataset has forces."
)
SIGNS = (
    "How the share of a part grows. Environments: how many it has. Variety: the sum of their statistical leverage, "
    "large where little else in the dataset is like them"
)


class PruningView(pn.viewable.Viewer):
    """Keep fraction, allocation and rule, beside the figures and bars they lead to."""

    def __init__(self, session: Session, workflow: Workflow) -> None:
        super().__init__()
        self.session = session
        config = session.planning.settings
        self._selector = pmui.Select(
            label="Selector",
            options=list(SELECTORS),
            value=config.selector,
            size="small",
            sizing_mode="stretch_width",
            margin=(8, 4, 2, 12),
            description=SELECTOR_WORDS,
        )
        self._undo, self._redo = (
            icon_button(icon, label, partial(session.planning.move_in_history, step), margin=(10, 2, 0, 0))
            for icon, label, step in (("undo", "Undo settings", -1), ("redo", "Redo settings", 1))
        )
        self._budget = pmui.Select(
            label="Budget",
            options={"A share of all environments": "", **{f"A number of {unit}": unit for unit in UNITS}},
            value="",
            size="small",
            sizing_mode="stretch_width",
            margin=(6, 12, 2, 12),
        )
        self._number = pmui.IntInput(
            label="Number to keep", value=1000, start=1, size="small", visible=False, sizing_mode="stretch_width",
            margin=(6, 12, 2, 12), sx=NUMBER_ONLY,
        )  # fmt: skip
        self._fewest = pmui.Select(
            label="Covered with the fewest", options=list(UNITS[:0:-1]), value=config.fewest, size="small",
            sizing_mode="stretch_width", margin=(6, 12, 2, 12),
        )  # fmt: skip
        self._keep = pmui.FloatSlider(value=config.keep, start=0.01, end=1.0, step=0.01, **SLIDER)
        self._by_hand = pmui.Switch(
            label="Set the clusters' shares by hand", value=config.alpha is not None, size="small", margin=(2, 12)
        )
        self._alpha = pmui.FloatSlider(
            value=USUAL if config.alpha is None else config.alpha,
            start=0.0,
            end=1.0,
            step=0.05,
            **SLIDER,
        )
        self._by_error = pmui.Switch(
            label="More of what the model gets wrong", value=bool(config.by_error), size="small", margin=(2, 12)
        )
        self._rule = pmui.Select(
            label="A structure stays with", options=RULE_NAMES, value=config.rule, size="small",
            sizing_mode="stretch_width", margin=(6, 12, 2, 12),
        )  # fmt: skip
        self._own = pmui.Switch(label="Own share (else: the keep fraction)", value=False, size="small", margin=(2, 12))
        self._percent = pmui.FloatSlider(value=20, start=1, end=100, step=1, visible=False, **SLIDER)
        self._protect = pmui.MultiChoice(
            label="Protected groups", options={}, value=[],
            sizing_mode="stretch_width", margin=(6, 12, 2, 12),
        )  # fmt: skip
        self._flagged = pmui.Switch(
            label="Leave out structures with flags",
            value=session.planning.leave_out_flagged,
            size="small",
            margin=(2, 12),
        )
        self._ordinary = pmui.Switch(
            label="Always keep what was judged ordinary",
            value=session.planning.keep_ordinary,
            size="small",
            margin=(2, 12),
        )
        self._faint = pmui.Switch(
            label="Show what is pruned on the map", value=session.appearance.show_pruned, size="small", margin=(2, 12)
        )
        self._figures = TextPane("", sizing_mode="stretch_width", margin=(0, 12), stylesheets=[FACTS_CSS])
        self._charts = [
            Chart(draw, PlanBars(what, None), sizing_mode="stretch_both", min_height=CHART)
            for what in ("group", "cluster")
        ]
        controls = pn.Column(
            pn.Row(self._selector, self._undo, self._redo, margin=0, sizing_mode="stretch_width"),
            self._budget,
            self._number,
            self._keep,
            self._by_hand,
            self._alpha,
            self._by_error,
            self._rule,
            self._fewest,
            self._own,
            self._percent,
            self._protect,
            self._flagged,
            self._ordinary,
            self._faint,
            ClusterShares(session),
            PlanNames(session),
            width=310,
            scroll="y-auto",
            sizing_mode="stretch_height",
            margin=0,
            stylesheets=FILL["stylesheets"],
        )
        charts = pn.Row(*self._charts, **FILL)
        effect = pn.Column(self._figures, charts, **FILL)
        self._layout = pn.Row(controls, effect, **FILL)
        self._taking = False
        widgets = (
            *(self._selector, self._budget, self._number, self._keep, self._by_hand, self._alpha),
            *(self._by_error, self._rule),
            *(self._fewest, self._own, self._percent, self._protect),
        )
        for widget in widgets:
            widget.param.watch(self._configure, "value")
        session.planning.param.watch(self._take, "settings")
        session.planning.param.watch(self._show_figures, "figures")
        self._flagged.link(session.planning, value="leave_out_flagged", bidirectional=True)
        self._ordinary.link(session.planning, value="keep_ordinary", bidirectional=True)
        self._faint.link(session.appearance, value="show_pruned", bidirectional=True)
        session.data.param.watch(self._offer_groups, "dataset")
        session.data.param.watch(lambda event: self._show_rule(), "errors")
        session.planning.param.watch(self._show, "plan")
        session.appearance.param.watch(self._show, "dark")
        keep_state(self._allow, self._undo, self._redo)
        keep_state(self._label, self._keep, self._alpha, self._percent, what="label")
        self._offer_groups()
        self._show_rule()
        self._show()

    def __panel__(self) -> pn.Row:
        """Return the view for Panel to lay out."""
        return self._layout

    def _offer_groups(self, *events: object) -> None:
        data = self.session.data.dataset
        self._protect.value = []
        groups = [] if data is None else sorted(set(data.groups.tolist()))
        self._protect.options = {plain(name): name for name in groups}

    def _take(self, *events: object) -> None:
        """Show settings that came from elsewhere: undo, or a plan with a name."""
        config = self.session.planning.settings
        self._allow()
        self._taking = True
        self._selector.value, self._keep.value = config.selector, config.keep
        self._by_hand.value = config.alpha is not None
        if config.alpha is not None:
            self._alpha.value = config.alpha
        self._budget.value, self._fewest.value = "" if config.number is None else config.unit, config.fewest
        if config.number is not None:
            self._number.value = config.number
        self._by_error.value = bool(config.by_error)
        self._rule.value, self._own.value = config.rule, config.at_least is not None
        if config.at_least is not None:
            self._percent.value = config.at_least
        self._protect.value = [name for name in config.protected if name in self._protect.options.values()]
        self._show_rule()
        self._taking = False

    def _allow(self, *events: object) -> None:
        history = self.session.planning.history
        self._undo.disabled, self._redo.disabled = not history.can_undo, not history.can_redo

    def _show_rule(self) -> None:
        share = self._rule.value == "at-least"
        self._own.visible = share
        self._percent.visible = share and self._own.value
        self._by_hand.visible = self._selector.value in WITH_SHARES
        self._alpha.visible = self._by_hand.visible and self._by_hand.value
        self._by_error.visible = self._selector.value in WITH_SHARES and self.session.data.errors is not None
        self._fewest.visible = self._rule.value == "cover"
        self._keep.visible, self._number.visible = not self._budget.value, bool(self._budget.value)
        self._label()

    def _configure(self, *events: object) -> None:
        if self._taking:
            return
        self._show_rule()
        errors = self.session.data.errors
        by_error = self._by_error.visible and self._by_error.value
        try:
            self.session.planning.settings = replace(
                self.session.planning.settings,
                selector=self._selector.value,
                keep=self._keep.value,
                number=int(self._number.value) if self._budget.value else None,
                unit=self._budget.value or UNITS[0],
                fewest=self._fewest.value,
                alpha=self._alpha.value if self._by_hand.value else None,
                by_error=errors.predicted.name if by_error and errors is not None else "",
                rule=self._rule.value,
                at_least=float(self._percent.value) if self._percent.visible else None,
                until_covered=None,
                protected=tuple(self._protect.value),
            )
        except MEAGraphError as error:
            self.session.activity.problem = ("map", str(error))

    def _label(self, *events: object) -> None:
        """Write the sliders' values behind their names."""
        self._keep.label = f"Keep fraction of environments: {100 * self._keep.value:.0f} %"
        self._alpha.label = f"Allocation α: {self._alpha.value:.2f} (0 flat, 1 faithful)"
        self._percent.label = f"Share of kept environments: {self._percent.value:.0f} %"

    def _show_figures(self, *events: object) -> None:
        if self.session.planning.figures is not None:
            self._show()

    def _measured(self) -> Markup:
        """Figures that follow the plan, once they have been prepared in the tab Cost."""
        found = self.session.planning.figures
        if found is None or found.plan is not self.session.planning.plan:
            return Markup()
        figures = []
        if found.cost is not None:
            figures.append((f"{1e3 * found.cost.rmse:.0f}", "meV/Å", "force RMSE"))
        if found.measures is not None:
            figures.append((f"{100 * found.measures.covered_environments:.1f}", "%", "covered"))
            figures.append((f"{found.measures.entropy:.2f}", "nats", "entropy"))
        return join(markup('<div class="figure"><b>{}</b> {}<span>{}</span></div>', *figure) for figure in figures)

    def _show(self, *events: object) -> None:
        analysis, plan, dark = self.session.data.analysis, self.session.planning.plan, self.session.appearance.dark
        if plan is None or analysis is None:
            self._figures.object = markup('<p class="empty">No plan yet: compute the map first.</p>')
            for chart in self._charts:
                chart.show(None, dark=dark)
            return
        found = plan.summary
        figures = (
            ("environments", found.chosen, found.environments),
            ("structures", found.kept, found.structures),
            ("atoms in them", found.atoms, found.environments),
        )
        cells = join(
            markup(
                '<div class="figure"><b>{:,}</b> of {:,}<span>{} · {:.1f} %</span></div>',
                kept, whole, name, 100 * kept / whole,
            )
            for name, kept, whole in figures
        )  # fmt: skip
        lost = found.clusters_lost
        warning = markup('<div class="figure bad"><b>{}</b><span>clusters without any</span></div>', lost)
        self._figures.object = markup(
            '<div class="figures">{}{}{}</div>{}', cells, self._measured(), warning if lost else "", _why(plan)
        )
        clusters = analysis.survey.clusters
        names = [cluster_name(label) for label in (*range(clusters.n_clusters), NOISE)]
        tallies = (
            ("group", by_group(plan, analysis.dataset)),
            ("cluster", by_cluster(plan, analysis.dataset, clusters, names)),
        )
        for chart, (what, tally) in zip(self._charts, tallies, strict=True):
            chart.show(PlanBars(what, tally), dark=dark)


def _why(plan: PruningPlan) -> Markup:
    """What shares the dataset asks for and why, where the plan follows that."""
    error = (plan.weighed,) if plan.weighed else ()
    asks = plan.config.alpha is None and plan.config.selector == "meagraph"
    known = asks and plan.chosen is not None
    reasons, formulas = (plan.reasons, plan.formulas) if known else (error, ())
    signs = (*map(_signs, formulas), *(Markup() for _ in error))
    said = join(
        markup("<p>{}. {}</p>", sentence[0].upper() + sentence[1:], sign)
        for sentence, sign in zip(reasons, signs, strict=True)
    )
    return said if known or not asks else markup("<p>{}</p>{}", NOT_ASKED, said)


def _signs(formula: str) -> Markup:
    """The formula beside its words, but of chance."""
    return Markup() if formula == CHANCE.words() else markup('<small title="{}">({})</small>', SIGNS, formula)

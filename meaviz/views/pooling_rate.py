"""The pooling rate beside its stability curve: how many clusters each rate gives, and how much they hang on it."""

from __future__ import annotations

from dataclasses import replace

import panel as pn
import panel_material_ui as pmui
from bokeh.models import ColumnDataSource
from markupsafe import Markup

from meagraph.latent.stability import METHOD, Stability
from meaviz.components.charts.training_charts import RateCharts
from meaviz.jobs.runner import held
from meaviz.jobs.workflow import STABILITY, Workflow
from meaviz.session import Session
from meaviz.style.page import FACTS_CSS
from meaviz.style.palette import theme
from meaviz.style.text import TextPane, caption, join, markup
from meaviz.views.shared.feedback import alert, keep_state

PUBLISHED = METHOD["pooling_rate"]
ABOUT = (
    "Clusters are here the published ones, connected components of the pooled latent graph. Where the "
    "curves are flat and the agreement is near 1, they do not hang on the rate."
)


class StabilityView(pn.viewable.Viewer):
    """Computed once a model; from then on every rate of the grid is looked up."""

    def __init__(self, session: Session, workflow: Workflow) -> None:
        super().__init__()
        self.session, self.workflow = session, workflow
        self.measure = pmui.Button(label="Compute the curve", variant="contained", size="small", margin=(8, 0))
        self.measure.on_click(lambda event: workflow.measure_stability())
        self._cancel = pmui.Button(label="Cancel", variant="text", size="small", color="error", margin=(8, 8))
        self._cancel.on_click(lambda event: workflow.cancel())
        self._message = caption(margin=0, sizing_mode="stretch_width")
        self.rate = pmui.FloatSlider(
            label="Pooling rate",
            value=session.data.next_config.pooling_rate,
            start=0.02,
            end=0.98,
            step=0.02,
            size="small",
            show_value=False,
            sizing_mode="stretch_width",
            margin=(4, 8, 0, 8),
        )
        self.facts = TextPane("", sizing_mode="stretch_width", margin=0, stylesheets=[FACTS_CSS])
        self._keep = pmui.Button(label="Use this rate", variant="outlined", size="small", margin=(8, 8, 8, 0))
        self._keep.on_click(lambda event: self.use(published=False))
        self._publish = pmui.Button(label="Use these clusters", variant="contained", size="small", margin=(8, 0))
        self._publish.on_click(lambda event: self.use(published=True))
        self._problem = pn.Column(margin=0, sizing_mode="stretch_width")
        about = TextPane(markup("<p>{}</p>", ABOUT), sizing_mode="stretch_width", margin=0, stylesheets=[FACTS_CSS])
        start = pn.Row(self.measure, self._cancel, margin=0)
        self.chosen = pn.Column(
            self.rate,
            self.facts,
            pn.Row(self._keep, self._publish, margin=0),
            margin=0,
            sizing_mode="stretch_width",
        )
        self._start = pn.Column(start, self._message, margin=0, sizing_mode="stretch_width")
        controls = pn.Column(
            self._start,
            self._problem,
            self.chosen,
            about,
            width=360,
            scroll="y-auto",
            sizing_mode="stretch_height",
            margin=(4, 12),
        )
        self._points = ColumnDataSource({"rate": [], "clusters": []})
        self._pairs = ColumnDataSource({"rate": [], "agreement": []})
        self.charts = RateCharts(self._points, self._pairs, theme(session.appearance.dark))
        panes = [pn.pane.Bokeh(plot, sizing_mode="stretch_both", min_height=130) for plot in self.charts.figures]
        self._curves = pn.Row(*panes, sizing_mode="stretch_both", margin=4)
        self._layout = pn.Row(controls, self._curves, sizing_mode="stretch_both", margin=0)
        self.rate.param.watch(held(self._show_rate), "value")
        session.data.param.watch(held(self._show), ["stability", "learned"])
        session.data.param.watch(self._follow, "survey")
        session.activity.param.watch(self._show_activity, ["running", "progress"])
        session.data.param.watch(self._show_activity, ["learned", "stability"])
        session.activity.param.watch(self._show_problem, "problem")
        session.appearance.param.watch(held(lambda event: self.charts.style(theme(event.new))), "dark")
        keep_state(self._name_rate, self.rate, what="label")
        keep_state(self._show_activity, self.measure, self._keep, self._publish)
        self._follow()
        self._show()
        self._show_activity()

    def __panel__(self) -> pn.Row:
        """Return the view for Panel to lay out."""
        return self._layout

    def _show(self, *events: object) -> None:
        found = self.session.data.stability
        self.chosen.visible = self._curves.visible = found is not None
        if found is None:
            return
        self._points.data = {"rate": found.values, "clusters": [max(count, 0.8) for count in found.clusters.tolist()]}
        self._pairs.data = {"rate": found.between, "agreement": found.agreement}
        self.charts.show_plateau(found.plateau)
        self._show_rate()

    def _show_rate(self, *events: object) -> None:
        found, rate = self.session.data.stability, self.rate.value
        self._name_rate()
        if found is not None:
            self.charts.show_rate(rate)
            self.facts.object = rate_facts(found, rate)

    def _name_rate(self, *events: object) -> None:
        self.rate.label = f"Pooling rate: {self.rate.value:.2f}"

    def _show_activity(self, *events: object) -> None:
        data, activity = self.session.data, self.session.activity
        running = activity.running == STABILITY
        self._start.visible = data.stability is None
        self.measure.disabled = data.learned is None or bool(activity.running)
        self._cancel.visible = running
        self._keep.disabled = self._publish.disabled = bool(activity.running)
        if running:
            self._message.object = activity.words
        elif data.learned is None:
            self._message.object = "There is no model yet: train one in step 3."
        else:
            self._message.object = "Each rate of a grid of 49 is a pass of the encoder; they are kept for this model."

    def _show_problem(self, *events: object) -> None:
        message = self.session.activity.problem_of(STABILITY)
        self._problem.objects = [alert(message)] if message else []

    def _follow(self, *events: object) -> None:
        survey = self.session.data.survey
        if survey is not None:
            self.rate.value = survey.config.pooling_rate

    def use(self, *, published: bool) -> None:
        """Make the map at this rate, with the clusters that it shows now or with the published ones."""
        data = self.session.data
        clustering = (data.survey.config if data.survey is not None else data.next_config).clustering
        clustering = replace(clustering, clusters=None, level=None)  # another map begins at its own level
        if published:
            clustering = replace(clustering, method=PUBLISHED)
        data.next_config = data.config_of_next_map(pooling_rate=round(self.rate.value, 2), clustering=clustering)
        self.workflow.run("map")


def rate_facts(found: Stability, rate: float) -> Markup:
    """What the curve says of the rate of its grid nearest to ``rate``, as HTML."""
    index = found.nearest(rate)
    near = [f"{found.agreement[i]:.2f}" for i in (index - 1, index) if 0 <= i < len(found.agreement)]
    plateau = found.plateau
    stable = (
        "No range of rates gives clusters that hardly change."
        if plateau is None
        else f"They hardly change from {plateau[0]:.2f} to {plateau[1]:.2f}; the middle is {found.suggestion:.2f}."
    )
    figures = (
        (f"{found.clusters[index]:,}", "clusters"),
        (f"{100 * found.largest[index]:.0f} %", "in the largest"),
        (f"{100 * found.alone[index]:.0f} %", "in none"),
        (" · ".join(near), "agreement nearby"),
    )
    cells = join(markup('<div class="figure"><b>{}</b><span>{}</span></div>', *figure) for figure in figures)
    return markup('<div class="figures">{}</div><p>{}</p>', cells, stable)

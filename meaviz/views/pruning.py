"""Pruning controls, and what they do: at once, per cluster and per group."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import holoviews as hv
import numpy as np
import panel as pn
import panel_material_ui as pmui

from meagraph.errors import MEAGraphError
from meagraph.pruning import RULES
from meaviz.session import Session, cluster_name
from meaviz.page_style import chart_hook
from meaviz.style import theme
from meaviz.workflow import Workflow

BARS = 24  # at most; more cannot be read
SLIDER: dict[str, Any] = {"size": "small", "sizing_mode": "stretch_width", "margin": (2, 12)}
RULE_NAMES = {"At least a share": RULES[0], "Any environment": RULES[1], "All environments": RULES[2]}


class PruningView(pn.viewable.Viewer):
    """Keep fraction, allocation and rule, beside the figures and bars they lead to."""

    def __init__(self, session: Session, workflow: Workflow) -> None:
        super().__init__()
        self.session = session
        config = session.pruning
        self._keep = pmui.FloatSlider(
            label="Keep fraction of environments", value=config.keep, start=0.01, end=1.0, step=0.01, **SLIDER
        )
        self._alpha = pmui.FloatSlider(
            label="Allocation exponent α (0 flat, 1 faithful)", value=config.alpha, start=0.0, end=1.0, step=0.05, **SLIDER
        )
        self._rule = pmui.Select(
            label="A structure stays with", options=RULE_NAMES, value=config.rule, size="small",
            sizing_mode="stretch_width", margin=(6, 12, 2, 12),
        )  # fmt: skip
        self._own = pmui.Switch(label="Own share (else: the keep fraction)", value=False, size="small", margin=(2, 12))
        self._percent = pmui.FloatSlider(
            label="Share of kept environments / %", value=20, start=1, end=100, step=1, visible=False, **SLIDER
        )
        self._protect = pmui.MultiChoice(
            label="Protected groups (isolated atoms always are)", options=[], value=[],
            sizing_mode="stretch_width", margin=(6, 12, 2, 12),
        )  # fmt: skip
        self._flagged = pmui.Switch(
            label="Leave out structures with flags", value=session.leave_out_flagged, size="small", margin=(2, 12)
        )
        self._figures = pn.pane.HTML("", sizing_mode="stretch_width", margin=(0, 12))
        self._bars = [
            pn.pane.HoloViews(None, sizing_mode="stretch_both", min_height=120, linked_axes=False) for _ in range(2)
        ]
        controls = pn.Column(
            self._keep,
            self._alpha,
            self._rule,
            self._own,
            self._percent,
            self._protect,
            self._flagged,
            width=330,
            scroll="y-auto",
            sizing_mode="stretch_height",
            margin=0,
        )
        charts = pn.Row(*self._bars, sizing_mode="stretch_both", margin=0)
        effect = pn.Column(self._figures, charts, sizing_mode="stretch_both", margin=0)
        self._layout = pn.Row(controls, effect, sizing_mode="stretch_both", margin=0)
        for widget in (self._keep, self._alpha, self._rule, self._own, self._percent, self._protect):
            widget.param.watch(self._configure, "value")
        self._flagged.link(session, value="leave_out_flagged")
        session.param.watch(self._offer_groups, "dataset")
        session.param.watch(self._show, ["plan", "dark"])
        self._offer_groups()
        self._show()

    def __panel__(self) -> pn.Row:
        """Return the view for Panel to lay out."""
        return self._layout

    def _offer_groups(self, *events: object) -> None:
        data = self.session.dataset
        self._protect.value = []
        self._protect.options = [] if data is None else sorted(set(data.groups.tolist()))

    def _configure(self, *events: object) -> None:
        share = self._rule.value == RULES[0]
        self._own.visible = share
        self._percent.visible = share and self._own.value
        try:
            self.session.pruning = replace(
                self.session.pruning,
                keep=self._keep.value,
                alpha=self._alpha.value,
                rule=self._rule.value,
                percent=float(self._percent.value) if self._percent.visible else None,
                protected=(*type(self.session.pruning).protected, *self._protect.value),
            )
        except MEAGraphError as error:
            self.session.problem = ("map", str(error))

    def _show(self, *events: object) -> None:
        plan, data, survey = self.session.plan, self.session.dataset, self.session.survey
        if plan is None or data is None or survey is None:
            self._figures.object = '<p class="empty">No plan yet: compute the map first.</p>'
            for pane in self._bars:
                pane.object = None
            return
        sizes = np.diff(data.offsets)
        atoms = int(sizes[plan.structures].sum())
        figures = (
            ("environments chosen", plan.n_environments, data.n_environments),
            ("structures kept", plan.n_structures, data.n_structures),
            ("environments in them", atoms, data.n_environments),
        )
        clusters = survey.clusters
        lost = int((plan.per_cluster[: clusters.n_clusters] == 0).sum())
        cells = "".join(
            f'<div class="figure"><b>{kept:,}</b> of {whole:,}<span>{name} · {100 * kept / whole:.1f} %</span></div>'
            for name, kept, whole in figures
        )
        warning = f'<div class="figure bad"><b>{lost}</b><span>clusters without any</span></div>' if lost else ""
        self._figures.object = f'<div class="figures">{cells}{warning}</div>'

        names, codes = np.unique(data.groups, return_inverse=True)
        whole = np.bincount(codes, weights=sizes, minlength=len(names))
        chosen = np.bincount(codes[data.structure_of], weights=plan.keep, minlength=len(names))
        kept = np.bincount(codes, weights=sizes * plan.structures, minlength=len(names))
        order = np.argsort(-whole)
        self._bars[0].object = self._chart("group", [str(names[i]) for i in order], whole[order], chosen[order], kept[order])
        bins = np.where(clusters.labels < 0, clusters.n_clusters, clusters.labels)
        whole = np.bincount(bins, minlength=clusters.n_clusters + 1)
        kept = np.bincount(bins, weights=plan.structures[data.structure_of], minlength=clusters.n_clusters + 1)
        labels = [cluster_name(label) for label in range(clusters.n_clusters)] + ["none"]
        there = whole > 0
        self._bars[1].object = self._chart(
            "cluster",
            [name for name, yes in zip(labels, there, strict=True) if yes],
            whole[there],
            plan.per_cluster[there],
            kept[there],
        )

    def _chart(self, what: str, names: list[str], whole: Any, chosen: Any, kept: Any) -> hv.Overlay:
        """Bars of the share that stays: in kept structures, and chosen environments as a mark."""
        tokens = theme(self.session.dark)
        more = len(names) - BARS
        title = f"Kept per {what}" + (f" (largest {BARS} of {len(names)})" if more > 0 else "")
        rows = [
            (name, 100 * k / w, 100 * c / w, int(k), int(c), int(w))
            for name, k, c, w in list(zip(names, kept, chosen, whole, strict=True))[:BARS]
        ]
        facts = ["in kept structures / %", "chosen / %", "in kept structures", "chosen", "all"]
        bars = hv.Bars(rows, what, facts).opts(color=tokens.accent, alpha=0.45, line_color=None, tools=["hover"])
        marks = hv.Scatter([(row[0], row[2]) for row in rows], what, "chosen / %").opts(
            marker="dash", size=14, color=tokens.text, line_width=2
        )
        return (bars * marks).opts(
            hv.opts.Overlay(
                responsive=True,
                ylim=(0, 105),
                ylabel="environments kept / %",
                xlabel="",
                title=title,
                xrotation=50,
                toolbar=None,
                show_legend=False,
                hooks=[chart_hook(tokens)],
            )
        )

"""The jobs of pruning: rankings of other selectors, what a plan costs, and figures that follow the sliders."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from meagraph.datasets import AtomicDataset
from meagraph.errors import MEAGraphError
from meagraph.evaluation.against_random import PlanCost, evaluate
from meagraph.evaluation.coverage import Yardstick, measure, yardstick
from meagraph.evaluation.error_curve import CostCurves, cost_curves
from meagraph.evaluation.force_error import Prepared, cost, prepare
from meagraph.evaluation.quests import QuestsConfig
from meagraph.pipeline.quests import measure_quests
from meagraph.pipeline.survey import Survey
from meagraph.progress import Progress, part
from meagraph.pruning.plan import PruningPlan, rank_environments
from meagraph.pruning.ranking import Ranking
from meagraph.pruning.settings import PruningConfig
from meaviz.jobs.runner import JobRunner
from meaviz.session import Session
from meaviz.session.planning import PlanFigures

COST, RANK, CURVES, QUESTS = "cost", "rank", "curves", "quests"


class PlanWork:
    """The part of the workflow that prunes; the workflow adds ``_start`` and ``_fail``."""

    _start: Callable[..., None]
    _fail: Callable[[str, str], None]

    def __init__(self, session: Session) -> None:
        self.session = session
        self._equations: tuple[AtomicDataset | None, Prepared | None] = None, None
        self._stick: tuple[Survey | None, Yardstick | None] = None, None
        self._quick = JobRunner(lambda fraction, message: None)  # beside the main job: a slider must not wait for it
        session.param.watch(self._follow, "plan")
        session.param.watch(self._rank, "pruning")

    def cancel_figures(self) -> None:
        """Stop what follows the plan."""
        self._quick.cancel()

    @property
    def prepared(self) -> Prepared | None:
        """The equations of the session's dataset, where they have been computed."""
        return self._equations[1] if self._equations[0] is self.session.dataset else None

    @property
    def stick(self) -> Yardstick | None:
        """What plans of the session's survey are measured by, where it has been made."""
        return self._stick[1] if self._stick[0] is self.session.survey else None

    # ---- rankings

    def _rank(self, *events: object) -> None:
        """The settings may ask for a selector that has not ranked the environments yet."""
        session, config = self.session, self.session.pruning
        if session.survey is None or session.ranking_for(config) is not None:
            return
        if session.running:
            self._fail(RANK, f"The selector {config.selector!r} has to rank the environments, but another step runs.")
            return
        work = self._ranker(config)
        self._start(RANK, work, session.add_ranking)

    def _ranker(self, config: PruningConfig) -> Callable[[Progress], Ranking]:
        session = self.session
        survey, learned, dataset = session.survey, session.learned, session.dataset

        def work(progress: Progress) -> Ranking:
            return rank_environments(
                survey.clusters,
                learned.points,
                learned.condensed,
                selector=config.selector,
                within=config.within,
                bins=survey.ranking.bin,
                groups=dataset.groups[dataset.structure_of],
                seed=config.seed,
                progress=progress,
            )

        return work

    # ---- what a plan costs

    def measure_cost(self) -> None:
        """Fit the quick force field to what the plan keeps, beside random selections; then figures follow the plan."""
        plan = self.session.plan
        if plan is None:
            self._fail(COST, "There is no plan yet. Compute the map first.")
            return
        ready = self._preparation()

        def work(progress: Progress) -> tuple[Prepared, Yardstick, PlanCost]:
            prepared, stick = ready(part(progress, 0.0, 0.8))
            return prepared, stick, evaluate(prepared, plan, progress=part(progress, 0.8, 1.0))

        def take(result: tuple[Prepared, Yardstick, PlanCost]) -> None:
            self._take_preparation(*result[:2])
            self.session.cost = result[2]
            self._follow()

        self._start(COST, work, take)

    def trace_curves(self, selectors: Sequence[str]) -> None:
        """The cost along the keep fraction for the plan's own selector and ``selectors``."""
        session = self.session
        config = session.pruning
        if session.plan is None:
            self._fail(CURVES, "There is no plan yet. Compute the map first.")
            return
        ready = self._preparation()
        wanted = {name: replace(config, selector=name) for name in dict.fromkeys([config.selector, *selectors])}
        there = {name: session.ranking_for(one) for name, one in wanted.items()}
        rankers = {name: self._ranker(wanted[name]) for name, ranking in there.items() if ranking is None}

        def work(progress: Progress) -> tuple[Prepared, Yardstick, list[Ranking], CostCurves]:
            prepared, stick = ready(part(progress, 0.0, 0.5))
            made = {name: ranker(part(progress, 0.5, 0.6)) for name, ranker in rankers.items()}
            rankings: dict[str, Any] = {name: there[name] or made[name] for name in wanted}

            def plan_of(ranking: Ranking, one: PruningConfig) -> PruningPlan:
                return session.make_plan(one, rankings={ranking.selector: ranking})

            curves = cost_curves(prepared, rankings, plan_of, config, stick=stick, progress=part(progress, 0.6, 1.0))
            return prepared, stick, list(made.values()), curves

        def take(result: tuple[Prepared, Yardstick, list[Ranking], CostCurves]) -> None:
            self._take_preparation(*result[:2])
            for ranking in result[2]:
                session.add_ranking(ranking)
            session.curves = result[3]
            self._follow()

        self._start(CURVES, work, take)

    def measure_quests(self, sample: int | None = None) -> None:
        """QUESTS' entropy, diversity and overlap of the plan, of at most ``sample`` environments of each set."""
        session = self.session
        dataset, plan = session.dataset, session.plan
        if plan is None:
            self._fail(QUESTS, "There is no plan yet. Compute the map first.")
            return
        config = QuestsConfig(sample=sample, seed=plan.config.seed)
        self._start(
            QUESTS,
            lambda progress: measure_quests(dataset, plan, config, progress=progress),
            lambda found: session.param.update(quests=found),
        )

    def _preparation(self) -> Callable[[Progress], tuple[Prepared, Yardstick]]:
        """What all figures need, computed once a dataset and once a survey."""
        session = self.session
        dataset, survey, learned = session.dataset, session.survey, session.learned
        prepared, stick = self.prepared, self.stick

        def ready(progress: Progress) -> tuple[Prepared, Yardstick]:
            equations = prepared or prepare(dataset, progress=part(progress, 0.0, 0.7))
            measure_by = stick or yardstick(
                dataset, learned.points, learned.condensed, survey.clusters, progress=part(progress, 0.7, 1.0)
            )
            return equations, measure_by

        return ready

    def _take_preparation(self, prepared: Prepared, stick: Yardstick) -> None:
        self._equations = self.session.dataset, prepared
        self._stick = self.session.survey, stick

    # ---- figures that follow the plan

    def _follow(self, *events: object) -> None:
        """Compute the figures of the plan as it is; of those that come while one is at work the last counts."""
        plan, prepared, stick = self.session.plan, self.prepared, self.stick
        if plan is None or (prepared is None and stick is None) or self._quick.busy:
            return

        def work(progress: Progress) -> PlanFigures:
            try:
                found = None if prepared is None else cost(prepared, plan.structures)
            except MEAGraphError:  # too little is kept for a fit
                found = None
            return PlanFigures(plan, found, None if stick is None else measure(stick, np.asarray(plan.keep)))

        def take(figures: PlanFigures) -> None:
            if self.session.plan is figures.plan:
                self.session.figures = figures
            else:
                self._follow()

        self._quick.start(work, take, lambda message: None)

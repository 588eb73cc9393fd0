"""The jobs of pruning: rankings of other selectors, what a plan costs, and figures that follow the sliders."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from meagraph import compiling
from meagraph.errors import MEAGraphError
from meagraph.evaluation.against_random import PlanCost
from meagraph.evaluation.coverage import Yardstick, measure, yardstick
from meagraph.evaluation.equations import Prepared
from meagraph.evaluation.error_curve import CostCurves, cost_curves
from meagraph.evaluation.force_error import cost
from meagraph.evaluation.quests import QuestsConfig
from meagraph.pipeline.analysis import Analysis
from meagraph.pipeline.compiled import FORCE_FIELD
from meagraph.pipeline.planning import cost_of, ranking_for
from meagraph.pipeline.quests import measure_quests
from meagraph.progress import Progress, part
from meagraph.pruning.ranking import Ranking
from meaviz.jobs.chain import RANK
from meaviz.jobs.main_job import MainJob
from meaviz.jobs.needs import of_cost
from meaviz.jobs.runner import JobRunner
from meaviz.jobs.shared import one_set_of_equations
from meaviz.session import Session
from meaviz.session.planning import PlanFigures

T = TypeVar("T")

COST, CURVES, QUESTS = "cost", "curves", "quests"
NO_PLAN = "There is no plan yet. Compute the map first."


@dataclass(frozen=True, eq=False)
class Gauge:
    """What plans of one analysis are measured with; what makes it takes longest."""

    of: Analysis
    prepared: Prepared  # equations of the quick force field, of the dataset
    stick: Yardstick  # of the survey


class PlanJobs:
    """Starts the jobs of pruning of one session, as its main job or, what must not wait for that, beside it."""

    def __init__(self, session: Session, job: MainJob) -> None:
        self.session, self._job = session, job
        self._gauge: Gauge | None = None
        self._quick = JobRunner(lambda fraction, message: None)  # beside the main job: a slider must not wait for it
        session.planning.param.watch(self._follow, "plan")
        session.planning.param.watch(self._rank, "settings")
        session.data.param.watch(self._rank, "survey")

    def cancel(self) -> None:
        """Stop what follows the plan."""
        self._quick.cancel()

    # ---- rankings

    def _rank(self, *events: object) -> None:
        """The settings may ask for a selector that has not ranked the environments yet."""
        planning, analysis, settings = self.session.planning, self.session.data.analysis, self.session.planning.settings
        if analysis is None or planning.ranking_for(settings) is not None:
            return
        if self._job.busy:
            self._job.fail(
                RANK, f"The selector {settings.selector!r} has to rank the environments, but another step runs."
            )
            return
        self._job.start(
            RANK,
            lambda progress: ranking_for(analysis, settings, progress=progress),
            self._if_still(analysis, planning.add_ranking),
        )

    # ---- what a plan costs

    def measure_cost(self) -> None:
        """Fit the quick force field to what the plan keeps, beside random selections; then figures follow the plan."""
        planning, analysis = self.session.planning, self.session.data.analysis
        plan = planning.plan
        if plan is None or analysis is None:
            self._job.fail(COST, NO_PLAN)
            return
        ready = self._preparation(analysis)

        def work(progress: Progress) -> tuple[Gauge, PlanCost]:
            gauge = ready(part(progress, 0.0, 0.8))
            found = cost_of(analysis.dataset, plan, prepared=gauge.prepared, progress=part(progress, 0.8, 1.0))
            return gauge, found

        def take(result: tuple[Gauge, PlanCost]) -> None:
            self._gauge, planning.cost = result
            self._follow()

        self._job.start(COST, work, self._if_still(analysis, take))

    def trace_curves(self, selectors: Sequence[str]) -> None:
        """The cost along the keep fraction for the plan's own selector and ``selectors``."""
        planning = self.session.planning
        if planning.plan is None:
            self._job.fail(CURVES, NO_PLAN)
            return
        basis, settings = planning.basis(), planning.settings
        analysis = basis.analysis
        ready = self._preparation(analysis)
        wanted = {name: replace(settings, selector=name) for name in dict.fromkeys([settings.selector, *selectors])}
        there = {name: planning.ranking_for(one) for name, one in wanted.items()}

        def work(progress: Progress) -> tuple[Gauge, list[Ranking], CostCurves]:
            gauge = ready(part(progress, 0.0, 0.5))
            rankings = {
                name: there[name] or ranking_for(analysis, one, progress=part(progress, 0.5, 0.6))
                for name, one in wanted.items()
            }
            curves = cost_curves(
                gauge.prepared,
                rankings,
                lambda ranking, one: basis.plan(one, ranking),
                settings,
                stick=gauge.stick,
                progress=part(progress, 0.6, 1.0),
            )
            return gauge, [ranking for name, ranking in rankings.items() if there[name] is None], curves

        def take(result: tuple[Gauge, list[Ranking], CostCurves]) -> None:
            self._gauge, made, curves = result
            planning.take_curves(curves, basis, settings)
            for ranking in made:
                planning.add_ranking(ranking)
            self._follow()

        self._job.start(CURVES, work, self._if_still(analysis, take))

    def measure_quests(self, sample: int | None = None) -> None:
        """QUESTS' entropy, diversity and overlap of the plan, of at most ``sample`` environments of each set."""
        planning, analysis = self.session.planning, self.session.data.analysis
        plan = planning.plan
        if plan is None or analysis is None:
            self._job.fail(QUESTS, NO_PLAN)
            return
        config = QuestsConfig(sample=sample, seed=plan.config.seed)
        self._job.start(
            QUESTS,
            lambda progress: measure_quests(analysis.dataset, plan, config, progress=progress),
            self._if_still(analysis, lambda found: planning.param.update(quests=found)),
        )

    def _preparation(self, analysis: Analysis) -> Callable[[Progress], Gauge]:
        """What makes the gauge of ``analysis``, as far as it is not there."""
        prepared, stick = self._known_for(analysis)

        def ready(progress: Progress) -> Gauge:
            dataset, learned, seed = analysis.dataset, analysis.learned, analysis.config.seed
            equations = prepared
            if equations is None:
                self.session.turns.promise(of_cost(dataset), "the cost of plans")
                compiling.finish(*FORCE_FIELD, progress=part(progress, 0.0, 0.0))
                equations = one_set_of_equations(dataset, seed, part(progress, 0.0, 0.7))
            measure_by = stick or yardstick(
                dataset,
                learned.points,
                learned.condensed,
                analysis.survey.clusters,
                progress=part(progress, 0.7, 1.0),
            )
            return Gauge(analysis, equations, measure_by)

        return ready

    def _known_for(self, analysis: Analysis) -> tuple[Prepared | None, Yardstick | None]:
        """What of the gauge that was made last serves ``analysis``, too."""
        gauge = self._gauge
        if gauge is None:
            return None, None
        same_split = gauge.of.dataset is analysis.dataset and gauge.of.config.seed == analysis.config.seed
        if gauge.of.survey.embedding is not analysis.survey.embedding:
            return gauge.prepared if same_split else None, None
        return gauge.prepared if same_split else None, gauge.stick.by(analysis.survey.clusters)

    def _if_still(self, analysis: Analysis, take: Callable[[T], object]) -> Callable[[T], None]:
        """``take`` a result of ``analysis`` while the session shows its map, at whatever level, else drop it."""

        def guarded(result: T) -> None:
            survey = self.session.data.survey
            if survey is not None and survey.embedding is analysis.survey.embedding:
                take(result)

        return guarded

    # ---- figures that follow the plan

    def _follow(self, *events: object) -> None:
        """Compute the figures of the plan as it is; of those that come while one is at work the last counts."""
        planning, analysis = self.session.planning, self.session.data.analysis
        plan = planning.plan
        if plan is None or analysis is None or self._quick.busy:
            return
        prepared, stick = self._known_for(analysis)
        if prepared is None and stick is None:
            return

        def work(progress: Progress) -> PlanFigures:
            try:
                found = None if prepared is None else cost(prepared, plan.structures)
            except MEAGraphError:  # too little is kept for a fit
                found = None
            return PlanFigures(plan, found, None if stick is None else measure(stick, plan.keep))

        def take(figures: PlanFigures) -> None:
            if planning.plan is figures.plan:
                planning.figures = figures
            else:
                self._follow()

        self._quick.start(work, take, lambda message: None)

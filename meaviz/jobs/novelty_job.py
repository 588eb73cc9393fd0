"""How far what is new lies from what is known, and how much of it the plan covers: found beside all other work."""

from __future__ import annotations

from dataclasses import replace

from meagraph.evaluation.novelty import Curve, Novelty, find_novelty
from meagraph.pipeline.planning import KEEPS
from meagraph.progress import Progress
from meagraph.pruning.settings import UNITS
from meaviz.jobs.runner import JobRunner
from meaviz.session import Session
from meaviz.session.levels import on_another_map

NOVELTY = "novelty"  # the step


class NoveltyJob:
    """Fills ``session.data.novelty`` for a map of new and known data; ``session.planning.novelty`` follows the plan."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._runner = JobRunner(lambda fraction, message: None, session.turns.short)
        session.data.param.watch(on_another_map(self._measure), "survey")
        session.planning.param.watch(self._follow, "plan")
        self._measure()

    def cancel(self) -> None:
        """Stop what is at work."""
        self._runner.cancel()

    def _measure(self, *events: object) -> None:
        analysis = self.session.data.analysis
        if analysis is None or not analysis.dataset.known.any() or self.session.data.novelty is not None:
            return
        if self._runner.busy:  # of an earlier map: when it has ended, this one follows
            return

        def work(progress: Progress) -> Novelty:
            found = find_novelty(analysis.dataset, analysis.learned.points, analysis.learned.condensed)
            found.covered(found.new)  # which finds what it has to know for any plan
            return found

        def take(found: Novelty) -> None:
            survey = self.session.data.survey
            if survey is not None and survey.embedding is analysis.survey.embedding:
                self.session.set_novelty(found)
                self._follow()
            else:
                self._measure()

        self._runner.start(work, take, self._fail)

    def _follow(self, *events: object) -> None:
        """The curve of the plan as it is; of those that come while one is at work the last counts."""
        planning, found = self.session.planning, self.session.data.novelty
        plan, settings = planning.plan, planning.settings
        if plan is None or found is None or self._runner.busy:
            return
        ranking = planning.ranking_for(settings)
        if ranking is None:
            return
        basis = planning.basis()
        steps = [replace(settings, keep=keep, number=None, unit=UNITS[0]) for keep in KEEPS]

        def work(progress: Progress) -> Curve:
            return found.along([basis.plan(one, ranking) for one in steps])

        def take(curve: Curve) -> None:
            if self.session.data.novelty is found:
                planning.novelty = curve
                if planning.plan is not plan:
                    self._follow()
            else:
                self._measure()

        self._runner.start(work, take, self._fail)

    def _fail(self, message: str) -> None:
        self.session.activity.problem = (NOVELTY, message)

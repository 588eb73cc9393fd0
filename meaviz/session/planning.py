"""The part of the session that prunes: the settings, the plan that follows from them, plans with names, and figures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import param
from numpy.typing import NDArray

from meagraph.errors import MEAGraphError
from meagraph.evaluation.against_random import PlanCost
from meagraph.evaluation.coverage import Measures
from meagraph.evaluation.error_curve import CostCurves
from meagraph.evaluation.force_error import Cost
from meagraph.evaluation.quests import QuestsMeasures
from meagraph.exports import ExportedFiles
from meagraph.inspection.properties import Property
from meagraph.pruning.plan import PruningPlan, prune
from meagraph.pruning.ranking import Ranking
from meagraph.pruning.settings import PruningConfig

STEPS = 200  # of the settings that can be undone
LONGEST_NAME = 80  # characters
UNPLANNED: dict[str, Any] = {
    "plan": None,
    "exported": None,
    "cost": None,
    "quests": None,
    "figures": None,
    "curves": None,
    "rankings": {},
    "plans": {},
    "compared": ("", ""),
}
"""What a session remembers of pruning while it has no map."""
DIFFERENCE = ("kept by neither", "kept by both", "only by {}", "only by {}")


@dataclass(frozen=True, eq=False)
class PlanFigures:
    """What was computed at once for a plan; None for what is not prepared, or where too little is kept for a fit."""

    plan: PruningPlan
    cost: Cost | None
    measures: Measures | None


class Planning(param.Parameterized):
    """Pruning of one session; the session adds the dataset, the survey and the judgements."""

    dataset: Any
    survey: Any
    flags: Any
    ordinary = param.Parameter(default=None, doc="(N,) bool: environments judged ordinary by hand.")
    pruning = param.ClassSelector(class_=PruningConfig, doc="Settings of the plan.")
    rankings = param.Dict(default={}, doc="(selector, within, seed) to the ranking of all environments.")
    plan = param.ClassSelector(class_=PruningPlan, allow_None=True)
    plans = param.Dict(default={}, doc="Plans under names.")
    compared = param.Tuple(default=("", ""), doc="Names of the two plans that are compared, empty for none.")
    leave_out_flagged = param.Boolean(default=True, doc="Structures with flagged environments are not exported.")
    keep_ordinary = param.Boolean(default=False, doc="Structures with environments judged ordinary stay.")
    show_pruned = param.Boolean(default=False, doc="Draw what the plan prunes faintly on the map.")
    exported = param.ClassSelector(class_=ExportedFiles, allow_None=True)
    cost = param.ClassSelector(class_=PlanCost, allow_None=True, doc="What the plan that was measured last costs.")
    quests = param.ClassSelector(class_=QuestsMeasures, allow_None=True, doc="Of the plan that had them computed last.")
    figures = param.ClassSelector(class_=PlanFigures, allow_None=True, doc="Figures that follow the plan.")
    curves = param.ClassSelector(class_=CostCurves, allow_None=True, doc="Cost along the keep fraction.")

    def __init__(self, **values: Any) -> None:
        values.setdefault("pruning", PruningConfig())
        super().__init__(**values)
        self._settings: list[PruningConfig] = [self.pruning]
        self._place = 0

    # ---- the plan follows the settings

    @param.depends("pruning", "leave_out_flagged", "keep_ordinary", watch=True)
    def _replan(self) -> None:
        if self._settings[self._place] != self.pruning:
            self._settings = [*self._settings[max(0, self._place + 2 - STEPS) : self._place + 1], self.pruning]
            self._place = len(self._settings) - 1
        if self.survey is not None and self.ranking_for(self.pruning) is not None:
            self.param.update(plan=self.make_plan(self.pruning), exported=None)

    @param.depends("ordinary", watch=True)
    def _follow_ordinary(self) -> None:
        if self.keep_ordinary and self.ordinary is not None:
            self._replan()

    def make_plan(
        self,
        config: PruningConfig,
        *,
        flags: NDArray[np.bool_] | None = None,
        rankings: dict[Any, Ranking] | None = None,
    ) -> PruningPlan:
        """The plan of ``config`` with the judgements of the session; its ranking must be there.

        ``flags`` and ``rankings`` stand for those of the session where it is about to take others.
        """
        flags = self.flags if flags is None else flags
        ranking = self.ranking_for(config, rankings)
        if ranking is None:
            raise MEAGraphError(f"The environments are not ranked by {config.selector!r} yet.")
        return prune(
            ranking,
            self.survey.clusters,
            self.dataset,
            config,
            rejected=flags if self.leave_out_flagged else None,
            kept=self.ordinary if self.keep_ordinary else None,
        )

    def ranking_for(self, config: PruningConfig, rankings: dict[Any, Ranking] | None = None) -> Ranking | None:
        """The ranking from which plans of ``config`` are taken, None where it must be computed first."""
        known = self.rankings if rankings is None else rankings
        return next((ranking for ranking in known.values() if config.fits(ranking)), None)

    def add_ranking(self, ranking: Ranking) -> None:
        """Take another ranking; the plan follows where the settings ask for it."""
        self.rankings = {**self.rankings, (ranking.selector, ranking.within, ranking.seed): ranking}
        if self.pruning.fits(ranking):
            self._replan()

    # ---- undo, names, comparison

    def can_move_in_settings(self, by: int) -> bool:
        """There are settings before (-1) or after (1) those of now."""
        return 0 <= self._place + by < len(self._settings)

    def move_in_settings(self, by: int) -> None:
        """Undo (-1) or redo (1) a change of the settings."""
        if self.can_move_in_settings(by):
            self._place += by
            self.pruning = self._settings[self._place]

    def keep_plan(self, name: str) -> None:
        """Remember the plan under ``name``. Raises MEAGraphError where there is none, or for a name out of bounds."""
        name = name.strip()
        if self.plan is None:
            raise MEAGraphError("There is no plan yet. Compute the map first.")
        if not name or len(name) > LONGEST_NAME:
            raise MEAGraphError(f"A plan needs a name of 1 to {LONGEST_NAME} characters, got {len(name)}.")
        self.plans = {**self.plans, name: self.plan}

    def forget_plan(self, name: str) -> None:
        """Remove the plan called ``name``."""
        compared = ("", "") if name in self.compared else self.compared
        self.param.update(plans={key: plan for key, plan in self.plans.items() if key != name}, compared=compared)

    def use_plan(self, name: str) -> None:
        """Take the settings of the plan called ``name``; what has been judged since then counts."""
        if name in self.plans:
            self.pruning = self.plans[name].config

    def compare(self, first: str, second: str) -> None:
        """Compare two named plans. Raises MEAGraphError where one is not there."""
        missing = [name for name in (first, second) if name not in self.plans]
        if missing:
            raise MEAGraphError(f"There is no plan called {missing[0]!r}. Keep the plan under a name first.")
        self.compared = (first, second)

    def difference(self) -> Property:
        """Which of the compared plans keeps each environment, by the structures that they keep."""
        first, second = (self.plans[name].structures[self.dataset.structure_of] for name in self.compared)
        codes: NDArray[np.int64] = np.select([first & second, first, second], [1, 2, 3], default=0)
        names = [word.format(name) for word, name in zip(DIFFERENCE, ("", "", *self.compared), strict=True)]
        return Property("difference", "Comparison of plans", "", "structure", "category", codes, tuple(names))

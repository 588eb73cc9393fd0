"""Pruning: the settings, the plan that follows from them, plans with names, and figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import param
from numpy.typing import NDArray

from meagraph.errors import MEAGraphError
from meagraph.evaluation.against_random import PlanCost
from meagraph.evaluation.coverage import Measures
from meagraph.evaluation.error_curve import CostCurves
from meagraph.evaluation.force_error import Cost
from meagraph.evaluation.novelty import Curve
from meagraph.evaluation.quests import QuestsMeasures
from meagraph.exports import ExportedFiles
from meagraph.exports.parts import PartFiles
from meagraph.inspection.property import Property
from meagraph.pipeline.analysis import Analysis
from meagraph.pipeline.planning import prune
from meagraph.predictions import Errors
from meagraph.pruning.plan import PruningPlan
from meagraph.pruning.ranking import Ranking
from meagraph.pruning.settings import PruningConfig
from meaviz.session.data import Data
from meaviz.session.history import History
from meaviz.session.judging import Judging

STEPS = 200  # of the settings that can be undone
LONGEST_NAME = 80  # characters
DIFFERENCE = ("kept by neither", "kept by both", "only by {}", "only by {}")


@dataclass(frozen=True, eq=False)
class PlanBasis:
    """What plans are taken from, as it is now: results and judgements."""

    analysis: Analysis
    rejected: NDArray[np.bool_] | None  # (N,) environments that leave with their structures
    kept: NDArray[np.bool_] | None  # (N,) environments that stay
    errors: Errors | None = None  # of predictions, where there are some

    def plan(self, settings: PruningConfig, ranking: Ranking) -> PruningPlan:
        """The plan of ``settings``. Raises MEAGraphError where ``ranking`` is another one than they ask for."""
        errors = self.errors if settings.by_error else None
        config = settings if errors is not None else replace(settings, by_error="")
        return prune(
            self.analysis, config=config, ranking=ranking, rejected=self.rejected, kept=self.kept, errors=errors
        )


@dataclass(frozen=True, eq=False)
class PlanFigures:
    """What was computed at once for a plan; None for what is not prepared, or where too little is kept for a fit."""

    plan: PruningPlan
    cost: Cost | None
    measures: Measures | None


class Planning(param.Parameterized):
    """The plan of a session; it follows the settings and the judgements."""

    settings: PruningConfig = param.ClassSelector(class_=PruningConfig, default=PruningConfig(), doc="Of the plan.")
    leave_out_flagged: bool = param.Boolean(default=True, doc="Structures with flagged environments are not exported.")
    keep_ordinary: bool = param.Boolean(default=False, doc="Structures with environments judged ordinary stay.")
    rankings: tuple[Ranking, ...] = param.ClassSelector(
        class_=tuple, default=(), doc="Of all environments, each by another selector, order or seed."
    )
    plan: PruningPlan | None = param.ClassSelector(class_=PruningPlan, allow_None=True)
    plans: Mapping[str, PruningPlan] = param.Dict(default={}, doc="Plans under names.")
    compared: tuple[str, str] = param.Tuple(
        default=("", ""), doc="Names of the two plans that are compared, empty for none."
    )
    exported: ExportedFiles | None = param.ClassSelector(class_=ExportedFiles, allow_None=True, doc="Of the plan.")
    written: PartFiles | None = param.ClassSelector(
        class_=PartFiles, allow_None=True, doc="Parts of the data that were written last."
    )
    parts_written: tuple[str, ...] = param.ClassSelector(class_=tuple, default=(), doc="What ``written`` holds.")
    figures: PlanFigures | None = param.ClassSelector(class_=PlanFigures, allow_None=True, doc="That follow the plan.")
    cost: PlanCost | None = param.ClassSelector(class_=PlanCost, allow_None=True, doc="Of the plan measured last.")
    curves: CostCurves | None = param.ClassSelector(
        class_=CostCurves, allow_None=True, doc="Cost along the keep fraction."
    )
    novelty: Curve | None = param.ClassSelector(
        class_=Curve, allow_None=True, doc="What of the new the known and ever larger plans cover."
    )
    quests: QuestsMeasures | None = param.ClassSelector(
        class_=QuestsMeasures, allow_None=True, doc="Of the plan that had them computed last."
    )

    def __init__(self, data: Data, judging: Judging) -> None:
        super().__init__()
        self._data, self._judging = data, judging
        self._curves_of: tuple[PlanBasis, PruningConfig] | None = None
        self.history: History[PruningConfig] = History(STEPS)
        self.history.start(self.settings)
        self.param.watch(self._follow_settings, "settings")
        self.param.watch(self._replan, ["leave_out_flagged", "keep_ordinary"])
        judging.param.watch(self._follow_judgements, ["flags", "ordinary"])
        data.param.watch(self._follow_errors, "errors")

    def start(self, analysis: Analysis) -> None:
        """Plan with a new map: fractions of clusters set by hand are no more, and the seed is that of the map."""
        settings = replace(self.settings, fractions=(), seed=analysis.config.seed)
        self.param.update(settings=settings, rankings=(analysis.survey.ranking,))
        self._replan()

    def renew_clusters(self) -> None:
        """The same map has other clusters: fractions and plans that were set by cluster are no more."""
        clusters = self._data.found.survey.clusters
        stay = {name: plan.counted(clusters) for name, plan in self.plans.items() if not plan.config.fractions}
        compared = self.compared if set(self.compared) - {""} <= set(stay) else ("", "")
        self.param.update(plans=stay, compared=compared, exported=None)
        if self.settings.fractions:
            self.param.update(settings=replace(self.settings, fractions=()))
            self._replan()
        elif self.plan is not None:
            self.plan = self.plan.counted(clusters)

    def clear_all(self) -> None:
        """There is no map any more."""
        self.param.update(
            plan=None,
            exported=None,
            written=None,
            parts_written=(),
            cost=None,
            quests=None,
            novelty=None,
            figures=None,
            curves=None,
            rankings=(),
            plans={},
            compared=("", ""),
        )

    # ---- the plan follows settings and judgements

    def basis(self) -> PlanBasis:
        """What plans are taken from. Raises MEAGraphError where there is no map."""
        return PlanBasis(
            self._data.found,
            self._judging.flags if self.leave_out_flagged else None,
            self._judging.ordinary if self.keep_ordinary else None,
            self._data.errors,
        )

    def take_curves(self, curves: CostCurves, basis: PlanBasis, settings: PruningConfig) -> None:
        """Take the cost along the keep fraction of plans of ``basis`` and ``settings``."""
        self._curves_of = (basis, settings)
        self.curves = curves

    @property
    def curves_now(self) -> CostCurves | None:
        """The curves where they are those of the settings and the judgements of now, else None."""
        if self.curves is None or self._curves_of is None or self._data.survey is None:
            return None
        (then, settings), now = self._curves_of, self.basis()
        same = then.rejected is now.rejected and then.kept is now.kept and then.errors is now.errors
        return self.curves if same and replace(settings, keep=self.settings.keep) == self.settings else None

    def ranking_for(self, settings: PruningConfig) -> Ranking | None:
        """The ranking from which plans of ``settings`` are taken, None where it must be computed first."""
        return next((ranking for ranking in self.rankings if settings.fits(ranking)), None)

    def add_ranking(self, ranking: Ranking) -> None:
        """Take another ranking; the plan follows where the settings ask for it."""
        self.rankings = (*self.rankings, ranking)
        if self.settings.fits(ranking):
            self._replan()

    def know(self, ranking: Ranking) -> None:
        """Take the ranking that was there with what is known of it now; the plan follows where it is taken from it."""
        others = (one for one in self.rankings if not one.alike(ranking))
        self.rankings = (ranking, *others)
        if self.settings.fits(ranking) and self.settings.alpha is None:
            self._replan()

    def _follow_settings(self, *events: object) -> None:
        self.history.push(self.settings)
        if self.plan is None or self.plan.config != self.settings:
            self._replan()

    def _follow_judgements(self, *events: param.parameterized.Event) -> None:
        changed = {event.name for event in events}
        if ("flags" in changed and self.leave_out_flagged) or ("ordinary" in changed and self.keep_ordinary):
            self._replan()

    def _follow_errors(self, *events: object) -> None:
        """Shares that grew with the error of other predictions grow with that of these, or of none."""
        if self.settings.by_error:
            errors = self._data.errors
            name = "" if errors is None else errors.predicted.name
            if name == self.settings.by_error:
                self._replan()
            else:
                self.settings = replace(self.settings, by_error=name)

    def _replan(self, *events: object) -> None:
        ranking = self.ranking_for(self.settings)
        if self._data.survey is not None and ranking is not None:
            self.param.update(plan=self.basis().plan(self.settings, ranking), exported=None)

    # ---- undo, names, comparison

    def move_in_history(self, by: int) -> None:
        """Undo (-1) or redo (1) a change of the settings."""
        settings = self.history.move(by)
        if settings is not None:
            self.settings = settings

    def keep(self, name: str) -> None:
        """Remember the plan under ``name``. Raises MEAGraphError where there is none, or for a name out of bounds."""
        name = name.strip()
        if self.plan is None:
            raise MEAGraphError("There is no plan yet. Compute the map first.")
        if not name or len(name) > LONGEST_NAME:
            raise MEAGraphError(f"A plan needs a name of 1 to {LONGEST_NAME} characters, got {len(name)}.")
        self.plans = {**self.plans, name: self.plan}

    def forget(self, name: str) -> None:
        """Remove the plan called ``name``."""
        compared = ("", "") if name in self.compared else self.compared
        self.param.update(plans={key: plan for key, plan in self.plans.items() if key != name}, compared=compared)

    def use(self, name: str) -> None:
        """Take the settings of the plan called ``name``; what has been judged since then counts."""
        if name in self.plans:
            self.settings = self.plans[name].config

    def compare(self, first: str, second: str) -> None:
        """Compare two named plans. Raises MEAGraphError where one is not there."""
        missing = [name for name in (first, second) if name not in self.plans]
        if missing:
            raise MEAGraphError(f"There is no plan called {missing[0]!r}. Keep the plan under a name first.")
        self.compared = (first, second)

    def difference(self) -> Property:
        """Which of the compared plans keeps each environment, by the structures that they keep."""
        of = self._data.found.dataset.structure_of
        first, second = (self.plans[name].structures[of] for name in self.compared)
        codes: NDArray[np.int64] = np.select([first & second, first, second], [1, 2, 3], default=0)
        names = [word.format(name) for word, name in zip(DIFFERENCE, ("", "", *self.compared), strict=True)]
        return Property("difference", "Comparison of plans", "", "structure", "category", codes, tuple(names))

"""What the state and the results of a project may hold, by name: looked at once, where a project is read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from meagraph.evaluation.against_random import PlanCost
from meagraph.evaluation.error_by_novelty import ErrorByNovelty
from meagraph.evaluation.error_curve import CostCurves
from meagraph.evaluation.novelty import Novelty
from meagraph.evaluation.quests import QuestsMeasures
from meagraph.inspection.named import LONGEST_NAME
from meagraph.inspection.naming import Evidence
from meagraph.latent.stability import Stability
from meagraph.outliers.suspects import Suspect
from meagraph.pipeline.config import PipelineConfig
from meagraph.pipeline.sight import Sight
from meagraph.pipeline.survey import Survey
from meagraph.predictions import Errors
from meagraph.pruning.plan import PruningPlan
from meagraph.pruning.ranking import Ranking
from meagraph.pruning.settings import PruningConfig
from meaviz.judgements.ledger import Act
from meaviz.projects.records import fits
from meaviz.session.filters import Filters
from meaviz.session.past import LOOKS, Moment

OF_LOOKS: Mapping[str, Any] = {
    "colour_by": str,
    "size_by": str,
    "axes": tuple[str, str],
    "atoms_by": str,
    "show_pruned": bool,
    "labels": bool,
}
OF_STATE: Mapping[str, Any] = {
    "next_config": PipelineConfig,
    "selected": bytes | None,
    "filters": Filters,
    "inspected": int,
    "shown_as": Literal["environment", "structure"],
    "pinned": int,
    "named": Mapping[str, bytes],
    "selections": tuple[tuple[bytes | None, ...], int],
    "settings": PruningConfig,
    "settings_before": tuple[tuple[PruningConfig, ...], int],
    "leave_out_flagged": bool,
    "keep_ordinary": bool,
    "plan": PruningPlan | None,
    "plans": Mapping[str, PruningPlan],
    "compared": tuple[str, str],
    "judged": tuple[Act, ...],
    "candidate": int,
    "past": tuple[tuple[Moment, ...], int],
    "looks": Mapping[str, Any],
}
OF_RESULTS: Mapping[str, Any] = {
    "survey": Survey,
    "evidence": Evidence,
    "quick": Sight,
    "errors": Errors,
    "novelty": Novelty,
    "rankings": tuple[Ranking, ...],
    "stability": Stability,
    "thin": Mapping[str, ErrorByNovelty],
    "suspects": tuple[Suspect, ...],
    "cluster_stability": NDArray[np.float64],
    "cost": PlanCost,
    "curves": CostCurves,
    "quests": QuestsMeasures,
}


def check_kinds(state: Mapping[str, Any], results: Mapping[str, Any], n: int) -> None:
    """Raise ValueError where one of ``state`` or ``results`` is of another kind, or is not about ``n`` environments."""
    looks = state.get("looks", {})
    for kinds, given in ((OF_STATE, state), (OF_RESULTS, results), (OF_LOOKS, looks)):
        for name, value in given.items():
            if name in kinds and not fits(value, kinds[name]):
                raise ValueError(f"its {name!r} is {type(value).__name__}, not {kinds[name]}")
    moments = state.get("past", ((), 0))[0]
    for moment in moments:
        if not fits(moment.looks, tuple[tuple(OF_LOOKS[name] for name in LOOKS)]):  # type: ignore[misc]
            raise ValueError("colours and axes of an earlier moment that are none")
    if any(bits is not None and len(bits) != -(-n // 8) for bits in _selections(state)):
        raise ValueError("a selection of other environments")
    for name in (*state.get("named", {}), *state.get("plans", {})):
        if not name.strip() or len(name) > LONGEST_NAME:
            raise ValueError(f"a name of {len(name):,} characters")


def plans_in(state: Mapping[str, Any]) -> Iterator[PruningPlan]:
    """All plans that a state holds: the one at hand, those under names, and those of earlier moments."""
    yield from state.get("plans", {}).values()
    if state.get("plan") is not None:
        yield state["plan"]
    for moment in state.get("past", ((), 0))[0]:
        yield from (plan for _, plan in moment.plans)


def _selections(state: Mapping[str, Any]) -> Iterator[bytes | None]:
    yield state.get("selected")
    yield from state.get("named", {}).values()
    yield from state.get("selections", ((), 0))[0]
    for moment in state.get("past", ((), 0))[0]:
        yield moment.selected or None
        yield from (bits for _, bits in moment.named)

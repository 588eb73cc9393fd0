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
    for moment in _moments(state):
        if not all(fits(value, OF_LOOKS[name]) for name, value in zip(LOOKS, moment.looks, strict=True)):
            raise ValueError("colours and axes of an earlier moment that are none")
    if any(len(bits) != _bytes(n) for bits in state.get("named", {}).values()):
        raise ValueError("a selection of other environments")
    for name in (*state.get("named", {}), *state.get("plans", {})):
        if not name.strip() or len(name) > LONGEST_NAME:
            raise ValueError(f"a name of {len(name):,} characters")


def of_these(state: Mapping[str, Any], n: int, s: int) -> dict[str, Any]:
    """The same, but what can be undone begins anew where it is of other data than ``s`` structures of ``n`` atoms."""
    found = dict(state)
    if any(bits is not None and len(bits) != _bytes(n) for bits in state.get("selections", ((), 0))[0]):
        del found["selections"]
    for moment in _moments(state):
        bits = [packed for _, packed in moment.named] + [moment.selected] * bool(moment.selected)
        plans = [(len(plan.keep), len(plan.structures)) for _, plan in moment.plans]
        if any(len(packed) != _bytes(n) for packed in bits) or any(sizes != (n, s) for sizes in plans):
            return {name: value for name, value in found.items() if name != "past"}
    return found


def plans_in(state: Mapping[str, Any]) -> Iterator[PruningPlan]:
    """All plans that a state holds: the one at hand, those under names, and those of earlier moments."""
    yield from state.get("plans", {}).values()
    if state.get("plan") is not None:
        yield state["plan"]
    for moment in _moments(state):
        yield from (plan for _, plan in moment.plans)


def _moments(state: Mapping[str, Any]) -> tuple[Moment, ...]:
    found: tuple[Moment, ...] = state.get("past", ((), 0))[0]
    return found


def _bytes(n: int) -> int:
    """Of a mask of ``n`` environments."""
    return -(-n // 8)

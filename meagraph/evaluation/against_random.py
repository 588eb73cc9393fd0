"""A plan beside random selections and the whole dataset: is it worth anything?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meagraph.evaluation.force_error import Cost, Prepared, cost
from meagraph.progress import Progress, silent
from meagraph.pruning.plan import PruningPlan

SEEDS = tuple(range(5))


@dataclass(frozen=True, eq=False)
class PlanCost:
    """The errors of the quick force field on the same held-out structures, fitted to three kinds of data."""

    plan: PruningPlan
    kept: Cost  # the structures that the plan keeps
    random: tuple[Cost, ...]  # whole structures drawn at random, as many environments
    whole: Cost  # everything but the held-out structures

    def figures(self) -> dict[str, Any]:
        """JSON-like: errors in eV/Å and eV per atom, None where unknown; of random ones the median, least, largest."""
        names = ("environments", "structures", "rmse", "mae", "p99", "macro", "worst", "energy_rmse")

        def known(value: float) -> float | None:
            return value if np.isfinite(value) else None

        def one(cost: Cost) -> dict[str, Any]:
            return {**{name: known(getattr(cost, name)) for name in names}, "worst_group": cost.worst_group}

        drawn = {name: [getattr(cost, name) for cost in self.random] for name in names}
        spread = {
            name: [known(float(f(values))) for f in (np.median, np.min, np.max)] for name, values in drawn.items()
        }
        return {"kept": one(self.kept), "random": spread, "whole": one(self.whole)}


def evaluate(
    prepared: Prepared, plan: PruningPlan, *, seeds: Sequence[int] = SEEDS, progress: Progress = silent
) -> PlanCost:
    """Fit the quick force field to what ``plan`` keeps, to as much drawn at random once a seed, and to everything.

    Held-out structures take part in no fit. Raises MEAGraphError where the plan keeps too little for a fit.
    """
    steps = len(seeds) + 2
    kept = cost(prepared, plan.structures)
    progress(1, steps, "cost of the plan")
    drawn = []
    for done, seed in enumerate(seeds, 2):
        drawn.append(cost(prepared, random_structures(prepared, kept.environments, seed)))
        progress(done, steps, "cost of random selections")
    whole = cost(prepared, np.ones(prepared.shape[1], dtype=bool))
    progress(steps, steps, "cost of everything")
    return PlanCost(plan, kept, tuple(drawn), whole)


def random_structures(prepared: Prepared, environments: int, seed: int) -> NDArray[np.bool_]:
    """A mask (S,) of structures drawn at random until they hold so many ``environments`` with forces."""
    fit = prepared.fit
    sizes = np.bincount(fit.structure_of[fit.known], minlength=len(fit.structures))
    order = np.random.default_rng(seed).permutation(np.flatnonzero(sizes))
    count = int(np.searchsorted(np.cumsum(sizes[order]), environments)) + 1
    mask = np.zeros(prepared.shape[1], dtype=bool)
    mask[fit.structures[order[:count]]] = True
    return mask

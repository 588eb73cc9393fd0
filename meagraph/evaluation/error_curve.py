"""What pruning costs along the keep fraction: errors of the quick force field for one selector beside others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meagraph.display.cards import Shown
from meagraph.errors import MEAGraphError
from meagraph.evaluation.against_random import random_structures
from meagraph.evaluation.coverage import Measures, Yardstick, measure
from meagraph.evaluation.equations import Prepared
from meagraph.evaluation.force_error import Cost, cost
from meagraph.progress import Progress, silent
from meagraph.pruning.plan import PruningPlan
from meagraph.pruning.ranking import Ranking
from meagraph.pruning.settings import PruningConfig

KEEPS = (0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75)
SEEDS = (0, 1, 2)


@dataclass(frozen=True, eq=False, repr=False)
class CostLine(Shown):
    """One selector: its plans at each keep fraction, what they cost, and how they measure up."""

    selector: str
    environments: NDArray[np.int64]  # (K,) with forces, in the structures that the fit takes
    costs: tuple[Cost | None, ...]  # (K,) None where too little is kept for a fit
    measures: tuple[Measures, ...]  # (K,)

    def rmse(self) -> NDArray[np.float64]:
        """Force RMSE (K,) in eV/Å, NaN where there is no fit."""
        return np.array([np.nan if one is None else one.rmse for one in self.costs])


@dataclass(frozen=True, eq=False, repr=False)
class CostCurves(Shown):
    """The lines of some selectors, and the band of random selections as large as the first line's plans."""

    keep: NDArray[np.float64]  # (K,) fractions of all environments
    lines: tuple[CostLine, ...]
    random: NDArray[np.float64]  # (K, seeds) force RMSE in eV/Å, NaN where there is no fit
    whole: float  # force RMSE of everything but the held-out structures

    def figures(self) -> dict[str, Any]:
        """JSON-like, NaN as None."""

        def known(values: NDArray[np.float64]) -> list[float | None]:
            return [float(value) if np.isfinite(value) else None for value in values]

        return {
            "keep": self.keep.tolist(),
            "force_rmse": {line.selector: known(line.rmse()) for line in self.lines},
            "environments": {line.selector: line.environments.tolist() for line in self.lines},
            "random_median": known(np.array([median(row) for row in self.random])),
            "whole": self.whole,
        }


def cost_curves(
    prepared: Prepared,
    rankings: Mapping[str, Ranking],
    plan_of: Callable[[Ranking, PruningConfig], PruningPlan],
    config: PruningConfig,
    *,
    stick: Yardstick,
    keeps: Sequence[float] = KEEPS,
    seeds: Sequence[int] = SEEDS,
    progress: Progress = silent,
) -> CostCurves:
    """Cost of the plans that ``plan_of`` makes of each selector's ranking at each of ``keeps``.

    All else is as in ``config``. ``rankings`` are by selector, the first is the one the random band follows.
    """
    steps = (len(rankings) + len(seeds)) * len(keeps) + 1
    done = 0

    def report(what: str) -> None:
        nonlocal done
        done += 1
        progress(done, steps, what)

    lines, random = [], np.full((len(keeps), len(seeds)), np.nan)
    for selector, ranking in rankings.items():
        costs: list[Cost | None] = []
        measures = []
        for keep in keeps:
            plan = plan_of(ranking, replace(config, selector=selector, keep=keep))
            costs.append(_cost(prepared, plan.structures))
            measures.append(measure(stick, plan.keep))
            report(f"cost of {selector}")
        sizes = np.array([0 if one is None else one.environments for one in costs])
        lines.append(CostLine(selector, sizes, tuple(costs), tuple(measures)))
    for row, size in enumerate(lines[0].environments):
        for column, seed in enumerate(seeds):
            if size:
                drawn = _cost(prepared, random_structures(prepared, int(size), seed))
                random[row, column] = np.nan if drawn is None else drawn.rmse
            report("cost of random selections")
    whole = cost(prepared, np.ones(prepared.shape[1], dtype=bool))
    report("cost of everything")
    return CostCurves(np.array(keeps), tuple(lines), random, whole.rmse)


def median(values: NDArray[np.float64]) -> float:
    """Median of the finite values, NaN where there is none."""
    known = values[np.isfinite(values)]
    return float(np.median(known)) if known.size else float("nan")


def _cost(prepared: Prepared, structures: NDArray[np.bool_]) -> Cost | None:
    try:
        return cost(prepared, structures)
    except MEAGraphError:  # too little is kept
        return None

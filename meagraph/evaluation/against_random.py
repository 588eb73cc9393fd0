"""A plan beside random selections and the whole dataset: is it worth anything?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase.units import GPa
from numpy.typing import NDArray

from meagraph.display.cards import Facts, Shown, Table, html_table
from meagraph.evaluation.equations import Prepared
from meagraph.evaluation.force_error import Cost, cost
from meagraph.progress import Progress, silent
from meagraph.pruning.plan import PruningPlan

SEEDS = tuple(range(5))


@dataclass(frozen=True)
class Figure:
    """One of the errors that :class:`Cost` has, as people read it."""

    title: str  # with its unit
    name: str  # of the attribute
    factor: float
    digits: int

    def text(self, costs: Sequence[Cost]) -> str:
        """The median of what is known; a dash where nothing is."""
        values = np.array([getattr(cost, self.name) for cost in costs])
        values = values[np.isfinite(values)]
        return f"{self.factor * np.median(values):.{self.digits}f}" if len(values) else "–"


FIGURES = (
    Figure("force RMSE / meV/Å", "rmse", 1e3, 1),
    Figure("force MAE / meV/Å", "mae", 1e3, 1),
    Figure("99 % below / meV/Å", "p99", 1e3, 1),
    Figure("mean of groups / meV/Å", "macro", 1e3, 1),
    Figure("worst group / meV/Å", "worst", 1e3, 1),
    Figure("energy RMSE / meV/atom", "energy_rmse", 1e3, 1),
    Figure("stress RMSE / GPa", "stress_rmse", 1 / GPa, 2),
)
"""What is told of a cost, in this order."""


@dataclass(frozen=True, eq=False, repr=False)
class PlanCost(Shown):
    """The errors of the quick force field on the same held-out structures, fitted to three kinds of data."""

    plan: PruningPlan
    kept: Cost  # the structures that the plan keeps
    random: tuple[Cost, ...]  # whole structures drawn at random, as many environments
    whole: Cost  # everything but the held-out structures

    def table(self) -> Table:
        """The errors in meV/Å, meV per atom and GPa, of random selections their median; a dash where none is known."""
        data = self.plan.dataset
        known = "known and " if data is not None and data.known.any() else ""
        of = {
            f"{known}kept structures": [self.kept],
            f"{known}random structures (median)": self.random,
            "all data": [self.whole],
        }

        rows = [
            (name, f"{costs[0].environments:,}", *(figure.text(costs) for figure in FIGURES))
            for name, costs in of.items()
            if costs
        ]
        return Table(("fitted to", "environments", *(figure.title for figure in FIGURES)), tuple(rows))

    def _title(self) -> str:
        return "Errors of a quick force field on structures held out of every fit"

    def _facts(self) -> Facts:
        return [
            (f"fitted to {name}", f"force RMSE {rmse} meV/Å, worst group {worst} meV/Å ({environments} environments)")
            for name, environments, rmse, _, _, _, worst, *_ in self.table().rows
        ]

    def _parts(self) -> list[str]:
        return [html_table(self.table())]

    def figures(self) -> dict[str, Any]:
        """JSON-like: errors in eV/Å, eV per atom and eV/Å³, None where unknown.

        Of random selections the median, the least and the largest.
        """
        names = ("environments", "structures", *(figure.name for figure in FIGURES))

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
    """A mask (S,) of structures drawn at random until they hold so many ``environments`` with forces.

    What is known already counts among them, as in :class:`Cost`, and is not drawn.
    """
    fit = prepared.fit
    sizes = np.bincount(fit.structure_of[fit.known], minlength=len(fit.structures))
    order = np.random.default_rng(seed).permutation(np.flatnonzero((sizes > 0) & ~prepared.given))
    missing = environments - int(sizes[prepared.given].sum())
    count = int(np.searchsorted(np.cumsum(sizes[order]), missing)) + 1 if missing > 0 else 0
    mask = np.zeros(prepared.shape[1], dtype=bool)
    mask[fit.structures[order[:count]]] = True
    return mask

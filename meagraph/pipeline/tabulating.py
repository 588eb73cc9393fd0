"""The table of all environments, as an export writes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from meagraph.exports.weights import Weights
from meagraph.inspection.environment_table import environment_table
from meagraph.pipeline.analysis import Analysis
from meagraph.pruning.plan import PruningPlan

if TYPE_CHECKING:
    import pandas as pd


def table_of(
    analysis: Analysis, plan: PruningPlan, flags: NDArray[np.bool_] | None, weights: Weights | None
) -> pd.DataFrame:
    """A row for each environment: properties, what became of it under ``plan``, ``flags`` (N,) and ``weights``."""
    return environment_table(
        analysis.dataset,
        analysis.survey,
        analysis.learned.condensed,
        plan,
        evidence=analysis.evidence,
        novelty=None if analysis.novelty is None else analysis.novelty.value,
        flags=flags,
        weights=None if weights is None else weights.atoms,
    )

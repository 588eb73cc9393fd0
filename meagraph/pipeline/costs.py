"""What plans of an analysis cost along the keep fraction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from meagraph.evaluation.equations import prepare
from meagraph.evaluation.error_curve import CostCurves, cost_curves
from meagraph.pipeline.analysis import Analysis
from meagraph.pipeline.planning import prune, ranking_for, yardstick_of
from meagraph.predictions.errors import Errors
from meagraph.progress import Progress, part, silent
from meagraph.pruning.settings import PruningConfig


def cost_along(
    analysis: Analysis,
    config: PruningConfig,
    selectors: Sequence[str],
    *,
    rejected: NDArray[np.bool_] | None = None,
    kept: NDArray[np.bool_] | None = None,
    errors: Errors | None = None,
    try_shares: bool = True,
    cache: bool = True,
    progress: Progress = silent,
) -> CostCurves:
    """The cost of plans by each of ``selectors``, all else as in ``config``; the random band follows the first.

    ``rejected``, ``kept`` and ``errors`` as in :func:`meagraph.pipeline.planning.prune`. Raises MEAGraphError where no
    force field can be fitted.
    """
    prepared = prepare(analysis.dataset, seed=analysis.config.seed, progress=part(progress, 0.0, 0.3))
    stick = yardstick_of(analysis, progress=part(progress, 0.3, 0.5))
    rankings = {
        name: ranking_for(analysis, replace(config, selector=name), try_shares=try_shares, cache=cache)
        for name in selectors
    }
    return cost_curves(
        prepared,
        rankings,
        lambda ranking, one: prune(analysis, config=one, ranking=ranking, rejected=rejected, kept=kept, errors=errors),
        config,
        stick=stick,
        progress=part(progress, 0.5, 1.0),
    )

"""Shares that grow with a model's error: what it gets wrong is given more of the budget."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from meagraph.errors import MEAGraphError
from meagraph.pruning.ranking import Ranking

CUT = 0.99  # quantile at which errors are cut off: a few wrong labels must not draw the budget
USUAL = 10  # environments of the usual error that each bin is taken to have beside its own


def with_error(ranking: Ranking, error: NDArray[np.floating]) -> Ranking:
    """``ranking`` with the ``error`` (N,) of a model on each environment, at least 0, NaN where it is not known.

    The share of a bin is multiplied by its root mean square error over that of all, so that a bin on which the model
    is twice as far off has twice the share that its size and variety alone would give it. Errors are cut at the
    quantile CUT, and bins of few known errors are drawn towards the usual one: each is taken to have USUAL more
    environments of that. The order inside the bins stays as it is. What is known already counts, too.

    Raises MEAGraphError where the selector has one bin only, or no error is known.
    """
    if len(ranking.sizes) < 2:
        raise MEAGraphError(
            f"Shares by error expect parts of clusters, of which the selector {ranking.selector!r} has none. Choose "
            "the selector meagraph or kmeans."
        )
    known = np.isfinite(error)
    if np.shape(error) != np.shape(ranking.rank) or not known.any():
        raise MEAGraphError(
            f"Shares by error expect a model's error on each of {len(ranking.rank):,} environments, but they came as "
            f"an array of shape {np.shape(error)} with {int(known.sum()):,} known. Give predictions of this dataset."
        )
    size = np.abs(np.asarray(error, dtype=np.float64)[known])
    square = np.minimum(size, np.quantile(size, CUT)) ** 2
    usual = float(square.mean())
    if usual == 0.0:
        return replace(ranking, error=np.ones(len(ranking.sizes)))
    bins = ranking.bin[known]
    total = np.bincount(bins, weights=square, minlength=len(ranking.sizes))
    count = np.bincount(bins, minlength=len(ranking.sizes))
    return replace(ranking, error=np.sqrt((total / usual + USUAL) / (count + USUAL)))


def error_words(ranking: Ranking, name: str) -> str:
    """What the error does to the shares, in a sentence; ``name`` is that of the predictions."""
    assert ranking.error is not None
    there = ranking.error[ranking.sizes > 0]
    return (
        f"each share is also multiplied by the error of {name} in its part of a cluster, from {there.min():.2g} to "
        f"{there.max():.2g} times the usual"
    )

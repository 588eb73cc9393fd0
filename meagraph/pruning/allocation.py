"""How a budget is shared among bins: the more there is to give, the more each gets."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def share_out(
    sizes: NDArray[np.int64],
    budget: int,
    weights: NDArray[np.float64],
    known: NDArray[np.int64] | None = None,
) -> NDArray[np.int64]:
    """Share ``budget`` among bins of ``sizes`` (B,) in proportion to ``weights`` (B,), none above its size.

    The k-th of a bin has its turn at (k - 1/2) / weight, and the first turns are taken, larger bins first among equal
    ones (the divisor method of Webster and Sainte-Laguë; Balinski and Young, Fair Representation, 1982): the sum is
    exactly ``min(budget, sum(sizes))``, and a larger budget never takes from a bin. The ``known`` (B,) of each bin have
    had its first turns, beside what is shared out here.
    """
    known = np.zeros_like(sizes) if known is None else known
    budget = min(int(budget), int(sizes.sum()))
    wide = sizes.astype(np.float64)
    largest = float(weights[sizes > 0].max(initial=0.0)) or 1.0
    weight = np.where(sizes > 0, np.maximum(weights / largest, 1e-12), 1.0)

    def taken(turn: float) -> NDArray[np.int64]:
        return np.clip(np.floor(turn * weight + 0.5) - known, 0.0, wide).astype(np.int64)

    low, high = 0.0, float(((known + wide + 1.0) / weight).max(initial=0.0))
    while low < (middle := 0.5 * (low + high)) < high:
        low, high = (middle, high) if taken(middle).sum() <= budget else (low, middle)
    share = taken(low * (1.0 - 1e-9))
    while (short := budget - int(share.sum())) > 0:  # equal turns, up to rounding
        room = np.flatnonzero(share < sizes)
        turn = (known[room] + share[room] + 0.5) / weight[room]
        equal = np.round(np.log(turn), 7)
        share[room[np.lexsort((-sizes[room], equal))][:short]] += 1
    return share

"""Values that lie on two levels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from meagraph.outliers.calibration import robust_spread

MINORITY = 3  # values of a level
PART = 0.05  # of all values that a level holds at least
INNER = 0.5  # of the distance between two levels that is empty, but for a tenth of either
FLOOR = 0.005  # eV/atom that the values of one level spread at least
SURE = 3.0  # times as unsure as half of the values, above which one joins the nearer level and has no say


@dataclass(frozen=True, eq=False)
class Levels:
    """Which of n values lie on the upper of two levels."""

    upper: NDArray[np.bool_]  # (n,)
    apart: float  # between the medians
    spread: float  # of the wider level, with FLOOR


def upper_level(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which of ``values`` (n,) lie above the split that leaves both sides least spread (Otsu); none of too few.

    What lies farther out than the least number of values that a level holds counts as these do, so single outliers
    make no level.
    """
    count = len(values)
    least = max(MINORITY, int(np.ceil(PART * count)))
    upper = np.zeros(count, dtype=bool)
    if count >= 2 * least:
        order = np.argsort(values, kind="stable")
        clipped = np.clip(values, values[order[least - 1]], values[order[count - least]])[order]
        below = np.arange(least, count - least + 1)
        sums = np.cumsum(clipped)[below - 1]
        between = below * (count - below) * (sums / below - (clipped.sum() - sums) / (count - below)) ** 2
        upper[order[below[between.argmax()] :]] = True
    return upper


def two_levels(values: NDArray[np.float64], unsure: NDArray[np.float64] | None = None) -> Levels | None:
    """Two levels of ``values`` (n,) that are ``unsure`` (n,) alike; None where the space between is not empty."""
    sure = np.ones(len(values), dtype=bool) if unsure is None else unsure <= SURE * np.median(unsure)
    some = values[sure]
    upper = upper_level(some)
    if not upper.any():
        return None
    low, high = some[~upper], some[upper]
    apart = float(np.median(high) - np.median(low))
    if apart <= 0.0 or np.quantile(high, 0.1) - np.quantile(low, 0.9) < INNER * apart:
        return None
    spread = max(robust_spread(part) for part in (low, high))
    every = values > 0.5 * (np.median(high) + np.median(low))
    every[sure] = upper
    return Levels(every, apart, float(np.hypot(spread, FLOOR)))

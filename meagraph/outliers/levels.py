"""Values that lie on two levels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MINORITY = 3  # values of a level
PART = 0.05  # of all values that a level holds at least
INNER = 0.5  # of the distance between two levels that is empty, but for a tenth of either
FLOOR = 0.005  # eV/atom that the values of one level spread at least


@dataclass(frozen=True, eq=False)
class Levels:
    """Which of n values lie on the upper of two levels."""

    upper: NDArray[np.bool_]  # (n,)
    apart: float  # between the medians
    clear: float  # the same in spreads of the wider level and FLOOR


def two_levels(values: NDArray[np.float64]) -> Levels | None:
    """Split ``values`` (n,) where both sides together spread least (Otsu); None where the space between is not empty.

    What lies farther out than the least number of values that a level holds counts as these do, so single outliers
    make no level.
    """
    count = len(values)
    least = max(MINORITY, int(np.ceil(PART * count)))
    if count < 2 * least:
        return None
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    clipped = np.clip(ordered, ordered[least - 1], ordered[count - least])
    below = np.arange(least, count - least + 1)
    sums = np.cumsum(clipped)[below - 1]
    between = below * (count - below) * (sums / below - (clipped.sum() - sums) / (count - below)) ** 2
    place = int(below[between.argmax()])
    low, high = ordered[:place], ordered[place:]
    apart = float(np.median(high) - np.median(low))
    if apart <= 0.0 or np.quantile(high, 0.1) - np.quantile(low, 0.9) < INNER * apart:
        return None
    spread = max(1.4826 * float(np.median(np.abs(part - np.median(part)))) for part in (low, high))
    upper = np.zeros(count, dtype=bool)
    upper[order[place:]] = True
    return Levels(upper, apart, apart / float(np.hypot(spread, FLOOR)))

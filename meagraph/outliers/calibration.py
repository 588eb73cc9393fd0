"""From any quantity to how improbable it is: deviations, and the rarity of a deviation by the tail of its kind."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

QUANTILES = (0.80, 0.90, 0.95, 0.98)  # between which the tail is followed: up to a fiftieth may be wrong
ALWAYS = 0.95  # the tail is followed to here at least: of few, up to a twentieth may be wrong
BEYOND = 10  # deviations that must lie beyond any higher quantile, so that a few wrong ones do not move it
SHARPEST = 0.25  # deviations by which a tail falls to 1/e at least: none is infinitely sharp
BLOCK = 2**18  # deviations judged at a time
LIMIT = 1e6  # deviations at most; keeps a division by nearly nothing finite


def robust_spread(values: NDArray[np.float64]) -> float:
    """The median absolute deviation from the median times 1.4826: of normal ``values`` the standard deviation."""
    return 1.4826 * float(np.median(np.abs(values - np.median(values))))


def robust_deviation(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Robust standard deviations (median absolute deviations times 1.4826) above the median; NaN counts as ordinary.

    At least 0. Where over half of the values are equal the mean absolute deviation stands in for the median one.
    """
    finite = np.isfinite(values)
    if not finite.any():
        return np.zeros(len(values))
    ordinary = values[finite]
    median = np.median(ordinary)
    away = np.abs(ordinary - median)
    scale = robust_spread(ordinary)
    if scale == 0.0:
        scale = 1.2533 * away.mean()
    if scale == 0.0:
        return np.zeros(len(values))
    return at_least_zero((values - median) / scale)


def at_least_zero(deviation: NDArray[np.float64]) -> NDArray[np.float64]:
    """Deviations between 0 and LIMIT, those that are not known 0."""
    return np.clip(np.nan_to_num(deviation, nan=0.0, posinf=LIMIT, neginf=0.0), 0.0, LIMIT)


def tail_rarity(deviation: NDArray[np.float64], among: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
    """Decades of improbability (N,) of each ``deviation`` (N,) as one ``among`` (S,) others, at least 0.

    Above the 0.8-quantile the logarithm of the share that lies further out is followed along QUANTILES, straight
    between them and never falling faster again than before; so beyond the last one it falls as slowly as anywhere. A
    signal with a long tail must stand out further than one that hardly varies. Without ``among`` the deviations are
    compared with each other.
    """
    among = deviation if among is None else among
    levels = [q for q in QUANTILES if q <= ALWAYS or (1.0 - q) * len(among) >= BEYOND]
    places = np.quantile(among, levels)
    shares = -np.log10(1.0 - np.array(levels))  # decades
    lengths = np.maximum(np.diff(places) / np.diff(shares), SHARPEST * np.log(10.0))  # of a decade
    lengths = np.append(np.maximum.accumulate(lengths), lengths.max())
    steps = np.diff(np.append(places, np.inf))
    rarity = np.empty(len(deviation))
    for start in range(0, len(deviation), BLOCK):
        some = deviation[start : start + BLOCK]
        beyond = np.clip(some[:, None] - places, 0.0, steps)
        rarity[start : start + BLOCK] = np.where(some > places[0], shares[0] + (beyond / lengths).sum(axis=1), 0.0)
    return rarity

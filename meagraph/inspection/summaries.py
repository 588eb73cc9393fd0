"""Counts of environments: histograms that follow a selection at once, means of clusters, density."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BINS = 60
WIDE = 30.0  # ratio of the 99th to the 1st percentile from which positive numbers are binned by their logarithm
OUTER = 0.01  # share of the numbers at either end that falls into the outermost bins
CELLS, SMOOTHING = 256, 1.5  # of the density: a side, and in cells


@dataclass(frozen=True, eq=False)
class Histogram:
    """Numbers in bins; made once, after which the counts of any selection take milliseconds."""

    edges: NDArray[np.float64]  # (B + 1,) rising
    bin: NDArray[np.int16]  # (N,) bin of each environment, B for those without a number
    log: bool  # the bins are equally wide in the logarithm
    counts: NDArray[np.int64]  # (B,) of all

    def of(self, mask: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Counts (B,) of the environments of ``mask`` (N,)."""
        return np.bincount(self.bin[mask], minlength=len(self.edges))[: len(self.edges) - 1]

    def between(self, low: float, high: float) -> NDArray[np.bool_]:
        """The environments (N,) in bins whose middle lies from ``low`` to ``high``: what a brush over bars means."""
        middle = np.sqrt(self.edges[:-1] * self.edges[1:]) if self.log else (self.edges[:-1] + self.edges[1:]) / 2
        chosen = np.append((middle >= low) & (middle <= high), False)
        return np.asarray(chosen[self.bin])


def histogram(values: NDArray[np.floating], bins: int = BINS) -> Histogram | None:
    """Bin ``values`` (N,); None where none is finite.

    Few different whole numbers get a bin each. Numbers that span decades are binned by their logarithm, zero and less
    in the first bin. Otherwise the bins share the range but for its thin ends, which the outermost bins take in.
    """
    values = np.asarray(values, dtype=np.float64)
    known = np.isfinite(values)
    if not known.any():
        return None
    numbers = values[known]
    log = spans_decades(numbers)
    if not log and np.abs(numbers).max() < 2**50 and (numbers == np.round(numbers)).all() and np.ptp(numbers) < bins:
        edges = np.arange(numbers.min(), numbers.max() + 2) - 0.5
    else:
        scaled = np.log10(numbers[numbers > 0]) if log else numbers
        low, high = np.quantile(scaled, [OUTER, 1 - OUTER])
        if not high > low:
            low, high = scaled.min(), scaled.max()
        if not high > low:
            low, high = low - max(0.5, 1e-6 * abs(low)), high + max(0.5, 1e-6 * abs(high))
        edges = np.unique(np.linspace(low, high, bins + 1))  # as many as the precision of the numbers allows
        edges = 10.0**edges if log else edges
    count = len(edges) - 1
    bin = np.full(len(values), count, dtype=np.int16)
    bin[known] = np.clip(np.searchsorted(edges, numbers, side="right") - 1, 0, count - 1)
    return Histogram(edges, bin, log, np.bincount(bin, minlength=count + 1)[:count])


def spans_decades(values: NDArray[np.floating]) -> bool:
    """Whether numbers are positive, but for zeros, and their bulk differs by more than a factor WIDE."""
    known = values[np.isfinite(values)]
    if not known.size or known.min() < 0:
        return False
    positive = known[known > 0]
    if positive.size < known.size / 2:
        return False
    low, high = np.percentile(positive, [1, 99])
    return bool(high > WIDE * low)


def mean_and_spread(
    values: NDArray[np.floating], bins: NDArray[np.integer], count: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation (count,) of the finite ``values`` (N,) in each bin (N,); NaN for none."""
    known = np.isfinite(values)
    sizes = np.bincount(bins[known], minlength=count).astype(np.float64)
    with np.errstate(invalid="ignore"):
        mean = np.bincount(bins[known], weights=values[known], minlength=count) / sizes
        away = (values[known] - mean[bins[known]]) ** 2
        return mean, np.sqrt(np.bincount(bins[known], weights=away, minlength=count) / sizes)


def density(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Environments a cell, smoothed, where each of N points lies in the plane; NaN for points without a place."""
    from scipy.ndimage import gaussian_filter

    known = np.isfinite(x) & np.isfinite(y)
    result = np.full(len(x), np.nan)
    if known.any():
        cells = tuple(_cells(values[known]) for values in (x, y))
        counts = np.zeros((CELLS, CELLS))
        np.add.at(counts, cells, 1.0)
        result[known] = gaussian_filter(counts, SMOOTHING)[cells]
    return result


def _cells(values: NDArray[np.float64]) -> NDArray[np.int64]:
    low, high = values.min(), values.max()
    scaled = (values - low) / max(high - low, np.finfo(float).tiny) * CELLS
    return np.asarray(np.minimum(scaled, CELLS - 1), dtype=np.int64)

"""Structures that are alike, so that each is compared with its likes and not with the whole dataset."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from meagraph.datasets import AtomicDataset
from meagraph.graph.condensation import Points
from meagraph.outliers.calibration import at_least_zero

COUNT = 20  # alike structures of each
COMPONENTS = 10  # principal components of the descriptors
REFERENCE = 5_000  # structures at most that others are compared with
BLOCK = 1024
ROWS = 512  # structures whose environments are averaged at a time
SOME = 2**16  # rows multiplied with a matrix at a time
ENVIRONMENTS = 16_384  # read at a time


@dataclass(frozen=True, eq=False)
class Alike:
    """For each of S structures the K most alike others, by mean and spread of their environments' descriptors."""

    near: NDArray[np.int64]  # (S, K) structures; of a large dataset, of a random sample
    offsets: NDArray[np.int64]  # (S + 1,) of the dataset
    main: NDArray[np.float64]  # (N, C) main components of the environments' descriptors
    shape: NDArray[np.float64]  # (S, 2 C) mean and spread of them, on comparable scales

    def usual(self, values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Median (S,) and robust spread (S,) of ``values`` (S,) among the alike structures; NaN where unknown."""
        around = values[self.near]
        median = row_medians(around)
        return median, 1.4826 * row_medians(np.abs(around - median[:, None]))

    def deviation(self, values: NDArray[np.float64], floor: float) -> NDArray[np.float64]:
        """How far ``values`` (S,) lie above the alike structures' median (S,), in units of their spread and ``floor``.

        Both count, as independent errors. The sign is kept; NaN where nothing is known.
        """
        median, spread = self.usual(values)
        return (values - median) / np.hypot(spread, floor)

    def largest_deviation(self, values: NDArray[np.float64], floor: float) -> NDArray[np.float64]:
        """How far ``values`` (N,) of environments lie above the usual largest of an alike structure, at least 0."""
        known = np.where(np.isfinite(values), values, -np.inf)
        largest = np.maximum.reduceat(known, self.offsets[:-1])
        largest[np.isinf(largest)] = np.nan
        median, spread = self.usual(largest)
        sizes = np.diff(self.offsets)
        return at_least_zero((values - np.repeat(median, sizes)) / np.repeat(np.hypot(spread, floor), sizes))


def row_medians(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Median (S,) of each row of ``values`` (S, K), of what is not NaN; NaN where all is."""
    ordered = np.sort(values, axis=1)  # NaN last
    known = np.isfinite(ordered).sum(axis=1)
    if values.shape[1] == 0:
        return np.full(len(values), np.nan)
    rows = np.arange(len(values))
    low, high = np.maximum(known - 1, 0) // 2, np.minimum(known // 2, values.shape[1] - 1)
    return np.where(known > 0, 0.5 * (ordered[rows, low] + ordered[rows, high]), np.nan)


def quadratic(rows: NDArray[np.float64], matrix: NDArray[np.floating]) -> NDArray[np.float64]:
    """x' A x (n,) of each of ``rows`` (n, F) with a ``matrix`` (F, F), SOME rows at a time."""
    parts = (rows[start : start + SOME] for start in range(0, max(len(rows), 1), SOME))
    return np.concatenate([((part @ matrix) * part).sum(axis=1) for part in parts])


def per_structure(
    values: Points, dataset: AtomicDataset, of: Callable[[NDArray[np.float64]], NDArray[np.float64]] = np.asarray
) -> NDArray[np.float64]:
    """Mean of what ``of`` makes of the rows of ``values`` (N, D) over the environments of each structure: (S, ...).

    Made ROWS structures at a time: of a large dataset nothing of its size need be in memory.
    """
    parts = []
    for start in range(0, dataset.n_structures, ROWS):
        bounds = dataset.offsets[start : start + ROWS + 1]
        rows = of(values[int(bounds[0]) : int(bounds[-1])])
        parts.append(np.add.reduceat(rows, bounds[:-1] - bounds[0], axis=0) / np.diff(bounds)[:, None])
    return np.concatenate(parts)


def main_components(points: Points) -> NDArray[np.float64]:
    """The main components (N, C) of ``points`` (N, D), read in blocks."""
    blocks = [slice(start, start + ENVIRONMENTS) for start in range(0, len(points), ENVIRONMENTS)]
    mean = np.sum([points[block].sum(axis=0) for block in blocks], axis=0) / len(points)
    gram = np.zeros((points.shape[1],) * 2)
    for block in blocks:
        centred = points[block] - mean
        gram += centred.T @ centred
    axes = np.linalg.eigh(gram)[1][:, ::-1][:, :COMPONENTS]
    main = np.empty((len(points), axes.shape[1]))
    for block in blocks:
        main[block] = (points[block] - mean) @ axes
    return main


def alike_structures(points: Points, dataset: AtomicDataset, *, seed: int = 0) -> Alike:
    """Find the alike structures of each; ``points`` (N, D) are the descriptors with columns of unit norm."""
    main = main_components(points)
    mean = per_structure(main, dataset)
    spread = np.sqrt(np.maximum(per_structure(main, dataset, np.square) - mean**2, 0.0))
    shape = np.column_stack([mean, spread])
    away = np.abs(shape - np.median(shape, axis=0))
    scale = np.quantile(away, 0.68, axis=0) + 1e-3 * shape.std(axis=0) + np.finfo(float).tiny
    shape = np.arcsinh(shape / scale)  # far out only the order of magnitude counts
    alike = np.isclose(shape, shape[dataset.first_equal]).all(axis=1)  # descriptors from a file may differ
    first_equal = np.where(alike, dataset.first_equal, np.arange(len(shape)))
    return Alike(_nearest(shape, first_equal, seed), dataset.offsets, main, shape)


def _nearest(shape: NDArray[np.float64], first_equal: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """The COUNT nearest other rows of each row of ``shape`` (S, F), of a sample of REFERENCE rows: (S, K).

    Of rows of equal content (``first_equal``, (S,)) outside the sample the first is looked at, the others have what it
    has; in the sample each has others, for none is its own neighbour.
    """
    total = len(shape)
    sample = np.arange(total)
    if total > REFERENCE:
        sample = np.sort(np.random.default_rng(seed).choice(total, REFERENCE, replace=False))
    count = min(COUNT, len(sample) - 1)
    if count == 0:
        return np.empty((total, 0), dtype=np.int64)
    place = np.full(total, -1)
    place[sample] = np.arange(len(sample))
    content = np.where(place < 0, first_equal, total + np.arange(total))
    _, first, same = np.unique(content, return_index=True, return_inverse=True)
    looked = np.sort(first)
    near = np.empty((len(looked), count), dtype=np.int64)
    squares = (shape[sample] ** 2).sum(axis=1)
    for start in range(0, len(looked), BLOCK):
        rows = looked[start : start + BLOCK]
        distance = squares - 2.0 * shape[rows] @ shape[sample].T
        own = np.flatnonzero(place[rows] >= 0)
        distance[own, place[rows[own]]] = np.inf
        near[start : start + BLOCK] = sample[np.argpartition(distance, count - 1, axis=1)[:, :count]]
    return near[np.searchsorted(looked, first[same])]

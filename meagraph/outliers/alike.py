"""Structures that are alike, so that each is compared with its likes and not with the whole dataset."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from meagraph.datasets import AtomicDataset
from meagraph.graph.condensation import Points
from meagraph.outliers.calibration import at_least_zero
from meagraph.outliers.means import Means, structure_means
from meagraph.progress import Progress, part, silent
from meagraph.workers import HERE, Workers, map_chunks
from meagraph.workers.sharing import Array
from meagraph.workers.threads import one_thread

COUNT = 20  # alike structures of each
REFERENCE = 5_000  # structures at most that others are compared with
BLOCK = 128  # structures whose distances to those are held at a time
CHUNK = 8192  # structures of a task
SOME = 2**11  # rows multiplied with a matrix at a time, as the nearest cache of a processor holds


@dataclass(frozen=True, eq=False)
class Alike:
    """For each of S structures the K most alike others, by mean and spread of their environments' descriptors."""

    near: NDArray[np.int64]  # (S, K) structures; of a large dataset, of a random sample
    offsets: NDArray[np.int64]  # (S + 1,) of the dataset
    shape: NDArray[np.float64]  # (S, 2 C) mean and spread of their main components, on comparable scales
    means: Means

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


def alike_structures(
    points: Points, dataset: AtomicDataset, *, seed: int = 0, workers: Workers = HERE, progress: Progress = silent
) -> Alike:
    """Find the alike structures of each; ``points`` (N, D) are the descriptors with columns of unit norm."""
    means = structure_means(points, dataset, workers=workers, progress=part(progress, 0.0, 0.5))
    spread = np.sqrt(np.maximum(means.squares - means.main**2, 0.0))
    shape = np.column_stack([means.main, spread])
    away = np.abs(shape - np.median(shape, axis=0))
    scale = np.quantile(away, 0.68, axis=0) + 1e-3 * shape.std(axis=0) + np.finfo(float).tiny
    shape = np.arcsinh(shape / scale)  # far out only the order of magnitude counts
    alike = np.isclose(shape, shape[dataset.first_equal]).all(axis=1)  # descriptors from a file may differ
    first_equal = np.where(alike, dataset.first_equal, np.arange(len(shape)))
    near = _nearest(shape, first_equal, seed, workers, part(progress, 0.5, 1.0))
    return Alike(near, dataset.offsets, shape, means)


def _nearest(
    shape: NDArray[np.float64], first_equal: NDArray[np.int64], seed: int, workers: Workers, progress: Progress
) -> NDArray[np.int64]:
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
    sampled = np.zeros(total, dtype=bool)
    sampled[sample] = True
    content = np.where(sampled, total + np.arange(total), first_equal)
    _, first, same = np.unique(content, return_index=True, return_inverse=True)
    looked = np.sort(first)
    chunks = [looked[start : start + CHUNK] for start in range(0, len(looked), CHUNK)]
    found = map_chunks(
        partial(nearest_sampled, workers.share("shape", shape), workers.share("sampled", sample), count),
        chunks,
        workers,
        total=len(chunks),
        message="outliers: alike structures",
        told=lambda rows: f"structures {rows[0]:,} to {rows[-1]:,} (counting from 0)",
        kept="alike",
        progress=progress,
    )
    return np.concatenate(list(found))[np.searchsorted(looked, first[same])]


def nearest_sampled(shape: Array, sample: Array, count: int, structures: NDArray[np.int64]) -> NDArray[np.int64]:
    """A task: the ``count`` nearest rows (s, count) of the ``sample`` to those of some ``structures``, themselves not.

    The rows (S, F) are those of ``shape``.
    """
    rows, among = shape.load(), sample.load()
    reference = rows[among]
    squares = (reference**2).sum(axis=1)
    turned = np.ascontiguousarray(-2.0 * reference.T)
    near = np.empty((len(structures), count), dtype=np.int64)
    with one_thread():
        for start in range(0, len(structures), BLOCK):
            some = structures[start : start + BLOCK]
            distance = rows[some] @ turned
            distance += squares
            place = np.minimum(np.searchsorted(among, some), len(among) - 1)
            own = np.flatnonzero(among[place] == some)
            distance[own, place[own]] = np.inf
            near[start : start + BLOCK] = among[np.argpartition(distance, count - 1, axis=1)[:, :count]]
    return near

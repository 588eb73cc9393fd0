"""What structures are in the mean over their environments, found by tasks; nothing of the environments' number is kept.

Two passes over the descriptors, chunk by chunk: the first for their mean and main axes, the second for means over the
environments of each structure: of the descriptors, of their main components, and of products of two of these.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from meagraph.datasets import AtomicDataset
from meagraph.datasets.shared import frames_in_words
from meagraph.graph.condensation import Points, SharedPoints, share_points
from meagraph.progress import Progress, part, silent
from meagraph.workers import HERE, Workers, map_chunks
from meagraph.workers.sharing import Array
from meagraph.workers.threads import one_thread

COMPONENTS = 10  # principal components of the descriptors
CHUNK = 2**17  # environments of a task, and whole structures
ENVIRONMENTS = 2048  # of them read at a time, as the nearest cache of a processor holds

Moments = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]
"""Of n rows: their number (), their mean (D,), and the products (D, D) of what is left without it, summed."""


@dataclass(frozen=True, eq=False)
class Means:
    """Means over the environments of each of S structures."""

    descriptors: NDArray[np.float64]  # (S, D)
    main: NDArray[np.float64]  # (S, C) of their main components
    squares: NDArray[np.float64]  # (S, C) of the squares of these
    products: NDArray[np.float64]  # (S, C (C + 1) / 2) of products of two, each in units of its spread
    centre: NDArray[np.float64]  # (D,) of the descriptors of all environments
    axes: NDArray[np.float64]  # (D, C) of the main components

    def components(self, points: Points) -> NDArray[np.float64]:
        """The main components (N, C) of all ``points`` (N, D)."""
        found = np.empty((len(points), self.axes.shape[1]))
        for start in range(0, len(points), ENVIRONMENTS):
            found[start : start + ENVIRONMENTS] = (points[start : start + ENVIRONMENTS] - self.centre) @ self.axes
        return found


def structure_means(
    points: Points, dataset: AtomicDataset, *, workers: Workers = HERE, progress: Progress = silent
) -> Means:
    """Means of ``points`` (N, D), the descriptors with columns of unit norm, over the structures of ``dataset``."""
    shared, offsets = share_points(points, workers), workers.share("offsets", dataset.offsets)
    chunks = chunks_of(dataset.offsets)

    def told(chunk: slice) -> str:
        return frames_in_words(dataset, range(chunk.start, chunk.stop))

    over_chunks = partial(map_chunks, chunks=chunks, workers=workers, total=len(chunks), told=told)
    moments = over_chunks(
        partial(moments_of, shared, offsets),
        message="outliers: main components",
        kept="moments",
        progress=part(progress, 0.0, 0.4),
    )
    count, centre, gram = merged(list(moments))
    size, axes = (np.ascontiguousarray(found[..., ::-1][..., :COMPONENTS]) for found in np.linalg.eigh(gram))
    parts = over_chunks(
        partial(means_of, shared, offsets, centre, axes),
        message="outliers: means of structures",
        kept="means",
        progress=part(progress, 0.4, 1.0),
    )
    width, first, second = points.shape[1], *np.triu_indices(axes.shape[1])
    found = np.empty((dataset.n_structures, width + axes.shape[1] + len(first)))
    for chunk, values in zip(chunks, parts, strict=True):
        found[chunk] = values
    descriptors, main, products = np.split(found, [width, width + axes.shape[1]], axis=1)
    squares = products[:, first == second].copy()
    spread = np.sqrt(np.maximum(size, 0.0) / count)
    rounding = 16.0 * np.finfo(float).eps * np.linalg.norm(centre)
    spread = np.where(spread > rounding, spread, 1.0)  # all alike: that must not be blown up
    products /= spread[first] * spread[second]
    return Means(descriptors, main, squares, products, centre, axes)


def chunks_of(offsets: NDArray[np.int64]) -> list[slice]:
    """Slices of the structures between ``offsets`` (S + 1,), each of about CHUNK environments and at least one."""
    return pieces(offsets, CHUNK)


def pieces(offsets: NDArray[np.int64], most: int) -> list[slice]:
    """Slices of the structures between ``offsets`` (S + 1,), each of about ``most`` environments and at least one."""
    begin = np.flatnonzero(np.diff((offsets[:-1] - offsets[0]) // most, prepend=-1))
    return [slice(int(one), int(two)) for one, two in zip(begin, [*begin[1:], len(offsets) - 1], strict=True)]


def moments_of(points: SharedPoints, offsets: Array, structures: slice) -> Moments:
    """A task: the moments of the environments of some structures."""
    rows, bounds = points.load(), offsets.load()
    last = int(bounds[structures.stop])
    found = []
    with one_thread():
        for start in range(int(bounds[structures.start]), last, ENVIRONMENTS):
            block = rows[start : min(start + ENVIRONMENTS, last)]
            mean = block.sum(axis=0) / len(block)
            centred = block - mean
            found.append((np.array(float(len(block))), mean, centred.T @ centred))
    return merged(found)


def merged(parts: Sequence[Moments]) -> Moments:
    """The moments of all rows from those of parts, in their order.

    Source: Chan, Golub and LeVeque, The American Statistician 37 (1983) 242, of the variance; the products are those
    within the parts and between their means.
    """
    counts, means = np.array([count for count, _, _ in parts]), np.array([mean for _, mean, _ in parts])
    total = counts.sum()
    mean = (counts[:, None] * means).sum(axis=0) / total
    gram = np.zeros((means.shape[1],) * 2)
    for (count, _, within), away in zip(parts, means - mean, strict=True):
        gram += within + count * np.outer(away, away)
    return total, mean, gram


def means_of(
    points: SharedPoints,
    offsets: Array,
    centre: NDArray[np.float64],
    axes: NDArray[np.float64],
    structures: slice,
) -> NDArray[np.float64]:
    """A task: means (s, D + C + C (C + 1) / 2) over each of some structures, as in Means one beside the other.

    They are of descriptors, of main components along ``axes`` (D, C) from the ``centre`` (D,), of products of two.
    """
    rows, bounds = points.load(), offsets.load()[structures.start : structures.stop + 1]
    first, second = np.triu_indices(axes.shape[1])
    found = []
    with one_thread():
        for piece in pieces(bounds, ENVIRONMENTS):
            own = bounds[piece.start : piece.stop + 1]
            some = rows[int(own[0]) : int(own[-1])]
            main = (some - centre) @ axes
            wide = np.hstack([some, main, main[:, first] * main[:, second]])
            found.append(np.add.reduceat(wide, own[:-1] - own[0], axis=0) / np.diff(own)[:, None])
    return np.concatenate(found)

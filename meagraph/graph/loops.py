"""Compiled loops over edges, for tensors in main memory: one pass, no temporary of size (edges, width).

Single-threaded on purpose and without the interpreter's lock: a job may run them while the app answers.
"""

from __future__ import annotations

import heapq

import numba
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Indices = NDArray[np.integer]


@numba.njit(cache=True, nogil=True, fastmath=True)
def row_distances(rows: Floats, left: Indices, right: Indices) -> Floats:
    """Euclidean distance (E,) between rows ``left[e]`` and ``right[e]`` of ``rows`` (M, H)."""
    out = np.empty(left.size, rows.dtype)
    for e in range(left.size):
        a, b = rows[left[e]], rows[right[e]]
        total = rows.dtype.type(0.0)
        for k in range(rows.shape[1]):
            step = a[k] - b[k]
            total += step * step
        out[e] = np.sqrt(total)
    return out


@numba.njit(cache=True, nogil=True, fastmath=True)
def row_products(first: Floats, second: Floats, left: Indices, right: Indices) -> Floats:
    """Inner product (E,) of row ``left[e]`` of ``first`` (M, H) with row ``right[e]`` of ``second`` (M, H)."""
    out = np.empty(left.size, first.dtype)
    for e in range(left.size):
        a, b = first[left[e]], second[right[e]]
        total = first.dtype.type(0.0)
        for k in range(first.shape[1]):
            total += a[k] * b[k]
        out[e] = total
    return out


@numba.njit(cache=True, nogil=True, fastmath=True)
def farthest_point_order(rows: Floats, start: int) -> Indices:
    """All rows of ``rows`` (M, D) in farthest-point order from row ``start``: (M,) indices.

    Each is the one farthest from all before it (Gonzalez, Theor. Comput. Sci. 38, 293, 1985), ties by index.
    """
    count = rows.shape[0]
    order = np.empty(count, np.int64)
    nearest = np.full(count, np.inf, np.float64)
    current = start
    for step in range(count):
        order[step] = current
        nearest[current] = -1.0
        best, following = -1.0, 0
        for i in range(count):
            if nearest[i] < 0.0:
                continue
            total = rows.dtype.type(0.0)
            for k in range(rows.shape[1]):
                gap = rows[i, k] - rows[current, k]
                total += gap * gap
            nearest[i] = min(nearest[i], total)
            if nearest[i] > best:
                best, following = nearest[i], i
        current = following
    return order


SUMS = {"reassoc", "contract"}  # let sums be vectorised; not a number stays not a number


@numba.njit(cache=True, nogil=True, fastmath=SUMS)
def nearest_so_far(points: Floats, chosen: Indices, distance: Floats, owner: Indices, first: int, last: int) -> None:
    """Let the points ``chosen[first:last]`` take what is nearer to them: ``distance`` and ``owner`` (N,) in place.

    ``distance`` holds squares. An older owner keeps what is equally near.
    """
    for k in range(first, last):
        place = points[chosen[k]]
        for i in range(points.shape[0]):
            total = 0.0
            for d in range(points.shape[1]):
                gap = points[i, d] - place[d]
                total += gap * gap
            if total < distance[i]:
                distance[i] = total
                owner[i] = k


@numba.njit(cache=True, nogil=True, fastmath=SUMS)
def farthest_first(
    points: Floats,
    chosen: Indices,
    count: int,
    steps: int,
    least: float,
    distance: Floats,
    owner: Indices,
    following: Indices,
    head: Indices,
    radius: Floats,
    far: Indices,
) -> int:
    """Choose up to ``steps`` more points, each the farthest from all chosen so far, in place; return their number.

    Every chosen point owns a cell: the points nearest to it, a linked list from ``head`` through ``following``;
    ``radius`` is the squared distance of its farthest point ``far``. By the triangle inequality a new point takes
    nothing from a cell whose radius is at most half its distance, nor any point nearer to its owner than that, so
    nearly all distances need no computing. Stops when no squared distance exceeds ``least``.
    """
    width = points.shape[1]
    for _ in range(steps):
        best = 0
        for c in range(1, count):
            if radius[c] > radius[best] or (radius[c] == radius[best] and far[c] < far[best]):
                best = c
        if radius[best] <= least or count == chosen.size:
            break
        new = far[best]
        chosen[count] = new
        head[count], radius[count], far[count] = -1, -1.0, -1
        for c in range(count):
            apart = 0.0
            for d in range(width):
                gap = points[chosen[c], d] - points[new, d]
                apart += gap * gap
            quarter = 0.25 * apart * (1.0 - 1e-12)  # of the square: half of the distance, and safe from rounding
            if radius[c] <= quarter:
                continue
            previous, i = -1, head[c]
            radius[c], far[c] = -1.0, -1
            while i >= 0:
                after = following[i]
                taken = False
                if distance[i] > quarter:
                    total = 0.0
                    for d in range(width):
                        gap = points[i, d] - points[new, d]
                        total += gap * gap
                    taken = total < distance[i]
                    if taken:
                        distance[i], owner[i] = total, count
                        following[i] = head[count]
                        head[count] = i
                        if previous >= 0:
                            following[previous] = after
                        else:
                            head[c] = after
                cell = count if taken else c
                if distance[i] > radius[cell] or (distance[i] == radius[cell] and i < far[cell]):
                    radius[cell], far[cell] = distance[i], i
                if not taken:
                    previous = i
                i = after
        count += 1
    return count


@numba.njit(cache=True, nogil=True, fastmath=SUMS)
def sparsest_first(rows: Floats, start: int) -> Indices:
    """All rows of ``rows`` (M, D) from row ``start``, always the one where the kernel density of those before is least.

    The density is the sum of exp(-d²/2) over them. Of equal ones, as where all vanish, the one farthest from those
    before comes first, then the lower index.
    """
    count = rows.shape[0]
    order = np.empty(count, np.int64)
    density = np.zeros(count)
    nearest = np.full(count, np.inf)
    current = start
    for step in range(count):
        order[step] = current
        nearest[current] = -1.0
        following, least, far = -1, np.inf, -1.0
        for i in range(count):
            if nearest[i] < 0.0:
                continue
            total = rows.dtype.type(0.0)
            for k in range(rows.shape[1]):
                gap = rows[i, k] - rows[current, k]
                total += gap * gap
            if total < 100.0:  # beyond, the kernel is below 2e-22
                density[i] += np.exp(-0.5 * total)
            nearest[i] = min(nearest[i], total)
            if density[i] < least or (density[i] == least and nearest[i] > far):
                following, least, far = i, density[i], nearest[i]
        current = following
    return order


@numba.njit(cache=True, nogil=True)
def _gain(first: int, last: int, bins: Indices, counts: Indices, target: Floats, filled: Floats) -> float:
    gain = 0.0
    for e in range(first, last):
        aim = target[bins[e]]
        if aim > 0.0 and filled[bins[e]] < aim:
            before = filled[bins[e]] / aim
            after = min((filled[bins[e]] + counts[e]) / aim, 1.0)
            gain += aim * ((after - 0.5 * after * after) - (before - 0.5 * before * before))
    return gain


@numba.njit(cache=True, nogil=True)
def _fill(first: int, last: int, bins: Indices, counts: Indices, target: Floats, filled: Floats) -> float:
    more = 0.0
    for e in range(first, last):
        more -= min(filled[bins[e]], target[bins[e]])
        filled[bins[e]] += counts[e]
        more += min(filled[bins[e]], target[bins[e]])
    return more


@numba.njit(cache=True, nogil=True)
def greedy_cover(
    starts: Indices,
    bins: Indices,
    counts: Indices,
    sizes: Indices,
    costs: Indices,
    order: Indices,
    target: Floats,
    stays: NDArray[np.bool_],
    barred: NDArray[np.bool_],
    room: int,
    share: float,
    slack: float,
) -> NDArray[np.bool_]:
    """Greedy cover of bins by structures (S,): always the one of largest gain for its cost, the first in ``order``.

    Structure s has ``counts`` environments in ``bins`` from ``starts[s]`` to ``starts[s + 1]``. The gain is as in
    :func:`meagraph.pruning.covering.cover`. Ends when all kept ``sizes`` reach ``room``, or no structure fits or gains,
    or the bins hold ``share`` of all targets. What ``stays`` is kept first and ``barred`` never.

    Without ``slack`` by a heap of gains, which are computed again when they come first. With it by falling thresholds
    (Badanidiyuru and Vondrák, SODA 2014): any is taken whose gain is at most that part below the largest.
    """
    filled = np.zeros(target.size)
    kept = np.zeros(stays.size, np.bool_)
    used, held = 0, 0.0
    wanted = share * target.sum() - 1e-9
    for s in range(stays.size):
        if stays[s]:
            kept[s] = True
            used += sizes[s]
            held += _fill(starts[s], starts[s + 1], bins, counts, target, filled)
    if slack > 0.0:
        threshold = 0.0
        for s in order:
            if not (kept[s] or barred[s]):
                threshold = max(threshold, _gain(starts[s], starts[s + 1], bins, counts, target, filled) / costs[s])
        least = 0.01 * threshold
        while threshold > least and used < room and held < wanted:
            threshold *= 1.0 - slack
            for s in order:
                if kept[s] or barred[s] or used + sizes[s] > room or held >= wanted:
                    continue
                if _gain(starts[s], starts[s + 1], bins, counts, target, filled) >= threshold * costs[s]:
                    kept[s] = True
                    used += sizes[s]
                    held += _fill(starts[s], starts[s + 1], bins, counts, target, filled)
        return kept
    heap = [(0.0, 0, 0)]
    heap.pop()
    for place in range(order.size):
        if not (kept[order[place]] or barred[order[place]]):
            heap.append((-np.inf, place, order[place]))
    heapq.heapify(heap)
    while len(heap) > 0 and used < room and held < wanted:
        _, place, s = heapq.heappop(heap)
        if used + sizes[s] > room:
            continue
        gain = np.round(_gain(starts[s], starts[s + 1], bins, counts, target, filled) / costs[s], 10)
        if gain <= 0.0:
            continue
        if len(heap) > 0 and (-gain, place, s) > heap[0]:
            heapq.heappush(heap, (-gain, place, s))
            continue
        kept[s] = True
        used += sizes[s]
        held += _fill(starts[s], starts[s + 1], bins, counts, target, filled)
    return kept


@numba.njit(cache=True, nogil=True)
def row_hashes(rows: Indices) -> Indices:
    """A 64-bit hash (N,) of each row of ``rows`` (N, D) uint64 (FNV-1a over words, then mixed)."""
    out = np.empty(rows.shape[0], np.uint64)
    for i in range(rows.shape[0]):
        value = np.uint64(14695981039346656037)
        for d in range(rows.shape[1]):
            value = (value ^ rows[i, d]) * np.uint64(1099511628211)
            value ^= value >> np.uint64(29)
        out[i] = value
    return out


def warm() -> None:
    """Compile all kernels for the types that they are called with."""
    ends, ints = np.zeros(1, np.int64), np.zeros(4, np.int64)
    for kind in (np.float32, np.float64):
        rows = np.zeros((2, 2), kind)
        row_distances(rows, ends, ends)
        row_products(rows, rows, ends, ends)
        farthest_point_order(rows, 0)
    sparsest_first(np.zeros((2, 2), np.float32), 0)
    rows, square = np.zeros((2, 2)), np.zeros(2)
    row_hashes(rows.view(np.uint64))
    nearest_so_far(rows, ints, square, np.zeros(2, np.int64), 0, 1)
    farthest_first(rows, ints, 1, 0, 0.0, square, ints[:2], ints[:2], ints, np.zeros(4), ints)

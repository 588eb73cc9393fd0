"""Compiled loops of pruning: greedy cover, and the order in which the sparsest come first.

Single-threaded on purpose and without the interpreter's lock: a job may run them while the app answers.
"""

from __future__ import annotations

import heapq

import numba
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Indices = NDArray[np.integer]

SUMS = {"reassoc", "contract"}  # let sums be vectorised; not a number stays not a number


@numba.njit(cache=True, nogil=True, fastmath=SUMS)
def sparsest_first(rows: Floats, start: int, given: int = 0) -> Indices:
    """All rows of ``rows`` (M, D) from row ``start``, always the one where the kernel density of those before is least.

    The density is the sum of exp(-d²/2) over them. Of equal ones, as where all vanish, the one farthest from those
    before comes first, then the lower index. Where the first ``given`` rows are given, they come first as they are.
    """
    count = rows.shape[0]
    order = np.empty(count, np.int64)
    density = np.zeros(count)
    nearest = np.full(count, np.inf)
    current = 0 if given > 0 else start
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
        current = step + 1 if step + 1 < given else following
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


def warm() -> None:
    """Compile the loops for the types that they are called with."""
    sparsest_first(np.zeros((2, 2), np.float32), 0, 0)
    one, none = np.ones(1, np.int64), np.zeros(1, np.bool_)
    starts = np.array([0, 1])
    greedy_cover(starts, one - 1, one, one, one, one - 1, np.ones(1), none, none, 1, 1.0, 0.0)

"""Compiled loops over points: the nearest of some, farthest-point order, hashes.

Single-threaded on purpose and without the interpreter's lock: a job may run them while the app answers.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Indices = NDArray[np.integer]

SUMS = {"reassoc", "contract"}  # let sums be vectorised; not a number stays not a number


@numba.njit(cache=True, nogil=True, fastmath=True)
def farthest_point_order(rows: Floats, start: int, given: int = 0) -> Indices:
    """All rows of ``rows`` (M, D) in farthest-point order from row ``start``: (M,) indices.

    Each is the one farthest from all before it (Gonzalez, Theor. Comput. Sci. 38, 293, 1985), ties by index. Where the
    first ``given`` rows are given, they come first as they are, and the others go on from all of them.
    """
    count = rows.shape[0]
    order = np.empty(count, np.int64)
    nearest = np.full(count, np.inf, np.float64)
    current = 0 if given > 0 else start
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
        current = step + 1 if step + 1 < given else following
    return order


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
    places = np.empty((chosen.size, width), points.dtype)  # those chosen side by side, for every step goes over all
    for c in range(count):
        places[c] = points[chosen[c]]
    for _ in range(steps):
        best = 0
        for c in range(1, count):
            if radius[c] > radius[best] or (radius[c] == radius[best] and far[c] < far[best]):
                best = c
        if radius[best] <= least or count == chosen.size:
            break
        new = far[best]
        chosen[count] = new
        places[count] = points[new]
        head[count], radius[count], far[count] = -1, -1.0, -1
        for c in range(count):
            apart = 0.0
            for d in range(width):
                gap = places[c, d] - places[count, d]
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
                        gap = points[i, d] - places[count, d]
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
def nearest_around(points: Floats, places: Floats, near: Indices, gap: Floats, owner: Indices, square: Floats) -> None:
    """The nearest of ``places`` (M, D) to each of ``points`` (N, D), the first of several, in place.

    ``owner`` (N,) is a place to begin at; ``near`` (M, K) are the places nearest to each, nearest first, at the
    distances ``gap`` (M, K). What is farther from the first owner than the point from it
    and from the best together is no nearer.
    """
    count, known, width = places.shape[0], near.shape[1], points.shape[1]
    for i in range(points.shape[0]):
        start = owner[i]
        best, at = np.inf, start
        reach, within = 0.0, 0.0
        whole = False
        for k in range(-1, known):
            if k >= 0 and gap[start, k] > (reach + within) * (1.0 + 1e-9):
                whole = True
                break
            j = start if k < 0 else near[start, k]
            total = 0.0
            for d in range(width):
                step = points[i, d] - places[j, d]
                total += step * step
            if k < 0:
                reach = np.sqrt(total)
            if total < best or (total == best and j < at):
                best, at = total, j
                within = np.sqrt(total)
        if not whole and known < count:
            for j in range(count):
                total = 0.0
                for d in range(width):
                    step = points[i, d] - places[j, d]
                    total += step * step
                if total < best or (total == best and j < at):
                    best, at = total, j
        owner[i], square[i] = at, best


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
    """Compile the loops for the types that they are called with."""
    ints = np.zeros(4, np.int64)
    for kind in (np.float32, np.float64):
        farthest_point_order(np.zeros((2, 2), kind), 0, 0)
    rows, square = np.zeros((2, 2)), np.zeros(2)
    row_hashes(rows.view(np.uint64))
    nearest_around(rows, rows, np.zeros((2, 1), np.int32), rows[:, :1].copy(), ints[:2].copy(), square)
    nearest_so_far(rows, ints, square, np.zeros(2, np.int64), 0, 1)
    farthest_first(rows, ints, 1, 0, 0.0, square, ints[:2], ints[:2], ints, np.zeros(4), ints)

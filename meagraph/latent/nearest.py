"""The nearest of some thousand rows to each of many, exactly: distances along a few directions tell nearly all apart.

The rows are turned into their main directions, and halved again and again until some hundred are left in a box. What is
farther off in the leading directions, or in a box that is, is farther off in all; distances that this leaves open are
summed over all columns, in double precision and in one order, so that the answer does not depend on the machine.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

HELD = 0.9  # share of the variance that the leading directions hold
DIRECTIONS = 8  # of them, or a multiple
IN_BOX = 128  # rows at most
ROUNDING = 2e-6  # of the largest value: more than distances of single precision along all directions may be wrong
ROWS = 4096  # turned at a time
LOOSE = {"contract", "reassoc", "nnan", "nsz"}  # order and rounding of sums are the machine's; ROUNDING allows for that

Singles = NDArray[np.float32]
Doubles = NDArray[np.float64]
Indices = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Boxes:
    """M known rows of H columns, made ready to be found: in the order of their boxes."""

    rows: Singles  # (M, H) as they came
    index: Indices  # (M,) which each was
    centre: Doubles  # (H,)
    directions: Doubles  # (H, L)
    leading: Singles  # (L, M) along these directions
    begin: Indices  # (B + 1,) where the rows of each box begin
    low: Singles  # (L, B) of each box
    high: Singles  # (L, B)

    def nearest(self, rows: Singles) -> Indices:
        """The nearest row to each of ``rows`` (F, H), of several as near the first: (F,)."""
        found = np.empty(len(rows), dtype=np.int64)
        for start in range(0, len(rows), ROWS):
            some = np.array(rows[start : start + ROWS], dtype=np.float32)
            turned = ((some - self.centre) @ self.directions).astype(np.float32)
            _search(some, turned, self.rows, self.index, self.leading, self.begin, self.low, self.high, found[start:])
        return found


def boxes_of(known: NDArray[np.floating]) -> Boxes:
    """The rows ``known`` (M, H) in boxes."""
    values = np.ascontiguousarray(known, dtype=np.float32)
    centre = values.mean(axis=0, dtype=np.float64)
    size, axes = np.linalg.eigh((values - centre).T @ (values - centre))
    held = np.cumsum(size[::-1])
    count = DIRECTIONS * (1 + int(np.searchsorted(held, HELD * held[-1])) // DIRECTIONS)
    directions = np.zeros((len(axes), count))  # beyond the columns that there are nothing lies apart
    directions[:, : len(axes)] = axes[:, ::-1][:, :count]
    turned = ((values - centre) @ directions).astype(np.float32)
    pieces = _halved(turned, np.arange(len(turned)))
    index = np.concatenate(pieces)
    begin = np.cumsum([0, *map(len, pieces)])
    leading = np.ascontiguousarray(turned[index].T)
    low, high = (
        np.ascontiguousarray(least.reduceat(leading, begin[:-1], axis=1)) for least in (np.minimum, np.maximum)
    )
    return Boxes(values[index], index, centre, directions, leading, begin, low, high)


def _halved(turned: Singles, own: Indices) -> list[Indices]:
    """The ``own`` rows of ``turned`` in boxes of IN_BOX at most, cut across the directions of their widest spread."""
    if len(own) <= IN_BOX:
        return [np.sort(own)]
    values = turned[own]
    order = np.argsort(values[:, np.argmax(np.ptp(values, axis=0))], kind="stable")
    half = len(own) // 2
    return [*_halved(turned, own[order[:half]]), *_halved(turned, own[order[half:]])]


def nearest_one(rows: NDArray[np.float32], known: NDArray[np.float32]) -> NDArray[np.int64]:
    """The nearest of ``known`` (M, H) to each of ``rows`` (F, H), the first of several as near: (F,)."""
    return boxes_of(known).nearest(rows)


@numba.njit(cache=True, nogil=True)
def _search(
    rows: Singles,
    turned: Singles,
    known: Singles,
    index: Indices,
    leading: Singles,
    begin: Indices,
    low: Singles,
    high: Singles,
    found: Indices,
) -> None:
    """The nearest of ``known`` to each of ``rows`` into ``found``; those before them are a good guess."""
    boxes = len(begin) - 1
    apart, off = np.empty(boxes, np.float32), np.empty(np.diff(begin).max(), np.float32)
    largest = max(np.abs(low).max(), np.abs(high).max())
    at = 0
    for row in range(len(rows)):
        own = turned[row]
        slack = ROUNDING * max(np.abs(own).max(), largest)
        best = _square(rows[row], known[at], np.inf)
        limit = np.float32((np.sqrt(best) * (1.0 + 1e-5) + slack) ** 2)
        _to_boxes(own, low, high, apart)
        nearest = np.argmin(apart)
        for turn in range(boxes + 1):  # the nearest box first
            box = nearest if turn == 0 else turn - 1
            if apart[box] > limit or (turn > 0 and box == nearest):
                continue
            first = begin[box]
            near = off[: begin[box + 1] - first]
            if not _along(own, leading, first, near, limit):
                continue
            for one in range(len(near)):
                if near[one] <= limit:
                    away = _square(rows[row], known[first + one], best)
                    if away < best or (away == best and index[first + one] < index[at]):
                        best, at = away, first + one
                        limit = np.float32((np.sqrt(best) * (1.0 + 1e-5) + slack) ** 2)
        found[row] = index[at]


@numba.njit(cache=True, nogil=True, fastmath=LOOSE)
def _to_boxes(own: Singles, low: Singles, high: Singles, apart: Singles) -> None:
    """Squares of the distances from a row to each box along the leading directions, into ``apart``."""
    apart[:] = 0
    zero = np.float32(0.0)
    for axis in range(0, len(own), 2):
        one, two = own[axis], own[axis + 1]
        for box in range(len(apart)):
            first = max(max(low[axis, box] - one, one - high[axis, box]), zero)
            second = max(max(low[axis + 1, box] - two, two - high[axis + 1, box]), zero)
            apart[box] += first * first + second * second


@numba.njit(cache=True, nogil=True, fastmath=LOOSE)
def _along(own: Singles, leading: Singles, first: int, near: Singles, limit: np.float32) -> np.int32:
    """Squares of the distances along the leading directions from a row to those from the ``first`` on: ``near``.

    Returns how many are within the ``limit``.
    """
    near[:] = 0
    last = first + len(near)
    for axis in range(0, len(own), 4):
        at, bt, ct, dt = own[axis], own[axis + 1], own[axis + 2], own[axis + 3]
        a, b = leading[axis][first:last], leading[axis + 1][first:last]
        c, d = leading[axis + 2][first:last], leading[axis + 3][first:last]
        for one in range(len(near)):
            p, q, r, s = a[one] - at, b[one] - bt, c[one] - ct, d[one] - dt
            near[one] += p * p + q * q + (r * r + s * s)
    within = np.int32(0)
    for one in range(len(near)):
        within += np.int32(near[one] <= limit)
    return within


@numba.njit(cache=True, nogil=True)
def _square(one: Singles, two: Singles, enough: float) -> float:
    """The square of the distance between two rows; something above ``enough`` where it is above that."""
    total = 0.0
    for column in range(len(one)):
        away = np.float64(one[column]) - np.float64(two[column])
        total += away * away
        if column % 8 == 7 and total > enough:
            return total
    return total


def warm() -> None:
    """Compile the search, or load it from numba's cache."""
    rows = np.zeros((2, 8), dtype=np.float32)
    nearest_one(rows, rows)

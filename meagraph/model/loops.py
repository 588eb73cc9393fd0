"""Compiled loops over edges, for tensors in main memory: one pass, no temporary of size (edges, width).

Single-threaded on purpose and without the interpreter's lock: a job may run them while the app answers.
"""

from __future__ import annotations

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


def warm() -> None:
    """Compile the loops for the types that they are called with."""
    ends = np.zeros(1, np.int64)
    for kind in (np.float32, np.float64):
        rows = np.zeros((2, 2), kind)
        row_distances(rows, ends, ends)
        row_products(rows, rows, ends, ends)

"""Hashes of what structures are, the same wherever equal numbers came from."""

from __future__ import annotations

import hashlib

import numpy as np

from meagraph.datasets.columnar import Structures


def canonical(values: np.ndarray) -> bytes:
    """Return bytes that are equal where the numbers are: one zero, one NaN, little-endian doubles."""
    values = np.asarray(values, dtype="<f8") + 0.0
    return np.where(np.isnan(values), np.nan, values).tobytes()


def structure_keys(structures: Structures) -> tuple[str, ...]:
    """A hash of each structure's content: numbers, positions, cell and periodicity."""
    found = []
    for row in range(len(structures)):
        atoms = structures.rows_of(row)
        digest = hashlib.sha256(structures.numbers[atoms].astype("<i8").tobytes())
        digest.update(canonical(structures.positions[atoms]))
        digest.update(canonical(structures.cells[row]))
        digest.update(structures.pbc[row].astype(np.uint8).tobytes())
        found.append(digest.hexdigest()[:32])
    return tuple(found)

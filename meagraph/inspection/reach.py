"""How far around an atom to look, so that some dozens of others are seen: of many small structures at once."""

from __future__ import annotations

import numba
import numpy as np
from ase.geometry import complete_cell
from numpy.typing import NDArray

from meagraph.datasets.checks import DEGENERATE

EXPECTED = 40  # atoms within reach of one in the bulk; half of them at a surface
ROOM = 3.0  # Å that atoms take up beyond the outermost centres

Floats = NDArray[np.float64]


def completed(cells: Floats, periodic: NDArray[np.bool_]) -> Floats:
    """The ``cells`` (s, 3, 3) with unit vectors at right angles in the place of those that are zero.

    Of a cell without volume all vectors along which nothing repeats are taken for such.
    """
    whole = _without_zeros(cells)
    edges = np.linalg.norm(whole, axis=2).prod(axis=1)
    flat = np.flatnonzero((np.abs(np.linalg.det(whole)) <= DEGENERATE * edges) & ~periodic.all(axis=1))
    if len(flat):
        whole = whole.copy()
        whole[flat] = _without_zeros(np.where(periodic[flat][:, :, None], whole[flat], 0.0))
    return whole


def _without_zeros(cells: Floats) -> Floats:
    missing = np.flatnonzero((cells == 0.0).all(axis=2).any(axis=1))
    if len(missing):
        cells = cells.copy()
        cells[missing] = [complete_cell(cells[row]) for row in missing]
    return cells


@numba.njit(cache=True, nogil=True)
def reaches(positions: Floats, offsets: NDArray[np.int64], cells: Floats, periodic: NDArray[np.bool_]) -> Floats:
    """Å (s,) within which EXPECTED atoms lie around one, from the density of the part of the cell that atoms fill.

    The widest empty gap along each vector of the cell is no part of it, so vacuum does not count. The atoms at
    ``positions`` (n, 3) of each structure begin at ``offsets`` (s + 1,); ``cells`` are completed ones.
    """
    found = np.empty(len(cells))
    for s in range(len(cells)):
        first, last = offsets[s], offsets[s + 1]
        a, b, c = cells[s, 0], cells[s, 1], cells[s, 2]
        across = (np.cross(b, c), np.cross(c, a), np.cross(a, b))
        volume = (a * across[0]).sum()
        filled = abs(volume)
        for axis in range(3):
            normal = across[axis]
            room = ROOM * np.sqrt((normal * normal).sum()) / abs(volume)
            places = np.empty(last - first)
            for atom in range(first, last):
                at = positions[atom]
                places[atom - first] = (at[0] * normal[0] + at[1] * normal[1] + at[2] * normal[2]) / volume
            if periodic[s, axis]:
                places = np.sort(places % 1.0)
                gap = places[0] + 1.0 - places[-1]
                for place in range(1, len(places)):
                    gap = max(gap, places[place] - places[place - 1])
                filled *= min(1.0 - gap + room, 1.0)
            else:
                filled *= places.max() - places.min() + room
        found[s] = (3 * EXPECTED / (4 * np.pi) * filled / (last - first)) ** (1 / 3)
    return found


def warm() -> None:
    """Compile the loop, or load it from numba's cache."""
    reaches(np.zeros((1, 3)), np.array([0, 1]), np.eye(3)[None], np.zeros((1, 3), dtype=bool))

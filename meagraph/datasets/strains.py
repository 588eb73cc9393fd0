"""Small steps from one structure to another of the same atoms, and the work that is done along them."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from meagraph.datasets.columnar import Structures

REACH = 8  # structures that each is compared with, in the order of volumes and in that of the file
BLOCKS, BLOCK = 40, 50  # of structures that follow each other: what is looked at of a large set
LARGEST_STRAIN = 0.06  # beyond, halfway between two stresses is too rough
SMALLEST_STRAIN = 1e-4
MOVED = 0.05  # Å, how far an atom may be from where the strain alone would bring it
SMALLEST = 1e-3  # eV/Å³ of the stress that the work amounts to, below which a step says nothing


@dataclass(frozen=True, eq=False)
class Steps:
    """K small steps between structures."""

    first: NDArray[np.int64]  # (K,) structure at its beginning
    second: NDArray[np.int64]  # (K,) and at its end
    strain: NDArray[np.float64]  # (K, 3, 3) symmetric
    work: NDArray[np.float64]  # (K,) eV: what strain alone did to the energy

    def told(self, stress: NDArray[np.float64], volumes: NDArray[np.float64], power: int = 0) -> NDArray[np.float64]:
        """The same as stresses (S, 3, 3) times the ``power`` of volumes (S,) in Å³ tell it: (K,)."""
        pull = stress * volumes[:, None, None] ** (1 + power)
        found = 0.5 * np.einsum("kij,kij->k", pull[self.first] + pull[self.second], self.strain)
        return np.asarray(found, dtype=np.float64)


def small_steps(structures: Structures, energy: NDArray[np.float64], forces: NDArray[np.float64]) -> Steps:
    """Steps between structures of equal atoms in equal order, periodic, their cells some per cent apart.

    Places in the cell are equal but for MOVED. To second order of the step the energy (S,) then changes by
    V σ : ε - Σ F · u with the mean of both ends; the part of the ``forces`` (N, 3) is taken off, and
    a step without forces is one only if nothing has moved. Steps that take next to no work are left out.
    """
    alike: dict[bytes, list[int]] = defaultdict(list)
    for row in _looked_at(np.flatnonzero(np.isfinite(energy))).tolist():
        if structures.pbc[row].all() and abs(float(np.linalg.det(structures.cells[row]))) > 1e-6:
            alike[structures.numbers[structures.rows_of(row)].tobytes()].append(row)
    found = [_steps_of(np.array(rows), structures, energy, forces) for rows in alike.values() if len(rows) > 1]
    if not found:
        return Steps(np.empty(0, np.int64), np.empty(0, np.int64), np.empty((0, 3, 3)), np.empty(0))
    first, second, strain, work = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return Steps(first, second, strain, work)


def _looked_at(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """All rows of a small set; of a large one blocks of rows, evenly spread, for steps lie beside each other."""
    if len(rows) <= BLOCKS * BLOCK:
        return rows
    starts = np.linspace(0, len(rows) - BLOCK, BLOCKS).astype(np.int64)
    return rows[np.unique(starts[:, None] + np.arange(BLOCK))]


def _steps_of(
    rows: NDArray[np.int64],
    structures: Structures,
    energy: NDArray[np.float64],
    forces: NDArray[np.float64],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """First and second structure, strain and work of the steps among ``rows`` of equal atoms."""
    cells = structures.cells[rows]
    atoms = structures.offsets[rows][:, None] + np.arange(np.diff(structures.offsets)[rows[0]])  # (m, n)
    places = structures.positions[atoms] @ np.linalg.inv(cells)
    pulls = forces[atoms]
    volumes = np.abs(np.linalg.det(cells))
    first, second = _neighbours(volumes)
    change = np.linalg.solve(cells[first], cells[second])  # rows of the second cell are those of the first times it
    near = np.abs(change - np.eye(3)).max(axis=(1, 2)) < LARGEST_STRAIN
    first, second, change = first[near], second[near], change[near]
    rate = 2.0 * np.linalg.solve(change + np.eye(3), change - np.eye(3))  # to second order the logarithm
    strain = 0.5 * (rate + rate.transpose(0, 2, 1))
    moved = places[second] - places[first]
    moved -= np.round(moved)
    moved -= moved.mean(axis=1, keepdims=True)
    moved = moved @ (0.5 * (cells[first] + cells[second]))
    still = np.abs(moved).max(axis=(1, 2)) < 1e-6
    by_forces = 0.5 * np.einsum("kni,kni->k", pulls[first] + pulls[second], moved)
    by_forces[still] = 0.0
    work = energy[rows[second]] - energy[rows[first]] + by_forces
    size = np.linalg.norm(strain, axis=(1, 2))
    with np.errstate(invalid="ignore"):  # NaN forces
        good = (size > SMALLEST_STRAIN) & (np.abs(moved).max(axis=(1, 2)) < MOVED) & (np.abs(by_forces) <= np.abs(work))
    good &= np.abs(work) > SMALLEST * volumes[first] * size
    return rows[first[good]], rows[second[good]], strain[good], work[good]


def _neighbours(volumes: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs of structures within REACH of each other by volume (m,) or by number, each pair once."""
    pairs = []
    for order in (np.arange(len(volumes)), np.argsort(volumes, kind="stable")):
        for apart in range(1, min(REACH, len(order) - 1) + 1):
            pairs.append(np.sort(np.column_stack([order[:-apart], order[apart:]]), axis=1))
    first, second = np.unique(np.concatenate(pairs), axis=0).T
    return first, second

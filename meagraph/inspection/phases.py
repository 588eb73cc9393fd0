"""Which lattice each atom's nearest neighbours make: common-neighbour analysis, without a setting.

As Honeycutt and Andersen (J. Phys. Chem. 91, 4950, 1987) and Faken and Jónsson (Comput. Mater. Sci. 2, 279, 1994), with
a length of bonds of each atom's own (Stukowski, Model. Simul. Mater. Sci. Eng. 20, 045021, 2012): a lattice fixes how
many bonds there are among the nearest atoms, so those that are bonded are as many of the nearest pairs. That finds a
lattice wherever any length of bonds shows it, as the interval analysis of Larsen (arXiv 2003.08879) does. The diamonds
are told by the second shell (Maras et al., Comput. Phys. Commun. 205, 13, 2016), Frank-Kasper phases by polyhedra.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.data import covalent_radii
from numpy.typing import NDArray

from meagraph.datasets import AtomicDataset
from meagraph.inspection.findings.thresholds import BOND
from meagraph.progress import Progress, silent

PHASES = (
    "unresolved",
    "fcc",
    "hcp",
    "bcc",
    "sc",
    "diamond",
    "hexagonal diamond",
    "A15",
    "Laves",
    "Frank-Kasper",
    "icosahedral",
)
MOST = 18  # nearest atoms that are looked at
CHUNK = 20_000  # environments at a time, or one structure
EXPECTED = 40  # atoms within reach of one in the bulk; half of them at a surface
ROOM = 3.0  # Å that atoms take up beyond the outermost centres


@dataclass(frozen=True, eq=False)
class Phases:
    """What lies around each of N environments, whatever the elements are."""

    phase: NDArray[np.int8]  # (N,) code in PHASES
    polyhedron: NDArray[np.int8]  # (N,) corners of the Frank-Kasper polyhedron: 12, 14, 15 or 16, 0 for none
    spacing: NDArray[np.float32]  # (N,) Å mean distance of the 14 nearest atoms; NaN where fewer are near
    lopsided: NDArray[np.float32]  # (N,) length of their mean direction: 0 on all sides alike, 1 all on one side
    ordered: NDArray[np.float32]  # (N,) share of them whose phase is resolved
    coordination: NDArray[np.int8]  # (N,) atoms within BOND times the sum of covalent radii, 18 at most


def find_phases(dataset: AtomicDataset, *, progress: Progress = silent) -> Phases:
    """Look at the 18 nearest atoms of every environment, CHUNK environments at a time.

    ``progress`` may raise to stop. Structures of equal content are looked at once.
    """
    from meagraph.inspection.phase_loops import classify, nearest, surroundings, tell_polyhedra

    n, offsets, first_equal = dataset.n_environments, dataset.offsets, dataset.first_equal
    phase, polyhedron = np.zeros(n, np.int8), np.zeros(n, np.int8)
    around = np.full((n, 3), np.nan, dtype=np.float32)
    coordination = np.zeros(n, np.int8)
    radii = covalent_radii[dataset.numbers]
    for chunk in _chunks(dataset):
        rows = np.concatenate([np.arange(offsets[one], offsets[one + 1]) for one in chunk])
        near = nearest(*_pairs([dataset.structures.plain(one) for one in chunk]), len(rows))
        phase[rows], polyhedron[rows] = classify(*near)
        found, corners = phase[rows], polyhedron[rows]
        tell_polyhedra(found, corners, near[0])
        made = np.empty((len(rows), 3), dtype=np.float32)
        surroundings(found, *near, made)
        index, distance, _ = near
        own = radii[rows]
        coordination[rows] = (distance < BOND * (own[:, None] + own[index])).sum(axis=1)
        phase[rows], around[rows] = found, made
        progress(int(rows[-1]) + 1, n, "phases")
    for structure in np.flatnonzero(first_equal != np.arange(dataset.n_structures)).tolist():
        to, of = dataset.rows_of(structure), dataset.rows_of(int(first_equal[structure]))
        for column in (phase, polyhedron, around, coordination):
            column[to] = column[of]
    spacing, lopsided, ordered = (np.ascontiguousarray(column) for column in around.T)
    return Phases(phase, polyhedron, spacing, lopsided, ordered, coordination)


def _chunks(dataset: AtomicDataset) -> Iterator[list[int]]:
    """Structures that repeat none before, in runs of CHUNK environments, or a single larger one."""
    run: list[int] = []
    size = 0
    for structure in np.flatnonzero(dataset.first_equal == np.arange(dataset.n_structures)).tolist():
        atoms = int(dataset.sizes[structure])
        if run and size + atoms > CHUNK:
            yield run
            run, size = [], 0
        run.append(structure)
        size += atoms
    yield run


def _pairs(
    structures: list[Atoms],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Two rows, distance and vector from the first to the second, of each pair once."""
    from vesin import NeighborList

    parts, offset = [], 0
    for atoms in structures:
        first, second, away, vector = NeighborList(cutoff=reach_of(atoms), full_list=False).compute(
            points=atoms.positions, box=atoms.cell.complete().array, periodic=atoms.pbc, quantities="ijdD"
        )
        parts.append((first.astype(np.int64) + offset, second.astype(np.int64) + offset, away, vector))
        offset += len(atoms)
    first, second, away, vector = (np.concatenate(column) for column in zip(*parts, strict=True))
    return first, second, away, vector


def reach_of(atoms: Atoms) -> float:
    """Å within which EXPECTED atoms lie around one, from the density of the part of the cell that atoms fill.

    The widest empty gap along each vector of the cell is no part of it, so vacuum does not count.
    """
    cell = atoms.cell.complete().array
    volume = abs(np.linalg.det(cell))
    heights = volume / np.linalg.norm(np.cross(cell[[1, 2, 0]], cell[[2, 0, 1]]), axis=1)
    filled = volume
    for axis, places in enumerate(atoms.positions @ np.linalg.inv(cell)[:, axis] for axis in range(3)):
        if atoms.pbc[axis]:
            places = np.sort(places % 1.0)
            share = 1.0 - np.diff(places, append=places[0] + 1.0).max()
            filled *= min(share + ROOM / heights[axis], 1.0)
        else:
            filled *= np.ptp(places) + ROOM / heights[axis]
    return float((3 * EXPECTED / (4 * np.pi) * filled / len(atoms)) ** (1 / 3))

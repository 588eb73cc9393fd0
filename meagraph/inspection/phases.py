"""Which lattice each atom's nearest neighbours make: common-neighbour analysis, without a setting.

As Honeycutt and Andersen (J. Phys. Chem. 91, 4950, 1987) and Faken and Jónsson (Comput. Mater. Sci. 2, 279, 1994), with
a length of bonds of each atom's own (Stukowski, Model. Simul. Mater. Sci. Eng. 20, 045021, 2012): a lattice fixes how
many bonds there are among the nearest atoms, so those that are bonded are as many of the nearest pairs. That finds a
lattice wherever any length of bonds shows it, as the interval analysis of Larsen (arXiv 2003.08879) does. The diamonds
are told by the second shell (Maras et al., Comput. Phys. Commun. 205, 13, 2016), Frank-Kasper phases by polyhedra.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ase.data import covalent_radii
from numpy.typing import NDArray

from meagraph.datasets import AtomicDataset
from meagraph.datasets.chunks import cut, over_chunks
from meagraph.datasets.columnar import Structures
from meagraph.datasets.shared import Found, bare
from meagraph.inspection.findings.thresholds import BOND
from meagraph.progress import Progress, silent
from meagraph.workers import HERE, Workers
from meagraph.workers.beside import processes_for

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
ALONE = 300_000  # environments up to which this process is done before others have started


@dataclass(frozen=True, eq=False)
class Phases:
    """What lies around each of N environments, whatever the elements are."""

    phase: NDArray[np.int8]  # (N,) code in PHASES
    polyhedron: NDArray[np.int8]  # (N,) corners of the Frank-Kasper polyhedron: 12, 14, 15 or 16, 0 for none
    spacing: NDArray[np.float32]  # (N,) Å mean distance of the 14 nearest atoms; NaN where fewer are near
    lopsided: NDArray[np.float32]  # (N,) length of their mean direction: 0 on all sides alike, 1 all on one side
    ordered: NDArray[np.float32]  # (N,) share of them whose phase is resolved
    coordination: NDArray[np.int8]  # (N,) atoms within BOND times the sum of covalent radii, 18 at most


def find_phases(dataset: AtomicDataset, *, workers: Workers = HERE, progress: Progress = silent) -> Phases:
    """Look at the 18 nearest atoms of every environment, CHUNK environments at a time.

    Chunks go to ``workers`` where these are elsewhere, of more than ALONE environments else to processes of this
    machine. ``progress`` may raise to stop. Structures of equal content are looked at once.
    """
    n = dataset.n_environments
    phase, polyhedron, coordination = (np.zeros(n, np.int8) for _ in range(3))
    around = np.empty((n, 3), dtype=np.float32)
    chunks = cut(np.unique(dataset.first_equal), dataset.sizes, CHUNK)
    found = over_chunks(
        look_around,
        dataset,
        chunks,
        workers,
        processes=processes_for(n, ALONE),
        message="phases",
        kept="phases",
        progress=progress,
    )
    for chunk, columns in zip(chunks, found, strict=True):
        rows = np.concatenate([np.arange(dataset.offsets[one], dataset.offsets[one + 1]) for one in chunk])
        phase[rows], polyhedron[rows], around[rows], coordination[rows] = columns
    for structure in np.flatnonzero(dataset.first_equal != np.arange(dataset.n_structures)).tolist():
        to, of = dataset.rows_of(structure), dataset.rows_of(int(dataset.first_equal[structure]))
        for column in (phase, polyhedron, around, coordination):
            column[to] = column[of]
    spacing, lopsided, ordered = (np.ascontiguousarray(column) for column in around.T)
    return Phases(phase, polyhedron, spacing, lopsided, ordered, coordination)


def look_around(
    found: Found, structures: NDArray[np.int64]
) -> tuple[NDArray[np.int8], NDArray[np.int8], NDArray[np.float32], NDArray[np.int8]]:
    """A task: phase, polyhedron, (spacing, lopsided, ordered) and coordination of each atom of some ``structures``."""
    from meagraph.inspection.phase_loops import classify, nearest, surroundings, tell_polyhedra

    few = bare(found, structures)
    near = nearest(*_pairs(few), len(few.numbers))
    phase, polyhedron = classify(*near)
    tell_polyhedra(phase, polyhedron, near[0])
    around = np.empty((len(phase), 3), dtype=np.float32)
    surroundings(phase, *near, around)
    index, distance, _ = near
    own = covalent_radii[few.numbers]
    coordination = (distance < BOND * (own[:, None] + own[index])).sum(axis=1).astype(np.int8)
    return phase, polyhedron, around, coordination


def _pairs(
    few: Structures,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Two rows, distance and vector from the first to the second, of each pair of atoms of one structure once."""
    from vesin import NeighborList

    from meagraph.inspection.reach import completed, reaches

    cells = completed(few.cells, few.pbc)
    finders, parts = [], []
    for row, reach in enumerate(reaches(few.positions, few.offsets, cells, few.pbc).tolist()):
        finders.append(NeighborList(cutoff=reach, full_list=False))  # each holds what it found
        parts.append(
            finders[-1].compute(
                points=few.positions[few.rows_of(row)],
                box=cells[row],
                periodic=few.pbc[row],
                quantities="PdD",
                copy=False,
            )
        )
    pairs, away, vector = (np.concatenate(column) for column in zip(*parts, strict=True))
    begin = np.repeat(few.offsets[:-1], [len(part[1]) for part in parts])
    first, second = np.ascontiguousarray(pairs.T, dtype=np.int64) + begin
    return first, second, away, vector

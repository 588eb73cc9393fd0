"""One pass over all pairs of atoms: what lies next to what, how far away, and a print of each environment."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase.cell import Cell
from ase.data import covalent_radii
from numpy.typing import NDArray

from meagraph.datasets import AtomicDataset
from meagraph.inspection.findings.contents import pair_codes
from meagraph.inspection.findings.thresholds import BOND, CROWDED, CUTOFF
from meagraph.progress import Progress, silent

CHUNK = 20_000  # environments at a time, or one structure
GRID = 0.02  # Å, of the histograms of lengths
BINS = round(CUTOFF / GRID)
RANKS = (1, 2, 3, 4, 6, 8, 12, 16, 19, 28)  # of the distances in a print, counted from the nearest atom
LIKE_RANKS = (1, 4)  # the same among atoms of the element itself
WIDTH = len(RANKS) + len(LIKE_RANKS)


@dataclass(frozen=True, eq=False)
class Seen:
    """What the pass finds out. Pairs are coded as :func:`meagraph.inspection.findings.contents.pair_codes` does."""

    reach: NDArray[np.float64]  # (S,) Å within which neighbours were looked for; less than the cutoff where crowded
    ratio: NDArray[np.float64]  # (S,) least distance over the sum of covalent radii; NaN where no two atoms are near
    closest: NDArray[np.int64]  # (S, 2) the rows of those two atoms, -1 for none
    distance: NDArray[np.float64]  # (S,) Å between them
    alone: NDArray[np.bool_]  # (N,) no other atom lies within the cutoff
    lopsided: NDArray[np.float64]  # (N,) see LOPSIDED; of atoms with a force of exactly zero, 0 of all others
    neighbours: NDArray[np.int64]  # (pairs,) neighbouring atoms of each pair of elements
    lengths: NDArray[np.int64]  # (pairs, BINS) their distances in bins of GRID
    limits: NDArray[np.float64]  # (pairs, 2) Å the shortest and the longest of them
    prints: NDArray[np.float32]  # (N, WIDTH) Å; see print_of


def look_around(dataset: AtomicDataset, *, progress: Progress = silent) -> Seen:
    """Look at all pairs of atoms within CUTOFF once, CHUNK environments at a time."""
    n, s, kinds = dataset.n_environments, dataset.n_structures, len(dataset.species)
    species = np.searchsorted(np.asarray(dataset.species), dataset.numbers)
    radii, codes = covalent_radii[dataset.numbers], pair_codes(kinds)
    pairs = kinds * (kinds + 1) // 2
    still = (dataset.forces == 0).all(axis=1)
    reach = reach_of(dataset)
    ratio, distance = np.full(s, np.nan), np.full(s, np.nan)
    closest = np.full((s, 2), -1, dtype=np.int64)
    alone, lopsided = np.ones(n, dtype=bool), np.zeros(n)
    neighbours, lengths = np.zeros(pairs, dtype=np.int64), np.zeros((pairs, BINS), dtype=np.int64)
    limits = np.tile([np.inf, -np.inf], (pairs, 1))
    prints = np.full((n, WIDTH), CUTOFF, dtype=np.float32)
    for chunk in _chunks(dataset):
        rows = slice(int(dataset.offsets[chunk.start]), int(dataset.offsets[chunk.stop]))
        first, second, away, vector = _pairs(dataset, chunk, reach, bool(still[rows].any()))
        if len(away):
            relative = away / (radii[first] + radii[second])
            code = codes[species[first], species[second]]
            of = dataset.structure_of[first]
            starts = np.flatnonzero(np.diff(of, prepend=-1))
            for begin, end in zip(starts, [*starts[1:], len(of)], strict=True):
                at, structure = begin + int(relative[begin:end].argmin()), of[begin]
                ratio[structure], distance[structure] = relative[at], away[at]
                closest[structure] = first[at], second[at]
            bonded = relative < BOND
            bond, length = code[bonded], away[bonded]
            neighbours += np.bincount(bond, minlength=pairs)
            place = bond * BINS + np.minimum((length / GRID).astype(np.int64), BINS - 1)
            lengths += np.bincount(place, minlength=pairs * BINS).reshape(pairs, BINS)
            np.minimum.at(limits[:, 0], bond, length)
            np.maximum.at(limits[:, 1], bond, length)
            both, every = np.concatenate([first, second]), np.concatenate([away, away])
            alone[both] = False
            like = np.concatenate([species[first] == species[second]] * 2)
            prints[rows, : len(RANKS)] = _nearest(both, every, rows, RANKS)
            prints[rows, len(RANKS) :] = _nearest(both[like], every[like], rows, LIKE_RANKS)
            if vector is not None:
                lopsided[rows] = np.where(still[rows], _lopsided(first, second, away, vector, rows), 0.0)
        progress(rows.stop, n, "findings: neighbours")
    return Seen(reach, ratio, closest, distance, alone, lopsided, neighbours, lengths, limits, prints)


def reach_of(dataset: AtomicDataset) -> NDArray[np.float64]:
    """How far (S,) in Å neighbours are looked for: CUTOFF, or less where an atom would have more than CROWDED.

    The number is estimated from cell or extent, and in large structures also from the fullest cube of that edge.
    """
    cells = dataset.structures.cells.copy()
    for structure in np.flatnonzero(np.count_nonzero(cells.any(axis=2), axis=1) < 3):
        cells[structure] = Cell(cells[structure]).complete()
    periodic = dataset.periodic
    volume = np.abs(np.linalg.det(cells))
    faces = np.linalg.norm(np.cross(cells[:, [1, 2, 0]], cells[:, [2, 0, 1]]), axis=2)
    heights = np.where(periodic, volume[:, None] / faces, np.inf)
    reach = np.full(dataset.n_structures, CUTOFF)
    for _ in range(40):  # a sphere holds half of the box around it
        images = np.maximum(1.0, 2.0 * reach[:, None] / heights).prod(axis=1) * 0.52
        over = dataset.sizes * images > CROWDED
        over &= periodic.any(axis=1) | (dataset.sizes > CROWDED)
        for structure in np.flatnonzero(over):
            positions = dataset.structures.positions[dataset.rows_of(structure)]
            over[structure] = _fullest(positions, reach[structure]) * max(1.0, images[structure]) > CROWDED
        if not over.any():
            break
        reach[over] *= 0.7
    return reach


def _fullest(positions: NDArray[np.float64], edge: float) -> int:
    """Atoms in the fullest cube of this edge."""
    cubes = np.floor(positions / edge)
    return int(np.unique(cubes, axis=0, return_counts=True)[1].max())


def _chunks(dataset: AtomicDataset) -> Iterator[slice]:
    """Structures one after the other that hold CHUNK environments together, or a single larger one."""
    begin = 0
    while begin < dataset.n_structures:
        end = int(np.searchsorted(dataset.offsets, dataset.offsets[begin] + CHUNK, side="right")) - 1
        yield slice(begin, max(end, begin + 1))
        begin = max(end, begin + 1)


def _pairs(
    dataset: AtomicDataset, chunk: slice, reach: NDArray[np.float64], vectors: bool
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64], NDArray[np.float64] | None]:
    """Rows of two atoms, distance and, where asked for, vector from the first to the second, of each pair once."""
    from vesin import NeighborList

    lists: dict[float, Any] = {}
    parts = []
    for structure in range(chunk.start, chunk.stop):
        atoms, cutoff = dataset.structures.plain(structure), float(reach[structure])
        lists.setdefault(cutoff, NeighborList(cutoff=cutoff, full_list=False))
        i, j, d, *v = lists[cutoff].compute(
            points=atoms.positions,
            box=atoms.cell.complete().array,
            periodic=atoms.pbc,
            quantities="ijdD" if vectors else "ijd",
        )
        offset = dataset.offsets[structure]
        parts.append((i.astype(np.int64) + offset, j.astype(np.int64) + offset, d, *v))
    first, second, away, *vector = (np.concatenate(column) for column in zip(*parts, strict=True))
    return first, second, away, vector[0] if vectors else None


def _nearest(
    of: NDArray[np.int64], away: NDArray[np.float64], rows: slice, ranks: tuple[int, ...]
) -> NDArray[np.float64]:
    """The distances (n, ranks) at these ranks of each environment in ``rows``, CUTOFF where there are fewer.

    A change of all distances by no more than t Å changes none of these by more than t, whatever the order.
    """
    step, local = 2.0 * CUTOFF, of - rows.start
    keys = np.sort(local * step + away)  # by environment, then by distance
    counts = np.bincount(local, minlength=rows.stop - rows.start)
    starts = np.cumsum(counts) - counts
    result = np.full((len(counts), len(ranks)), CUTOFF)
    for column, rank in enumerate(ranks):
        has = np.flatnonzero(counts >= rank)
        result[has, column] = keys[starts[has] + rank - 1] - has * step
    return result


def _lopsided(
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    away: NDArray[np.float64],
    vector: NDArray[np.float64],
    rows: slice,
) -> NDArray[np.float64]:
    pull = vector * ((1.0 - away / CUTOFF) ** 2 / np.maximum(away, 1e-12))[:, None]
    size = rows.stop - rows.start
    total = [
        np.bincount(first - rows.start, pull[:, axis], size) - np.bincount(second - rows.start, pull[:, axis], size)
        for axis in range(3)
    ]
    return np.asarray(np.linalg.norm(total, axis=0))

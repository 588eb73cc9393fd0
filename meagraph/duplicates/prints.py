"""A print of each environment: some of its distances in order, which no turning, moving or renumbering changes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase.cell import Cell
from numpy.typing import NDArray

from meagraph.datasets import AtomicDataset
from meagraph.duplicates.thresholds import CROWDED, CUTOFF
from meagraph.progress import Progress, silent

CHUNK = 20_000  # environments at a time, or one structure
RANKS = (1, 2, 3, 4, 6, 8, 12, 16, 19, 28)  # of the distances in a print, counted from the nearest atom
LIKE_RANKS = (1, 4)  # the same among atoms of the element itself
WIDTH = len(RANKS) + len(LIKE_RANKS)


@dataclass(frozen=True, eq=False)
class Prints:
    """The prints of N environments in S structures."""

    values: NDArray[np.float32]  # (N, WIDTH) Å, CUTOFF where there are fewer atoms than the rank
    blind: NDArray[
        np.bool_
    ]  # (S,) some atom has nothing within the cutoff, or more than can be: prints tell too little


@dataclass(frozen=True, eq=False)
class PairsOfAtoms:
    """The P pairs of atoms near each other in some structures, each once."""

    first: NDArray[np.int64]  # (P,) row
    second: NDArray[np.int64]  # (P,) row
    away: NDArray[np.float64]  # (P,) Å
    vector: NDArray[np.float64] | None  # (P, 3) Å from the first to the second, where asked for


def look_for_prints(dataset: AtomicDataset, *, progress: Progress = silent) -> Prints:
    """The prints of all environments: about a second for 50,000 of them; the pairs of CHUNK are in memory at a time."""
    reach = reach_of(dataset)
    values, alone = no_prints(dataset.n_environments)
    species = dataset.numbers
    for chunk in chunks(dataset):
        rows = slice(int(dataset.offsets[chunk.start]), int(dataset.offsets[chunk.stop]))
        pairs = pairs_of_atoms(dataset, chunk, reach)
        fill_prints(values, alone, rows, pairs, species[pairs.first] == species[pairs.second])
        progress(rows.stop, dataset.n_environments, "duplicates: neighbours")
    return Prints(values, blind(dataset, alone, reach))


def blind(dataset: AtomicDataset, alone: NDArray[np.bool_], reach: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Structures (S,) of which prints tell too little, of atoms that are ``alone`` (N,) and the ``reach`` (S,)."""
    return np.asarray(np.logical_or.reduceat(alone, dataset.offsets[:-1]) | (reach < CUTOFF))


def no_prints(count: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Prints (count, WIDTH) of atoms without neighbours, and that they are alone (count,)."""
    return np.full((count, WIDTH), CUTOFF, dtype=np.float32), np.ones(count, dtype=bool)


def fill_prints(
    values: NDArray[np.float32],
    alone: NDArray[np.bool_],
    rows: slice,
    pairs: PairsOfAtoms,
    like: NDArray[np.bool_],
) -> None:
    """Set the prints in ``rows`` by all ``pairs`` of these; ``like`` (P,) are those of one element."""
    if not len(pairs.away):
        return
    both, every = np.concatenate([pairs.first, pairs.second]), np.concatenate([pairs.away, pairs.away])
    alone[both] = False
    twice = np.concatenate([like, like])
    values[rows, : len(RANKS)] = _nearest(both, every, rows, RANKS)
    values[rows, len(RANKS) :] = _nearest(both[twice], every[twice], rows, LIKE_RANKS)


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


def chunks(dataset: AtomicDataset) -> Iterator[slice]:
    """Structures one after the other that hold CHUNK environments together, or a single larger one."""
    begin = 0
    while begin < dataset.n_structures:
        end = int(np.searchsorted(dataset.offsets, dataset.offsets[begin] + CHUNK, side="right")) - 1
        yield slice(begin, max(end, begin + 1))
        begin = max(end, begin + 1)


def pairs_of_atoms(
    dataset: AtomicDataset, chunk: slice, reach: NDArray[np.float64], *, vectors: bool = False
) -> PairsOfAtoms:
    """Pairs of atoms of the structures in ``chunk`` within the ``reach`` (S,) of each."""
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
    return PairsOfAtoms(first, second, away, vector[0] if vectors else None)


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

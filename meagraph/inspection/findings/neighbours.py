"""One pass over all pairs of atoms: what lies next to what, how far away, and a print of each environment."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ase.data import covalent_radii
from numpy.typing import NDArray

from meagraph.datasets import AtomicDataset
from meagraph.duplicates.prints import Prints, blind, chunks, fill_prints, no_prints, pairs_of_atoms, reach_of
from meagraph.duplicates.thresholds import CUTOFF
from meagraph.inspection.findings.contents import pair_codes
from meagraph.inspection.findings.thresholds import BOND
from meagraph.progress import Progress, silent

GRID = 0.02  # Å, of the histograms of lengths
BINS = round(CUTOFF / GRID)


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
    prints: Prints  # of all environments


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
    values, alone = no_prints(n)
    lopsided = np.zeros(n)
    neighbours, lengths = np.zeros(pairs, dtype=np.int64), np.zeros((pairs, BINS), dtype=np.int64)
    limits = np.tile([np.inf, -np.inf], (pairs, 1))
    for chunk in chunks(dataset):
        rows = slice(int(dataset.offsets[chunk.start]), int(dataset.offsets[chunk.stop]))
        found = pairs_of_atoms(dataset, chunk, reach, vectors=bool(still[rows].any()))
        first, second, away, vector = found.first, found.second, found.away, found.vector
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
            fill_prints(values, alone, rows, found, species[first] == species[second])
            if vector is not None:
                lopsided[rows] = np.where(still[rows], _lopsided(first, second, away, vector, rows), 0.0)
        progress(rows.stop, n, "findings: neighbours")
    prints = Prints(values, blind(dataset, alone, reach))
    return Seen(reach, ratio, closest, distance, alone, lopsided, neighbours, lengths, limits, prints)


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

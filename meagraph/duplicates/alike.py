"""How far apart two structures are by the prints of their atoms, and which are within some distance of each other.

The distance of two structures of one composition, whatever the size of their cells, is the larger of two: the largest
difference between the prints of both, element by element in order, and the largest difference between the print of an
atom in either and the most alike one of its element in the other. Where all distances of one structure agree with those
of the other to t Å, neither is larger than t. Both obey the triangle inequality, and mean, least and largest print of a
structure move by no more than its distance: a tree of these finds all pairs without comparing all with all.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from meagraph.datasets import AtomicDataset
from meagraph.duplicates.prints import WIDTH, Prints
from meagraph.progress import Progress, silent

ROOM = 1.001  # times the distance within which the tree is asked: it must not lose a pair by rounding
TINY = 1e-6  # Å, of prints in single precision
APART = 1000.0  # between the prints of different elements, so that none matches


class Family:
    """Structures of one composition, their prints, and a tree that finds those that may be alike."""

    def __init__(self, dataset: AtomicDataset, prints: Prints, members: NDArray[np.int64]) -> None:
        self.members = members  # (m,) structures, ascending
        self._dataset, self._prints = dataset, prints.values
        self._sorted: dict[int, NDArray[np.float32]] = {}

    @cached_property
    def _tree(self) -> KDTree:
        return KDTree(self._summaries)

    @cached_property
    def _summaries(self) -> NDArray[np.float64]:
        found = np.empty((len(self.members), 3 * WIDTH))
        for place, structure in enumerate(self.members.tolist()):
            rows = self._prints[self._dataset.rows_of(structure)]
            found[place] = np.concatenate([rows.mean(axis=0, dtype=np.float64), rows.min(axis=0), rows.max(axis=0)])
        return found

    def candidates(self, place: int, distance: float) -> list[int]:
        """Places, ascending, of all members within ``distance`` of the one at ``place``, and of some others."""
        point, reach = self._summaries[place], distance * ROOM + TINY
        return sorted(self._tree.query_ball_point(point, reach, p=np.inf))

    def apart(self, one: int, other: int, distance: float) -> float:
        """How far apart in Å the members at these places are; infinite beyond ``distance``."""
        limit = distance + TINY
        a, b = self._in_order(one), self._in_order(other)
        size = math.lcm(len(a), len(b))
        gap = float(np.abs(_stretched(a, size) - _stretched(b, size)).max())
        if gap <= limit:
            gap = max(gap, self._by_atoms(one, other, limit))
        return gap if gap <= limit else math.inf

    def _rows(self, place: int) -> NDArray[np.int64]:
        """The atoms of a member by element."""
        dataset, structure = self._dataset, int(self.members[place])
        rows = dataset.rows_of(structure)
        return np.asarray(np.argsort(dataset.numbers[rows], kind="stable") + rows.start)

    def _in_order(self, place: int) -> NDArray[np.float32]:
        """The prints (n, WIDTH) of a member, those of each element in ascending order column by column."""
        if place not in self._sorted:
            rows = self._rows(place)
            found = self._prints[rows]
            ends = np.flatnonzero(np.diff(self._dataset.numbers[rows], append=0))
            for begin, end in zip([0, *(ends[:-1] + 1)], ends + 1, strict=True):
                found[begin:end].sort(axis=0)
            self._sorted[place] = found
        return self._sorted[place]

    def _by_atoms(self, one: int, other: int, limit: float) -> float:
        """The largest difference between an atom's print and the most alike one of its element in the other member."""
        numbers, prints = self._dataset.numbers, self._prints
        marked = [np.column_stack([prints[rows], APART * numbers[rows]]) for rows in map(self._rows, (one, other))]
        return max(
            float(KDTree(a).query(b, p=np.inf, distance_upper_bound=2 * limit)[0].max())
            for a, b in (marked, marked[::-1])
        )


def _stretched(prints: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    """As many rows as a supercell of ``size`` atoms has: each repeated."""
    return prints if len(prints) == size else np.repeat(prints, size // len(prints), axis=0)


def families(dataset: AtomicDataset, prints: Prints, among: NDArray[np.bool_] | None = None) -> Iterator[Family]:
    """Structures that may be alike, by the ratio of their elements; without those of which prints tell too little.

    Of structures with equal content only the first is among them, and of these only those of ``among`` (S,).
    """
    used = (dataset.first_equal == np.arange(dataset.n_structures)) & ~prints.blind
    if among is not None:
        used &= among
    known: dict[tuple[tuple[int, int], ...], list[int]] = {}
    for structure in np.flatnonzero(used).tolist():
        elements, counts = np.unique(dataset.numbers[dataset.rows_of(structure)], return_counts=True)
        counts //= math.gcd(*counts.tolist())
        known.setdefault(tuple(zip(elements.tolist(), counts.tolist(), strict=True)), []).append(structure)
    for members in known.values():
        if len(members) > 1:
            yield Family(dataset, prints, np.array(members, dtype=np.int64))


def leaders(
    dataset: AtomicDataset,
    prints: Prints,
    distance: float,
    among: NDArray[np.bool_] | None = None,
    *,
    progress: Progress = silent,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The earlier structure (S,) within ``distance`` Å that each repeats, itself for none, and how far (S,) it is.

    What repeats another leads none itself, so that no chain of small steps joins what is different. Structures that are
    not among those of :func:`families` repeat none here.
    """
    leader, apart = np.arange(dataset.n_structures), np.zeros(dataset.n_structures)
    for family in families(dataset, prints, among):
        free = np.ones(len(family.members), dtype=bool)
        for at in range(len(free)):
            if not free[at]:
                continue
            if at % 256 == 0:
                progress(int(family.members[at]), dataset.n_structures, "duplicates: comparing")
            for other in family.candidates(at, distance):
                if other > at and free[other]:
                    gap = family.apart(at, other, distance)
                    if gap < math.inf:
                        free[other] = False
                        leader[family.members[other]], apart[family.members[other]] = family.members[at], gap
    progress(1, 1, "duplicates: comparing")
    return leader, apart


def nearest(
    dataset: AtomicDataset,
    prints: Prints,
    distance: float,
    queries: NDArray[np.bool_],
    targets: NDArray[np.bool_],
    *,
    progress: Progress = silent,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """For each structure of ``queries`` (S,) the nearest of ``targets`` (S,) within ``distance`` Å, and how far it is.

    -1 and NaN (S,) where there is none. Of several at one distance it is the first; one of equal content is at 0.
    """
    found, apart = np.full(dataset.n_structures, -1, dtype=np.int64), np.full(dataset.n_structures, np.nan)
    first = dataset.first_equal
    of_content = np.full(dataset.n_structures, -1, dtype=np.int64)  # the first target with the content of each
    rows = np.flatnonzero(targets)[::-1]
    of_content[first[rows]] = rows
    for family in families(dataset, prints):
        contents = first[family.members]
        asked = np.isin(contents, first[queries])
        there = of_content[contents] >= 0
        for at in np.flatnonzero(asked & (of_content[contents] < 0)).tolist():
            if at % 256 == 0:
                progress(int(family.members[at]), dataset.n_structures, "duplicates: across files")
            gaps = [
                (family.apart(at, other, distance), int(of_content[contents[other]]))
                for other in family.candidates(at, distance)
                if there[other]
            ]
            gap, target = min(gaps, default=(math.inf, -1))
            if gap < math.inf:
                found[family.members[at]], apart[family.members[at]] = target, gap
    found, apart = found[first], apart[first]
    equal = of_content[first] >= 0
    found[equal], apart[equal] = of_content[first][equal], 0.0
    found[~queries], apart[~queries] = -1, np.nan
    progress(1, 1, "duplicates: across files")
    return found, apart

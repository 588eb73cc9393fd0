"""What must not be divided: structures joined by steps of at most some distance."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from meagraph.datasets import AtomicDataset
from meagraph.duplicates.alike import TINY, Family, families
from meagraph.duplicates.prints import Prints
from meagraph.duplicates.thresholds import CUTOFF
from meagraph.progress import Progress, silent


class Joined:
    """Numbers 0 to n - 1 in sets that can be joined (R. E. Tarjan, J. ACM 22, 215, 1975)."""

    def __init__(self, count: int) -> None:
        self._parent = list(range(count))

    def root(self, one: int) -> int:
        """The same number for all members of a set."""
        while self._parent[one] != one:
            self._parent[one] = one = self._parent[self._parent[one]]
        return one

    def join(self, one: int, other: int) -> None:
        """Make one set of two; its root is the smaller one."""
        low, high = sorted((self.root(one), self.root(other)))
        self._parent[high] = low

    def roots(self) -> NDArray[np.int64]:
        """The root of each number."""
        return np.array([self.root(one) for one in range(len(self._parent))], dtype=np.int64)


def pieces(
    dataset: AtomicDataset, prints: Prints, distance: float, *, progress: Progress = silent
) -> NDArray[np.int64]:
    """The piece (S,) of each structure, named by its first one: the connected components of all pairs that are alike.

    Alike are structures of equal content and those within ``distance`` Å (:mod:`meagraph.duplicates.alike`). Not all
    pairs are compared: members within half the distance of one leader belong together, and leaders more than twice the
    distance apart have no members within the distance of each other.
    """
    joined = Joined(dataset.n_structures)
    for structure, first in enumerate(dataset.first_equal.tolist()):
        joined.join(first, structure)
    for family in families(dataset, prints):
        _join(family, distance, joined)
        progress(int(family.members[-1]), dataset.n_structures, "split: near duplicates")
    progress(1, 1, "split: near duplicates")
    return joined.roots()


def pieces_by_environments(
    dataset: AtomicDataset, prints: Prints, distance: float, *, progress: Progress = silent
) -> NDArray[np.int64]:
    """The piece (S,) of each structure where one environment that is alike joins two structures.

    Environments are alike where they are of one element and their prints agree within ``distance`` Å; such as have
    nothing within the cutoff are like no other. Structures that are alike as a whole are joined as well. Prints are
    sorted into cubes of that edge, whose members are all alike; only members of cubes near each other are compared.
    """
    joined = Joined(dataset.n_structures)
    for structure, first in enumerate(dataset.first_equal.tolist()):
        joined.join(first, structure)
    edge = max(distance, TINY)
    seen = np.flatnonzero((prints.values < CUTOFF).any(axis=1))
    for element in dataset.species:
        rows = seen[dataset.numbers[seen] == element]
        if not len(rows):
            continue
        points, structures = prints.values[rows].astype(np.float64), dataset.structure_of[rows]
        _, cube = np.unique(np.floor(points / edge), axis=0, return_inverse=True)
        order = np.argsort(cube, kind="stable")
        starts = np.flatnonzero(np.diff(cube[order], prepend=-1))
        members = np.split(order, starts[1:])
        for group in members:
            for one in np.unique(structures[group])[1:].tolist():
                joined.join(int(structures[group[0]]), one)
        heads = order[starts]
        near = KDTree(points[heads]).query_pairs(3.0 * edge, p=np.inf, output_type="ndarray")
        for one, other in near.tolist():
            a, b = int(structures[heads[one]]), int(structures[heads[other]])
            if joined.root(a) != joined.root(b) and _closest(points, members[one], members[other]) <= distance + TINY:
                joined.join(a, b)
        progress(int(rows[-1]), dataset.n_environments, "split: like environments")
    progress(1, 1, "split: like environments")
    return joined.roots()


def _closest(points: NDArray[np.float64], ones: NDArray[np.int64], others: NDArray[np.int64]) -> float:
    """The least difference between a point of some and a point of others."""
    return float(KDTree(points[ones]).query(points[others], p=np.inf)[0].min())


def _join(family: Family, distance: float, joined: Joined) -> None:
    members = family.members.tolist()
    followers = _followers(family, distance / 2)
    for one in followers:
        for other in family.candidates(one, 2 * distance):
            if other <= one or other not in followers or joined.root(members[one]) == joined.root(members[other]):
                continue
            gap = family.apart(one, other, 2 * distance)
            if gap <= distance or (gap < math.inf and _touch(family, followers[one], followers[other], distance)):
                joined.join(members[one], members[other])
    for leader, group in followers.items():
        for other in group:
            joined.join(members[leader], members[other])


def _followers(family: Family, radius: float) -> dict[int, list[int]]:
    """Leaders, none within ``radius`` of an earlier one, and the places within that of each, itself the first."""
    free = np.ones(len(family.members), dtype=bool)
    found: dict[int, list[int]] = {}
    for at in range(len(free)):
        if free[at]:
            near = [one for one in family.candidates(at, radius) if one > at and free[one]]
            found[at] = [at, *(one for one in near if family.apart(at, one, radius) < math.inf)]
            free[found[at]] = False
    return found


def _touch(family: Family, ones: list[int], others: list[int], distance: float) -> bool:
    """Whether some two members of two groups are within the distance."""
    return any(family.apart(one, other, distance) < math.inf for one in ones for other in others)

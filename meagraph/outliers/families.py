"""Structures that are off together: a group, a file or a cluster, or one of two levels within it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meagraph.datasets import AtomicDataset

MOST = 200  # families of a kind; more say nothing


@dataclass(frozen=True, eq=False)
class Kind:
    """One way to sort S structures into F families."""

    name: str  # "group", "file", "cluster"; "dataset" where there is but one
    families: tuple[str, ...]  # (F,) their names
    of: NDArray[np.int64]  # (S,) 0 to F - 1, each at least once

    def among(self, structures: NDArray[np.int64]) -> Kind:
        """The same for some ``structures``, without the families that have none of them."""
        there, of = np.unique(self.of[structures], return_inverse=True)
        return Kind(self.name, tuple(self.families[number] for number in there), of.astype(np.int64))


@dataclass(frozen=True, eq=False)
class Family:
    """Structures that are off together; one candidate."""

    kind: str  # "group", "file", "cluster", "dataset"
    name: str
    label: str  # "energy" or "forces"; "each" where each stands out by itself
    members: NDArray[np.int64]  # (K,) structures that are off, ascending
    rows: NDArray[np.int64]  # (R,) their environments, ascending
    size: int  # structures of the family
    offset: float  # eV/atom for energies; observed over expected for forces; else 0
    score: float  # at least 0; 1 and above is a candidate
    what: str  # what is off, with the size of it

    @property
    def title(self) -> str:
        """Which structures these are, in a few words."""
        count = len(self.members)
        which = f"all {count:,} structures" if count == self.size else f"{count:,} of {self.size:,} structures"
        return f"{self.kind} {self.name}: {which}"

    def holds(self, row: int) -> bool:
        """Whether environment ``row`` lies in a member."""
        place = int(np.searchsorted(self.rows, row))
        return place < len(self.rows) and int(self.rows[place]) == row

    def figures(self) -> dict[str, Any]:
        """The same as JSON."""
        return {
            "kind": self.kind,
            "name": self.name,
            "label": self.label,
            "offset": self.offset,
            "score": self.score,
            "structures": self.members.tolist(),
            "words": self.words,
        }

    @property
    def words(self) -> str:
        """A sentence of it."""
        return f"{self.title} {self.what}"


def kinds_of(dataset: AtomicDataset, cluster: NDArray[np.int64] | None = None) -> tuple[Kind, ...]:
    """Groups, files and, where they are known, clusters (S,) of structures, -1 for none.

    Of kinds that sort alike the first is there; none with more than MOST families. Where none tells any structures
    apart the dataset is one family.
    """
    names, group = np.unique(dataset.groups, return_inverse=True)
    files = tuple(PurePath(source.path).name or dataset.name for source in dataset.sources)
    kinds = [
        Kind("group", tuple(map(str, names)), group.astype(np.int64)),
        Kind("file", files, dataset.source_index.astype(np.int64)),
    ]
    if cluster is not None:
        count = int(cluster.max(initial=-1)) + 1
        numbers = tuple(str(number + 1) for number in range(count))
        kinds.append(Kind("cluster", (*numbers, "none"), np.where(cluster < 0, count, cluster)))
    every, sorts, kept = np.arange(dataset.n_structures), set(), []
    for kind in kinds:
        kind = kind.among(every)
        _, first, of = np.unique(kind.of, return_index=True, return_inverse=True)
        sort = np.argsort(np.argsort(first))[of].tobytes()  # by first structures, whatever the names
        if sort not in sorts and len(kind.families) <= MOST:
            sorts.add(sort)
            kept.append(kind)
    several = tuple(kind for kind in kept if len(kind.families) > 1)
    return several or (Kind("dataset", (dataset.name,), np.zeros(dataset.n_structures, dtype=np.int64)),)


def new_family(
    kind: Kind,
    number: int,
    label: str,
    members: NDArray[np.int64],
    dataset: AtomicDataset,
    *,
    offset: float,
    score: float,
    what: str,
) -> Family:
    """A family of ``kind`` of which ``members`` (K,) are off; ``what`` is said of them with the frames they are."""
    members = np.sort(members)
    size = int((kind.of == number).sum())
    rows = np.flatnonzero(np.isin(dataset.structure_of, members))
    what += frames(members, size, dataset)
    return Family(kind.name, kind.families[number], label, members, rows, size, offset, score, what)


def frames(members: NDArray[np.int64], size: int, dataset: AtomicDataset) -> str:
    """Which frames ``members`` are, where they are some of a family and stand in a row in their file."""
    source, frame = dataset.source_index[members], dataset.frame_index[members]
    in_a_row = (source == source[0]).all() and np.ptp(frame) == len(members) - 1
    return f" (frames {frame.min():,} to {frame.max():,})" if in_a_row and len(members) < size else ""


def told_apart(found: Sequence[Family]) -> tuple[Family, ...]:
    """Families of which none shares over half of its members with those before it, the most suspicious first.

    A family that is off as a whole says more than a part of another, and a large one more than a small one.
    """
    taken: set[int] = set()
    kept = []
    for one in sorted(found, key=lambda one: (one.score < 1.0, len(one.members) < one.size, -len(one.members))):
        members = set(one.members.tolist())
        if 2 * len(members & taken) <= len(members):
            kept.append(one)
            taken |= members
    return tuple(sorted(kept, key=lambda one: -one.score))


def off(families: Sequence[Family]) -> NDArray[np.int64]:
    """The structures of all ``families`` that are candidates."""
    members = [one.members for one in families if one.score >= 1.0]
    return np.concatenate(members) if members else np.empty(0, dtype=np.int64)

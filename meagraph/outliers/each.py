"""Structures of a group that stand out each by itself: one candidate, for one look tells of all."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from meagraph.datasets import AtomicDataset
from meagraph.outliers.families import Family, Kind, new_family
from meagraph.outliers.levels import MINORITY

SHARE = 0.25  # of a group that must stand out
NAMED = 3  # signals that the words name


def stand_out(
    score: NDArray[np.float64],
    signals: Sequence[tuple[str, NDArray[np.float64]]],
    families: Sequence[Family],
    dataset: AtomicDataset,
) -> tuple[Family, ...]:
    """Groups of which many structures are candidates by themselves, the most suspicious first.

    ``score`` (S,) is that of structures; ``signals`` are names and rarities (S,). What is in ``families`` that are off
    is not looked at again.
    """
    there = [one.members for one in families if one.score >= 1.0]
    taken = np.isin(np.arange(len(score)), np.concatenate(there)) if there else np.zeros(len(score), dtype=bool)
    names, group = np.unique(dataset.groups, return_inverse=True)
    kind = Kind("group", tuple(map(str, names)), group.astype(np.int64))
    candidate = (score >= 1.0) & ~taken
    count, size = np.bincount(group[candidate], minlength=len(names)), np.bincount(group)
    found = []
    for number in np.flatnonzero((count >= MINORITY) & (count >= SHARE * size) & (size < len(score))).tolist():
        members = np.flatnonzero(candidate & (group == number))
        mean = [(float(rarity[members].mean()), name) for name, rarity in signals]
        by = ", ".join(name for height, name in sorted(mean, reverse=True)[:NAMED] if height > 0.0)
        what, lowest = f"stand out, each by itself ({by})", float(score[members].min())
        found.append(new_family(kind, number, "each", members, dataset, offset=0.0, score=lowest, what=what))
    return tuple(sorted(found, key=lambda one: -one.score))

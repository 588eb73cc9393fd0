"""Structures whose labels may be wrong, by signals of a model's errors: one environment for each, with the reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from meagraph.datasets import AtomicDataset
from meagraph.outliers.signals import ALARM, Signal


@dataclass(frozen=True)
class Suspect:
    """A structure that a signal makes a candidate."""

    structure: int
    environment: int  # where it is most suspicious
    score: float  # 1 and above
    words: str  # why


def suspects(signals: Sequence[Signal], dataset: AtomicDataset) -> tuple[Suspect, ...]:
    """The structures in which one of ``signals`` raises the alarm, the most suspicious first."""
    if not signals:
        return ()
    rarity = np.max([one.rarity for one in signals], axis=0)
    rows = np.flatnonzero(rarity >= ALARM)
    rows = rows[np.argsort(-rarity[rows], kind="stable")]
    _, first = np.unique(dataset.structure_of[rows], return_index=True)
    found = []
    for row in rows[np.sort(first)].tolist():
        strongest = max(signals, key=lambda one: float(one.rarity[row]))
        found.append(Suspect(int(dataset.structure_of[row]), row, float(rarity[row]) / ALARM, strongest.words(row)))
    return tuple(found)

"""Which repeats leave a dataset: of each kind of structure the first stays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meagraph.datasets import AtomicDataset
from meagraph.datasets.aside import with_structures
from meagraph.duplicates.leaks import Leaks, find_leaks
from meagraph.duplicates.prints import Prints, look_for_prints
from meagraph.duplicates.repeats import KINDS, Duplicates, find_duplicates
from meagraph.duplicates.thresholds import NEAR
from meagraph.errors import MEAGraphError
from meagraph.progress import Progress, part, silent


@dataclass(frozen=True, eq=False)
class Dropped:
    """What leaves, and what it repeats."""

    found: Duplicates
    upto: str  # of KINDS: what is less alike stays
    structures: NDArray[np.bool_]  # (S,)
    beside: Leaks | None = None  # what of the new data stands in the known ones, where there are such

    @property
    def environments(self) -> NDArray[np.bool_]:
        """The same as (N,) environments."""
        return np.asarray(self.structures[self.found.dataset.structure_of])

    def rest(self) -> AtomicDataset:
        """The dataset without what leaves."""
        return with_structures(self.found.dataset, np.flatnonzero(~self.structures))

    @property
    def words(self) -> str:
        """What leaves, in a sentence."""
        pairs = self.pairs()
        counts = [f"{sum(kind == code for _, _, kind in pairs):,} {KINDS[code]}" for code in range(self._kinds)]
        who = "structure that repeats" if len(pairs) == 1 else "structures that repeat"
        other = "an earlier or a known one" if self.beside is not None else "an earlier one"
        return f"{len(pairs):,} {who} {other} ({', '.join(counts)})"

    @property
    def _kinds(self) -> int:
        return KINDS.index(self.upto) + 1

    def pairs(self) -> list[tuple[int, int, int]]:
        """Each structure that leaves, the one that it repeats, a known one before others, and the kind's number."""
        told: dict[int, tuple[int, int]] = {}
        for found in (self.found, *([] if self.beside is None else [self.beside])):
            for one, of, kind in zip(*(row.tolist() for row in (found.structure, found.of, found.kind)), strict=True):
                if self.structures[one] and kind < self._kinds:
                    told[one] = of, kind
        return [(one, *told[one]) for one in sorted(told)]

    def figures(self) -> dict[str, Any]:
        """JSON-like, for a manifest: each structure that leaves, and the one that it repeats."""
        pairs = self.pairs()
        return {
            "dropped_duplicates": {
                "kinds": list(KINDS[: self._kinds]),
                "distance": self.found.distance,
                "structures": [one for one, _, _ in pairs],
                "repeat": [of for _, of, _ in pairs],
            }
        }


def find_dropped(
    dataset: AtomicDataset,
    upto: str,
    *,
    distance: float = NEAR,
    protected: Sequence[str] = (),
    prints: Prints | None = None,
    progress: Progress = silent,
) -> Dropped:
    """What leaves ``dataset`` where nothing is to repeat an earlier structure, ``upto`` one of KINDS.

    Isolated atoms stay, and so do structures of ``protected`` groups, and of each kind of structure the first; where
    data are known already, what repeats them leaves.

    Raises MEAGraphError for another kind, or a distance out of range.
    """
    if upto not in KINDS:
        raise MEAGraphError(f"Unknown kind of duplicates {upto!r}; choose from {', '.join(KINDS)}.")
    if prints is None:
        prints = look_for_prints(dataset, progress=part(progress, 0.0, 0.7))
    found = find_duplicates(dataset, distance=distance, prints=prints, progress=part(progress, 0.7, 0.9))
    stays = np.isin(dataset.groups, list(protected)) | dataset.known
    kinds = KINDS[: KINDS.index(upto) + 1]
    leaves, beside = found.droppable(*kinds, protected=stays), None
    if dataset.known.any():  # they come last, and yet what repeats them leaves
        parts = np.where(dataset.known, 0, 1)
        beside = find_leaks(dataset, parts, ("known", "new"), distance=distance, prints=prints)
        leaves[beside.structure[beside.kind < len(kinds)]] = True
        leaves &= ~(stays | dataset.isolated)
    progress(1, 1, "duplicates")
    return Dropped(found, upto, leaves, beside)

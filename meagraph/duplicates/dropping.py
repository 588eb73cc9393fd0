"""Which repeats leave a dataset: of each kind of structure the first stays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meagraph.datasets import AtomicDataset
from meagraph.duplicates.prints import Prints
from meagraph.duplicates.repeats import KINDS, Duplicates, find_duplicates
from meagraph.duplicates.thresholds import NEAR
from meagraph.errors import MEAGraphError
from meagraph.progress import Progress, silent


@dataclass(frozen=True, eq=False)
class Dropped:
    """What leaves, and what it repeats."""

    found: Duplicates
    upto: str  # of KINDS: what is less alike stays
    structures: NDArray[np.bool_]  # (S,)

    @property
    def environments(self) -> NDArray[np.bool_]:
        """The same as (N,) environments."""
        return np.asarray(self.structures[self.found.dataset.structure_of])

    def rest(self) -> AtomicDataset:
        """The dataset without what leaves."""
        data, rows = self.found.dataset, np.flatnonzero(~self.structures)
        return replace(
            data,
            structures=data.structures.taken(rows),
            groups=data.groups[rows],
            source_index=data.source_index[rows],
            frame_index=data.frame_index[rows],
            frame_span=data.frame_span[rows],
            energy=data.energy[rows],
            forces=data.forces[~self.environments],
            stress=data.stress[rows],
        )

    @property
    def words(self) -> str:
        """What leaves, in a sentence."""
        there = self.structures[self.found.structure]
        counts = [f"{int((there & (self.found.kind == code)).sum()):,} {kind}" for code, kind in enumerate(KINDS)]
        shown = ", ".join(counts[: KINDS.index(self.upto) + 1])
        count = int(self.structures.sum())
        who = "structure that repeats" if count == 1 else "structures that repeat"
        return f"{count:,} {who} an earlier one ({shown})"

    def figures(self) -> dict[str, Any]:
        """JSON-like, for a manifest: each structure that leaves, and the one that it repeats."""
        rows = np.flatnonzero(self.structures[self.found.structure])
        return {
            "dropped_duplicates": {
                "kinds": list(KINDS[: KINDS.index(self.upto) + 1]),
                "distance": self.found.distance,
                "structures": self.found.structure[rows].tolist(),
                "repeat": self.found.of[rows].tolist(),
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

    Isolated atoms stay, and so do structures of ``protected`` groups, and of each kind of structure the first.

    Raises MEAGraphError for another kind, or a distance out of range.
    """
    if upto not in KINDS:
        raise MEAGraphError(f"Unknown kind of duplicates {upto!r}; choose from {', '.join(KINDS)}.")
    found = find_duplicates(dataset, distance=distance, prints=prints, progress=progress)
    stays = np.isin(dataset.groups, list(protected))
    return Dropped(found, upto, found.droppable(*KINDS[: KINDS.index(upto) + 1], protected=stays))

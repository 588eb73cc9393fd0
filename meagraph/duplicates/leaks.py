"""What stands in one part of the data and again in another: training, validation and test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meagraph.datasets import AtomicDataset
from meagraph.display.cards import Facts
from meagraph.duplicates.alike import nearest
from meagraph.duplicates.comparing import differences, lie
from meagraph.duplicates.prints import Prints, look_for_prints
from meagraph.duplicates.repeats import KINDS, Repeats, check_distance
from meagraph.duplicates.thresholds import NEAR, SAME
from meagraph.errors import MEAGraphError
from meagraph.progress import Progress, part, silent


@dataclass(frozen=True, eq=False, repr=False)
class Leaks(Repeats):
    """Structures of one part beside the most alike one of an earlier part."""

    names: tuple[str, ...]  # of the parts, the first is what is trained on
    parts: NDArray[np.int64]  # (S,) the part of each structure, -1 for none

    def between(self, part: str, other: str) -> NDArray[np.bool_]:
        """Pairs (P,) of a structure of ``part`` that stands in the ``other``, earlier one."""
        one, two = self.names.index(part), self.names.index(other)
        return np.asarray((self.parts[self.structure] == one) & (self.parts[self.of] == two))

    def columns(self) -> dict[str, NDArray[Any]]:
        """As of all repeats, with the parts that both structures are in."""
        names = np.array(self.names)
        parts = {"part": names[self.parts[self.structure]], "of_part": names[self.parts[self.of]]}
        return parts | super().columns()

    def lines(self) -> list[str]:
        """A sentence for each two parts."""
        found = []
        for later in range(1, len(self.names)):
            for earlier in range(later):
                here = self.between(self.names[later], self.names[earlier])
                total = int((self.parts == later).sum())
                if total and (self.parts == earlier).any():
                    kinds = ", ".join(f"{int((self.kind[here] == code).sum()):,} {KINDS[code]}" for code in range(3))
                    found.append(
                        f"{int(here.sum()):,} of {total:,} structures of {self.names[later]} stand in "
                        f"{self.names[earlier]}: {kinds}"
                    )
        return found

    def _title(self) -> str:
        return f"Leaks between {', '.join(self.names)} of {self.dataset.name}"

    def facts(self) -> Facts:
        """A sentence for each two parts."""
        return [("leak", line) for line in self.lines()]


def find_leaks(
    dataset: AtomicDataset,
    parts: NDArray[np.integer],
    names: Sequence[str],
    *,
    distance: float = NEAR,
    prints: Prints | None = None,
    progress: Progress = silent,
) -> Leaks:
    """Structures of each part that an earlier part holds: exactly, but for how they lie, or within ``distance`` Å.

    ``parts`` (S,) are numbers into ``names``, -1 for structures in none. For each structure and each earlier part there
    is the most alike one. Distances and ``prints`` are those of :func:`meagraph.duplicates.repeats.find_duplicates`;
    isolated atoms are no leaks. Raises MEAGraphError where the parts do not fit.
    """
    check_distance(distance)
    of_parts: NDArray[np.int64] = np.asarray(parts, dtype=np.int64)
    within = of_parts.max(initial=-1) < len(names) and of_parts.min(initial=0) >= -1
    if of_parts.shape != (dataset.n_structures,) or not within:
        raise MEAGraphError(
            f"Expected a part from -1 to {len(names) - 1} for each of the {dataset.n_structures:,} structures, but "
            f"they have shape {of_parts.shape}. Give one of the names' numbers for each structure."
        )
    if prints is None:
        prints = look_for_prints(dataset, progress=part(progress, 0.0, 0.8))
    found: list[tuple[int, int]] = []
    gaps: list[float] = []
    steps = [(later, earlier) for later in range(1, len(names)) for earlier in range(later)]
    for step, (later, earlier) in enumerate(steps):
        queries = (of_parts == later) & ~dataset.isolated
        one = part(progress, 0.8 + 0.2 * step / len(steps), 0.8 + 0.2 * (step + 1) / len(steps))
        target, gap = nearest(dataset, prints, distance, queries, of_parts == earlier, progress=one)
        rows = np.flatnonzero(target >= 0)
        found += zip(rows.tolist(), target[rows].tolist(), strict=True)
        gaps += gap[rows].tolist()
    lying, kind = {}, np.full(len(found), 2)
    for row, (one_row, other) in enumerate(found):
        if dataset.first_equal[one_row] == dataset.first_equal[other]:
            kind[row] = 0
        elif gaps[row] <= SAME and (how := lie(dataset, prints, one_row, other)) is not None:
            lying[one_row, other], kind[row] = how, 1
    rows = np.array([one for one, _ in found], dtype=np.int64)
    others = np.array([other for _, other in found], dtype=np.int64)
    return Leaks(
        dataset,
        distance,
        rows,
        others,
        kind,
        np.array(gaps, dtype=np.float64),
        differences(dataset, found, lying).reshape(-1, 3),
        tuple(names),
        of_parts,
    )

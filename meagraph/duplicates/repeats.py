"""Structures that repeat others: exactly, but for how they lie, or as good as; and how far their labels differ."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meagraph.datasets import AtomicDataset
from meagraph.display.cards import ROWS, Facts, Shown, Table, html_table
from meagraph.duplicates.alike import leaders
from meagraph.duplicates.comparing import LabelsApart, differences, lie
from meagraph.duplicates.isometry import Isometry
from meagraph.duplicates.prints import Prints, look_for_prints
from meagraph.duplicates.thresholds import CUTOFF, NEAR, SAME
from meagraph.errors import MEAGraphError
from meagraph.progress import Progress, part, silent

KINDS = ("exact", "symmetric", "near")
"""Equal by content; turned, mirrored, moved, renumbered or in another cell; or within some distance."""
NONE = -1


@dataclass(frozen=True, eq=False, repr=False)
class Repeats(Shown):
    """P pairs: a structure and the one that it repeats."""

    dataset: AtomicDataset
    distance: float  # Å, within which structures count as near duplicates
    structure: NDArray[np.int64]  # (P,)
    of: NDArray[np.int64]  # (P,) the one that it repeats
    kind: NDArray[np.int64]  # (P,) into KINDS
    apart: NDArray[np.float64]  # (P,) Å, largest difference of distances to neighbours
    labels: NDArray[np.float64]  # (P, 3) differences of energy, forces and stress, NaN where there are none

    def count(self, kind: str) -> int:
        """How many pairs are of this kind."""
        return int((self.kind == KINDS.index(kind)).sum())

    def label_words(self, row: int) -> str:
        """Which labels of a pair of one geometry disagree, how far, and from which entries they are; "" for none."""
        if self.apart[row] > SAME:
            return ""
        words = LabelsApart(*self.labels[row].tolist()).words
        names = [self._names(int(one[row])) for one in (self.structure, self.of)]
        return f"{words} ({names[0]} against {names[1]})" if words and names[0] != names[1] else words

    @cached_property
    def disagree(self) -> NDArray[np.bool_]:
        """Pairs (P,) of one geometry whose labels disagree."""
        return np.array([bool(self.label_words(row)) for row in range(len(self.structure))], dtype=bool)

    def columns(self) -> dict[str, NDArray[Any]]:
        """All pairs as columns (P,): where both structures are, what kind of repeat it is, how far labels differ."""
        data = self.dataset
        paths = np.array([source.path or data.name for source in data.sources])
        found: dict[str, NDArray[Any]] = {
            "kind": np.array(KINDS)[self.kind],
            "distance": self.apart,
        }
        for prefix, rows in (("", self.structure), ("of_", self.of)):
            found |= {
                f"{prefix}structure": rows,
                f"{prefix}file": paths[data.source_index[rows]],
                f"{prefix}frame": data.frame_index[rows],
                f"{prefix}group": data.groups[rows],
            }
        energy, forces, stress = self.labels.T
        said = [self.label_words(row) for row in range(len(self.structure))]
        return found | {
            "energy_differs": energy,
            "forces_differ": forces,
            "stress_differs": stress,
            "labels": np.array(said, dtype=np.str_),
        }

    def table(self) -> Table:
        """All pairs in words."""
        found = self.columns()
        rows = (
            (
                str(found["kind"][row]),
                f"{found['file'][row]}, frame {found['frame'][row]}",
                f"{found['of_file'][row]}, frame {found['of_frame'][row]}",
                f"{found['distance'][row]:.5f}",
                str(found["labels"][row]),
            )
            for row in range(len(self.structure))
        )
        return Table(("", "structure", "repeats", "Å", "labels that disagree"), tuple(rows))

    def figures(self) -> dict[str, Any]:
        """JSON-like: counts, and all pairs."""
        columns = {name: values.tolist() for name, values in self.columns().items()}
        rows = [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]
        for row in rows:
            for name in ("energy_differs", "forces_differ", "stress_differs"):
                row[name] = None if np.isnan(row[name]) else row[name]
        counts = {kind: self.count(kind) for kind in KINDS}
        return {
            "structures": self.dataset.n_structures,
            "distance": self.distance,
            **counts,
            "labels_disagree": int(self.disagree.sum()),
            "pairs": rows,
        }

    def _names(self, structure: int) -> str:
        """The entries that the labels of a structure come from."""
        labels = self.dataset.sources[self.dataset.source_index[structure]].labels
        return ", ".join(name for names in (labels.energy, labels.forces, labels.stress) for name in names) or "no name"

    def facts(self) -> Facts:
        """How many there are, in words and numbers."""
        counts = [(words, f"{self.count(kind):,} of {self.dataset.n_structures:,} structures") for kind, words in SAID]
        counts[-1] = (counts[-1][0].format(self.distance), counts[-1][1])
        return [*counts, ("labels disagree", f"in {int(self.disagree.sum()):,} pairs of one geometry")]

    def _facts(self) -> Facts:
        return self.facts()

    def _title(self) -> str:
        return f"Repeats in {self.dataset.name}"

    def _line(self) -> str:
        return ", ".join(f"{self.count(kind):,} {kind}" for kind in KINDS)

    def _parts(self) -> list[str]:
        table = self.table()
        return [html_table(table, ROWS)] if table.rows else []


SAID = (
    ("exact", "repeat an earlier one exactly"),
    ("symmetric", "are an earlier one turned, moved, renumbered or in another cell"),
    ("near", "are within {:g} Å of an earlier one"),
)


@dataclass(frozen=True, eq=False, repr=False)
class Duplicates(Repeats):
    """Each structure that repeats an earlier one, by its number, beside the first of its kind."""

    def repeats(self, *kinds: str) -> NDArray[np.bool_]:
        """The structures (S,) that repeat an earlier one in one of these ``kinds``, by default in any."""
        chosen = np.isin(self.kind, [KINDS.index(kind) for kind in kinds or KINDS])
        mask = np.zeros(self.dataset.n_structures, dtype=bool)
        mask[self.structure[chosen]] = True
        return mask

    def droppable(self, *kinds: str, protected: NDArray[np.bool_] | None = None) -> NDArray[np.bool_]:
        """What can go (S,): repeats of these ``kinds``, but no isolated atoms and nothing ``protected`` (S,)."""
        kept = self.dataset.isolated if protected is None else self.dataset.isolated | protected
        return self.repeats(*kinds) & ~kept


def find_duplicates(
    dataset: AtomicDataset, *, distance: float = NEAR, prints: Prints | None = None, progress: Progress = silent
) -> Duplicates:
    """Structures that repeat an earlier one: exactly, but for how they lie, or within ``distance`` Å.

    The distance of two structures is the largest difference between their distances to neighbours within 5 Å, as far as
    prints tell it (:mod:`meagraph.duplicates.alike`). Symmetric duplicates agree to SAME and are laid on each other
    atom by atom (:mod:`meagraph.duplicates.isometry`): nothing is taken for one that is none. What lies beyond 5 Å is
    not seen: structures with an atom that has nothing within it repeat others only exactly. ``prints`` are those of
    the dataset, where they are known. Raises MEAGraphError for a distance out of range.
    """
    check_distance(distance)
    if prints is None:
        prints = look_for_prints(dataset, progress=part(progress, 0.0, 0.7))
    of, kind, apart = _exact(dataset)
    lying = {}
    leader, gap = leaders(dataset, prints, min(distance, SAME), progress=part(progress, 0.7, 0.85))
    for one in np.flatnonzero(leader != np.arange(dataset.n_structures)).tolist():
        found = lie(dataset, prints, one, int(leader[one]))
        if found is not None:
            lying[one, int(leader[one])] = found
            of[one], kind[one], apart[one] = leader[one], 1, gap[one]
    leader, gap = leaders(dataset, prints, distance, kind == NONE, progress=part(progress, 0.85, 1.0))
    near = np.flatnonzero(leader != np.arange(dataset.n_structures))
    of[near], kind[near], apart[near] = leader[near], 2, gap[near]
    return _collected(dataset, distance, of, kind, apart, lying)


def find_exact(dataset: AtomicDataset) -> Duplicates:
    """Structures that repeat an earlier one by content, in a moment."""
    return _collected(dataset, 0.0, *_exact(dataset), {})


def _exact(dataset: AtomicDataset) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """What each structure repeats, of which kind that is, and how far it is (all (S,)), of equal contents."""
    own = dataset.first_equal == np.arange(dataset.n_structures)
    return dataset.first_equal.copy(), np.where(own, NONE, 0), np.zeros(dataset.n_structures)


def _collected(
    dataset: AtomicDataset,
    distance: float,
    of: NDArray[np.int64],
    kind: NDArray[np.int64],
    apart: NDArray[np.float64],
    lying: dict[tuple[int, int], Isometry],
) -> Duplicates:
    rows = np.flatnonzero(kind != NONE)
    pairs = list(zip(rows.tolist(), of[rows].tolist(), strict=True))
    return Duplicates(dataset, distance, rows, of[rows], kind[rows], apart[rows], differences(dataset, pairs, lying))


def check_distance(distance: float) -> None:
    """Raise MEAGraphError unless ``distance`` is one within which structures can be alike."""
    if not 0.0 <= distance < CUTOFF:
        raise MEAGraphError(
            f"Expected a distance of at least 0 and below {CUTOFF:g} Å, got {distance:g}. {NEAR:g} Å is what "
            "calculations are converged to; 0.05 Å joins what differs little."
        )

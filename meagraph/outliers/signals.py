"""One reason to suspect an environment, and what all of them together say."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from meagraph.datasets import AtomicDataset
from meagraph.display.cards import ROWS, Facts, Shown, Table, html_table
from meagraph.outliers.calibration import tail_rarity
from meagraph.outliers.families import Family
from meagraph.outliers.handed import handed

ALARM = 7.0  # decades of improbability; at 6 sound datasets raise more than one structure in a thousand
SHOWN = 3  # candidates that the text of a result names
FEW = 20  # structures, below which environments are judged by the tail of all environments


@dataclass(frozen=True, eq=False, repr=False)
class Signal(Shown):
    """One reason to suspect an environment."""

    name: str  # short, for a table
    value: NDArray[np.float64]  # (N,) the quantity itself, NaN where it does not apply
    deviation: NDArray[np.float64]  # (N,) how far it is beyond the usual, in its own scale, at least 0
    rarity: NDArray[np.float64]  # (N,) decades of improbability, at least 0
    template: str  # the reason in words, to be formatted with value, deviation and partner
    partner: NDArray[np.int64] | None = None  # (N,) structure that the reason names, -1 for none

    def words(self, row: int) -> str:
        """The reason for environment ``row``, whether or not it is strong."""
        partner = None if self.partner is None else self.partner[row]
        return self.template.format(value=self.value[row], deviation=self.deviation[row], partner=partner)


@dataclass(frozen=True, eq=False, repr=False)
class Outliers(Shown):
    """Scores of all environments, and the signals they come from."""

    score: NDArray[np.float64]  # (N,) at least 0; 1 and above is a candidate
    unclustered: NDArray[np.bool_]  # (N,) noise or singleton
    signals: tuple[Signal, ...]
    families: tuple[Family, ...] = ()  # what is off together, the most suspicious first; candidates have a score of 1

    def family_of(self, row: int) -> Family | None:
        """The family of structures, off together, that environment ``row`` lies in."""
        return next((one for one in self.off_together if one.holds(row)), None)

    @property
    def off_together(self) -> tuple[Family, ...]:
        """The families that are candidates, the most suspicious first."""
        return tuple(family for family in self.families if family.score >= 1.0)

    @property
    def candidates(self) -> NDArray[np.int64]:
        """Rows with a score of at least 1, the most suspicious first."""
        rows = np.flatnonzero(self.score >= 1.0)
        return rows[np.argsort(-self.score[rows], kind="stable")]

    def suspected(self, signal: Signal) -> NDArray[np.int64]:
        """The candidates that ``signal`` suspects, the most suspicious first."""
        rows = self.candidates
        return rows[signal.rarity[rows] >= ALARM / 2]

    def reasons(self, row: int) -> list[str]:
        """Why environment ``row`` has its score, in words, the strongest reason first; empty if nothing stands out."""
        strong = [signal for signal in self.signals if signal.rarity[row] >= ALARM / 2]
        strong.sort(key=lambda signal: -signal.rarity[row])
        words = [signal.words(row) for signal in strong]
        if (family := self.family_of(row)) is not None:
            words.insert(0, family.words)
        return words + (["in no cluster (noise or singleton)"] if self.unclustered[row] else [])

    def _facts(self) -> Facts:
        candidates = self.candidates
        return [
            ("candidates", f"{self._line()}, by a score of 1 or more"),
            ("in no cluster", f"{int(self.unclustered.sum()):,} environments"),
            ("signals", ", ".join(signal.name for signal in self.signals)),
            *(("off together", family.words) for family in self.off_together),
            *((f"environment {row}", self._why(row)) for row in candidates[:SHOWN].tolist()),
        ]

    def _line(self) -> str:
        return f"{len(self.candidates):,} of {len(self.score):,} environments"

    def _parts(self) -> list[str]:
        rows = [
            (str(row), f"{self.score[row]:.2f}", "; ".join(self.reasons(row)))
            for row in self.candidates[:ROWS].tolist()
        ]
        return [html_table(Table(("environment", "score", "why"), tuple(rows)), ROWS)] if rows else []

    def _why(self, row: int) -> str:
        return f"{self.score[row]:.2f}: {'; '.join(self.reasons(row))}"


def places(outliers: Outliers, dataset: AtomicDataset) -> NDArray[np.int64]:
    """The place (N,) of each environment, from 1: all of a structure, and all of what is off together, share one.

    The highest score of an item counts; of equal ones the first in the dataset.
    """
    item = dataset.structure_of.copy()
    for number, family in enumerate(outliers.off_together):
        item[family.rows] = dataset.n_structures + number
    _, first, item = np.unique(item, return_index=True, return_inverse=True)
    highest = np.zeros(len(first))
    np.maximum.at(highest, item, outliers.score)
    place = np.empty(len(first), dtype=np.int64)
    place[np.lexsort((first, -highest))] = np.arange(1, len(first) + 1)
    return place[item]


def own_signal(
    name: str,
    value: NDArray[np.float64],
    deviation: NDArray[np.float64],
    words: str,
    dataset: AtomicDataset,
    of: NDArray[np.integer] | None = None,
) -> Signal:
    """A signal that each environment has of its own (N,), judged by the tail of the structures' largest.

    An atom of a large structure has more chances to be the one that stands out; this takes account of it. With
    ``of`` (N,), representatives, all environments of one have the same.
    """
    among = np.maximum.reduceat(deviation, dataset.offsets[:-1]) if dataset.n_structures >= FEW else deviation
    if of is None:
        return Signal(name, value, deviation, tail_rarity(deviation, among), words)
    place = np.empty(int(of.max()) + 1, dtype=np.int64)
    place[of] = np.arange(len(of))
    value, deviation = value[place], deviation[place]
    rarity = tail_rarity(deviation, among)
    return Signal(name, handed(value, of), handed(deviation, of), handed(rarity, of), words)


def shared_signal(
    name: str,
    value: NDArray[np.float64],
    deviation: NDArray[np.float64],
    words: str,
    dataset: AtomicDataset,
    partner: NDArray[np.int64] | None = None,
    among: NDArray[np.bool_] | None = None,
) -> Signal:
    """A signal of structures (S,), handed on to their environments; ``among`` (S,) are those whose tail counts."""
    of = dataset.structure_of
    rarity = tail_rarity(deviation, None if among is None else deviation[among])
    partners = None if partner is None else handed(partner, of)
    return Signal(name, handed(value, of), handed(deviation, of), handed(rarity, of), words, partners)

"""What a look through a dataset brings: facts, distributions, and findings with the structures that they concern."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from meagraph.datasets import AtomicDataset
from meagraph.display.cards import ROWS, Facts, Shown, Table, counted, html_table
from meagraph.inspection.summaries import Histogram, histogram

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")


@dataclass(frozen=True, eq=False)
class Finding:
    """One sentence about some structures."""

    key: str  # stays the same from version to version
    severity: Severity
    text: str  # one sentence, with figures and units
    structures: NDArray[np.int64]  # those that it concerns, the most telling first
    environments: NDArray[np.int64]  # rows of the atoms that matter; empty where whole structures are meant

    def mask(self, dataset: AtomicDataset) -> NDArray[np.bool_]:
        """All environments (N,) of its structures."""
        inside = np.zeros(dataset.n_structures, dtype=bool)
        inside[self.structures] = True
        return np.asarray(inside[dataset.structure_of])

    def first_atom(self, dataset: AtomicDataset, structure: int) -> int | None:
        """The row of the first atom in ``structure`` that matters; None where the whole structure is meant."""
        here = self.environments[dataset.structure_of[self.environments] == structure]
        return int(here[0]) if len(here) else None


def finding(
    key: str,
    severity: Severity,
    text: str,
    structures: Iterable[int] | NDArray[Any] = (),
    environments: Iterable[int] | NDArray[Any] = (),
) -> Finding:
    """A finding of any sequences of structures and environments."""
    return Finding(
        key,
        severity,
        text,
        np.asarray(list(structures), dtype=np.int64),
        np.asarray(list(environments), dtype=np.int64),
    )


@dataclass(frozen=True)
class Element:
    """How often an element occurs."""

    symbol: str
    environments: int
    structures: int


@dataclass(frozen=True)
class Coverage:
    """How much of something has a label."""

    label: str
    known: int
    total: int
    of: str  # what is counted

    @property
    def text(self) -> str:
        """``of all 12 structures``, ``of 3 of 12 structures``, ``of no structure``."""
        if self.known == self.total:
            return f"all {self.total:,} {self.of}"
        return f"{self.known:,} of {self.total:,} {self.of}" if self.known else f"none of {self.total:,} {self.of}"


@dataclass(frozen=True, eq=False)
class Pair:
    """Two elements: how often together in one structure, and as neighbours; lengths in Å, NaN without a neighbour."""

    symbols: tuple[str, str]
    structures: int  # that hold both; of an element with itself, that hold two such atoms
    neighbours: int | None = None  # pairs of neighbouring atoms; None until neighbours are looked at
    shortest: float = np.nan
    median: float = np.nan
    longest: float = np.nan
    lengths: Histogram | None = None  # of the neighbours' distances

    @property
    def name(self) -> str:
        """``In–P``."""
        return "–".join(self.symbols)


@dataclass(frozen=True, eq=False)
class Distribution:
    """How a quantity spreads."""

    key: str
    title: str
    unit: str
    level: Literal["structure", "environment"]
    least: float
    middle: float  # the median
    most: float
    histogram: Histogram  # over all structures, or environments

    @property
    def label(self) -> str:
        """Title with unit."""
        return f"{self.title} / {self.unit}" if self.unit else self.title

    def environments(self, dataset: AtomicDataset, low: float, high: float) -> NDArray[np.bool_]:
        """The environments (N,) in bars from ``low`` to ``high``, or of the structures in them."""
        inside = self.histogram.between(low, high)
        return inside if self.level == "environment" else inside[dataset.structure_of]

    def selected(self, dataset: AtomicDataset, mask: NDArray[np.bool_]) -> NDArray[np.int64]:
        """How many of each bar (B,) are among environments ``mask`` (N,), or hold one of them."""
        if self.level == "structure":
            mask = np.logical_or.reduceat(mask, dataset.offsets[:-1])
        return self.histogram.of(mask)


def structures_with(dataset: AtomicDataset, mask: NDArray[np.bool_]) -> tuple[int, ...]:
    """The structures that hold an environment of ``mask`` (N,)."""
    return tuple(np.flatnonzero(np.logical_or.reduceat(mask, dataset.offsets[:-1])).tolist())


def distribution(
    key: str, title: str, unit: str, level: Literal["structure", "environment"], values: NDArray[np.float64]
) -> list[Distribution]:
    """The distribution of ``values`` of all structures or environments; none where no value is known."""
    made = histogram(values)
    if made is None:
        return []
    known = values[np.isfinite(values)]
    least, middle, most = float(known.min()), float(np.median(known)), float(known.max())
    return [Distribution(key, title, unit, level, least, middle, most, made)]


@dataclass(frozen=True, eq=False, repr=False)
class Findings(Shown):
    """Everything that is seen of a dataset before it is described."""

    name: str
    n_structures: int
    n_environments: int
    sizes: tuple[int, int]  # fewest and most atoms of a structure
    elements: tuple[Element, ...]
    pairs: tuple[Pair, ...]
    groups: Table
    periodic: dict[str, int]  # directions, as "a b c" or "none": structures
    coverage: tuple[Coverage, ...]
    distributions: tuple[Distribution, ...]
    found: tuple[Finding, ...]  # the most severe first
    complete: bool  # neighbours have been looked at

    def count(self, severity: Severity) -> int:
        """How many findings are so severe."""
        return sum(one.severity == severity for one in self.found)

    def counts_text(self) -> str:
        """``1 error, 2 warnings, no note``."""
        counts = [(self.count(severity), severity) for severity in SEVERITIES]
        return ", ".join(f"{n or 'no'} {word}{'s' * (n > 1)}" for n, word in counts)

    def facts(self) -> Facts:
        """What there is, in names and values."""
        fewest, most = self.sizes
        return [
            ("structures", f"{self.n_structures:,}, of {fewest:,} to {most:,} atoms"),
            ("environments", f"{self.n_environments:,}"),
            ("elements", counted({one.symbol: one.environments for one in self.elements})),
            ("groups", f"{len(self.groups.rows):,}"),
            ("periodic along", counted(self.periodic)),
            *((one.label, one.text) for one in self.coverage),
        ]

    def pair_table(self) -> Table:
        """Pairs of elements: structures with both, neighbours, and the distances of those."""
        heads = ("pair", "structures with both", "neighbours", "shortest / Å", "median / Å", "longest / Å")
        return Table(heads, tuple((one.name, f"{one.structures:,}", *_lengths(one)) for one in self.pairs))

    def distribution_table(self) -> Table:
        """Least, median and most of each quantity."""
        rows = ((one.label, *(f"{v:.4g}" for v in (one.least, one.middle, one.most))) for one in self.distributions)
        return Table(("quantity", "least", "median", "most"), tuple(rows))

    def table(self) -> Table:
        """The findings: severity, sentence, how many structures."""
        return Table(
            ("", "finding", "structures"),
            tuple((one.severity, one.text, f"{len(one.structures):,}") for one in self.found),
        )

    def _title(self) -> str:
        return f"Findings on {self.name}: {self.counts_text()}"

    def _facts(self) -> Facts:
        return [*self.facts(), *((one.severity, one.text) for one in self.found)]

    def _line(self) -> str:
        return self.counts_text()

    def _parts(self) -> list[str]:
        return [html_table(table, ROWS) for table in (self.distribution_table(), self.pair_table()) if table.rows]


def _lengths(pair: Pair) -> tuple[str, ...]:
    if pair.neighbours is None:
        return ("…", "", "", "")
    return (
        f"{pair.neighbours:,}",
        *(f"{v:.3f}" if np.isfinite(v) else "–" for v in (pair.shortest, pair.median, pair.longest)),
    )


def in_order(found: Iterable[Finding]) -> tuple[Finding, ...]:
    """The most severe first, otherwise as they came."""
    return tuple(sorted(found, key=lambda one: SEVERITIES.index(one.severity)))

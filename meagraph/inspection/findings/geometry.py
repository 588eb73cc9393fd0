"""What the pass over all pairs of atoms finds: overlapping, crowded and lonely atoms, forces that cannot be zero."""

from __future__ import annotations

import dataclasses

import numpy as np
from ase.data import chemical_symbols
from numpy.typing import NDArray

from meagraph.datasets import AtomicDataset
from meagraph.duplicates.thresholds import CROWDED, CUTOFF
from meagraph.inspection.findings.finding import Distribution, Finding, Pair, Severity, distribution, finding
from meagraph.inspection.findings.labels import first_structures, strongest
from meagraph.inspection.findings.neighbours import BINS, GRID, Seen
from meagraph.inspection.findings.thresholds import BOND, LOPSIDED, OVERLAP, SHORT
from meagraph.inspection.findings.words import count, have
from meagraph.inspection.summaries import Histogram


def measured(pairs: tuple[Pair, ...], seen: Seen) -> tuple[Pair, ...]:
    """The pairs of elements with how often they are neighbours, and how far apart then."""
    return tuple(_measure(pair, seen, code) for code, pair in enumerate(pairs))


def _measure(pair: Pair, seen: Seen, code: int) -> Pair:
    total, counts = int(seen.neighbours[code]), seen.lengths[code]
    if not total:
        return dataclasses.replace(pair, neighbours=0)
    shortest, longest = seen.limits[code].tolist()
    used = np.flatnonzero(counts)
    shown = slice(int(used[0]), int(used[-1]) + 1)
    middle = (np.searchsorted(np.cumsum(counts), total / 2) + 0.5) * GRID
    edges = np.asarray(np.arange(BINS + 1)[shown.start : shown.stop + 1] * GRID, dtype=np.float64)
    lengths = Histogram(edges, np.empty(0, dtype=np.int16), False, counts[shown])
    median = float(np.clip(middle, shortest, longest))
    return dataclasses.replace(
        pair, neighbours=total, shortest=shortest, median=median, longest=longest, lengths=lengths
    )


def distributions(seen: Seen) -> list[Distribution]:
    """Of the shortest distance in each structure."""
    return distribution("shortest", "Shortest distance", "sum of covalent radii", "structure", seen.ratio)


def findings(dataset: AtomicDataset, seen: Seen, pairs: tuple[Pair, ...]) -> list[Finding]:
    """All that the pass tells."""
    return [*_short(dataset, seen), *_crowded(seen), *_alone(dataset, seen), *_still(dataset, seen), *_unseen(pairs)]


def _short(dataset: AtomicDataset, seen: Seen) -> list[Finding]:
    found = []
    ratio = np.nan_to_num(seen.ratio, nan=np.inf)
    kinds: tuple[tuple[str, Severity, float, float, str], ...] = (
        ("overlap", "error", -1.0, OVERLAP, "lie on each other"),
        ("short-distance", "warning", OVERLAP, SHORT, "are very close"),
    )
    for key, severity, low, high, words in kinds:
        where = strongest(-ratio, (ratio >= low) & (ratio < high))
        if not len(where):
            continue
        worst = int(where[0])
        symbols = "–".join(chemical_symbols[dataset.numbers[row]] for row in seen.closest[worst])
        text = (
            f"In {count(len(where), 'structure')} two atoms {words}: {symbols} down to {seen.distance[worst]:.3f} Å, "
            f"{ratio[worst]:.2f} of the sum of their covalent radii (counted below {high:g})."
        )
        found.append(finding(key, severity, text, where, seen.closest[where].ravel()))
    return found


def _crowded(seen: Seen) -> list[Finding]:
    where = np.flatnonzero(seen.reach < CUTOFF)
    if not len(where):
        return []
    text = (
        f"{count(len(where), 'structure')} {have(len(where))} more than {CROWDED:,} atoms within {CUTOFF:g} Å of one: "
        "are cell and positions in Å?"
    )
    return [finding("crowded", "error", text, where)]


def _alone(dataset: AtomicDataset, seen: Seen) -> list[Finding]:
    """Atoms by themselves in structures of several, where the whole cutoff was looked at."""
    rows = np.flatnonzero(seen.alone & ((dataset.sizes > 1) & (seen.reach == CUTOFF))[dataset.structure_of])
    if not len(rows):
        return []
    where = first_structures(dataset, rows)
    text = (
        f"{count(len(rows), 'atom')} in {count(len(where), 'structure')} {have(len(rows))} no other atom within "
        f"{CUTOFF:g} Å."
    )
    return [finding("alone", "note", text, where, rows)]


def _still(dataset: AtomicDataset, seen: Seen) -> list[Finding]:
    rows: NDArray[np.int64] = np.flatnonzero(seen.lopsided > LOPSIDED)
    if not len(rows):
        return []
    where = first_structures(dataset, rows)
    text = (
        f"{count(len(rows), 'atom')} in {count(len(where), 'structure')} {have(len(rows))} a force of exactly zero "
        "although no symmetry holds it there."
    )
    return [finding("zero-force", "warning", text, where, rows)]


def _unseen(pairs: tuple[Pair, ...]) -> list[Finding]:
    never = [pair.name for pair in pairs if not pair.neighbours]
    if not never or len(never) == len(pairs):
        return []
    named = ", ".join(never[:6]) + (f" and {len(never) - 6:,} more" if len(never) > 6 else "")
    verb = "never occurs" if len(never) == 1 else "never occur"
    text = (
        f"{len(never):,} of {len(pairs):,} pairs of elements {verb} as neighbours (within {BOND:g} of the sum of their "
        f"covalent radii): {named}."
    )
    return [finding("unseen-pairs", "note", text)]

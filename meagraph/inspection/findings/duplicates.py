"""Structures that repeat others, exactly or as good as, within and across files, and whether their labels agree."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from meagraph.datasets import AtomicDataset
from meagraph.duplicates.repeats import Duplicates
from meagraph.duplicates.thresholds import CUTOFF, SAME, SAME_ENERGY, SAME_FORCE
from meagraph.inspection.findings.finding import Finding, finding
from meagraph.inspection.findings.words import count

NAMED = 3  # pairs of files


def exact(dataset: AtomicDataset) -> list[Finding]:
    """Structures whose elements, positions and cell are those of an earlier one."""
    repeats = np.flatnonzero(dataset.first_equal != np.arange(dataset.n_structures))
    if not len(repeats):
        return []
    verb = "repeats" if len(repeats) == 1 else "repeat"
    total = f"{len(repeats):,} of {dataset.n_structures:,} structures"
    text = f"{total} {verb} an earlier one exactly: elements, positions, cell."
    return [finding("duplicates", "warning", text, repeats)]


def alike(found: Duplicates) -> list[Finding]:
    """Structures that are an earlier one but for how they lie, and such as are as good as an earlier one."""
    total, said = f"of {found.dataset.n_structures:,} structures", []
    symmetric, near = (np.flatnonzero(found.repeats(kind)) for kind in ("symmetric", "near"))
    if len(symmetric):
        verb = "is an earlier one" if len(symmetric) == 1 else "are earlier ones"
        text = (
            f"{len(symmetric):,} {total} {verb} turned, mirrored, moved, renumbered or in another cell: all atoms lie "
            "on each other."
        )
        said.append(finding("symmetric-duplicates", "warning", text, symmetric))
    if len(near):
        verb = "is a near duplicate" if len(near) == 1 else "are near duplicates"
        text = (
            f"{len(near):,} {total} {verb} of an earlier one: distances to neighbours within {CUTOFF:g} Å agree to "
            f"{found.distance:g} Å."
        )
        said.append(finding("near-duplicates", "note", text, near))
    return said


def across_files(found: Duplicates) -> list[Finding]:
    """Structures that another file holds as well; isolated atoms stand in every file of a training set."""
    data = found.dataset
    files = data.source_index
    here = (files[found.structure] != files[found.of]) & ~data.isolated[found.structure]
    if not here.any():
        return []
    pairs, sizes = np.unique(
        np.column_stack([files[found.structure], files[found.of]])[here], axis=0, return_counts=True
    )
    paths = [source.path or data.name for source in data.sources]
    named = [
        f"{sizes[row]:,} of {paths[pairs[row, 0]]} in {paths[pairs[row, 1]]}"
        for row in np.argsort(-sizes, kind="stable")[:NAMED]
    ]
    more = f" and {len(sizes) - NAMED} more pairs of files" if len(sizes) > NAMED else ""
    text = f"{count(int(here.sum()), 'structure')} {'stands' if here.sum() == 1 else 'stand'} in another file as well: "
    return [finding("across-files", "warning", f"{text}{', '.join(named)}{more}.", found.structure[here])]


def disagreeing(found: Duplicates) -> list[Finding]:
    """Structures of one geometry with different energies or forces, the worst first."""
    by_energy, by_force = (np.nan_to_num(column) for column in found.labels[:, :2].T)
    geometry = found.apart <= SAME
    wrong = geometry & ((by_energy > SAME_ENERGY) | (by_force > SAME_FORCE))
    if not wrong.any():
        return []
    worst = np.maximum(by_energy / SAME_ENERGY, by_force / SAME_FORCE)[wrong]
    order = np.argsort(-worst, kind="stable")
    concerned = _each_once(np.column_stack([found.of[wrong][order], found.structure[wrong][order]]).ravel())
    text = (
        f"{count(len(concerned), 'structure')} have the geometry of another (to {SAME:g} Å) but other labels: by up to "
        f"{by_energy[geometry].max():.3g} eV/atom and {by_force[geometry].max():.3g} eV/Å (allowed: {SAME_ENERGY:g} "
        f"and {SAME_FORCE:g})."
    )
    return [finding("labels-disagree", "warning", text, concerned)]


def _each_once(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Values in the order in which they come first."""
    _, first = np.unique(values, return_index=True)
    return values[np.sort(first)]

"""Look through a dataset, in two stages: what takes a moment, and what needs all pairs of atoms."""

from __future__ import annotations

import dataclasses

from meagraph.datasets import AtomicDataset
from meagraph.duplicates.repeats import find_duplicates, find_exact
from meagraph.inspection.findings import contents, duplicates, geometry, labels
from meagraph.inspection.findings.energies import far_energies
from meagraph.inspection.findings.finding import Findings, in_order
from meagraph.inspection.findings.neighbours import look_around
from meagraph.inspection.findings.stresses import stresses
from meagraph.progress import Progress, part, silent


def examine_labels(dataset: AtomicDataset) -> Findings:
    """What can be told without neighbours, in a moment: counts, labels, exact duplicates."""
    found = [
        *labels.missing(dataset),
        *duplicates.disagreeing(find_exact(dataset)),
        *labels.forces(dataset),
        *far_energies(dataset),
        *duplicates.exact(dataset),
    ]
    return Findings(
        name=dataset.name,
        n_structures=dataset.n_structures,
        n_environments=dataset.n_environments,
        sizes=(int(dataset.sizes.min()), int(dataset.sizes.max())),
        elements=contents.elements(dataset),
        pairs=contents.pairs(dataset),
        groups=dataset.group_table(),
        periodic=contents.periodicity(dataset),
        coverage=labels.coverage(dataset),
        distributions=contents.distributions(dataset),
        found=in_order(found),
        complete=False,
    )


def examine(dataset: AtomicDataset, *, first: Findings | None = None, progress: Progress = silent) -> Findings:
    """Everything that a careful look at structures and labels finds, before anything is computed of them.

    About a second for 50,000 environments. Distances, pairs of elements as neighbours, and duplicates but for rotation
    and order come from one pass over all pairs of atoms within 5 Å; memory stays at 50 bytes an environment beyond
    that of the pairs of 20,000, or of the largest structure. ``first`` is what :func:`examine_labels` has found, where
    that is known.
    """
    progress(0, 1000, "findings: labels")
    first = first or examine_labels(dataset)
    seen = look_around(dataset, progress=part(progress, 0.1, 0.8))
    repeats = find_duplicates(dataset, prints=seen.prints, progress=part(progress, 0.8, 1.0))
    pairs = geometry.measured(first.pairs, seen)
    kept = [one for one in first.found if one.key != "labels-disagree"]  # told anew, of moved copies too
    found = [
        *duplicates.disagreeing(repeats),
        *geometry.findings(dataset, seen, pairs),
        *kept,
        *stresses(dataset),
        *duplicates.across_files(repeats),
        *duplicates.alike(repeats),
    ]
    return dataclasses.replace(
        first,
        pairs=pairs,
        distributions=(*first.distributions, *geometry.distributions(seen)),
        found=in_order(found),
        complete=True,
    )

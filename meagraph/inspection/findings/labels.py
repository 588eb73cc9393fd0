"""Labels: what is there, what is missing, what cannot be."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from meagraph.datasets import AtomicDataset
from meagraph.inspection.findings.finding import Coverage, Finding, finding
from meagraph.inspection.findings.thresholds import NET_FORCE, STRONG
from meagraph.inspection.findings.words import count, have, lack


def coverage(dataset: AtomicDataset) -> tuple[Coverage, ...]:
    """How many structures and atoms have energy, forces and stress."""
    stress = np.isfinite(dataset.stress).all(axis=(1, 2))
    with_forces = int(np.isfinite(dataset.forces).all(axis=1).sum())
    return (
        Coverage("energy", int(np.isfinite(dataset.energy).sum()), dataset.n_structures, "structures"),
        Coverage("forces", with_forces, dataset.n_environments, "atoms"),
        Coverage("stress", int(stress.sum()), dataset.n_structures, "structures"),
    )


def missing(dataset: AtomicDataset) -> list[Finding]:
    """Frames that were left out, and labels that are not there."""
    found = []
    records = dataset.quarantined
    if records:
        text = (
            f"{count(len(records), 'frame')} could not be read and {'is' if len(records) == 1 else 'are'} left out; "
            f"the first: {records[0].cause}"
        )
        found.append(finding("quarantined", "error", text))
    energy = np.isfinite(dataset.energy)
    known = np.isfinite(dataset.forces).all(axis=1)
    inside = np.add.reduceat(known, dataset.offsets[:-1], dtype=np.int64)
    for key, label, none in (("no-energy", "energy", ~energy), ("no-forces", "forces", inside == 0)):
        if none.any():
            text = lack(int(none.sum()), dataset.n_structures, label)
            found.append(finding(key, "warning", text, np.flatnonzero(none)))
    partly = (inside > 0) & (inside < dataset.sizes)
    if partly.any():
        rows = np.flatnonzero(~known & partly[dataset.structure_of])
        structures = int(partly.sum())
        text = f"{count(structures, 'structure')} {have(structures)} forces on some atoms only: {len(rows):,} lack one."
        found.append(finding("partial-forces", "warning", text, np.flatnonzero(partly), rows))
    bulk, stressed = dataset.periodic.all(axis=1), np.isfinite(dataset.stress).all(axis=(1, 2))
    none = bulk & ~stressed
    if stressed.any() and none.any():
        text = (
            f"{int(none.sum()):,} of {int(bulk.sum()):,} structures that are periodic in all directions have no stress."
        )
        found.append(finding("no-stress", "note", text, np.flatnonzero(none)))
    return found


def forces(dataset: AtomicDataset) -> list[Finding]:
    """Forces that do not add up to zero, and strong ones."""
    found = []
    total = np.linalg.norm(np.add.reduceat(dataset.forces, dataset.offsets[:-1], axis=0), axis=1)
    with np.errstate(invalid="ignore"):
        off = total / dataset.sizes > NET_FORCE
    if off.any():
        worst = strongest(total, off)
        text = (
            f"In {count(len(worst), 'structure')} the forces do not add up to zero: up to {total[worst[0]]:.3g} eV/Å "
            f"are left (counted above {1000 * NET_FORCE:g} meV/Å an atom)."
        )
        found.append(finding("net-force", "warning", text, worst))
    length = np.linalg.norm(dataset.forces, axis=1)
    with np.errstate(invalid="ignore"):
        strong = length > STRONG
    if strong.any():
        rows = strongest(length, strong)
        atoms = count(len(rows), "atom")
        text = f"{atoms} {have(len(rows))} a force above {STRONG:g} eV/Å, up to {length[rows[0]]:.4g} eV/Å."
        found.append(finding("strong-force", "note", text, first_structures(dataset, rows), rows))
    return found


def first_structures(dataset: AtomicDataset, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """The structures of environments ``rows``, each once, in the order in which they come."""
    structures, first = np.unique(dataset.structure_of[rows], return_index=True)
    return np.asarray(structures[np.argsort(first)])


def strongest(values: NDArray[np.float64], mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Places of ``mask``, the largest value first."""
    places = np.flatnonzero(mask)
    return np.asarray(places[np.argsort(-values[places], kind="stable")])

"""Energies against what the composition alone lets expect."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from meagraph.datasets import AtomicDataset
from meagraph.duplicates.thresholds import CUTOFF
from meagraph.inspection.findings.contents import presence
from meagraph.inspection.findings.finding import Finding, Severity, finding
from meagraph.inspection.findings.labels import strongest
from meagraph.inspection.findings.thresholds import FAR, FAR_LEAST, FAR_SHARE
from meagraph.inspection.findings.words import count

ROUNDS = 30
ENOUGH = 10  # structures of a composition, fewer tell no usual energy
STEP = 0.05  # of the share of an element: compositions are equal within this
TINY = 1e-6  # eV/atom


def composition_fit(dataset: AtomicDataset, used: NDArray[np.bool_]) -> NDArray[np.float64]:
    """What is left (S,) of the energies in eV/atom after one energy an element, fitted to ``used`` (S,).

    Least absolute deviations, by weights that are renewed (E. J. Schlossmacher, J. Am. Stat. Assoc. 68, 857, 1973): a
    minority of wrong energies does not move the fit. NaN where there is no energy.
    """
    share = presence(dataset) / dataset.sizes[:, None]
    energy = dataset.energy / dataset.sizes
    x, y = share[used], energy[used]
    weight = np.ones(len(y))
    for _ in range(ROUNDS):
        root = np.sqrt(weight)
        solution, *_ = np.linalg.lstsq(root[:, None] * x, root * y, rcond=None)
        weight = 1.0 / np.maximum(np.abs(y - x @ solution), TINY)
    return np.asarray(energy - share @ solution)


def alone_of(dataset: AtomicDataset) -> NDArray[np.bool_]:
    """Structures (S,) that are one atom by itself: no image of it lies within the cutoff."""
    result: NDArray[np.bool_] = dataset.sizes == 1
    for structure in np.flatnonzero(result):
        cell = dataset.structures.cells[structure][dataset.periodic[structure]]
        lengths = np.linalg.norm(cell, axis=1)
        result[structure] = not (lengths <= CUTOFF).any()
    return result


def far_energies(dataset: AtomicDataset) -> list[Finding]:
    """Energies far below the fit, which nothing in nature explains, and strays far above it.

    Only compositions are judged that enough structures have: where one differs from all others, so may its energy.
    """
    usable = np.isfinite(dataset.energy) & ~alone_of(dataset)
    shares = np.rint(presence(dataset) / dataset.sizes[:, None] / STEP).astype(np.int64)
    _, which, counts = np.unique(shares[usable], axis=0, return_inverse=True, return_counts=True)
    used = usable.copy()
    used[usable] = counts[which.reshape(-1)] >= ENOUGH
    if not used.any():
        return []
    left = composition_fit(dataset, used)
    spread = 1.4826 * float(np.median(np.abs(left[used] - np.median(left[used]))))
    limit = max(FAR * spread, FAR_LEAST)
    found = []
    sides: tuple[tuple[int, str, Severity, str], ...] = (
        (-1, "low-energy", "warning", "below"),
        (1, "high-energy", "note", "above"),
    )
    for sign, key, severity, side in sides:
        far = strongest(sign * left, used & (np.nan_to_num(sign * left) > limit))
        if not len(far) or (sign > 0 and len(far) >= FAR_SHARE * dataset.n_structures):
            continue
        text = (
            f"{count(len(far), 'structure')} {'lies' if len(far) == 1 else 'lie'} up to {abs(left[far[0]]):.4g} "
            f"eV/atom {side} the energy that the composition lets expect (counted from {limit:.3g} eV/atom)."
        )
        found.append(finding(key, severity, text, far))
    return found

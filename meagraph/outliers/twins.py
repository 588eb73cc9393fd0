"""Structures that are as good as equal but whose labels disagree."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from meagraph.datasets import AtomicDataset
from meagraph.outliers.alike import Alike
from meagraph.outliers.calibration import LIMIT
from meagraph.outliers.signals import Signal, shared_signal

EQUAL = 1e-3  # distance of mean and spread of the descriptors, in units of the usual variation, for near-duplicates
PARTNERS = 4  # nearest structures in which twins are looked for
ENERGY_NOISE = 0.003  # eV/atom between equal calculations
FORCE_NOISE = 0.03  # eV/Å, root mean square
ENERGIES = "energies differ by {value:.3g} eV/atom"


def disagreement(
    alike: Alike,
    dataset: AtomicDataset,
    away: NDArray[np.float64] | None = None,
    sound: NDArray[np.bool_] | None = None,
) -> list[Signal]:
    """Labels against those of a twin: a structure of equal composition and size with the same geometry.

    Of several twins the one counts whose labels differ least: one wrong copy of three does not incriminate the others.
    Of two whose energies differ the one to blame is that which lies farther ``away`` (S,) from what all others suggest,
    in eV/atom; the other is suspected as much less as it lies nearer. What is ``sound`` (S,) is not suspected beside a
    twin of a family that is off. Forces are compared by their magnitudes in order, which neither turning nor another
    order of atoms changes.
    """
    signals = []
    pairs = twins(alike, dataset)
    energy = dataset.energy / dataset.sizes
    apart = [np.abs(energy[pairs[:, 0]] - energy[pairs[:, 1]]), forces_apart(pairs, dataset)]
    for name, noise, label, gap in (
        ("energy of a twin", ENERGY_NOISE, ENERGIES, apart[0]),
        ("forces of a twin", FORCE_NOISE, "forces differ by {value:.3g} eV/Å", apart[1]),
    ):
        least, partner = _least(gap, pairs, dataset.n_structures)
        deviation = np.clip(np.nan_to_num(least) / noise - 1.0, 0.0, LIMIT)
        if away is not None and label is ENERGIES:
            own, other = np.abs(away), np.abs(away[partner])
            deviation *= np.where(own < other, own / np.where(other > 0.0, other, 1.0), 1.0)
        if sound is not None:
            deviation[(partner >= 0) & sound & ~sound[partner]] = 0.0
        words = f"its structure is as good as equal to structure {{partner}}, but their {label}"
        signals.append(shared_signal(name, least, deviation, words, dataset, partner))
    return signals


def twins(alike: Alike, dataset: AtomicDataset) -> NDArray[np.int64]:
    """Ordered pairs (P, 2) of structures with the same geometry but for rounding, both (a, b) and (b, a)."""
    count = min(PARTNERS + 1, dataset.n_structures)
    distance, near = KDTree(alike.shape).query(alike.shape, k=count, distance_upper_bound=EQUAL, workers=-1)
    distance, near = distance.reshape(-1, count), near.reshape(-1, count)
    first, column = np.nonzero(np.isfinite(distance))
    second = near[first, column]
    elements = dataset.compositions
    equal = (first != second) & (elements[first] == elements[second])
    pairs = np.column_stack([first, second])[equal]
    return np.unique(np.concatenate([pairs, pairs[:, ::-1]]), axis=0).astype(np.int64)


def forces_apart(pairs: NDArray[np.int64], dataset: AtomicDataset) -> NDArray[np.float64]:
    """Root mean square difference (P,) in eV/Å of the ordered force magnitudes of two structures of equal size."""
    apart = np.empty(len(pairs))
    magnitude, sizes = np.linalg.norm(dataset.forces, axis=1), dataset.sizes
    for size in np.unique(sizes[pairs[:, 0]]):
        here = np.flatnonzero(sizes[pairs[:, 0]] == size)
        structures, place = np.unique(pairs[here], return_inverse=True)
        ordered = np.sort(magnitude[dataset.offsets[structures][:, None] + np.arange(size)], axis=1)
        one, two = ordered[place.reshape(-1, 2).T]
        apart[here] = np.sqrt(np.mean((one - two) ** 2, axis=1))
    return apart


def _least(
    gap: NDArray[np.float64], pairs: NDArray[np.int64], total: int
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Smallest known ``gap`` (P,) of each of ``total`` structures, NaN for none, and the twin it belongs to, -1."""
    least, partner = np.full(total, np.nan), np.full(total, -1)
    known = np.flatnonzero(np.isfinite(gap))
    order = known[np.argsort(-gap[known], kind="stable")]  # the last one that is written stays
    least[pairs[order, 0]], partner[pairs[order, 0]] = gap[order], pairs[order, 1]
    return least, partner

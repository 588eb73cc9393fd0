"""Signals of geometry, each against the structures that are alike: distances, coordination, volume."""

from __future__ import annotations

import numpy as np

from meagraph.datasets import AtomicDataset
from meagraph.force_field.observing import Observed
from meagraph.outliers.alike import Alike
from meagraph.outliers.calibration import at_least_zero
from meagraph.outliers.signals import Signal, own_signal, shared_signal

DISTANCE_NOISE = 0.02  # relative; smaller differences of distances are never suspicious
COORDINATION_NOISE = 0.5  # atoms
VOLUME_NOISE = 0.03  # relative
VOLUME = "its structure has {value:,.1f} Å³ an atom, unlike alike structures"


def short_distance(seen: Observed, alike: Alike, dataset: AtomicDataset) -> Signal:
    """Distance to the nearest atom, relative to the usual one of the element."""
    short = -np.log(seen.nearest)
    for species in dataset.species:
        rows = dataset.numbers == species
        if np.isfinite(short[rows]).any():
            short[rows] -= np.nanmedian(short[rows])
    words = "its nearest atom is only {value:.3g} Å away"
    return own_signal("short distance", seen.nearest, alike.largest_deviation(short, DISTANCE_NOISE), words, dataset)


def coordination(seen: Observed, alike: Alike, dataset: AtomicDataset) -> Signal:
    """Atoms in the first shell, more or fewer than an atom of the element usually has."""
    away = np.empty(dataset.n_environments)
    for species in dataset.species:
        rows = dataset.numbers == species
        away[rows] = np.abs(seen.coordination[rows] - np.median(seen.coordination[rows]))
    words = "it has {value:.1f} atoms in its first shell, unlike atoms of alike structures"
    away[dataset.isolated[dataset.structure_of]] = np.nan  # as it must be
    deviation = alike.largest_deviation(away, COORDINATION_NOISE)
    return own_signal("coordination", seen.coordination, deviation, words, dataset)


def volume(alike: Alike, dataset: AtomicDataset) -> Signal:
    """Volume per atom of structures that are periodic in all directions, beyond all but one of the alike structures.

    An isolated atom has no volume of its own.
    """
    size = np.where(dataset.isolated, np.nan, dataset.volumes / dataset.sizes)
    own = np.log(size)
    around = own[alike.near]
    if around.shape[1] < 3:
        return shared_signal("volume", size, np.zeros(len(own)), VOLUME, dataset)
    around = np.sort(around, axis=1)  # NaN last
    known = np.isfinite(around).sum(axis=1)
    low, high = around[:, 1], around[np.arange(len(own)), np.maximum(known, 2) - 2]
    low, high = np.where(known < 3, np.nan, (low, high))
    _, spread = alike.usual(own)
    deviation = at_least_zero(np.maximum(own - high, low - own) / np.hypot(spread, VOLUME_NOISE))
    return shared_signal("volume", size, deviation, VOLUME, dataset)

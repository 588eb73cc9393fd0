"""Signals of predictions: a model's error far beyond that of its neighbours says that the label is wrong.

A large error alone says nothing: where data is thin every model errs. So each error is compared with those on the
nearest environments of the same element in other structures, and how far it may lie beyond them grows with how far
away those are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from meagraph.datasets import AtomicDataset
from meagraph.errors import MEAGraphError
from meagraph.graph.condensation import Points
from meagraph.outliers.alike import Alike, alike_structures, row_medians
from meagraph.outliers.calibration import at_least_zero
from meagraph.outliers.scoring import NOISE_SHARE
from meagraph.outliers.signals import ALARM, Outliers, Signal, own_signal, shared_signal

NAMES = ("error of the force", "errors of the forces", "error of the energy")  # of the signals
NEIGHBOURS = 16  # environments of other structures that each is compared with
LOOKED = 48  # nearest environments among which those are looked for
REFERENCE = 50_000  # environments of an element at most among which neighbours are looked for
SPREAD = 0.3  # of the logarithm of an error; a smaller difference is never suspicious
SMALL = 0.1  # of the usual error; errors below are equal
LEAST = 1e-4  # eV/Å; the same, whatever the usual error
ENERGY_NOISE = 0.001  # eV/atom; a smaller difference is never suspicious


def prediction_signals(
    points: Points,
    dataset: AtomicDataset,
    energy: NDArray[np.float64],
    force: NDArray[np.float64],
    *,
    alike: Alike | None = None,
    seed: int = 0,
) -> list[Signal]:
    """Signals of the errors of a model: of one force, of all forces of a structure, of its energy.

    ``energy`` (S,) is predicted minus reference in eV/atom, ``force`` (N,) the length of the difference in eV/Å; NaN
    where it is not known. What is not known at all gives no signal. ``points`` (N, D) are the descriptors with columns
    of unit norm. Raises MEAGraphError where the arrays do not fit the dataset.
    """
    if energy.shape != (dataset.n_structures,) or force.shape != (dataset.n_environments,):
        raise MEAGraphError(
            f"Expected errors of {dataset.n_structures:,} energies and {dataset.n_environments:,} forces, but they "
            f"have shapes {energy.shape} and {force.shape}. Take them from predictions of this dataset."
        )
    alike = alike_structures(points, dataset) if alike is None else alike
    signals = []
    if np.isfinite(force).any():
        signals += _forces(force, points, alike, dataset, seed)
    if np.isfinite(energy).any():
        signals.append(_energy(energy, alike, dataset))
    return signals


def joined(outliers: Outliers, signals: Sequence[Signal]) -> Outliers:
    """``outliers`` with more ``signals``, each judged by its own tail; scores can only rise."""
    if not signals:
        return outliers
    quiet = outliers.unclustered & (outliers.score < 1.0)  # their scores hold a share for being in no cluster
    strongest = np.where(quiet, (outliers.score - NOISE_SHARE) / (1.0 - NOISE_SHARE), outliers.score)
    strongest = np.max([strongest, *(signal.rarity / ALARM for signal in signals)], axis=0)
    quiet = outliers.unclustered & (strongest < 1.0)
    score = strongest + NOISE_SHARE * quiet * (1.0 - strongest)
    return replace(outliers, score=score, signals=(*outliers.signals, *signals))


def _forces(
    force: NDArray[np.float64], points: Points, alike: Alike, dataset: AtomicDataset, seed: int
) -> list[Signal]:
    usual = float(np.median(force[np.isfinite(force)]))
    size = np.log(np.maximum(force, max(SMALL * usual, LEAST)))
    median, spread, away = _neighbours(size, alike.means.components(points), dataset, seed)
    beyond = size - median
    own = "the model is {value:.3g} eV/Å off the force on it, far more than on alike atoms of other structures"
    deviation = at_least_zero(beyond / np.hypot(spread, SPREAD * away))
    atom = own_signal(NAMES[0], force, deviation, own, dataset)

    first, known = dataset.offsets[:-1], np.isfinite(beyond)
    count = np.add.reduceat(known, first, dtype=np.int64)

    def mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
        total = np.add.reduceat(np.where(known, values, 0.0), first)
        return np.where(count > 0, total / np.maximum(count, 1), np.nan)

    shift, reach = mean(beyond), mean(away)
    middle = np.maximum(np.nan_to_num(alike.usual(shift)[0]), 0.0)  # what alike structures have in common is no sign
    words = "the model is {value:.3g} times as far off the forces of its structure as off those of alike atoms"
    whole = shared_signal(
        NAMES[1],
        np.exp(shift),
        at_least_zero((shift - middle) / (SPREAD * reach)),
        words,
        dataset,
    )
    return [atom, whole]


def _energy(energy: NDArray[np.float64], alike: Alike, dataset: AtomicDataset) -> Signal:
    """The error of the energy per atom beside those of alike structures, whose common offset is no sign."""
    median, spread = alike.usual(energy)
    everything = float(np.nanmedian(energy))
    beside = energy - np.where(np.isfinite(median), median, everything)
    usual = 1.4826 * float(np.nanmedian(np.abs(energy - everything)))
    doubt = np.hypot(np.where(np.isfinite(spread), spread, usual), ENERGY_NOISE) * _thinness(alike)
    words = "the model is {value:+.3g} eV/atom off the energy of its structure, beside alike structures"
    return shared_signal(NAMES[2], beside, at_least_zero(np.abs(beside) / doubt), words, dataset)


def _thinness(alike: Alike) -> NDArray[np.float64]:
    """How far the alike structures of each are (S,), by :func:`thinness`."""
    if alike.near.shape[1] == 0:
        return np.ones(len(alike.near))
    reach = np.sqrt(np.mean(((alike.shape[alike.near] - alike.shape[:, None]) ** 2).sum(axis=2), axis=1))
    return thinness(reach)


def thinness(reach: NDArray[np.float64]) -> NDArray[np.float64]:
    """By how much more than usual an error may differ from those at a distance ``reach`` (n,): sqrt(reach / usual).

    At least 1, also where all distances are 0; NaN where the distance is.
    """
    usual = float(np.nanmedian(reach)) if np.isfinite(reach).any() else 0.0
    if usual == 0.0:
        return np.where(np.isfinite(reach), 1.0, np.nan)
    return np.asarray(np.sqrt(np.maximum(reach / usual, 1.0)))


def _neighbours(
    size: NDArray[np.float64], main: NDArray[np.float64], dataset: AtomicDataset, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Median and robust spread (N,) of ``size`` (N,) among the neighbours of each environment, and how far they are.

    Neighbours by the components ``main`` (N, C) are of the same element in other structures; the distance (N,) is the
    mean one over that which is usual for the element, by :func:`thinness`. NaN where there are none.
    """
    median, spread, away = (np.full(len(size), np.nan) for _ in range(3))
    rng = np.random.default_rng(seed)
    of = dataset.structure_of
    for number in dataset.species:
        rows = np.flatnonzero(dataset.numbers == number)
        known = rows[np.isfinite(size[rows])]
        if len(known) < 2:
            continue
        sample = known if len(known) <= REFERENCE else np.sort(rng.choice(known, REFERENCE, replace=False))
        count = min(LOOKED, len(sample))
        distance, near = KDTree(main[sample]).query(main[known], k=[*range(1, count + 1)], workers=-1)
        others = of[sample[near]] != of[known][:, None]
        others &= np.cumsum(others, axis=1) <= NEIGHBOURS
        around = np.where(others, size[sample[near]], np.nan)
        median[known] = row_medians(around)
        spread[known] = 1.4826 * row_medians(np.abs(around - median[known, None]))
        counts = others.sum(axis=1)
        reach = np.where(counts > 0, (distance * others).sum(axis=1) / np.maximum(counts, 1), np.nan)
        away[known] = thinness(reach)
    return median, spread, away

"""Signals of forces: of one atom, of a structure as a whole, and against the quick force field."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from meagraph.datasets import AtomicDataset
from meagraph.force_field.observing import Observed
from meagraph.outliers.alike import Alike
from meagraph.outliers.calibration import at_least_zero
from meagraph.outliers.signals import Signal, own_signal, shared_signal

FORCE_NOISE = 0.03  # eV/Å; a smaller misfit is never suspicious
SMALL_FORCE = 0.1  # eV/Å; forces well below are alike
NET_FORCE = 0.05  # eV/Å; below this a net force is noise of the electronic structure
SPREAD = 0.3  # of the logarithm of a force or misfit; a smaller difference is never suspicious
SLOPE_NOISE = 0.05  # of the ratio of forces to those expected
LARGEST = 10.0  # eV/Å at which misfits are cut off in the mean over a structure
TELLING = 3.0  # squares of the noise that the expected forces must add up to, to say anything of a ratio


def forces(seen: Observed, alike: Alike, dataset: AtomicDataset) -> list[Signal]:
    """All signals of forces."""
    return [
        _size(alike, dataset),
        _net_force(dataset),
        *_misfit(seen, alike, dataset),
    ]


def _size(alike: Alike, dataset: AtomicDataset) -> Signal:
    """Magnitude of the force on the atom, against the largest of alike structures."""
    size = np.linalg.norm(dataset.forces, axis=1)
    deviation = alike.largest_deviation(np.log(np.hypot(size, SMALL_FORCE)), SPREAD)
    words = "the force on it is {value:.3g} eV/Å, large for such a structure"
    return own_signal("force", size, deviation, words, dataset)


def _net_force(dataset: AtomicDataset) -> Signal:
    """Sum of all forces of the structure: zero, but for noise, wherever nothing acts from outside."""
    total = np.add.reduceat(dataset.forces, dataset.offsets[:-1], axis=0)
    net = np.linalg.norm(total, axis=1)
    deviation = at_least_zero(net / NET_FORCE - 1.0)  # a fixed scale: most datasets have hardly any net force
    words = "the forces of its structure add up to {value:.3g} eV/Å, not to zero"
    return shared_signal("net force", net, deviation, words, dataset)


def _misfit(seen: Observed, alike: Alike, dataset: AtomicDataset) -> list[Signal]:
    """Forces against those that the quick force field expects, each compared with the misfit of alike structures.

    Of one atom; of all atoms of a structure; and the slope of a line through zero of observed over expected forces. It
    is 1 but for the field's error: 0.02 for forces in Hartree/bohr, -1 for the wrong sign, near 0 for another order.
    """
    expected = seen.forces
    residual = np.linalg.norm(dataset.forces - expected, axis=1)
    usual = np.maximum(alike.usual(_mean(np.minimum(residual, LARGEST) ** 2, dataset) ** 0.5)[0], FORCE_NOISE)
    ratio = residual / usual[dataset.structure_of]
    own = "the force on it is {value:.3g} times as far from a quick model's as usual"
    logarithm = np.log(np.maximum(residual, FORCE_NOISE))
    atom = own_signal("force misfit", ratio, alike.largest_deviation(logarithm, SPREAD), own, dataset)

    size = np.maximum(_mean(np.minimum(residual, LARGEST) ** 2, dataset) ** 0.5, FORCE_NOISE)
    shared = "the forces of its structure are {value:.3g} times as far from a quick model's as usual"
    whole = shared_signal(
        "forces of the structure", size / usual, at_least_zero(alike.deviation(np.log(size), SPREAD)), shared, dataset
    )

    words = "the forces of its structure are {value:.2g} times those that a quick model expects"
    slope, beyond = slopes(
        seen, np.maximum(usual, 0.0 if seen.fitted is None else seen.fitted.residual), alike, dataset
    )
    return [atom, whole, shared_signal("force ratio", slope, beyond, words, dataset)]


def slopes(
    seen: Observed, error: NDArray[np.float64], alike: Alike, dataset: AtomicDataset
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Observed over expected forces (S,), the weighted median of atoms, and how far it is beyond what may be (S,).

    What is expected is wrong by about ``error`` (S,) in eV/Å, and where it is mostly error, as in a relaxed structure,
    sound forces may be any part of it, which is added to the doubt. A few atoms, as two too close, do not count for
    all.
    """
    first, of = dataset.offsets[:-1], dataset.structure_of
    square = np.where(np.isfinite(dataset.forces + seen.forces).all(axis=1), (seen.forces**2).sum(axis=1), 0.0)
    square = np.nan_to_num(square)
    known, noise = square > 0.0, error[of] ** 2
    ratio = np.where(known, (dataset.forces * seen.forces).sum(axis=1) / np.where(known, square, 1.0), 0.0)
    weight = np.where(known, square / (square + noise), 0.0)
    total, doubt, least = (
        np.add.reduceat(part, first)
        for part in (
            weight,
            np.where(known, weight**2 * noise / np.where(known, square, 1.0), 0.0),
            weight * np.clip(1.0 - noise / np.where(known, square, 1.0), 0.0, None),
        )
    )
    telling = np.add.reduceat(square, first) > TELLING * FORCE_NOISE**2
    whole = np.where(telling, total, 1.0)
    order = np.lexsort((ratio, of))
    upto = np.cumsum(weight[order])
    half = np.r_[0.0, upto[dataset.offsets[1:-1] - 1]] + 0.5 * total
    middle = np.clip(np.searchsorted(upto, half), first, dataset.offsets[1:] - 1)
    slope = np.where(telling, ratio[order[middle]], np.nan)
    median, spread = alike.usual(slope)
    median = np.where(np.isfinite(median), median, 1.0)
    square = doubt / whole**2 + (1.0 - least / whole) ** 2 + SLOPE_NOISE**2 + np.nan_to_num(spread) ** 2
    return slope, at_least_zero(np.abs(slope - median) / np.sqrt(square))


def _mean(values: NDArray[np.float64], dataset: AtomicDataset) -> NDArray[np.float64]:
    """Mean (S,) over the environments of each structure, of what is known of ``values`` (N,); NaN where nothing is."""
    known = np.isfinite(values)
    total, count = (np.add.reduceat(part, dataset.offsets[:-1]) for part in (np.where(known, values, 0.0), known * 1.0))
    return np.asarray(np.where(count > 0, total / np.maximum(count, 1.0), np.nan))

"""Energies and pressures against a robust fit to all others, and against alike structures."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from meagraph.datasets import AtomicDataset
from meagraph.force_field.field import Observed
from meagraph.outliers.alike import Alike
from meagraph.outliers.calibration import at_least_zero
from meagraph.outliers.fitting import misfit
from meagraph.outliers.held_out import HeldOut
from meagraph.outliers.signals import Signal, shared_signal

ENERGY_NOISE = 0.003  # eV/atom; a smaller difference is never suspicious
PRESSURE_NOISE = 0.3  # GPa; the same


def energy(
    points: NDArray[np.float64], seen: Observed, alike: Alike, dataset: AtomicDataset, sound: NDArray[np.bool_] | None
) -> Signal:
    """Energy per atom against a fit, and how far the misfit is from that of alike structures.

    The tail is that of the structures ``sound`` (S,), those of no family that is off.
    """
    residual = misfit(dataset.energy / dataset.sizes, points, seen, alike, dataset)
    words = "the energy of its structure is {value:+.3g} eV/atom away from what alike structures suggest"
    return _against_alike("energy", residual, ENERGY_NOISE, words, alike, dataset, sound)


def energy_held_out(known: NDArray[np.int64], fit: HeldOut, sound: NDArray[np.bool_], dataset: AtomicDataset) -> Signal:
    """Energy per atom against what forces and all other structures suggest, in units of what is usual in its family."""
    value, deviation = np.full(dataset.n_structures, np.nan), np.zeros(dataset.n_structures)
    value[known] = fit.inside
    deviation[known] = at_least_zero(np.abs(fit.inside) / fit.usual)
    words = "the energy of its structure is {value:+.3g} eV/atom away from what forces and all others suggest"
    return shared_signal("energy at large", value, deviation, words, dataset, among=sound)


def pressure(points: NDArray[np.float64], seen: Observed, alike: Alike, dataset: AtomicDataset) -> Signal:
    """Pressure of the labelled stress against a fit, and how far the misfit is from that of alike structures.

    A stress of the wrong sign or in another unit is one, too, that does not go with its structure.
    """
    residual = misfit(dataset.pressures, points, seen, alike, dataset)
    words = "the pressure of its structure is {value:+.3g} GPa away from what alike structures suggest"
    return _against_alike("stress", residual, PRESSURE_NOISE, words, alike, dataset)


def _against_alike(
    name: str,
    residual: NDArray[np.float64],
    noise: float,
    words: str,
    alike: Alike,
    dataset: AtomicDataset,
    among: NDArray[np.bool_] | None = None,
) -> Signal:
    median, spread = alike.usual(residual)
    value = residual - np.nan_to_num(median)
    deviation = at_least_zero(np.abs(value) / np.hypot(np.nan_to_num(spread), noise))
    return shared_signal(name, value, deviation, words, dataset, among=among)

"""Energies and pressures against a robust fit to all others, and against alike structures."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from meagraph.datasets import AtomicDataset
from meagraph.force_field.observing import Observed
from meagraph.outliers.alike import Alike
from meagraph.outliers.calibration import at_least_zero
from meagraph.outliers.fitting import Misfit, misfit
from meagraph.outliers.signals import Signal, shared_signal

ENERGY_NOISE = 0.003  # eV/atom; a smaller difference is never suspicious
PRESSURE_NOISE = 0.3  # GPa; the same


def energy(
    residual: Misfit, alike: Alike, dataset: AtomicDataset, sound: NDArray[np.bool_] | None = None
) -> list[Signal]:
    """How far the misfit of the energy per atom to a fit is from that of alike structures, and from none.

    The first sees one wrong structure among its likes, the second those that are wrong together. Either tail is that
    of the structures ``sound`` (S,), those of no family that is off.
    """
    beside = "the energy of its structure is {value:+.3g} eV/atom away from what alike structures suggest"
    at_large = "the energy of its structure is {value:+.3g} eV/atom away from a fit to all others"
    away = residual.telling
    if np.isfinite(away).any():
        away = np.abs(away - np.nanmedian(away))
    usual = 1.4826 * np.nanmedian(away) if np.isfinite(away).any() else 0.0
    deviation = at_least_zero(away / np.hypot(usual, ENERGY_NOISE))
    return [
        _against_alike("energy", residual, ENERGY_NOISE, beside, alike, dataset, sound),
        shared_signal("energy at large", residual.away, deviation, at_large, dataset, among=sound),
    ]


def pressure(seen: Observed, alike: Alike, dataset: AtomicDataset) -> Signal:
    """Pressure of the labelled stress against a fit, and how far the misfit is from that of alike structures.

    A stress of the wrong sign or in another unit is one, too, that does not go with its structure.
    """
    residual = misfit(dataset.pressures, seen, alike, dataset)
    words = "the pressure of its structure is {value:+.3g} GPa away from what alike structures suggest"
    return _against_alike("stress", residual, PRESSURE_NOISE, words, alike, dataset)


def _against_alike(
    name: str,
    residual: Misfit,
    noise: float,
    words: str,
    alike: Alike,
    dataset: AtomicDataset,
    among: NDArray[np.bool_] | None = None,
) -> Signal:
    median, spread = alike.usual(residual.telling)
    away = residual.telling - np.nan_to_num(median)
    deviation = at_least_zero(np.abs(away) / np.hypot(np.nan_to_num(spread), noise))
    return shared_signal(name, away * residual.doubt, deviation, words, dataset, among=among)

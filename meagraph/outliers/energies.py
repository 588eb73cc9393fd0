"""Energies against a robust fit to all others, and against alike structures."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from meagraph.datasets import AtomicDataset
from meagraph.force_field.field import Observed
from meagraph.outliers.alike import Alike, per_structure
from meagraph.outliers.calibration import at_least_zero
from meagraph.outliers.signals import Signal, shared_signal

ENOUGH = 5  # structures for each coefficient that a further block of features would bring
FITTED = 20_000  # structures in the fit at most
RIDGE = 1e-8
ROUNDS = 5  # of reweighting
ENERGY_NOISE = 0.003  # eV/atom; a smaller difference is never suspicious


def energy(points: NDArray[np.float64], seen: Observed, alike: Alike, dataset: AtomicDataset) -> Signal:
    """Energy per atom against a fit, and how far the misfit is from that of alike structures.

    The fit is linear in composition and mean descriptors; in the energy features of the quick force field and in mean
    products of the descriptors' main components where there are structures enough for them.
    """
    sizes = dataset.sizes
    target = dataset.energy / sizes
    known = np.isfinite(target)
    residual = np.full(len(sizes), np.nan)
    if known.sum() > 2:
        shares = [np.add.reduceat(dataset.numbers == z, dataset.offsets[:-1]) / sizes for z in dataset.species]
        features = np.column_stack([*shares, per_structure(points, dataset)])
        blocks: tuple[Callable[[], NDArray[np.float64]], ...] = (
            lambda: seen.features,
            lambda: per_structure(_products(alike.main), dataset),
        )
        for block in blocks:
            more = block()
            if known.sum() > ENOUGH * (features.shape[1] + more.shape[1]):
                features = np.column_stack([features, more])
        features /= np.abs(features).max(axis=0) + np.finfo(float).tiny
        residual[known] = left_out(features[known], target[known])
    median, spread = alike.usual(residual)
    value = residual - np.nan_to_num(median)
    deviation = at_least_zero(np.abs(value) / np.hypot(np.nan_to_num(spread), ENERGY_NOISE))
    words = "the energy of its structure is {value:+.3g} eV/atom away from what alike structures suggest"
    return shared_signal("energy", value, deviation, words, dataset)


def _products(main: NDArray[np.float64]) -> NDArray[np.float64]:
    """Products (N, C (C + 1) / 2) of the main components (N, C) of the descriptors."""
    spread = main.std(axis=0)
    scaled = main / np.where(spread > 0.0, spread, 1.0)  # all alike: rounding must not be blown up
    first, second = np.triu_indices(main.shape[1])
    return np.asarray(scaled[:, first] * scaled[:, second])


def left_out(features: NDArray[np.float64], target: NDArray[np.float64], *, seed: int = 0) -> NDArray[np.float64]:
    """Residuals (S,) of a robust ridge regression of ``target`` (S,) on ``features`` (S, F) without the one itself.

    Leave-one-out, so a wrong energy does not hide behind its own weight; large residuals are down-weighted in a few
    rounds, so they do not bend the fit. Of many structures a sample is fitted.
    """
    target = target - np.median(target)
    fitted = np.arange(len(target))
    if len(target) > FITTED:
        fitted = np.random.default_rng(seed).choice(len(target), FITTED, replace=False)
    some, aim = features[fitted], target[fitted]
    weight, residual = np.ones(len(aim)), aim
    for _ in range(ROUNDS):
        weighted = some * weight[:, None]
        gram = some.T @ weighted
        gram += RIDGE * np.trace(gram) / len(gram) * np.eye(len(gram))
        inverse = np.linalg.inv(gram)
        leverage = ((some @ inverse) * weighted).sum(axis=1)
        coefficients = inverse @ (weighted.T @ aim)
        residual = (aim - some @ coefficients) / np.clip(1.0 - leverage, 1e-3, None)
        limit = 3.0 * 1.4826 * np.median(np.abs(residual)) + np.finfo(float).tiny
        weight = 1.0 / np.maximum(1.0, np.abs(residual) / limit)
    out = target - features @ coefficients
    out[fitted] = residual
    return np.asarray(out)

"""A quantity of structures against a robust fit to all others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from meagraph.datasets import AtomicDataset
from meagraph.force_field.observing import Observed
from meagraph.outliers.alike import Alike, quadratic

ENOUGH = 5  # structures for each coefficient that a further block of features would bring
FITTED = 20_000  # structures in the fit at most
RIDGE = 1e-8
ROUNDS = 5  # of reweighting
LEAST = 1e-3  # of its own weight in the fit that leaving a structure out takes away at most all but this

MOST = 10.0  # times the scatter that a doubt counts: of what is like nothing else, a large misfit still tells


@dataclass(frozen=True, eq=False)
class Misfit:
    """How far S structures are from what all others suggest."""

    away: NDArray[np.float64]  # (S,) in the unit of the quantity, NaN where it is not known
    doubt: NDArray[np.float64]  # (S,) of what is suggested and of the scatter, in units of the scatter; 1 to MOST

    @property
    def telling(self) -> NDArray[np.float64]:
        """What is away (S,) as far as it can be told, in the unit of the quantity: far out less is known."""
        return self.away / self.doubt


def misfit(
    target: NDArray[np.float64],
    seen: Observed,
    alike: Alike,
    dataset: AtomicDataset,
) -> Misfit:
    """How far each ``target`` (S,) is from what the other structures suggest.

    The fit is linear in composition and mean descriptors; in the energy features of the quick force field and in mean
    products of the descriptors' main components where there are structures enough for them.
    """
    known = np.isfinite(target)
    residual, doubt = np.full(len(target), np.nan), np.ones(len(target))
    if known.sum() > 2:
        sizes = dataset.sizes
        shares = [np.add.reduceat(dataset.numbers == z, dataset.offsets[:-1]) / sizes for z in dataset.species]
        columns = [np.column_stack(shares), alike.means.descriptors]
        for more in (seen.features, alike.means.products):
            if known.sum() > ENOUGH * (sum(part.shape[1] for part in columns) + more.shape[1]):
                columns.append(more)
        features = np.hstack(columns)
        features /= np.maximum(features.max(axis=0), -features.min(axis=0)) + np.finfo(float).tiny
        found = left_out(features if known.all() else features[known], target[known])
        residual[known], doubt[known] = found.away, found.doubt
    return Misfit(residual, doubt)


def left_out(features: NDArray[np.float64], target: NDArray[np.float64], *, seed: int = 0) -> Misfit:
    """Misfit to a robust ridge regression of ``target`` (S,) on ``features`` (S, F) without the one itself.

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
        residual = (aim - some @ coefficients) / np.clip(1.0 - leverage, LEAST, None)
        limit = 3.0 * 1.4826 * np.median(np.abs(residual)) + np.finfo(float).tiny
        weight = 1.0 / np.maximum(1.0, np.abs(residual) / limit)
    out, variance = target - features @ coefficients, 1.0 + quadratic(features, inverse)
    out[fitted] = residual
    variance[fitted] = 1.0 + quadratic(some, inverse) / np.clip(1.0 - leverage, LEAST, None)
    return Misfit(out, np.minimum(np.sqrt(variance), MOST))

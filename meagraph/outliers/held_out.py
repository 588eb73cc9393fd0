"""Energies against what forces and all other families of structures suggest, so that no family explains itself away.

The quick force field is linear: the same coefficients give forces and energies. A fit to the forces alone foretells
energies up to a constant for each element, whatever the energies are, and says how surely it fixes each coefficient.
That is the prior of a Bayesian linear regression on the energies (as in Bishop, Pattern Recognition and Machine
Learning, 2006, chapter 3), of which each family is left out in turn, exactly, by taking its part out of the normal
equations. Weights fall as the square of the misfit that the others leave (Cauchy), so a family that is off does not
bend what is expected of the others.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from meagraph.datasets import AtomicDataset
from meagraph.force_field.observing import Observed
from meagraph.latent.clustering import turns
from meagraph.outliers.alike import Alike, quadratic
from meagraph.outliers.calibration import robust_spread
from meagraph.outliers.levels import upper_level

NOISE = 0.01  # eV/atom that energies scatter at least
LENGTH = 0.1  # Å: what the field misses of a structure's forces, over this length, it may miss of its energy
SCALES = (3.0, 30.0)  # units of the forces' misfit; neither too sure of the field nor too unsure
REFERENCE = 10.0  # eV/atom, how far the elements' constants may lie apart from the usual
FREE = 1.0  # eV/atom that a main component may contribute where no forces vouch for energies
COMPONENTS = 60  # of features, where no forces vouch for energies
RIDGE = 1e-6
ROUNDS = 4  # of reweighting
FAR = 3.0  # spreads, beyond which a misfit counts less
SETTLING = 4  # rounds in which levels are told apart and taken into account
FITTED = 20_000  # structures in a fit at most
LEAST = 0.02  # of a structure's own weight that leaving it out takes away at most all but this


@dataclass(frozen=True, eq=False)
class Basis:
    """What the energies per atom of S structures are fitted by."""

    features: NDArray[np.float64]  # (S, P)
    precision: NDArray[np.float64]  # (P, P) of the prior, eV^-2
    expected: NDArray[np.float64]  # (S,) eV/atom that the prior expects

    def among(self, structures: NDArray[np.int64]) -> Basis:
        """The same for some ``structures``, ascending, each once."""
        if len(structures) == len(self.features):
            return self
        return Basis(self.features[structures], self.precision, self.expected[structures])


@dataclass(frozen=True, eq=False)
class HeldOut:
    """S energies per atom beside what all families but their own suggest; F families."""

    misfit: NDArray[np.float64]  # (S,) eV/atom, from all but the own family
    spread: NDArray[np.float64]  # (S,) eV/atom, of what is expected and of the scatter
    inside: NDArray[np.float64]  # (S,) eV/atom, from all but the structure itself, levels told apart
    unsure: NDArray[np.float64]  # (S,) eV/atom, the spread of that
    offset: NDArray[np.float64]  # (F,) eV/atom, the weighted median misfit of each family
    doubt: NDArray[np.float64]  # (F,) eV/atom, its standard error
    bases: tuple[Basis, ...]  # of the fits, the precisions with all that the energies of all families tell

    def between(self, upper: NDArray[np.int64], lower: NDArray[np.int64]) -> float:
        """Standard error in eV/atom of the distance between two levels, of ``upper`` and ``lower`` structures.

        Where the two differ in what they are made of, the fit may be at fault.
        """
        square = 0.0
        for basis in self.bases:
            apart = self._mean(upper, basis) - self._mean(lower, basis)
            square += max(float(apart @ np.linalg.solve(basis.precision, apart)), 0.0)
        return float(np.sqrt(square / len(self.bases)))

    def _mean(self, structures: NDArray[np.int64], basis: Basis) -> NDArray[np.float64]:
        sure = self.unsure[structures] ** -2.0
        return np.asarray(sure @ basis.features[structures] / sure.sum())


def energy_bases(seen: Observed, alike: Alike, dataset: AtomicDataset) -> tuple[tuple[Basis, ...], NDArray[np.float64]]:
    """One basis for each of SCALES, and how far (S,) in eV/atom energies may scatter.

    Without forces: composition, and main components of the descriptors and of the field's features.
    """
    shares = np.column_stack(
        [np.add.reduceat(dataset.numbers == z, dataset.offsets[:-1]) / dataset.sizes for z in dataset.species]
    )
    fitted, count = seen.fitted, len(dataset.species)
    if fitted is None:
        main = _main(np.column_stack([alike.means.descriptors, alike.shape, seen.features]))
        features = np.column_stack([shares, main])
        precision = np.diag(np.r_[np.full(count, REFERENCE**-2), np.full(main.shape[1], FREE**-2)])
        return (Basis(features, precision, np.zeros(len(shares))),), np.full(len(shares), NOISE)
    scale = np.sqrt(np.diag(fitted.gram))
    scale = np.where(scale > 0.0, scale, 1.0)
    gram = fitted.gram / np.outer(scale, scale)
    gram += RIDGE * np.trace(gram) / len(gram) * np.eye(len(gram))
    features = np.column_stack([shares, seen.features])
    features[:, count:] /= scale
    bases = []
    for tempered in SCALES:
        precision = np.zeros((features.shape[1],) * 2)
        precision[:count, :count] = np.eye(count) / REFERENCE**2
        precision[count:, count:] = gram / (tempered * max(fitted.residual, NOISE)) ** 2
        bases.append(Basis(features, precision, seen.features @ fitted.coefficients))
    error = np.linalg.norm(dataset.forces - seen.forces, axis=1)
    square = np.add.reduceat(np.where(np.isfinite(error), error, 0.0) ** 2, dataset.offsets[:-1])
    known = np.maximum(np.add.reduceat(np.isfinite(error), dataset.offsets[:-1]), 1)
    return tuple(bases), np.hypot(NOISE, LENGTH * np.sqrt(square / known))


def _main(features: NDArray[np.float64]) -> NDArray[np.float64]:
    """Main components (S, C) of ``features``, each in units of its spread, together of unit norm."""
    centred = features - features.mean(axis=0)
    centred /= centred.std(axis=0) + np.finfo(float).tiny + 1e-9 * np.abs(features).max(axis=0)
    left, size, _ = np.linalg.svd(centred, full_matrices=False)
    keep = size[:COMPONENTS] > 1e-6 * max(size.max(initial=0.0), np.finfo(float).tiny)
    main = (left * size)[:, :COMPONENTS][:, keep]
    return np.asarray(main / max(np.sqrt((main**2).sum(axis=1).mean()), np.finfo(float).tiny))


def held_out(
    target: NDArray[np.float64], family: NDArray[np.int64], bases: tuple[Basis, ...], scatter: NDArray[np.float64]
) -> HeldOut:
    """Fit ``target`` (S,) in eV/atom by all bases, without each ``family`` (S,) of 0 to F - 1 in turn.

    Where two bases disagree their difference is part of the doubt: an expectation that hangs on how far the forces are
    trusted is none. Of more than FITTED structures some of each family are fitted, small families whole.
    """
    fitted = some_of_each(family, FITTED)
    found = [_held_out(target, family, basis, scatter, fitted) for basis in bases]

    def mean(name: str) -> NDArray[np.float64]:
        return np.asarray(np.mean([getattr(one, name) for one in found], axis=0))

    def apart(name: str) -> NDArray[np.float64]:
        return np.asarray(np.ptp([getattr(one, name) for one in found], axis=0) / 2.0)

    return HeldOut(
        mean("misfit"),
        np.hypot(mean("spread"), apart("misfit")),
        mean("inside"),
        np.hypot(mean("unsure"), apart("inside")),
        mean("offset"),
        np.hypot(mean("doubt"), apart("offset")),
        tuple(basis for one in found for basis in one.bases),
    )


def some_of_each(family: NDArray[np.int64], most: int, *, seed: int = 0) -> NDArray[np.bool_]:
    """Which structures (S,) are among ``most``, of each ``family`` as many, small ones whole; all of a few."""
    if len(family) <= most:
        return np.ones(len(family), dtype=bool)
    place = np.random.default_rng(seed).permutation(len(family))  # a random order within each family
    turn = turns(np.lexsort((place, family)), np.bincount(family))
    return np.asarray(turn < np.sort(turn)[most])


def _held_out(
    target: NDArray[np.float64],
    family: NDArray[np.int64],
    basis: Basis,
    scatter: NDArray[np.float64],
    fitted: NDArray[np.bool_],
) -> HeldOut:
    features, members = basis.features, _members(family)
    told = [rows[fitted[rows]] for rows in members]  # of each family
    every = np.flatnonzero(fitted)
    aim = target - basis.expected
    aim = aim - np.median(aim)
    misfit = aim.copy()
    spread = np.hypot(1.4826 * np.median(np.abs(aim)), scatter)
    offset, doubt = np.zeros(len(members)), np.zeros(len(members))
    inside, unsure = np.empty(len(target)), np.empty(len(target))
    weight = np.zeros(len(aim))
    for last in (*[False] * (ROUNDS - 1), True):
        weight[every] = (1.0 / ((1.0 + (misfit / (FAR * spread)) ** 2) * scatter**2))[every]
        some, heavy = features[every], weight[every]
        gram = (some * heavy[:, None]).T @ some + basis.precision
        sums = some.T @ (heavy * aim[every])
        for number, (rows, part) in enumerate(zip(members, told, strict=True)):
            own, heavy = features[part], weight[part]
            others = gram - (own * heavy[:, None]).T @ own, sums - own.T @ (heavy * aim[part])
            inverse = np.linalg.inv(others[0])
            coefficients = inverse @ others[1]
            seen = rows if last else part
            own = features[seen]
            misfit[seen] = aim[seen] - own @ coefficients
            variance = np.maximum(quadratic(own, inverse), 0.0) + scatter[seen] ** 2
            spread[seen] = np.sqrt(variance)
            sure = 1.0 / variance
            offset[number] = weighted_median(misfit[seen], sure)
            mean = sure @ own / sure.sum()
            doubt[number] = np.sqrt(max(mean @ inverse @ mean, 0.0) + 0.5 * np.pi / sure.sum())
            if last:
                inside[rows], unsure[rows] = _inside(own, aim[rows], *others, scatter[rows], fitted[rows])
    return HeldOut(misfit, spread, inside, unsure, offset, doubt, (Basis(features, gram, basis.expected),))


def _inside(
    features: NDArray[np.float64],
    target: NDArray[np.float64],
    gram: NDArray[np.float64],
    sums: NDArray[np.float64],
    scatters: NDArray[np.float64],
    fitted: NDArray[np.bool_],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What all but the structure itself leave unexplained (n,) in a family of n, and the spread of that (n,).

    ``gram`` and ``sums`` are the others'; of the family those ``fitted`` (n,) tell.

    Where the family lies on two levels, the upper one is lowered to the other before it serves to tell of the rest:
    else each level would bend what is expected of the other.
    """
    own, aim, scatter = features[fitted], target[fitted], scatters[fitted]
    weight, raised = scatter**-2.0, np.zeros(len(aim))
    values, unsure, upper = aim, scatter, np.zeros(len(aim), dtype=bool)
    for _ in range(SETTLING):
        inverse = np.linalg.inv(gram + (own * weight[:, None]).T @ own)
        leverage = quadratic(own, inverse) * weight
        coefficients = inverse @ (sums + own.T @ (weight * (aim - raised)))
        left = (aim - raised - own @ coefficients) / np.clip(1.0 - leverage, LEAST, None)
        unsure = scatter / np.sqrt(np.clip(1.0 - leverage, LEAST, None))
        values = left + raised
        usual = np.hypot(scatter, robust_spread(left))
        weight = 1.0 / ((1.0 + (left / (FAR * usual)) ** 2) * scatter**2)
        before, upper = upper, upper_level(values)
        if np.array_equal(before, upper):
            break
        raised = np.where(upper, np.median(values[upper]) - np.median(values[~upper]), 0.0)
    found, spread = np.empty(len(target)), np.empty(len(target))
    found[fitted], spread[fitted] = values, unsure
    if not fitted.all():
        rest = features[~fitted]
        found[~fitted] = target[~fitted] - rest @ coefficients
        spread[~fitted] = np.hypot(scatters[~fitted], np.sqrt(np.maximum(quadratic(rest, inverse), 0.0)))
    return found, spread


def _members(family: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """The structures of each family."""
    order = np.argsort(family, kind="stable")
    return np.split(order, np.cumsum(np.bincount(family))[:-1])


def weighted_median(values: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    """The least value below which, itself included, half of the weight lies."""
    order = np.argsort(values, kind="stable")
    total = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(total, total[-1] / 2.0)])

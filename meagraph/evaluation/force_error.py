"""What a plan costs: the error that a quick linear force field makes on structures it has never seen.

The basis is that of :mod:`meagraph.force_field.field`, the fit plain weighted least squares. All rows are computed once
(:func:`meagraph.evaluation.equations.prepare`); the error of any plan is then one small solve (:func:`cost`). Whether a
plan is worth anything says :mod:`meagraph.evaluation.against_random`. The figures rank plans of one dataset; they are
no forecast of the error of a neural force field.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from meagraph.display.cards import Shown
from meagraph.errors import MEAGraphError
from meagraph.evaluation.equations import Prepared, Rows, Stressed, blocks

ENERGY_WEIGHT = 3.0  # 1/Å: an error of 1 eV an atom counts as much as one of 3 eV/Å
RIDGE = 1e-6  # of the mean diagonal of the normal equations, columns scaled to unit mean square, but for rare ones
FORCELESS = 1e-6  # eV/Å: a group whose test forces are all smaller says nothing


@dataclass(frozen=True, eq=False, repr=False)
class Cost(Shown):
    """Errors on the held-out structures. Forces in eV/Å; RMSE and MAE are those of the components."""

    environments: int  # in the fit, with known forces
    structures: int  # that hold them
    rmse: float
    mae: float
    p99: float  # 99th percentile of the length of a force's error
    groups: dict[str, float]  # RMSE of each group whose test forces do not vanish
    energy_rmse: float  # eV per atom; NaN where the fit or the test has no energies
    coefficients: NDArray[np.float64]  # (W,)
    offsets: NDArray[np.float64]  # (Z,) eV, energy of each element on top
    stress_rmse: float = float("nan")  # eV/Å³, of the six components; NaN where the test has no stress

    @property
    def macro(self) -> float:
        """Mean of the groups' RMSE: every group counts the same, however small."""
        return float(np.mean(list(self.groups.values()))) if self.groups else float("nan")

    @property
    def worst_group(self) -> str:
        """The group of the largest RMSE; empty where there is none."""
        return max(self.groups, key=self.groups.__getitem__, default="")

    @property
    def worst(self) -> float:
        """RMSE of the worst group."""
        return self.groups.get(self.worst_group, float("nan"))


def cost(prepared: Prepared, keep: NDArray[np.bool_]) -> Cost:
    """Fit the force field to what a plan keeps and test it on the held-out structures.

    ``keep`` are environments (N,) or structures (S,) of the dataset; what it says of held-out structures, or of those
    beyond the cap, does not matter. What is known already takes part beside it. The fit minimises, over the kept
    environments i of structures s,

        Σ_i |F_i - F̂_i|² + ENERGY_WEIGHT² Σ_i (e_s(i) - ê_s(i))²,

    with e the energy per atom, ê with a free offset for each element, plus the ridge: a kept environment brings its
    force and its share of its structure's energy. Stress takes no part in the fit; that of the test is predicted, as
    the derivative of ê by strain over the volume. Raises MEAGraphError for a mask of another shape, and where fewer
    force components are kept than the field has coefficients.
    """
    environments, structures = prepared.shape
    fit = prepared.fit
    if keep.shape == (environments,):
        kept = keep[fit.environments]
    elif keep.shape == (structures,):
        kept = keep[fit.structures][fit.structure_of]
    else:
        raise MEAGraphError(
            f"A plan's mask must have the shape ({environments},) of environments or ({structures},) of structures, "
            f"got {keep.shape}. Take the mask of a plan of this dataset."
        )
    kept = kept | prepared.given[fit.structure_of]
    chosen = np.flatnonzero(kept & fit.known)
    width = fit.features.shape[2]
    if 3 * len(chosen) < width:
        raise MEAGraphError(
            f"The cost of a plan expects at least {-(-width // 3)} kept environments with forces outside the held-out "
            f"structures, for {width} coefficients, but this plan keeps {len(chosen)}. Keep more."
        )
    counts = np.bincount(fit.structure_of[kept], minlength=len(fit.structures))
    coefficients, offsets = solve(prepared, normal_equations(fit, chosen), counts)
    error = _force_errors(prepared.test, coefficients)
    return Cost(
        environments=len(chosen),
        structures=len(np.unique(fit.structure_of[chosen])),
        rmse=float(np.sqrt((error**2).mean())),
        mae=float(np.abs(error).mean()),
        p99=float(np.quantile(np.linalg.norm(error, axis=1), 0.99)),
        groups=_by_group(prepared, error),
        energy_rmse=_energy_error(prepared.test, coefficients, offsets),
        coefficients=coefficients,
        offsets=offsets,
        stress_rmse=_stress_error(prepared.stressed, coefficients),
    )


@dataclass(frozen=True, eq=False)
class NormalEquations:
    """Sums over the force components of some environments; those of two sets apart add up to those of both."""

    gram: NDArray[np.float64]  # (W, W) of the features
    right: NDArray[np.float64]  # (W,) of features and forces
    square: float  # of the forces
    count: int  # components

    def __add__(self, other: NormalEquations) -> NormalEquations:
        return NormalEquations(
            self.gram + other.gram, self.right + other.right, self.square + other.square, self.count + other.count
        )

    def rmse(self, coefficients: NDArray[np.float64]) -> float:
        """The error of ``coefficients`` (W,) on these components; NaN where there are none."""
        square = float(coefficients @ self.gram @ coefficients - 2.0 * coefficients @ self.right) + self.square
        return math.sqrt(max(square, 0.0) / self.count) if self.count else float("nan")


def normal_equations(rows: Rows, chosen: NDArray[np.int64]) -> NormalEquations:
    """Those of the ``chosen`` environments, numbers into ``rows``, whose forces are known."""
    width = rows.features.shape[2]
    gram, right, square = np.zeros((width, width)), np.zeros(width), 0.0
    for features, forces in blocks(rows, chosen):
        gram += features.T @ features
        right += features.T @ forces
        square += float(forces @ forces)
    return NormalEquations(gram, right, square, 3 * len(chosen))


def solve(
    prepared: Prepared, forces: NormalEquations, counts: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Coefficients (W,) and offsets (Z,) from ``forces`` and the energies of the fit's structures by ``counts`` (s,).

    The offsets carry no ridge: they are projected out of the energies first (Frisch and Waugh, Econometrica 1, 387,
    1933). Without energies they are NaN.
    """
    fit, scale = prepared.fit, prepared.scale
    gram = forces.gram / np.outer(scale, scale)
    right = forces.right / scale
    used = np.flatnonzero(np.isfinite(fit.energy) & (counts > 0))
    weight = counts[used, None].astype(np.float64)
    composition, energy, rows = fit.composition[used], fit.energy[used], fit.energy_features[used]
    to_offsets = np.linalg.pinv((weight * composition).T @ composition) @ (weight * composition).T  # (Z, s)
    if len(used):
        apart = (rows - composition @ (to_offsets @ rows)) / scale
        gram += ENERGY_WEIGHT**2 * (weight * apart).T @ apart
        right += ENERGY_WEIGHT**2 * (weight * apart).T @ (energy - composition @ (to_offsets @ energy))
    gram[np.diag_indices_from(gram)] += RIDGE * np.trace(gram) / len(gram) + np.finfo(float).tiny
    coefficients = scipy.linalg.solve(gram, right, assume_a="pos") / scale
    offsets = to_offsets @ (energy - rows @ coefficients) if len(used) else np.full(composition.shape[1], np.nan)
    return coefficients, offsets


def _force_errors(test: Rows, coefficients: NDArray[np.float64]) -> NDArray[np.float64]:
    """Errors (k, 3) in eV/Å of the k known forces of the test; one row of NaN where there are none."""
    known = blocks(test, np.flatnonzero(test.known))
    found = [(features @ coefficients - forces).reshape(-1, 3) for features, forces in known]
    return np.concatenate(found) if found else np.full((1, 3), np.nan)


def _by_group(prepared: Prepared, error: NDArray[np.float64]) -> dict[str, float]:
    """RMSE of each group from the ``error`` (k, 3) of the known forces, but for groups whose forces vanish."""
    known = prepared.test.known
    size = np.abs(prepared.test.forces[known]).max(axis=1)
    found = {}
    for group in np.unique(prepared.groups[known]):
        rows = prepared.groups[known] == group
        if size[rows].max() > FORCELESS:
            found[str(group)] = float(np.sqrt((error[rows] ** 2).mean()))
    return found


def _energy_error(test: Rows, coefficients: NDArray[np.float64], offsets: NDArray[np.float64]) -> float:
    """RMSE in eV per atom over the structures of the test."""
    used = np.isfinite(test.energy)
    if not used.any():
        return float("nan")
    found = test.energy_features[used] @ coefficients + test.composition[used] @ offsets
    return float(np.sqrt(((found - test.energy[used]) ** 2).mean()))


def _stress_error(test: Stressed | None, coefficients: NDArray[np.float64]) -> float:
    """RMSE in eV/Å³ of the components over the structures of the test whose stress is known."""
    if test is None:
        return float("nan")
    return float(np.sqrt(((test.features @ coefficients - test.stress) ** 2).mean()))

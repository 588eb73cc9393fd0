"""A quick model of forces, only good enough to see which labels cannot be right.

Forces along the lines between atoms, linear in its coefficients: a pair potential, and an embedding term of
Finnis-Sinclair form (Finnis and Sinclair, Phil. Mag. A 50, 45, 1984) whose density has a fixed shape. The fit is
robust, so a few wrong labels do not bend it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from meagraph import kernels
from meagraph.datasets import AtomicDataset
from meagraph.progress import Progress, silent

CUTOFF = 5.5  # Å
RADIAL = 14  # functions of the distance, for each pair of elements and each of the two terms
SAMPLE = 20_000  # atoms in the fit
ROUNDS = 6  # of reweighting
RIDGE = 1e-7


@dataclass(frozen=True, eq=False)
class _Basis:
    centres: NDArray[np.float64]  # (RADIAL,) Å
    spacing: float  # Å
    length: float  # Å, the decay of the density
    species: tuple[int, ...]

    @property
    def width(self) -> int:
        """Number of coefficients: radial functions for each ordered pair of elements, in two terms."""
        return 2 * len(self.species) ** 2 * len(self.centres)

    def features(self, atoms: Atoms, finder: Any) -> NDArray[np.float32]:
        """What multiplies the coefficients in the force on each atom: (n, 3, width)."""
        i, j, distance, vector = finder.compute(
            points=atoms.positions, box=atoms.cell.complete().array, periodic=atoms.pbc, quantities="ijdD"
        )
        known = np.searchsorted(self.species, atoms.numbers)
        low, high = np.minimum(known[i], known[j]), np.maximum(known[i], known[j])
        kind = low * len(self.species) + high
        out = np.zeros((len(atoms), 3, self.width), dtype=np.float32)
        kernels.pair_features(
            i.astype(np.int64),
            j.astype(np.int64),
            distance,
            np.ascontiguousarray(vector),
            kind.astype(np.int64),
            self.centres,
            self.spacing,
            CUTOFF,
            self.length,
            out,
        )
        return out


def predict_forces(
    dataset: AtomicDataset, usual_distance: float, *, seed: int = 0, progress: Progress = silent
) -> NDArray[np.float64]:
    """Forces (N, 3) in eV/Å that a robust fit to the dataset's own forces gives; NaN where there are none to fit.

    ``usual_distance`` in Å between nearest atoms sets the scale of the embedding density.
    """
    from vesin import NeighborList

    known = np.isfinite(dataset.forces).all(axis=1)
    if known.sum() < 50:
        return np.full_like(dataset.forces, np.nan)
    centres = np.linspace(0.5 * usual_distance, CUTOFF, RADIAL)
    basis = _Basis(centres, float(centres[1] - centres[0]), 0.25 * usual_distance, dataset.species)
    finder = NeighborList(cutoff=CUTOFF, full_list=True)
    rows, targets = [], []
    count = 0
    for structure in np.random.default_rng(seed).permutation(dataset.n_structures):
        part = slice(dataset.offsets[structure], dataset.offsets[structure + 1])
        rows.append(basis.features(dataset.structures[structure], finder)[known[part]].reshape(-1, basis.width))
        targets.append(dataset.forces[part][known[part]].ravel())
        count += part.stop - part.start
        if count >= SAMPLE:
            break
    progress(1, 10, "outliers: forces")
    coefficients = _robust_fit(np.concatenate(rows), np.concatenate(targets))
    predicted = np.empty_like(dataset.forces)
    for structure, atoms in enumerate(dataset.structures):
        part = slice(dataset.offsets[structure], dataset.offsets[structure + 1])
        predicted[part] = basis.features(atoms, finder) @ coefficients
        if structure % 64 == 0:
            progress(1 + int(9 * part.stop / dataset.n_environments), 10, "outliers: forces")
    return predicted


def _robust_fit(features: NDArray[np.float32], target: NDArray[np.float64]) -> NDArray[np.float64]:
    """Coefficients (W,) of a ridge regression of ``target`` (3n,) on ``features`` (3n, W), atoms weighed robustly.

    The weight of an atom falls as the square of its residual beyond three typical ones (Cauchy).
    """
    weight = np.ones(len(target) // 3)
    scale = np.sqrt((features.astype(np.float64) ** 2).mean(axis=0))
    scaled = features / np.where(scale > 0, scale, 1.0)
    for _ in range(ROUNDS):
        weighted = scaled * np.repeat(weight, 3)[:, None]
        gram = weighted.T @ scaled
        gram += RIDGE * np.trace(gram) / len(gram) * np.eye(len(gram))
        coefficients = np.linalg.solve(gram, weighted.T @ target)
        residual = np.linalg.norm((target - scaled @ coefficients).reshape(-1, 3), axis=1)
        typical = 3.0 * np.median(residual) + np.finfo(float).tiny
        weight = 1.0 / (1.0 + (residual / typical) ** 2)
    return np.asarray(coefficients / np.where(scale > 0, scale, 1.0), dtype=np.float64)

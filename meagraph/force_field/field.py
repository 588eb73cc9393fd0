"""A quick force field, only good enough to see which labels cannot be right.

Linear in its coefficients: a pair potential; embedding terms of Finnis-Sinclair form (Finnis and Sinclair, Phil. Mag. A
50, 45, 1984) in densities of fixed shape; and angular terms, products of two moments of the neighbours' density summed
over the powers of the cosine between them (as in Shapeev, Multiscale Model. Simul. 14, 1153, 2016). Forces are its
exact gradients. The fit to the forces is robust, so a few wrong labels do not bend it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms
from ase.data import covalent_radii
from numpy.typing import NDArray

from meagraph.datasets import AtomicDataset
from meagraph.datasets.cells import compact
from meagraph.force_field import loops
from meagraph.progress import Progress

CUTOFF = 4.5  # Å
RADIAL = 16  # functions of the distance in each pair potential
ANGULAR = 6  # functions of the distance in the angular terms
DEGREE = 3  # highest power of the cosine
DECAYS = (0.12, 0.25, 0.5)  # of the densities, in units of the usual distance
SPECIES_APART = 3  # with more elements, the angular terms of all atoms share their coefficients
PAIRS_APART = 10  # with more elements, those of like radius share their pair potentials
SHELL = 1.25  # end of the first shell of neighbours, in units of the usual distance
SHELL_EDGE = 0.1  # of its radius, over which an atom stops counting
GRID = 2000  # points of the tables
SAMPLE = 12_000  # atoms in the fit
ENOUGH = 50  # atoms with forces, below which nothing is fitted
ROUNDS = 6  # of reweighting
RIDGE = 1e-7


@dataclass(frozen=True, eq=False)
class Field:
    """The basis of the force field for a dataset."""

    basis: loops.Basis
    species: tuple[int, ...]
    group: NDArray[np.int64]  # (species,) of elements that share their pair potentials
    weights: NDArray[np.float64]  # (species,) of an atom as a neighbour
    finder: Any  # of neighbours
    cutoff: float  # Å

    @property
    def width(self) -> int:
        """Number of coefficients W."""
        b = self.basis
        block = b.angular * (b.angular + 1) // 2 * (DEGREE + 1)
        return b.kinds * b.radial + b.species * (b.embedded + block)

    def neighbourhoods(self, atoms: Atoms) -> Neighbourhoods:
        """Pairs of atoms within the cutoff, and what the basis makes of them."""
        near = compact(atoms, self.cutoff)
        i, j, distance, vector = self.finder.compute(
            points=near.positions, box=near.cell.array, periodic=near.pbc, quantities="ijdD"
        )
        i, j = i.astype(np.int64), j.astype(np.int64)
        known = np.searchsorted(self.species, atoms.numbers)
        one, other = self.group[known[i]], self.group[known[j]]
        low, high = np.minimum(one, other), np.maximum(one, other)
        central = known if self.basis.species > 1 else np.zeros_like(known)
        pairs = loops.Pairs(
            center=i,
            other=j,
            distance=distance,
            vector=np.ascontiguousarray(vector),
            weight=self.weights[known[j]],
            own=self.weights[known],
            kind=high * (high + 1) // 2 + low,
            species=central,
        )
        moment = np.zeros((len(atoms), self.basis.angular, len(self.basis.powers)))
        density = np.full((len(atoms), self.basis.embedded), 1e-6)
        loops.moments(pairs, self.basis, moment, density)
        return Neighbourhoods(pairs, moment, density)


@dataclass(frozen=True, eq=False)
class Neighbourhoods:
    """A structure of n atoms in the basis."""

    pairs: loops.Pairs
    moment: NDArray[np.float64]  # (n, A, Q)
    density: NDArray[np.float64]  # (n, K)

    def first_shell(self, usual: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Distance (n,) in Å to the nearest atom, NaN for none, and smooth number (n,) of atoms in the first shell.

        The shell ends at SHELL times the ``usual`` distance, scaled by the pair's covalent radii.
        """
        nearest, count = np.full(len(self.density), np.inf), np.zeros(len(self.density))
        loops.first_shell(self.pairs, SHELL * usual, SHELL_EDGE, nearest, count)
        nearest[np.isinf(nearest)] = np.nan
        return nearest, count

    def energy_features(self, field: Field) -> NDArray[np.float64]:
        """What multiplies the coefficients in the energy: (W,)."""
        out = np.zeros(field.width)
        loops.energy_features(self.pairs, field.basis, self.moment, self.density, out)
        return out

    def force_features(self, field: Field) -> NDArray[np.float64]:
        """What multiplies the coefficients in the forces: (n, 3, W)."""
        return self._gradients(field, 0)[0]

    def gradients(self, field: Field) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The same (n, 3, W), and what multiplies the coefficients in the derivative by strain in eV: (6, W).

        That over the volume is the stress as ASE signs it, xx yy zz yz xz xy.
        """
        return self._gradients(field, 6)

    def _gradients(self, field: Field, rows: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        out, virial = np.zeros((len(self.density), 3, field.width)), np.zeros((rows, field.width))
        loops.force_features(self.pairs, field.basis, self.moment, self.density, out, virial)
        return out, virial

    def forces(
        self, field: Field, coefficients: NDArray[np.float64], slopes: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Forces (n, 3) in eV/Å; ``slopes`` are :func:`pair_slopes` of the same coefficients (W,)."""
        out = np.zeros((len(self.density), 3))
        room = np.zeros_like(self.moment)
        loops.forces(self.pairs, field.basis, self.moment, self.density, coefficients, room, slopes, out)
        return out


def new_field(species: tuple[int, ...], usual_distance: float, cutoff: float = CUTOFF) -> Field:
    """The basis for these elements; the ``usual_distance`` in Å between nearest atoms sets its scale."""
    grid = np.linspace(0.0, cutoff, GRID + 1)
    fall = 0.5 * (np.cos(np.pi * grid / cutoff) + 1.0)
    steep = -0.5 * np.pi / cutoff * np.sin(np.pi * grid / cutoff)
    values, slopes = [], []
    for first, last, count in ((0.5 * usual_distance, cutoff, RADIAL), (0.6 * usual_distance, 0.95 * cutoff, ANGULAR)):
        centres = np.linspace(first, last, count)
        gap = (grid[:, None] - centres) / (centres[1] - centres[0])
        bell = np.exp(-0.5 * gap**2)
        values.append(fall[:, None] * bell)
        slopes.append((steep[:, None] - fall[:, None] * gap / (centres[1] - centres[0])) * bell)
    lengths = usual_distance * np.array(DECAYS)
    decay = np.exp((usual_distance - grid[:, None]) / lengths)
    powers: list[tuple[int, ...]] = [
        (a, b, n - a - b) for n in range(DEGREE + 1) for a in range(n + 1) for b in range(n - a + 1)
    ]
    index = {power: place for place, power in enumerate(powers)}
    lower = np.array([[index.get((*p[:d], p[d] - 1, *p[d + 1 :]), 0) for d in range(3)] for p in powers])
    axis = np.array([int(np.argmax(np.array(power) > 0)) for power in powers])
    degrees = np.array([sum(power) for power in powers])
    radii = covalent_radii[list(species)]
    group = _groups(radii)
    groups = int(group.max()) + 1
    basis = loops.Basis(
        values=np.column_stack([values[0], fall[:, None] * decay, values[1]]),
        slopes=np.column_stack([slopes[0], (steep[:, None] - fall[:, None] / lengths) * decay, slopes[1]]),
        per_length=GRID / cutoff,
        radial=RADIAL,
        embedded=len(DECAYS),
        angular=ANGULAR,
        powers=np.array(powers),
        degrees=degrees,
        counts=np.array([math.factorial(sum(p)) / math.prod(math.factorial(n) for n in p) for p in powers]),
        parent=lower[np.arange(len(powers)), axis],
        axis=axis,
        lower=lower,
        kinds=groups * (groups + 1) // 2,
        species=len(species) if len(species) <= SPECIES_APART else 1,
    )
    from vesin import NeighborList

    return Field(basis, species, group, radii / radii.mean(), NeighborList(cutoff=cutoff, full_list=True), cutoff)


def _groups(radii: NDArray[np.float64]) -> NDArray[np.int64]:
    """The group (species,) of each element: its own, or of more than PAIRS_APART elements equal shares by ``radii``."""
    count = len(radii)
    if count <= PAIRS_APART:
        return np.arange(count)
    group = np.empty(count, dtype=np.int64)
    group[np.argsort(radii, kind="stable")] = np.arange(count) * PAIRS_APART // count
    return group


def pair_slopes(field: Field, coefficients: NDArray[np.float64]) -> NDArray[np.float64]:
    """Derivatives of the pair potentials on the grid of the basis: (G + 1, kinds)."""
    b = field.basis
    return np.ascontiguousarray(b.slopes[:, : b.radial] @ coefficients[: b.kinds * b.radial].reshape(b.kinds, -1).T)


@dataclass(frozen=True, eq=False)
class Fitted:
    """A robust fit to forces, and how surely they fix each coefficient."""

    coefficients: NDArray[np.float64]  # (W,)
    gram: NDArray[np.float64]  # (W, W) weighed products of the features of the forces, summed over the sample
    residual: float  # eV/Å, typical for an atom


def usual_distance(dataset: AtomicDataset, order: NDArray[np.int64]) -> float:
    """Median distance in Å to the nearest atom, of the first structures in ``order`` that hold SAMPLE atoms."""
    sample, count = [], 0
    for index in order:
        nearest = nearest_distances(dataset.structures.plain(index))
        sample.append(nearest[np.isfinite(nearest)])
        count += len(nearest)
        if count >= SAMPLE:
            break
    together = np.concatenate(sample)
    return float(np.median(together)) if len(together) else np.nan


def nearest_distances(atoms: Atoms, cutoff: float = CUTOFF) -> NDArray[np.float64]:
    """Distance (n,) in Å from each atom to the nearest one, infinity where none lies within ``cutoff`` Å."""
    from vesin import NeighborList

    near = compact(atoms, cutoff)
    i, distance = NeighborList(cutoff=cutoff, full_list=True).compute(
        points=near.positions, box=near.cell.array, periodic=near.pbc, quantities="id"
    )
    nearest = np.full(len(atoms), np.inf)
    np.minimum.at(nearest, i.astype(np.int64), distance)
    return nearest


def fit_roughly(field: Field, dataset: AtomicDataset, order: NDArray[np.int64], progress: Progress) -> Fitted | None:
    """A robust fit to forces of about SAMPLE atoms; None where there are too few."""
    known = np.isfinite(dataset.forces).all(axis=1)
    if known.sum() < ENOUGH:
        return None
    rows, targets, count = [], [], 0
    for index in order:
        here = slice(dataset.offsets[index], dataset.offsets[index + 1])
        if not known[here].any():
            continue
        features = field.neighbourhoods(dataset.structures.plain(index)).force_features(field)
        rows.append(features[known[here]].reshape(-1, field.width))
        targets.append(dataset.forces[here][known[here]].ravel())
        count += int(known[here].sum())
        progress(count, count + SAMPLE, "outliers: quick force field")
        if count >= SAMPLE:
            break
    return _robust_fit(np.concatenate(rows), np.concatenate(targets))


def _robust_fit(features: NDArray[np.float64], target: NDArray[np.float64]) -> Fitted:
    """A ridge regression of ``target`` (3n,) on ``features`` (3n, W), atoms weighed robustly.

    The weight of an atom falls as the square of its residual beyond three typical ones (Cauchy).
    """
    weight = np.ones(len(target) // 3)
    scale = np.sqrt((features**2).mean(axis=0))
    scale[scale == 0.0] = 1.0
    features = features / scale
    for _ in range(ROUNDS):
        weighted = features * np.repeat(weight, 3)[:, None]
        gram = weighted.T @ features
        gram += RIDGE * np.trace(gram) / len(gram) * np.eye(len(gram)) + np.finfo(float).tiny * np.eye(len(gram))
        coefficients = np.linalg.solve(gram, weighted.T @ target)
        residual = np.linalg.norm((target - features @ coefficients).reshape(-1, 3), axis=1)
        typical = 3.0 * np.median(residual) + np.finfo(float).tiny
        weight = 1.0 / (1.0 + (residual / typical) ** 2)
    return Fitted(coefficients / scale, gram * np.outer(scale, scale), float(typical / 3.0))


def warm() -> None:
    """Compile the kernels, for :mod:`meagraph.compiling`."""
    atoms = Atoms("H2", positions=[[0.0, 0.0, 0.0], [0.0, 0.0, 0.7]])
    field = new_field((1,), 0.7)
    found, coefficients = field.neighbourhoods(atoms), np.zeros(field.width)
    found.first_shell(0.7)
    found.energy_features(field)
    found.force_features(field)
    found.forces(field, coefficients, pair_slopes(field, coefficients))

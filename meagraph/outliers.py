"""Which environments look unlike the rest or carry suspicious labels, and why.

Each signal is the number of robust standard deviations (median absolute deviations times 1.4826) by which a value
exceeds the dataset's median; the score is the largest signal in units of the alarm level, so 1 and above is a
candidate. Being in no cluster adds to it but never raises the alarm alone: in a density clustering noise is common.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ase.data import covalent_radii
from numpy.typing import NDArray
from scipy.spatial import KDTree

from meagraph.clustering import NOISE, Clusters
from meagraph.condensation import Condensed
from meagraph.datasets import AtomicDataset
from meagraph.progress import Progress, silent

ALARM = 8.0  # robust standard deviations; distributions of forces and distances have long tails
NOISE_SHARE = 0.25  # what being in no cluster adds to the score
NEIGHBOURS = 5
RIDGE = 1e-8
ROBUST_ROUNDS = 5
LIMIT = 1e6  # deviations at most; keeps a division by nearly nothing finite
NET_FORCE = 0.05  # eV/Å; below this a net force is noise of the electronic structure


@dataclass(frozen=True, eq=False)
class Signal:
    """One reason to suspect an environment."""

    name: str  # short, for a table
    value: NDArray[np.float64]  # (N,) the quantity itself, NaN where it does not apply
    deviation: NDArray[np.float64]  # (N,) robust standard deviations above the median, at least 0
    template: str  # the reason in words, to be formatted with value and deviation


@dataclass(frozen=True, eq=False)
class Outliers:
    """Scores of all environments, and the signals they come from."""

    score: NDArray[np.float64]  # (N,) at least 0; 1 and above is a candidate
    unclustered: NDArray[np.bool_]  # (N,) noise or singleton
    signals: tuple[Signal, ...]

    @property
    def candidates(self) -> NDArray[np.int64]:
        """Rows with a score of at least 1, the most suspicious first."""
        rows = np.flatnonzero(self.score >= 1.0)
        return rows[np.argsort(-self.score[rows], kind="stable")]

    def reasons(self, row: int) -> list[str]:
        """Why environment ``row`` has its score, in words, the strongest reason first; empty if nothing stands out."""
        strong = [signal for signal in self.signals if signal.deviation[row] >= ALARM / 2]
        strong.sort(key=lambda signal: -signal.deviation[row])
        words = [s.template.format(value=s.value[row], deviation=s.deviation[row]) for s in strong]
        return words + (["in no cluster (noise or singleton)"] if self.unclustered[row] else [])


def score_outliers(
    points: NDArray[np.float64],
    condensed: Condensed,
    clusters: Clusters,
    dataset: AtomicDataset,
    *,
    progress: Progress = silent,
) -> Outliers:
    """Score every environment; ``points`` (N, D) are the descriptors with columns of unit norm."""
    steps = (
        lambda: _isolation(points, condensed),
        lambda: _short_distance(dataset),
        lambda: _force(dataset),
        lambda: _net_force(dataset),
        lambda: _energy(points, dataset),
    )
    signals = []
    for step in steps:
        signals.append(step())
        progress(len(signals), len(steps), f"outliers: {signals[-1].name}")
    strongest = np.max([signal.deviation for signal in signals], axis=0) / ALARM
    unclustered = clusters.labels == NOISE
    return Outliers(
        strongest + NOISE_SHARE * unclustered * (strongest < 1.0) * (1.0 - strongest),
        unclustered,
        tuple(signals),
    )


def robust_deviation(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Robust standard deviations above the median, at least 0; NaN counts as ordinary.

    Where over half of the values are equal the mean absolute deviation stands in for the median one.
    """
    finite = np.isfinite(values)
    if not finite.any():
        return np.zeros(len(values))
    ordinary = values[finite]
    median = np.median(ordinary)
    away = np.abs(ordinary - median)
    scale = 1.4826 * np.median(away)
    if scale == 0.0:
        scale = 1.2533 * away.mean()
    if scale == 0.0:
        return np.zeros(len(values))
    return np.clip(np.nan_to_num((values - median) / scale, nan=0.0, posinf=LIMIT, neginf=0.0), 0.0, LIMIT)


def _isolation(points: NDArray[np.float64], condensed: Condensed) -> Signal:
    """Distance to the nearest representatives against the median; twins are neighbours at distance 0."""
    rows = points[condensed.representatives]
    count = min(NEIGHBOURS + 1, len(rows))
    distance, near = KDTree(rows).query(rows, k=count, workers=-1)
    distance, near = distance.reshape(len(rows), count), near.reshape(len(rows), count)
    seen = np.cumsum(condensed.multiplicity[near], axis=1)  # environments within the j-th distance, itself included
    enough = np.minimum((seen < NEIGHBOURS + 1).sum(axis=1), count - 1)
    floor = max(condensed.epsilon, 1e-12 * condensed.diameter, np.finfo(float).tiny)
    reach = np.maximum(distance[np.arange(len(rows)), enough], floor)[condensed.assignment]
    ratio = reach / np.median(reach)
    words = f"its {NEIGHBOURS} nearest environments lie within {{value:.3g}} times the usual distance"
    return Signal("isolation", ratio, robust_deviation(np.log(ratio)), words)


def _short_distance(dataset: AtomicDataset) -> Signal:
    """Distance to the nearest atom: how far it falls below the usual, on a scale of the covalent radii."""
    nearest = nearest_atoms(dataset)
    ratio = np.log(nearest / covalent_radii[dataset.numbers])
    words = "its nearest atom is only {value:.3g} Å away"
    return Signal("short distance", nearest, robust_deviation(-ratio), words)


def nearest_atoms(dataset: AtomicDataset, cutoff: float = 4.0) -> NDArray[np.float64]:
    """Distance (N,) in Å from every atom to its nearest neighbour, periodic images included; NaN beyond ``cutoff``."""
    from vesin import NeighborList

    finder = NeighborList(cutoff=cutoff, full_list=True)
    nearest = np.full(dataset.n_environments, np.inf)
    for atoms, first in zip(dataset.structures, dataset.offsets[:-1], strict=True):
        center, distance = finder.compute(
            points=atoms.positions, box=atoms.cell.complete().array, periodic=atoms.pbc, quantities="id"
        )
        np.minimum.at(nearest, first + center.astype(np.int64), distance)
    return np.where(np.isfinite(nearest), nearest, np.nan)


def _force(dataset: AtomicDataset) -> Signal:
    """Magnitude of the force on the atom."""
    size = np.linalg.norm(dataset.forces, axis=1)
    return Signal(
        "force",
        size,
        robust_deviation(size),
        "the force on it is {value:.3g} eV/Å, {deviation:.0f} deviations high",
    )


def _net_force(dataset: AtomicDataset) -> Signal:
    """Sum of all forces of the structure: zero, but for noise, wherever nothing acts from outside."""
    total = np.add.reduceat(dataset.forces, dataset.offsets[:-1], axis=0)
    net = np.linalg.norm(total, axis=1)
    deviation = np.clip(
        np.nan_to_num(net / NET_FORCE, posinf=LIMIT) - 1.0, 0.0, LIMIT
    )  # a fixed scale: most datasets have hardly any net force
    words = "the forces of its structure add up to {value:.3g} eV/Å, not to zero"
    return Signal("net force", net[dataset.structure_of], deviation[dataset.structure_of], words)


def _energy(points: NDArray[np.float64], dataset: AtomicDataset) -> Signal:
    """Energy per atom against a linear fit on the structures' mean descriptors and composition.

    Every residual is that of a ridge regression which has not seen the structure (leave-one-out), so a wrong energy
    does not hide behind its own weight; large residuals are down-weighted in a few rounds, so they do not bend the fit.
    """
    sizes = np.diff(dataset.offsets)
    energy = dataset.energy / sizes
    known = np.isfinite(energy)
    residual = np.full(len(sizes), np.nan)
    if known.sum() > 2:
        means = np.add.reduceat(points, dataset.offsets[:-1], axis=0) / sizes[:, None]
        means /= np.abs(means).max(axis=0) + np.finfo(float).tiny
        shares = [np.add.reduceat(dataset.numbers == z, dataset.offsets[:-1]) / sizes for z in dataset.species]
        residual[known] = _left_out(np.column_stack([means, *shares])[known], energy[known])
    words = "the energy of its structure is {value:+.3g} eV/atom away from what alike structures suggest"
    deviation = robust_deviation(np.abs(residual))
    return Signal("energy", residual[dataset.structure_of], deviation[dataset.structure_of], words)


def _left_out(features: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.float64]:
    """Leave-one-out residuals (S,) of a robust ridge regression of ``target`` (S,) on ``features`` (S, F)."""
    target = target - np.median(target)
    weight = np.ones(len(target))
    residual = target
    for _ in range(ROBUST_ROUNDS):
        weighted = features * weight[:, None]
        gram = features.T @ weighted
        gram += RIDGE * np.trace(gram) / len(gram) * np.eye(len(gram))
        inverse = np.linalg.inv(gram)
        leverage = ((features @ inverse) * weighted).sum(axis=1)
        residual = (target - features @ (inverse @ (weighted.T @ target))) / np.clip(1.0 - leverage, 1e-3, None)
        limit = 3.0 * 1.4826 * np.median(np.abs(residual)) + np.finfo(float).tiny
        weight = 1.0 / np.maximum(1.0, np.abs(residual) / limit)
    return residual

"""Which environments look unlike the rest or carry suspicious labels, and why.

Each signal is first the number of robust standard deviations (median absolute deviations times 1.4826) by which a value
exceeds the dataset's median, then its rarity: the number of decades by which the tail of this signal in this dataset,
taken to fall off exponentially, makes so large a deviation improbable. So a signal with a long tail, as isolation has
where environments are diverse, must stand out further than one that hardly varies. The score is the largest rarity
in units of the alarm level: 1 and above is a candidate. Being in no cluster adds to it but never raises the alarm
alone.
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
from meagraph.pairforces import predict_forces
from meagraph.progress import Progress, part, silent

ALARM = 6.0  # decades of improbability
TAIL = (0.80, 0.95)  # quantiles between which the tail is measured; up to a twentieth may be wrong
SHARPEST = 0.25  # robust standard deviations by which a tail falls to 1/e at least: none is infinitely sharp
NOISE_SHARE = 0.25  # what being in no cluster adds to the score
NEIGHBOURS = 5
RIDGE = 1e-8
COMPONENTS = 10  # principal components of the descriptors whose products enter the fit of the energy
PRODUCTS = COMPONENTS * (COMPONENTS + 1) // 2
ROBUST_ROUNDS = 5
LIMIT = 1e6  # deviations at most; keeps a division by nearly nothing finite
FORCE_NOISE = 0.03  # eV/Å; a smaller misfit is never suspicious
NET_FORCE = 0.05  # eV/Å; below this a net force is noise of the electronic structure


@dataclass(frozen=True, eq=False)
class Signal:
    """One reason to suspect an environment."""

    name: str  # short, for a table
    value: NDArray[np.float64]  # (N,) the quantity itself, NaN where it does not apply
    deviation: NDArray[np.float64]  # (N,) robust standard deviations above the median, at least 0
    rarity: NDArray[np.float64]  # (N,) decades of improbability, at least 0
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
        strong = [signal for signal in self.signals if signal.rarity[row] >= ALARM / 2]
        strong.sort(key=lambda signal: -signal.rarity[row])
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
    nearest = nearest_atoms(dataset)
    steps = (
        lambda: [_isolation(points, condensed)],
        lambda: [_short_distance(nearest, dataset)],
        lambda: [_force(dataset)],
        lambda: [_net_force(dataset)],
        lambda: _force_misfit(nearest, dataset, part(progress, 4 / 6, 5 / 6)),
        lambda: [_energy(points, dataset)],
    )
    signals: list[Signal] = []
    for done, step in enumerate(steps, 1):
        signals += step()
        progress(done, len(steps), f"outliers: {signals[-1].name}")
    strongest = np.max([signal.rarity for signal in signals], axis=0) / ALARM
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


def tail_rarity(deviation: NDArray[np.float64]) -> NDArray[np.float64]:
    """Decades of improbability (N,) of each ``deviation`` (N,), at least 0.

    With the q-quantile x_q and the decay length t = (x_0.95 - x_0.8) / ln 4, the tail above x_0.8 is taken to be
    0.2 exp(-(x - x_0.8) / t).
    """
    low, high = np.quantile(deviation, TAIL)
    decay = max((high - low) / np.log((1 - TAIL[0]) / (1 - TAIL[1])), SHARPEST)
    decades = -np.log10(1 - TAIL[0]) + (deviation - low) / (decay * np.log(10.0))
    return np.where(deviation > low, decades, 0.0)


def _signal(name: str, value: NDArray[np.float64], deviation: NDArray[np.float64], words: str) -> Signal:
    """A signal that each environment has of its own."""
    return Signal(name, value, deviation, tail_rarity(deviation), words)


def _shared_signal(
    name: str, value: NDArray[np.float64], deviation: NDArray[np.float64], words: str, dataset: AtomicDataset
) -> Signal:
    """A signal of structures (S,), handed on to their environments."""
    of = dataset.structure_of
    return Signal(name, value[of], deviation[of], tail_rarity(deviation)[of], words)


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
    return _signal("isolation", ratio, robust_deviation(np.log(ratio)), words)


def _short_distance(nearest: NDArray[np.float64], dataset: AtomicDataset) -> Signal:
    """Distance to the nearest atom: how far it falls below the usual, on a scale of the covalent radii."""
    ratio = np.log(nearest / covalent_radii[dataset.numbers])
    words = "its nearest atom is only {value:.3g} Å away"
    return _signal("short distance", nearest, robust_deviation(-ratio), words)


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
    return _signal(
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
    return _shared_signal("net force", net, deviation, words, dataset)


def _force_misfit(nearest: NDArray[np.float64], dataset: AtomicDataset, progress: Progress) -> list[Signal]:
    """Forces against a quick model of them: of the one atom, and of its structure as a whole.

    Residuals are compared with those of atoms on which the model expects forces alike, for large ones are harder.
    """
    usual = float(np.nanmedian(nearest)) if np.isfinite(nearest).any() else np.nan
    predicted = predict_forces(dataset, usual, progress=progress) if usual > 0 else np.full_like(dataset.forces, np.nan)
    residual = np.linalg.norm(dataset.forces - predicted, axis=1)
    ratio = residual / np.maximum(_running_median(np.linalg.norm(predicted, axis=1), residual), FORCE_NOISE)
    log = np.log(np.maximum(ratio, 1e-3))
    total, count = (np.add.reduceat(np.where(np.isfinite(log), part, 0.0), dataset.offsets[:-1]) for part in (log, 1.0))
    with np.errstate(invalid="ignore"):
        mean = total / count  # NaN where a structure has no forces
    own = "the force on it is {value:.3g} times as far from a quick model's as usual"
    shared = "the forces of its structure are {value:.3g} times as far from a quick model's as usual"
    return [
        _signal("force misfit", ratio, robust_deviation(ratio), own),
        _shared_signal("forces of the structure", np.exp(mean), robust_deviation(mean), shared, dataset),
    ]


def _running_median(along: NDArray[np.float64], values: NDArray[np.float64], bins: int = 20) -> NDArray[np.float64]:
    """Median of ``values`` (N,) as a function of ``along`` (N,): in bins of equal number, interpolated between."""
    known = np.isfinite(along) & np.isfinite(values)
    if known.sum() < 2 * bins:
        return np.full(len(values), float(np.median(values[known])) if known.any() else np.nan)
    order = np.flatnonzero(known)[np.argsort(along[known], kind="stable")]
    groups = np.array_split(order, bins)
    centres = np.array([np.median(along[group]) for group in groups])
    medians = np.array([np.median(values[group]) for group in groups])
    return np.asarray(np.interp(along, centres, medians), dtype=np.float64)


def _energy(points: NDArray[np.float64], dataset: AtomicDataset) -> Signal:
    """Energy per atom against a fit, linear in composition, mean descriptors, and mean products of their main parts.

    Every residual is that of a ridge regression which has not seen the structure (leave-one-out), so a wrong energy
    does not hide behind its own weight; large residuals are down-weighted in a few rounds, so they do not bend the fit.
    """
    sizes = np.diff(dataset.offsets)
    energy = dataset.energy / sizes
    known = np.isfinite(energy)
    residual = np.full(len(sizes), np.nan)
    if known.sum() > 2:
        means = _per_structure(points, dataset)
        if known.sum() > 5 * PRODUCTS:
            means = np.column_stack([means, _per_structure(_products(points), dataset)])
        means /= np.abs(means).max(axis=0) + np.finfo(float).tiny
        shares = [np.add.reduceat(dataset.numbers == z, dataset.offsets[:-1]) / sizes for z in dataset.species]
        residual[known] = _left_out(np.column_stack([means, *shares])[known], energy[known])
    words = "the energy of its structure is {value:+.3g} eV/atom away from what alike structures suggest"
    deviation = robust_deviation(np.abs(residual))
    return _shared_signal("energy", residual, deviation, words, dataset)


def _per_structure(values: NDArray[np.float64], dataset: AtomicDataset) -> NDArray[np.float64]:
    """Mean over the environments of each structure: (S, F) from (N, F)."""
    return np.asarray(np.add.reduceat(values, dataset.offsets[:-1], axis=0) / np.diff(dataset.offsets)[:, None])


def _products(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Products (N, PRODUCTS at most) of the first principal components of ``points`` (N, D)."""
    centred = points - points.mean(axis=0)
    _, axes = np.linalg.eigh(centred.T @ centred)
    main = centred @ axes[:, ::-1][:, :COMPONENTS]
    main /= main.std(axis=0) + np.finfo(float).tiny
    first, second = np.triu_indices(main.shape[1])
    return np.asarray(main[:, first] * main[:, second])


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

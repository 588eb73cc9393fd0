"""Why an environment stands out: what sets it apart from the ordinary environments nearest to it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from meagraph.datasets import AtomicDataset
from meagraph.errors import MEAGraphError
from meagraph.graph.condensation import Condensed, Points
from meagraph.outliers.signals import ALARM, Outliers

NEIGHBOURS = 8
COMPONENTS = 10
MARGIN = 0.5  # of the neighbours' range, by which a value must lie outside to stand out
ALIKE = 0.5  # spreads; where no component is farther away the descriptor says nothing
FLOOR = 1e-3  # of a component's norm over all environments: a smaller spread is none
GEOMETRY = (  # signal, name, unit
    ("short distance", "shortest distance", "Å"),
    ("coordination", "atoms in the first shell", ""),
    ("volume", "volume per atom", "Å³"),
)
UNITS = {
    "isolation": "× usual",
    "distance to the net": "× usual",
    "reconstruction": "× usual",
    "latent links": "",
    "net force": "eV/Å",
    "force misfit": "× usual",
    "forces of the structure": "× usual",
    "force ratio": "",
    "energy": "eV/atom",
    "energy at large": "eV/atom",
    "energy of a twin": "eV/atom",
    "forces of a twin": "eV/Å",
    "error of the force": "eV/Å",
    "errors of the forces": "× usual",
    "error of the energy": "eV/atom",
}
"""Units of the signals that no label or length states anyway."""
NAMES = {
    "isolation": "distance to its neighbours",
    "reconstruction": "reconstruction error",
    "force misfit": "misfit of the force",
    "forces of the structure": "misfit of all forces",
    "force ratio": "observed over expected forces",
    "energy": "energy beyond the expected",
    "energy at large": "energy beyond what all others suggest",
    "energy of a twin": "energy beside a twin",
    "forces of a twin": "forces beside a twin",
    "error of the force": "error of the model's force",
    "errors of the forces": "errors of the model's forces",
    "error of the energy": "error of the model's energy beside alike ones",
}


@dataclass(frozen=True, eq=False)
class Reference:
    """The ordinary environments that others are compared with: one of each cell of the net of representatives."""

    rows: NDArray[np.int64]  # (R,) environments, none of them a candidate
    points: NDArray[np.float64]  # (R, D) their descriptors, columns of unit norm
    size: NDArray[np.int64]  # (R,) ordinary environments that each stands for


@dataclass(frozen=True)
class Fact:
    """One quantity of an environment beside that of its neighbours; NaN where it is not known."""

    name: str
    unit: str  # empty for a bare number
    value: float
    median: float  # of the neighbours
    low: float  # the least of the neighbours
    high: float

    @property
    def stands_out(self) -> bool:
        """Well outside the range of the neighbours."""
        margin = MARGIN * (self.high - self.low)
        return self.value < self.low - margin or self.value > self.high + margin


@dataclass(frozen=True, eq=False)
class Explanation:
    """What sets one environment apart from the K ordinary ones of its element and of other structures nearest to it."""

    row: int
    neighbours: NDArray[np.int64]  # (K,) rows, nearest first; none where the element has no ordinary environment
    distance: NDArray[np.float64]  # (K,) in descriptor space, columns of unit norm
    facts: tuple[Fact, ...]
    components: NDArray[np.int64]  # (C,) of the descriptor, the one that differs most first
    difference: NDArray[np.float64]  # (C,) from the neighbours' mean, in spreads of the element's ordinary environments
    spread: NDArray[np.float64]  # (C, 2) least and largest difference of a neighbour, in the same units

    @property
    def reach(self) -> float:
        """The largest difference, of this one or of a neighbour."""
        return float(max(np.abs(self.difference).max(initial=0.0), np.abs(self.spread).max(initial=0.0)))

    @property
    def alike(self) -> bool:
        """The descriptor hardly tells it from its neighbours."""
        return bool(np.abs(self.difference).max(initial=0.0) < ALIKE)


def ordinary_reference(points: Points, condensed: Condensed, outliers: Outliers, dataset: AtomicDataset) -> Reference:
    """Choose from each cell of the net the first environment that is no candidate, of each element."""
    ordinary = np.flatnonzero(outliers.score < 1.0)
    species = np.searchsorted(np.asarray(dataset.species), dataset.numbers[ordinary])
    cell = condensed.assignment[ordinary] * len(dataset.species) + species  # a net may join atoms of two elements
    _, first, size = np.unique(cell, return_index=True, return_counts=True)
    rows = ordinary[np.sort(first)]
    return Reference(rows, np.asarray(points[rows], dtype=np.float64), size[np.argsort(first)])


def explain(
    row: int,
    reference: Reference,
    points: Points,
    outliers: Outliers,
    dataset: AtomicDataset,
    *,
    neighbours: int = NEIGHBOURS,
    components: int = COMPONENTS,
) -> Explanation:
    """Compare environment ``row`` with its nearest ordinary neighbours.

    They have the same element, lie in other structures, and are no candidates themselves. Compared are labels and
    geometry, the quantities behind the row's own reasons, and the components of the descriptor ``points`` (N, D), each
    in units of its standard deviation over the element's ordinary environments. Raises MEAGraphError for a row that
    does not exist.
    """
    if not 0 <= row < dataset.n_environments:
        raise MEAGraphError(f"There is no environment {row}; the dataset has {dataset.n_environments:,}, from 0 on.")
    own = np.asarray(points[row : row + 1], dtype=np.float64)[0]
    alike = dataset.numbers[reference.rows] == dataset.numbers[row]
    elsewhere = alike & (dataset.structure_of[reference.rows] != dataset.structure_of[row])
    others = np.flatnonzero(elsewhere)
    square = ((reference.points[others] - own) ** 2).sum(axis=1)
    order = np.argsort(square, kind="stable")[:neighbours]
    near = others[order]
    rows, around = reference.rows[near], reference.points[near]
    which, difference, spread = _components(own, around, reference, alike, components)
    return Explanation(
        row=row,
        neighbours=rows,
        distance=np.sqrt(square[order]),
        facts=tuple(_facts(row, rows, outliers, dataset)),
        components=which,
        difference=difference,
        spread=spread,
    )


def _components(
    own: NDArray[np.float64],
    around: NDArray[np.float64],
    reference: Reference,
    alike: NDArray[np.bool_],
    count: int,
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """The ``count`` components of ``own`` (D,) farthest from the mean of ``around`` (K, D), and how far they are."""
    if len(around) == 0:
        return np.empty(0, dtype=np.int64), np.empty(0), np.empty((0, 2))
    weight = reference.size * alike / (reference.size * alike).sum()
    mean = weight @ reference.points
    deviation = np.sqrt(weight @ (reference.points - mean) ** 2)
    deviation = np.maximum(deviation, FLOOR * np.sqrt(weight @ reference.points**2))
    varies = deviation > 0
    scale = np.where(varies, deviation, 1.0)
    middle = around.mean(axis=0)
    away = np.where(varies, (own - middle) / scale, 0.0)
    which = np.argsort(-np.abs(away), kind="stable")[:count]
    inside = ((around - middle) / scale)[:, which]
    return which, away[which], np.column_stack([inside.min(axis=0), inside.max(axis=0)])


def _facts(row: int, near: NDArray[np.int64], outliers: Outliers, dataset: AtomicDataset) -> list[Fact]:
    """Labels and geometry, then the quantities of the signals that suspect the row."""
    force = np.linalg.norm(dataset.forces[[row, *near]], axis=1)
    energy = (dataset.energy / dataset.sizes)[dataset.structure_of[[row, *near]]]
    facts = [_fact("force on the atom", "eV/Å", force), _fact("energy per atom", "eV/atom", energy)]
    signals = {signal.name: signal for signal in outliers.signals}
    shown = {"force"}
    for source, name, unit in GEOMETRY:
        if source in signals:
            facts.append(_fact(name, unit, signals[source].value[[row, *near]]))
            shown.add(source)
    reasons = [signal for signal in outliers.signals if signal.rarity[row] >= ALARM / 2 and signal.name not in shown]
    for signal in sorted(reasons, key=lambda signal: -signal.rarity[row]):
        unit = UNITS.get(signal.name, "")
        facts.append(_fact(NAMES.get(signal.name, signal.name), unit, signal.value[[row, *near]]))
    return facts


def _fact(name: str, unit: str, values: NDArray[np.float64]) -> Fact:
    """``values`` (1 + K,): the environment's own, then its neighbours'."""
    around = values[1:][np.isfinite(values[1:])]
    if len(around) == 0:
        return Fact(name, unit, float(values[0]), np.nan, np.nan, np.nan)
    return Fact(name, unit, float(values[0]), float(np.median(around)), float(around.min()), float(around.max()))

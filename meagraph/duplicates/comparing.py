"""How far the labels of two structures of one geometry differ."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from meagraph.datasets import AtomicDataset
from meagraph.duplicates.isometry import Isometry, isometry
from meagraph.duplicates.prints import Prints
from meagraph.duplicates.thresholds import SAME_ENERGY, SAME_FORCE, SAME_STRESS


@dataclass(frozen=True)
class LabelsApart:
    """Differences of the labels of two structures, NaN where one of them has none."""

    energy: float  # eV/atom
    forces: float  # eV/Å, root mean square over the atoms
    stress: float  # eV/Å³, root mean square over the elements

    @property
    def words(self) -> str:
        """The kinds of label that differ by more than calculations of one geometry do, and how far; "" for none."""
        parts = [
            f"{kind} by {value:.3g} {unit}"
            for kind, value, unit, allowed in (
                ("energy", self.energy, "eV/atom", SAME_ENERGY),
                ("forces", self.forces, "eV/Å", SAME_FORCE),
                ("stress", self.stress, "eV/Å³", SAME_STRESS),
            )
            if value > allowed
        ]
        return ", ".join(parts)


def labels_apart(dataset: AtomicDataset, one: int, other: int, lying: Isometry | None = None) -> LabelsApart:
    """Compare the labels of two structures of one geometry.

    Forces and stress are compared in the frame of the ``other`` where it is known how the first is ``lying`` on it, or
    where both are equal by content. Otherwise lengths of forces in order are, which neither turning nor another order
    of the atoms changes, and of the stress its trace.
    """
    energy = abs(dataset.energy[one] / dataset.sizes[one] - dataset.energy[other] / dataset.sizes[other])
    forces = [dataset.forces[dataset.rows_of(row)] for row in (one, other)]
    stress = [dataset.stress[row] for row in (one, other)]
    if lying is not None:
        forces = [forces[0] @ lying.turn.T, forces[1][lying.onto]]
        stress[0] = lying.turn @ stress[0] @ lying.turn.T
    elif dataset.first_equal[one] != dataset.first_equal[other]:
        size = math.lcm(len(forces[0]), len(forces[1]))
        ordered = [np.sort(np.linalg.norm(part, axis=1)) for part in forces]
        forces = [np.repeat(part, size // len(part))[:, None] for part in ordered]
        stress = [np.eye(3) * np.trace(part) / 3.0 for part in stress]
    return LabelsApart(
        float(energy),
        float(np.sqrt(np.mean(np.sum((forces[0] - forces[1]) ** 2, axis=1)))),
        float(np.sqrt(np.mean((stress[0] - stress[1]) ** 2))),
    )


def lie(dataset: AtomicDataset, prints: Prints, one: int, other: int) -> Isometry | None:
    """How the larger of two structures lies on the other: see :func:`meagraph.duplicates.isometry.isometry`."""
    large, small = larger_first(dataset, one, other)
    rows = [prints.values[dataset.rows_of(row)] for row in (large, small)]
    return isometry(dataset.structures[large], dataset.structures[small], *rows)


def larger_first(dataset: AtomicDataset, one: int, other: int) -> tuple[int, int]:
    """Two structures in the order in which one can lie on the other."""
    return (one, other) if dataset.sizes[one] >= dataset.sizes[other] else (other, one)


def differences(
    dataset: AtomicDataset, pairs: list[tuple[int, int]], lying: dict[tuple[int, int], Isometry]
) -> NDArray[np.float64]:
    """The differences (P, 3) of energy, forces and stress of pairs of structures, see :class:`LabelsApart`."""
    found = np.full((len(pairs), 3), np.nan)
    for row, (one, other) in enumerate(pairs):
        large, small = larger_first(dataset, one, other)
        apart = labels_apart(dataset, large, small, lying.get((one, other)))
        found[row] = apart.energy, apart.forces, apart.stress
    return found

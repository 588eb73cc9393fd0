"""Energy, forces and stress of a prediction beside the reference: points of a parity plot, and how far each is off."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from ase.units import GPa
from numpy.typing import NDArray

from meagraph.errors import MEAGraphError
from meagraph.predictions.errors import Errors

VOIGT = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))  # the components of a symmetric stress


@dataclass(frozen=True)
class Quantity:
    """What is predicted, and how it is shown."""

    name: Literal["energy", "forces", "stress"]
    title: str
    unit: str  # of the plot
    error_unit: str  # of tables
    scale: float  # from unit to error_unit
    level: Literal["structure", "environment"]  # what has one
    point: str  # what a point of the plot is


QUANTITIES = {
    one.name: one
    for one in (
        Quantity("energy", "Energy", "eV/atom", "meV/atom", 1000.0, "structure", "structures"),
        Quantity("forces", "Forces", "eV/Å", "meV/Å", 1000.0, "environment", "force components"),
        Quantity("stress", "Stress", "GPa", "GPa", 1.0, "structure", "stress components"),
    )
}


@dataclass(frozen=True, eq=False)
class Compared:
    """One quantity of K structures, or environments, with C components each; NaN where either set has none."""

    quantity: Quantity
    errors: Errors
    reference: NDArray[np.float64]  # (K, C) in the quantity's unit
    difference: NDArray[np.float64]  # (K, C) predicted less reference

    @cached_property
    def size(self) -> NDArray[np.float64]:
        """How far (K,) each is off: |ΔE|, the length of ΔF, the largest component of Δσ."""
        if self.quantity.name == "forces":
            return np.asarray(np.linalg.norm(self.difference, axis=1))
        return np.asarray(np.abs(self.difference).max(axis=1))

    @cached_property
    def ranked(self) -> NDArray[np.int64]:
        """The structures, or environments, that both sets know, the farthest off first."""
        known = np.flatnonzero(np.isfinite(self.size))
        return np.asarray(known[np.argsort(-self.size[known], kind="stable")])

    def plane(self, *, difference: bool = False) -> NDArray[np.float64]:
        """The points (K·C, 2) of a parity plot: reference and predicted, or the ``difference`` of the two."""
        known = np.isfinite(self.difference)
        across = np.where(known, self.reference, np.nan)
        upright = self.difference if difference else across + self.difference
        return np.stack([across.ravel(), upright.ravel()], axis=1)

    def environments(self, points: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """The environments (N,) that any of these ``points`` (K·C,) belongs to; all of a structure."""
        chosen = np.logical_or.reduce(points.reshape(self.reference.shape), axis=1)
        return np.asarray(chosen if self.quantity.level == "environment" else chosen[self.errors.dataset.structure_of])

    def points(self, environments: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """The points (K·C,) of these ``environments`` (N,), or of the structures that hold one of them."""
        if self.quantity.level == "structure":
            environments = np.logical_or.reduceat(environments, self.errors.dataset.offsets[:-1])
        return np.repeat(environments, self.reference.shape[1])

    def environment(self, member: int) -> int:
        """The environment that shows ``member``: itself, or the first of the structure."""
        return member if self.quantity.level == "environment" else int(self.errors.dataset.offsets[member])

    def members_of(self, member: int) -> NDArray[np.bool_]:
        """The environments (N,) of ``member``: itself, or all of the structure."""
        data = self.errors.dataset
        if self.quantity.level == "environment":
            return np.asarray(np.arange(data.n_environments) == member)
        return np.asarray(data.structure_of == member)


def compared(errors: Errors, name: str) -> Compared:
    """``energy`` (eV/atom), ``forces`` (eV/Å) or ``stress`` (GPa) of ``errors``. Raises MEAGraphError for others."""
    data = errors.dataset
    match name:
        case "energy":
            reference, difference = (data.energy / data.sizes)[:, None], errors.energy[:, None]
        case "forces":
            reference, difference = data.forces, errors.forces
        case "stress":
            places = tuple(np.array(VOIGT).T)
            reference, difference = (one[:, places[0], places[1]] / GPa for one in (data.stress, errors.stress))
        case _:
            raise MEAGraphError(f"Unknown quantity {name!r}; choose from {', '.join(QUANTITIES)}.")
    return Compared(QUANTITIES[name], errors, reference, difference)


def known_quantities(errors: Errors) -> tuple[Quantity, ...]:
    """Those of which something has both labels."""
    values = {"energy": errors.energy, "forces": errors.forces, "stress": errors.stress}
    return tuple(one for name, one in QUANTITIES.items() if np.isfinite(values[name]).any())

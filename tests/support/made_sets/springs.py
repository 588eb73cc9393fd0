"""Thermal displacements of any structure, stable or not: atoms on springs between neighbours and to their sites."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.neighborlist import neighbor_list
from ase.units import kB
from numpy.typing import NDArray

from tests.support.made_sets.truth import frame

FRACTION = 0.03  # of the nearest distance: rms displacement a coordinate at 300 K (copper: 0.083 Å, 0.033)
ANCHOR = 0.5  # of a spring between neighbours: what holds an atom to its site
SHELL = 1.25  # of the nearest distance: who is joined by a spring


@dataclass(frozen=True, eq=False)
class Springs:
    """E = 1/2 Σ_c u_c · K u_c over the coordinates c = x, y, z: the same for each of them, none of them coupled."""

    sites: NDArray[np.float64]  # (n, 3) Å
    stiffness: NDArray[np.float64]  # (n, n) K, eV/Å²

    def displacements(self, temperature: float, rng: np.random.Generator) -> NDArray[np.float64]:
        """Displacements (n, 3) in Å from the classical distribution at ``temperature`` in K: covariance kT K^-1."""
        factor = np.linalg.cholesky(self.stiffness)  # K = L Lᵀ, so u = L^-T z has the covariance K^-1
        drawn = rng.standard_normal(self.sites.shape)
        return np.sqrt(kB * temperature) * np.linalg.solve(factor.T, drawn)

    def frame(self, atoms: Atoms, temperature: float, rng: np.random.Generator) -> Atoms:
        """``atoms``, which stand on the sites, displaced; with the energy and the forces of the springs."""
        moved = self.displacements(temperature, rng)
        copy = atoms.copy()
        copy.positions = self.sites + moved
        forces = -self.stiffness @ moved
        return frame(copy, float(-0.5 * (moved * forces).sum()), forces, temperature)


def nearest_distance(atoms: Atoms) -> float:
    """The smallest distance between two atoms, or an atom and its own image, in Å."""
    reach = 1.0
    while not len(found := neighbor_list("d", atoms, reach)):
        reach *= 1.5
    return float(found.min())


def springs(atoms: Atoms, pairs: NDArray[np.int64] | None = None) -> Springs:
    """Springs of one strength between the ``pairs`` (b, 2), by default all atoms within SHELL nearest distances.

    The strength is such that at 300 K the mean square displacement of a coordinate, over the atoms, is (FRACTION x
    nearest distance)²; atoms with fewer springs move more.
    """
    distance = nearest_distance(atoms)
    if pairs is None:
        first, second = neighbor_list("ij", atoms, SHELL * distance)
        pairs = np.column_stack([first, second])[first <= second]  # each pair once; an atom and its image twice
    laplacian = ANCHOR * np.eye(len(atoms))
    for i, j in pairs:
        laplacian[i, i] += 1.0
        laplacian[j, j] += 1.0
        laplacian[i, j] -= 1.0
        laplacian[j, i] -= 1.0
    usual = float(np.trace(np.linalg.inv(laplacian))) / len(atoms)  # mean square at kT = 1 and unit strength
    strength = kB * 300.0 * usual / (FRACTION * distance) ** 2
    return Springs(atoms.get_positions(), strength * laplacian)

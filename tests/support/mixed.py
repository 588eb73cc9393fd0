"""Few structures of every kind that a format may not hold, and what writers of formats are given of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms
from ase.build import bulk, fcc111, molecule
from ase.calculators.singlepoint import SinglePointCalculator

from meagraph.datasets import AtomicDataset, from_atoms
from meagraph.exports.weights import Weights
from meagraph.pruning.plan import PruningPlan
from meagraph.pruning.settings import PruningConfig

TWIN, BIG, GAS, SLAB, ALONE, BARE = range(1, 7)  # numbers of the structures, after a crystal with all there is


@dataclass(frozen=True, eq=False)
class Mixed:
    """S = 7: a crystal, one of the same elements in another order, a larger one without stress, a molecule, a slab, an
    isolated atom, and a crystal without forces whose group reads as a number."""

    dataset: AtomicDataset
    weights: Weights

    def plan(self, *rows: int) -> PruningPlan:
        """A plan that keeps these structures, by default all."""
        structures = np.zeros(self.dataset.n_structures, bool)
        structures[list(rows) or slice(None)] = True
        nothing = np.zeros(self.dataset.n_structures, bool)
        keep = structures[self.dataset.structure_of]
        return PruningPlan(keep, structures, nothing, PruningConfig(), np.array([keep.sum(), 0]), self.dataset)


def mixed() -> Mixed:
    """Made anew each time; labels are random numbers."""
    rng = np.random.default_rng(3)
    salt = bulk("NaCl", "rocksalt", 5.64, cubic=True)
    slab = fcc111("Al", (1, 1, 3), vacuum=8.0)
    slab.pbc = (True, True, False)
    kinds: list[tuple[Atoms, str, str]] = [
        (salt, "salt, wet", "energy forces stress"),
        (salt[[1, 0, 3, 2, 5, 4, 7, 6]], "salt wet", "energy forces stress"),
        (salt * (2, 1, 1), "big", "energy forces"),
        (molecule("H2O"), "gas", "energy forces"),
        (slab, "slab", "energy forces"),
        (Atoms("Na", cell=[20.0] * 3, pbc=True), "IsolatedAtom", "energy forces"),
        (salt, "12", "energy stress"),
    ]
    structures = []
    for kind, group, labels in kinds:
        atoms = kind.copy()
        atoms.info, atoms.arrays = (
            {"config_type": group, "note": 'say "x y"'},
            {name: atoms.arrays[name] for name in ("numbers", "positions")},
        )
        atoms.positions += rng.normal(scale=0.05, size=atoms.positions.shape)
        atoms.arrays["spread"] = rng.normal(size=len(atoms))
        found: dict[str, Any] = {
            "energy": float(rng.normal(scale=9.0)),
            "forces": rng.normal(size=(len(atoms), 3)),
            "stress": rng.normal(scale=0.05, size=6),
        }
        atoms.calc = SinglePointCalculator(atoms, **{name: found[name] for name in labels.split()})
        structures.append(atoms)
    dataset = from_atoms(structures, allow_unlabelled=True, name="mixed")
    atoms = rng.uniform(0.1, 2.0, dataset.n_environments)
    means = np.add.reduceat(atoms, dataset.offsets[:-1]) / dataset.sizes
    return Mixed(dataset, Weights("population", atoms, means))

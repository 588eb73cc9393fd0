"""Structures that tests share: tiny labelled niobium, and the real datasets where they lie.

Energies and forces come from one pair potential: cheap, smooth and consistent with each other.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator
from ase.neighborlist import neighbor_list

from tests.support import ROOT


def real_data(name: str) -> Path:
    """A file of the folder of real datasets; the test is skipped where there is none."""
    folder = os.environ.get("MEAVIZ_DATA")
    root = Path(folder) if folder else ROOT.parent / "shared" / "data"
    if not (root / name).exists():
        pytest.skip(f"{name} is not in {root}; point MEAVIZ_DATA at the folder of real datasets")
    return root / name


def labelled(atoms: Atoms, group: str) -> Atoms:
    """Return a copy with energy and forces of the pair potential 0.1 (4.5 - d)^3 eV, d in Å below 4.5."""
    first, length, vector = neighbor_list("idD", atoms, 4.5)
    pull = 0.3 * (4.5 - length) ** 2 / length
    forces = np.zeros((len(atoms), 3))
    np.add.at(forces, first, -pull[:, None] * vector)
    copy = atoms.copy()
    energy = float(0.5 * (0.1 * (4.5 - length) ** 3).sum())
    copy.calc = SinglePointCalculator(copy, energy=energy, forces=forces)
    copy.info["config_type"] = group
    return copy


def niobium_structures(n_bcc: int = 6, n_fcc: int = 4, *, rattle: float = 0.06, seed: int = 0) -> list[Atoms]:
    """Rattled and stretched bcc (16 atoms) and fcc (8 atoms) cells, the last bcc twice; one isolated atom."""
    rng = np.random.default_rng(seed)
    cells = {
        "bcc": bulk("Nb", "bcc", a=3.31, cubic=True) * (2, 2, 2),
        "fcc": bulk("Nb", "fcc", a=4.21, cubic=True) * (2, 1, 1),
    }
    structures = []
    for group, count in (("bcc", n_bcc), ("fcc", n_fcc)):
        for _ in range(count):
            atoms = cells[group].copy()
            atoms.set_cell(atoms.cell * rng.uniform(0.98, 1.02), scale_atoms=True)
            atoms.positions += rng.normal(scale=rattle, size=atoms.positions.shape)
            structures.append(labelled(atoms, group))
        if group == "bcc":
            structures.append(structures[-1].copy())
            structures[-1].calc = SinglePointCalculator(structures[-1], **structures[-2].calc.results)
    return [*structures, labelled(Atoms("Nb"), "IsolatedAtom")]

"""The neighbourhood of one atom: which atoms surround it, and where their periodic images lie."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.geometry import complete_cell

from meagraph.errors import MEAGraphError


class NeighbourhoodError(MEAGraphError):
    """An atom or a cutoff that makes no sense for a structure."""


@dataclass(frozen=True, eq=False)
class Neighbourhood:
    """The K neighbours of one atom, nearest first.

    An atom may occur several times, as different periodic images; the centre occurs only as such an image.
    """

    center: int  # index of the atom in its structure
    atoms: np.ndarray  # (K,) int64 index of each neighbour's atom in the structure
    shifts: np.ndarray  # (K, 3) Å displacement of the periodic image, zero for the atom itself
    positions: np.ndarray  # (K, 3) Å where the neighbour is: the atom's position plus its shift
    distances: np.ndarray  # (K,) Å from the centre, ascending


def neighbourhood(atoms: Atoms, index: int, cutoff: float) -> Neighbourhood:
    """Find all atoms and periodic images within ``cutoff`` Å (inclusive) of one atom.

    Directions are periodic as ``atoms.pbc`` says; the cell may be skewed and smaller than the cutoff. Among
    equal distances the order is that of atoms, then of images.

    Raises:
        NeighbourhoodError: there is no such atom, or the cutoff is not positive and finite.
    """
    if not 0 <= index < len(atoms):
        raise NeighbourhoodError(
            f"Expected an atom from 0 to {len(atoms) - 1}, but came {index}. Name an atom of this structure."
        )
    if not (np.isfinite(cutoff) and cutoff > 0):
        raise NeighbourhoodError(f"Expected a cutoff above 0 Å, but came {cutoff}. Give a positive length.")
    periodic = np.asarray(atoms.pbc)
    away = atoms.positions - atoms.positions[index]  # (n, 3)
    cell = np.eye(3)
    nearest = np.zeros((len(atoms), 3), dtype=np.int64)  # (n, 3) image that lies closest in each direction
    reach = np.zeros(3, dtype=np.int64)  # images beyond that one, either way
    if periodic.any():
        if not atoms.cell.array[periodic].any(axis=1).all():
            raise NeighbourhoodError(
                "Expected a cell vector along each periodic direction, but one is zero. Give the cell or "
                "switch off pbc."
            )
        cell = complete_cell(atoms.cell)
        inverse = np.linalg.inv(cell)
        fractional = away @ inverse
        nearest[:, periodic] = -np.rint(fractional[:, periodic]).astype(np.int64)
        # The fractional coordinates of a vector v, v @ inverse, are at most |v| times the columns' norms.
        steps = np.floor(cutoff * np.linalg.norm(inverse, axis=0) + 0.5).astype(np.int64)
        reach[periodic] = steps[periodic]
    grid = np.meshgrid(*(np.arange(-n, n + 1) for n in reach), indexing="ij")
    around = np.stack(grid, axis=-1).reshape(-1, 3)  # (T, 3)
    images = nearest[:, None, :] + around  # (n, T, 3)
    shifts = images @ cell  # (n, T, 3) Å
    distances = np.linalg.norm(away[:, None, :] + shifts, axis=2)  # (n, T)
    near = distances <= cutoff
    near[index] &= images[index].any(axis=1)
    members, columns = np.nonzero(near)
    order = np.argsort(distances[members, columns], kind="stable")
    members, columns = members[order], columns[order]
    return Neighbourhood(
        center=int(index),
        atoms=members,
        shifts=shifts[members, columns],
        positions=atoms.positions[members] + shifts[members, columns],
        distances=distances[members, columns],
    )

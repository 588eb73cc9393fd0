"""What energies and forces tell of the stress: all three are derivatives of one energy.

The quick field (:mod:`meagraph.force_field.field`) is fitted to energies and forces of a sample, never to stress, and
differentiated by strain. Where there are too few energies the isotropic part is left open, for forces say nothing of
it. Where what is told hangs on the ridge of the fit the sample does not determine it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from meagraph.datasets import AtomicDataset
from meagraph.force_field.field import new_field, usual_distance

ATOMS = 8000  # that are looked at
RIDGE, LOOSE = 1e-6, 1e-4  # of the mean diagonal; what both agree on is determined by the sample
ENERGY_WEIGHT = 3.0  # 1/Å: an error of 1 eV an atom counts as much as one of 3 eV/Å
VOIGT = ((0, 1, 2, 1, 0, 0), (0, 1, 2, 2, 2, 1))
WEIGHT = np.array([1.0, 1.0, 1.0, 2.0, 2.0, 2.0]) ** 0.5  # off-diagonals stand twice in the matrix


@dataclass(frozen=True, eq=False)
class Compared:
    """Stress of k structures in eV/Å³, and what energies and forces tell of it, (k, 6) in Voigt's order each."""

    structures: NDArray[np.int64]  # (k,)
    stress: NDArray[np.float64]
    told: NDArray[np.float64]
    loosely: NDArray[np.float64]  # told, by the larger ridge
    whole: bool  # whether there were energies, and the isotropic part is told, too


def compare(
    dataset: AtomicDataset, usable: NDArray[np.bool_], parts: NDArray[np.int64], *, seed: int = 0
) -> Compared | None:
    """Fit the field to a sample of the ``usable`` structures (S,), as many of each of the ``parts`` (S,) as there are.

    At least two must be usable, all with forces, stress and a volume. None where no atom has a neighbour.
    """
    chosen = _sample(dataset, np.flatnonzero(usable), parts, seed)
    usual = usual_distance(dataset, chosen)
    if not usual > 0.0:
        return None
    field = new_field(dataset.species, usual)
    gram, right = np.zeros((field.width, field.width)), np.zeros(field.width)
    virials, energies = [], []
    for one in chosen.tolist():
        found = field.neighbourhoods(dataset.structures.plain(one))
        features, virial = found.gradients(field)
        rows = features.reshape(-1, field.width)
        gram += rows.T @ rows
        right += rows.T @ dataset.forces[dataset.rows_of(one)].ravel()
        virials.append(virial / dataset.volumes[one])
        energies.append(found.energy_features(field))
    known = np.isfinite(dataset.energy[chosen])
    if known.any():
        more, target = _energy_rows(dataset, chosen[known], np.array(energies)[known])
        gram += more.T @ more
        right += more.T @ target
    scale = np.sqrt(np.diagonal(gram))
    scale = np.maximum(scale, np.median(scale[scale > 0.0])) if scale.any() else np.ones(field.width)
    gram /= np.outer(scale, scale)
    level = np.trace(gram) / field.width
    told = []
    for ridge in (RIDGE, LOOSE):
        held = gram + (ridge * level + np.finfo(float).tiny) * np.eye(field.width)
        told.append(np.array(virials) @ (np.linalg.solve(held, right / scale) / scale))
    return Compared(chosen, dataset.stress[chosen][:, *VOIGT], told[0], told[1], bool(known.all()))


def _energy_rows(
    dataset: AtomicDataset, chosen: NDArray[np.int64], features: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weighted equations (k, W) and (k,) of the energies, an energy of each element projected out."""
    weight = ENERGY_WEIGHT / np.sqrt(dataset.sizes[chosen])  # of a structure's energy: as its atoms' energies together
    own = (dataset.numbers[dataset.rows_of(one)] for one in chosen)
    counts = np.array([(numbers[:, None] == dataset.species).sum(axis=0) for numbers in own])
    counts = counts * weight[:, None]
    rows, target = features * weight[:, None], dataset.energy[chosen] * weight
    offsets = np.linalg.pinv(counts)
    return rows - counts @ (offsets @ rows), target - counts @ (offsets @ target)


def _sample(
    dataset: AtomicDataset, usable: NDArray[np.int64], parts: NDArray[np.int64], seed: int
) -> NDArray[np.int64]:
    """Structures of all parts, as many of each as there are, up to ATOMS, and two at least."""
    order = np.random.default_rng(seed).permutation(usable)
    rank = np.empty(len(order), dtype=np.int64)  # in its part
    for part in np.unique(parts[order]):
        here = parts[order] == part
        rank[here] = np.arange(here.sum())
    order = order[np.argsort(rank, kind="stable")]
    count = int(np.searchsorted(np.cumsum(dataset.sizes[order]), ATOMS, side="right"))
    return np.sort(order[: max(count, 2)])

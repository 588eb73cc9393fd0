"""What the quick field sees of a dataset, chunk by chunk."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from meagraph.datasets import AtomicDataset
from meagraph.datasets.chunks import cut, over_chunks
from meagraph.datasets.shared import Found
from meagraph.force_field.field import Fitted, fit_roughly, new_field, pair_slopes, usual_distance
from meagraph.progress import Progress, part, silent
from meagraph.workers import HERE, Workers
from meagraph.workers.beside import processes_for

CHUNK = 8192  # environments of a task, seconds of work; structures of equal content are looked at once
ALONE = 200_000  # environments up to which this process is done before others have started
REPORT = 2048  # the same where this process works, which is to hear of a cancellation soon


@dataclass(frozen=True, eq=False)
class Observed:
    """What one pass over all pairs of atoms finds out about a dataset."""

    usual: float  # Å, median distance to the nearest atom; NaN where no atom has a neighbour
    nearest: NDArray[np.float64]  # (N,) Å to the nearest atom; NaN where none lies within the cutoff
    coordination: NDArray[np.float64]  # (N,) atoms in the first shell, those at its edge in part
    forces: NDArray[np.float64]  # (N, 3) eV/Å that the quick field expects; NaN where there are no forces to fit
    features: NDArray[np.float64]  # (S, W) what multiplies the field's coefficients in the energy per atom
    fitted: Fitted | None = None  # the field; None where there are no forces to fit


def observe(dataset: AtomicDataset, *, seed: int = 0, workers: Workers = HERE, progress: Progress = silent) -> Observed:
    """Fit the quick field to a sample of the dataset's own forces and look at all neighbourhoods with it.

    Structures of equal content are looked at once, chunk by chunk, by ``workers`` where these are elsewhere; else of
    more than ALONE environments by processes of this machine.
    """
    order = np.random.default_rng(seed).permutation(dataset.n_structures)
    usual = usual_distance(dataset, order)
    if not usual > 0.0:
        n, s = dataset.n_environments, dataset.n_structures
        alone, unknown = np.zeros(n), np.full(n, np.nan)
        return Observed(np.nan, unknown, alone, np.full((n, 3), np.nan), np.zeros((s, 0)))
    field = new_field(dataset.species, usual)
    fitted = fit_roughly(field, dataset, order, part(progress, 0.0, 0.3))
    nearest, shell = np.empty(dataset.n_environments), np.empty(dataset.n_environments)
    forces = np.full_like(dataset.forces, np.nan)
    features = np.empty((dataset.n_structures, field.width))
    processes = processes_for(dataset.n_environments, ALONE)
    most = CHUNK if workers.elsewhere or processes > 1 else REPORT
    chunks = cut(np.unique(dataset.first_equal), dataset.sizes, most)
    looks = over_chunks(
        functools.partial(look, Seeing(dataset.species, usual, None if fitted is None else fitted.coefficients)),
        dataset,
        chunks,
        workers,
        processes=processes,
        message="outliers: quick force field",
        kept="seen",
        progress=part(progress, 0.3, 1.0),
    )
    for chunk, (near, count, expected, of_energy) in zip(chunks, looks, strict=True):
        rows = np.concatenate([np.arange(dataset.offsets[row], dataset.offsets[row + 1]) for row in chunk])
        nearest[rows], shell[rows], features[chunk] = near, count, of_energy
        if fitted is not None:
            forces[rows] = expected
    for index in np.flatnonzero(dataset.first_equal != np.arange(dataset.n_structures)).tolist():
        own, same = dataset.rows_of(index), dataset.rows_of(dataset.first_equal[index])
        nearest[own], shell[own], forces[own] = nearest[same], shell[same], forces[same]
        features[index] = features[dataset.first_equal[index]]
    return Observed(usual, nearest, shell, forces, features, fitted)


@dataclass(frozen=True, eq=False)
class Seeing:
    """All that the field of a dataset hangs on, small enough to send to a worker."""

    species: tuple[int, ...]
    usual: float  # Å
    coefficients: NDArray[np.float64] | None  # (W,) of the fit


def look(
    seeing: Seeing, found: Found, structures: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """A task: nearest atom (n,), coordination (n,), forces (n, 3) and features (s, W) of some ``structures`` (s,).

    Without a fit the forces are empty.
    """
    field, fitted = new_field(seeing.species, seeing.usual), seeing.coefficients
    slopes = None if fitted is None else pair_slopes(field, fitted)
    nearest, shell, forces, features = [], [], [np.empty((0, 3))], []
    for index in structures.tolist():
        atoms = found.structures.plain(index)
        around = field.neighbourhoods(atoms)
        near, count = around.first_shell(seeing.usual)
        nearest.append(near)
        shell.append(count)
        features.append(around.energy_features(field) / len(atoms))
        if fitted is not None and slopes is not None:
            forces.append(around.forces(field, fitted, slopes))
    return np.concatenate(nearest), np.concatenate(shell), np.concatenate(forces), np.array(features)

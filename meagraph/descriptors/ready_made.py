"""Descriptors that somebody else has computed: a per-atom array of the files, or a NumPy file beside them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meagraph.datasets import AtomicDataset
from meagraph.errors import MEAGraphError
from meagraph.files import read_array


def read_ready_made(dataset: AtomicDataset, method: str, source: str) -> NDArray[np.float32]:
    """Values (N, D) of the dataset's environments from ``source``, checked; a method of READY_MADE reads them.

    Raises MEAGraphError, naming the frame where it can, for values that are missing, of another shape, or not finite.
    """
    values = READY_MADE[method](dataset, source)
    size = dataset.n_environments
    if values.ndim != 2 or values.shape[0] != size or values.shape[1] < 1 or values.dtype.kind not in "fiu":
        raise MEAGraphError(
            f"{source}: expected numbers of shape ({size}, D), a row for each environment, got "
            f"{values.dtype} of shape {values.shape}. Name another source, or make it for these files."
        )
    bad = np.flatnonzero(~np.isfinite(values).all(axis=1))
    if len(bad):
        structure = int(dataset.structure_of[bad[0]])
        raise MEAGraphError(
            f"{source}: expected finite numbers, but row {bad[0]} ({dataset.locate(structure)}, atom "
            f"{dataset.atom_of[bad[0]]}) holds NaN or infinity. Compute its descriptor anew, or remove the frame."
        )
    return np.ascontiguousarray(values, dtype=np.float32)


def _from_array(dataset: AtomicDataset, name: str) -> NDArray[Any]:
    parts: list[NDArray[Any]] = []
    columns = dataset.structures.named("arrays", name)
    missing = np.ones(dataset.n_structures, dtype=bool)
    for column in columns:
        missing[column.rows] = False
    if missing.any():
        index = int(np.argmax(missing))
        others = sorted(set(dataset.structures[index].arrays) - {"numbers", "positions"})
        raise MEAGraphError(
            f"{dataset.locate(index)}: expected a per-atom array {name!r}, but this frame has "
            f"{', '.join(others) or 'none'}. Name one that all frames have."
        )
    if len(columns) == 1:
        return columns[0].values.reshape(dataset.n_environments, -1)
    for index, size in enumerate(dataset.sizes.tolist()):
        parts.append(np.asarray(dataset.structures[index].arrays[name]).reshape(size, -1))
        if parts[-1].shape[1] != parts[0].shape[1]:
            raise MEAGraphError(
                f"{dataset.locate(index)}: expected {parts[0].shape[1]} values an atom in {name!r} as in the first "
                f"frame, got {parts[-1].shape[1]}. Write the array with equal width in all frames."
            )
    return np.concatenate(parts)


def _from_npy(dataset: AtomicDataset, path: str) -> NDArray[Any]:
    try:
        return np.asarray(read_array(Path(path).expanduser()))
    except (OSError, ValueError) as error:
        raise MEAGraphError(f"{path}: expected a NumPy array file (.npy), but it cannot be read: {error}.") from error


READY_MADE: dict[str, Callable[[AtomicDataset, str], NDArray[Any]]] = {"array": _from_array, "npy": _from_npy}

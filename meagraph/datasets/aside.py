"""A dataset with some of its structures alone; those set aside after they were read, since the work on them failed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from meagraph.datasets.dataset import AtomicDataset, DatasetError, Quarantined
from meagraph.datasets.entries import gathered


def set_aside(dataset: AtomicDataset, structures: NDArray[np.integer], cause: str) -> AtomicDataset:
    """``dataset`` without some ``structures``, which are in quarantine for this ``cause`` then.

    Raises DatasetError where none would be left.
    """
    kept = np.ones(dataset.n_structures, dtype=bool)
    kept[structures] = False
    rows = np.flatnonzero(kept)
    if not len(rows):
        raise DatasetError(f"{cause} No structure is left.")
    aside = tuple(
        Quarantined(dataset.sources[dataset.source_index[row]].path, int(dataset.frame_index[row]), 0, cause)
        for row in np.flatnonzero(~kept)
    )
    quarantined = tuple(sorted([*dataset.quarantined, *aside], key=lambda frame: (frame.path, frame.frame)))
    return replace(with_structures(dataset, rows), quarantined=quarantined)


def with_structures(dataset: AtomicDataset, rows: NDArray[np.int64]) -> AtomicDataset:
    """``dataset`` with the structures ``rows`` (n,), ascending, alone; its sources and its quarantine stay."""
    atoms, _ = gathered(dataset.offsets, rows)
    return replace(
        dataset,
        structures=dataset.structures.taken(rows),
        groups=dataset.groups[rows],
        source_index=dataset.source_index[rows],
        frame_index=dataset.frame_index[rows],
        frame_span=dataset.frame_span[rows],
        energy=dataset.energy[rows],
        forces=dataset.forces[atoms],
        stress=dataset.stress[rows],
    )

"""Files in: any file that ASE reads becomes one validated :class:`AtomicDataset`."""

from __future__ import annotations

from meagraph.datasets.dataset import AtomicDataset, DatasetError, Source, summarise
from meagraph.datasets.reading import read_dataset
from meagraph.datasets.structures import dataset_from_structures, from_atoms

__all__ = [
    "AtomicDataset",
    "DatasetError",
    "Source",
    "dataset_from_structures",
    "from_atoms",
    "read_dataset",
    "summarise",
]

"""Structures as a task finds them: those of the dataset at hand, or mapped from the folder of a store."""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from meagraph.datasets.columnar import Structures
from meagraph.datasets.dataset import AtomicDataset, describe_frame
from meagraph.datasets.store import HEADER, SUFFIX, write_store
from meagraph.workers import Workers

BARE = ("offsets", "numbers", "positions", "cells", "pbc")


class Found(Protocol):
    """What a task needs of a dataset."""

    @property
    def structures(self) -> Structures:
        """Atoms, cells and periodicity of all structures."""
        ...

    def locate(self, structure: int) -> str:
        """Say where a structure came from."""
        ...


@dataclass(frozen=True)
class Stored:
    """A dataset in the ``folder`` of a store, which was checked where it was opened; mapped once in each process."""

    folder: str

    @property
    def structures(self) -> Structures:
        """Structures without what frames carry beside atoms and cell."""
        return _structures(self.folder)

    def locate(self, structure: int) -> str:
        """As :meth:`AtomicDataset.locate`."""
        header = json.loads(Path(self.folder, HEADER).read_text(encoding="utf-8"))
        source, frame = (int(_array(self.folder, name)[structure]) for name in ("source_index", "frame_index"))
        return describe_frame(header["sources"][source]["path"] or header["name"], frame)


@dataclass(frozen=True, eq=False)
class Handed:
    """A few structures that a task is handed, numbered from 0."""

    structures: Structures  # without what frames carry beside atoms and cell
    where: tuple[str, ...]  # each came from

    def locate(self, structure: int) -> str:
        """As :meth:`AtomicDataset.locate`."""
        return self.where[structure]


def handed(dataset: AtomicDataset, structures: NDArray[np.integer]) -> Handed:
    """The ``structures`` of ``dataset`` with these numbers, small enough to send to another process."""
    return Handed(bare(dataset, structures), tuple(dataset.locate(int(index)) for index in structures))


def bare(found: Found, structures: NDArray[np.integer]) -> Structures:
    """Nothing but atoms, cells and periodicity of the ``structures`` with these ascending numbers, one after the other.

    The arrays are the caller's own, whatever those that they come from are mapped from.
    """
    few = replace(found.structures, layouts=(), columns=()).taken(structures)
    own: dict[str, Any] = {name: np.array(getattr(few, name)) for name in BARE}
    return replace(few, **own)


def shared(dataset: AtomicDataset, workers: Workers) -> Found:
    """What tasks of ``workers`` are told of ``dataset``: itself here, else its store, which is made where it has none.

    Raises DatasetError where that cannot be written.
    """
    if workers.folder is None:
        return dataset
    if dataset.folder is not None and Path(dataset.folder, HEADER).is_file():
        return Stored(str(Path(dataset.folder).absolute()))
    folder = workers.folder / f"structures{SUFFIX}"
    if not (folder / HEADER).is_file():
        write_store(dataset, folder)
    return Stored(str(folder.absolute()))


def frames_in_words(dataset: AtomicDataset, structures: Sequence[int] | NDArray[np.integer]) -> str:
    """Where some ``structures``, in ascending order, came from: the first and the last frame."""
    first, last = int(structures[0]), int(structures[-1])
    if first == last:
        return dataset.locate(first)
    if dataset.source_index[first] != dataset.source_index[last]:
        return f"{dataset.locate(first)}, to {dataset.locate(last)}"
    path = dataset.sources[dataset.source_index[first]].path or dataset.name
    return f"{path}, frames {dataset.frame_index[first]} to {dataset.frame_index[last]} (counting from 0)"


@functools.lru_cache(maxsize=4)
def _structures(folder: str) -> Structures:
    offsets, numbers, positions, cells, pbc, layout = (_array(folder, name) for name in (*BARE, "layout"))
    return Structures(offsets, numbers, positions, cells, pbc, layout, layouts=(), columns=())


def _array(folder: str, name: str) -> NDArray[Any]:
    return np.asarray(np.load(Path(folder, f"{name}.npy"), mmap_mode="r", allow_pickle=False))

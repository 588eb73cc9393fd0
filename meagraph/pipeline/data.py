"""Whatever data is given as, to a dataset."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from ase import Atoms

from meagraph.datasets import AtomicDataset, from_atoms
from meagraph.datasets.known import FOR_BOTH, with_known
from meagraph.errors import MEAGraphError
from meagraph.pipeline.opening import open_data
from meagraph.progress import Progress, part, silent
from meagraph.workers import HERE, Workers

Data = str | os.PathLike[str] | Iterable[str | os.PathLike[str]] | Atoms | Iterable[Atoms] | AtomicDataset
"""What is accepted wherever data is: a path, several, a structure, several, or a dataset."""


def as_dataset(
    data: Data, *, cache: bool = True, workers: Workers = HERE, progress: Progress = silent, **reading: Any
) -> AtomicDataset:
    """A dataset of files, structures, or what is one already; ``cache`` as :func:`meagraph.pipeline.opening.open_data`.

    ``reading`` are options of :func:`meagraph.datasets.read_dataset` for files, and of
    :func:`meagraph.datasets.from_atoms` for structures. Raises MEAGraphError for bad input, and for such options where
    the dataset is read already.
    """
    if isinstance(data, AtomicDataset):
        if reading:
            raise MEAGraphError(f"The dataset is read already; leave out {', '.join(sorted(reading))}.")
        return data
    if isinstance(data, (str, os.PathLike)):
        return open_data(data, cache=cache, workers=workers, progress=progress, **reading)
    items: list[Any] = [data] if isinstance(data, Atoms) or not isinstance(data, Iterable) else list(data)
    paths = [item for item in items if isinstance(item, (str, os.PathLike))]
    if items and len(paths) == len(items):
        return open_data(paths, cache=cache, workers=workers, progress=progress, **reading)
    if items and all(isinstance(item, Atoms) for item in items):
        return from_atoms(items, **{name: value for name, value in reading.items() if name != "fewest"})
    kinds = ", ".join(sorted({type(item).__name__ for item in items}))
    raise MEAGraphError(
        f"Expected a path or several, ase.Atoms, one or a list of them, or a dataset, but "
        f"{f'came {kinds}' if items else 'nothing came'}. Give one of these."
    )


def with_data(
    data: Data,
    known: Data | None = None,
    *,
    cache: bool = True,
    workers: Workers = HERE,
    progress: Progress = silent,
    **reading: Any,
) -> AtomicDataset:
    """The dataset of ``data`` and, where there is any, what is ``known`` beside it; see :func:`as_dataset`."""
    if known is None:
        return as_dataset(data, cache=cache, workers=workers, progress=progress, **reading)
    if isinstance(data, AtomicDataset) and isinstance(known, AtomicDataset):
        return with_known(as_dataset(data, **reading), known)
    parts = []
    for number, one in enumerate((data, known)):
        options = {} if isinstance(one, AtomicDataset) else {**reading, **FOR_BOTH}
        share = part(progress, 0.5 * number, 0.5 * number + 0.5)
        parts.append(as_dataset(one, cache=cache, workers=workers, progress=share, **options))
    return with_known(*parts)

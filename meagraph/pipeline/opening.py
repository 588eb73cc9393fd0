"""Files to a dataset; large ones are read once, into a store in the cache that opens by memory map."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from meagraph.cache import place
from meagraph.datasets import AtomicDataset, DatasetError, read_dataset
from meagraph.datasets.entries import IN_MEMORY
from meagraph.datasets.known import FOR_BOTH, with_known
from meagraph.datasets.store import SUFFIX, VERSION, is_store, open_store, write_store
from meagraph.files import sha256_file
from meagraph.progress import Progress, part, silent
from meagraph.workers import HERE, Workers

READ_VERSION = 1  # of what reading makes of files
KEPT_FROM = 20_000_000  # bytes of files that take seconds to read
LOOSE = ("max_bytes",)  # options that say what is refused, not what is read


def open_data(
    paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    cache: bool = True,
    workers: Workers = HERE,
    progress: Progress = silent,
    **reading: Any,
) -> AtomicDataset:
    """As :func:`meagraph.datasets.read_dataset`, which gets the options ``reading``.

    With ``cache`` extended XYZ of KEPT_FROM bytes and more is read once: what was read lies in the cache under the
    hashes of the files, their names and all options, and its arrays are memory-mapped. Raises as ``read_dataset`` does.
    """
    given = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
    names = [os.fspath(path) for path in given]
    folder = _folder(names, reading) if cache else None
    if folder is None:
        return read_dataset(names, progress=progress, **reading)
    try:
        dataset = open_store(folder, stands_in=False)
    except DatasetError:  # not there yet, or of another version
        with workers.within("read", {"into": folder.name}) as here:
            dataset = read_dataset(names, workers=here, progress=part(progress, 0.0, 0.95), **reading)
        return _kept(dataset, folder)
    progress(1, 1, f"{dataset.n_structures:,} structures from the cache")
    return dataset


def open_with_known(
    paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    known: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] = (),
    *,
    cache: bool = True,
    progress: Progress = silent,
    **reading: Any,
) -> AtomicDataset:
    """What :func:`open_data` opens of ``paths``, and, where there are any, the ``known`` files beside it.

    The options ``reading`` are those of both. With known files no frame needs labels, and one structure will do. Raises
    as :func:`open_data` and :func:`meagraph.datasets.known.with_known` do.
    """
    if not known:
        return open_data(paths, cache=cache, progress=progress, **reading)
    options = {**reading, **FOR_BOTH}
    new = open_data(paths, cache=cache, progress=part(progress, 0.0, 0.5), **options)
    return with_known(new, open_data(known, cache=cache, progress=part(progress, 0.5, 1.0), **options))


def _folder(names: list[str], reading: dict[str, Any]) -> Path | None:
    """Where the cache keeps what is in these files, None where it does not."""
    files = [Path(name) for name in names]
    if any(is_store(name) for name in names) or not all(file.is_file() for file in files):
        return None
    if sum(file.stat().st_size for file in files) < KEPT_FROM:
        return None
    try:
        hashes = [sha256_file(file) for file in files]
    except OSError:  # for the reader to say
        return None
    options = {name: value for name, value in sorted(reading.items()) if name not in LOOSE}
    depends = {"version": (READ_VERSION, VERSION), "files": hashes, "names": names, "options": repr(options)}
    return place("datasets", depends, SUFFIX)


def _kept(dataset: AtomicDataset, folder: Path) -> AtomicDataset:
    """``dataset`` from the store that it is written to; itself where it cannot be kept whole."""
    structures = dataset.structures
    whole = all(column.kind != IN_MEMORY and isinstance(column.name, str) for column in structures.columns)
    if not whole or any(source.format != "extxyz" for source in dataset.sources):
        return dataset  # other readers may read more files than those named
    try:
        write_store(dataset, folder, overwrite=True)
        return open_store(folder, stands_in=False)
    except DatasetError:  # no room, or another run was faster: then the next one finds it
        return dataset

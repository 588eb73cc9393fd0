"""A dataset to its phases and to what clusters can be named by, from the cache where they were found before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from meagraph.cache import recall, remember
from meagraph.datasets import AtomicDataset
from meagraph.files import read_arrays, write_arrays
from meagraph.inspection.evidence import gather
from meagraph.inspection.naming import Evidence
from meagraph.inspection.phases import Phases, find_phases
from meagraph.progress import Progress, silent
from meagraph.workers import HERE, Workers

CACHE_VERSION = 1


def phases(
    dataset: AtomicDataset, *, cache: bool = True, workers: Workers = HERE, progress: Progress = silent
) -> Phases:
    """What :func:`meagraph.inspection.phases.find_phases` finds, kept under a hash of the structures."""

    def find() -> Phases:
        with workers.within("phases", _depends(dataset)) as here:
            return find_phases(dataset, workers=here, progress=progress)

    return remember("phases", _depends(dataset), find, read=_read, write=_write, use=cache)


def evidence(dataset: AtomicDataset, *, progress: Progress = silent) -> Evidence:
    """What clusters of ``dataset`` can be named by; phases that the cache has not are found, but not kept."""
    found = recall("phases", _depends(dataset), _read)
    return gather(dataset, found or find_phases(dataset, progress=progress))


def _depends(dataset: AtomicDataset) -> dict[str, Any]:
    return {"version": CACHE_VERSION, "structures": dataset.structure_keys}


def _read(path: Path) -> Phases:
    return Phases(**read_arrays(path))


def _write(path: Path, found: Phases) -> None:
    write_arrays(path, vars(found))

"""Structures to one descriptor vector per atomic environment, cached on disk by content."""

from __future__ import annotations

import functools
import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from ase.data import chemical_symbols
from numpy.typing import NDArray

from meagraph.cache import cache_directory, content_key, read_cached
from meagraph.datasets import AtomicDataset
from meagraph.descriptors import filling
from meagraph.descriptors.dscribe_based import acsf, soap
from meagraph.descriptors.mace_based import mace
from meagraph.descriptors.ready_made import READY_MADE, read_ready_made
from meagraph.descriptors.settings import KINDS, DescriptorConfig, Maker
from meagraph.descriptors.snap import snap
from meagraph.errors import MEAGraphError
from meagraph.files import write_json
from meagraph.progress import Progress, silent

CACHE_VERSION = 1

METHODS: dict[str, Callable[[DescriptorConfig, tuple[int, ...]], tuple[dict[str, Any], Maker]]] = {
    "soap": soap,
    "acsf": acsf,
    "snap": snap,
    "mace": mace,
}
"""Settings and species to the parameters that the values depend on, and what computes them."""


@dataclass(frozen=True, eq=False)
class Descriptors:
    """One vector per environment and what made it."""

    values: NDArray[np.float32]  # (N, D), memory-mapped where it comes from the cache
    method: str
    parameters: dict[str, Any] = field(default_factory=dict)  # everything that the values depend on but the atoms
    config: DescriptorConfig | None = None  # the settings that made them; None where they were read from a file

    @property
    def identity(self) -> dict[str, Any]:
        """Method and parameters as one JSON-like dictionary; models are bound to it."""
        return {"method": self.method, **self.parameters}

    @property
    def cutoff(self) -> float:
        """Radius of an environment in Å: the usual one for descriptors that name none, as those read from a file."""
        return float(self.parameters.get("r_cut", DescriptorConfig.r_cut))


def compute_descriptors(
    dataset: AtomicDataset,
    config: DescriptorConfig | None = None,
    *,
    cache: bool = True,
    species: tuple[int, ...] | None = None,
    progress: Progress = silent,
) -> Descriptors:
    """Descriptors of every environment of ``dataset``: float32, shape (N, D), rows in file order.

    ``species`` (atomic numbers) default to those of the dataset; a loaded model may ask for more. With
    ``cache`` the values are kept on disk under a hash of the structures and all parameters, and memory-mapped
    when asked for again; a run that was killed or cancelled goes on where it stopped, and of two runs that want the
    same the second waits. Raises MEAGraphError naming the structure where a descriptor cannot be computed.
    """
    config = config or DescriptorConfig()
    if config.method in READY_MADE:
        values = read_ready_made(dataset, config.method, config.source)
        digest = hashlib.sha256(values.data).hexdigest()
        found = {"source": config.source, "width": values.shape[1], "sha256": digest}
        return Descriptors(values, config.method, found, config)
    present = species or dataset.species
    missing = set(dataset.species) - set(present)
    if missing:
        names = ", ".join(chemical_symbols[number] for number in sorted(missing))
        raise MEAGraphError(
            f"The descriptors do not cover {names}, which the dataset holds. Train a model on all species."
        )
    parameters, maker = METHODS[config.method](config, present)
    workers = (os.cpu_count() or 1) if dataset.n_environments > KINDS[config.method].parallel_above else 1
    if not cache:
        return Descriptors(filling.fill(dataset, maker, progress, workers=workers), config.method, parameters, config)
    stored = _stored(dataset, config.method, parameters)
    if (known := _read(stored, dataset, config, parameters)) is not None:
        progress(1, 1, "descriptors from the cache")
        return known
    with filling.alone(stored, progress):
        if (known := _read(stored, dataset, config, parameters)) is not None:  # made while this run waited
            return known
        filling.fill_file(stored, dataset, maker, progress, workers=workers)
        write_json(stored.with_suffix(".json"), {"method": config.method, **parameters, "dataset": dataset.name})
    return Descriptors(np.load(stored, mmap_mode="r", allow_pickle=False), config.method, parameters, config)


def recall_descriptors(dataset: AtomicDataset, config: DescriptorConfig) -> Descriptors | None:
    """What :func:`compute_descriptors` left in the cache, None where it has not been asked for them yet.

    Ready-made values are never cached; whether the settings fit the dataset is for :func:`compute_descriptors` to say.
    """
    if config.method in READY_MADE:
        return None
    try:
        parameters, _ = METHODS[config.method](config, dataset.species)
    except MEAGraphError:
        return None
    return _read(_stored(dataset, config.method, parameters), dataset, config, parameters)


def _stored(dataset: AtomicDataset, method: str, parameters: dict[str, Any]) -> Path:
    key = content_key(
        {"version": CACHE_VERSION, "structures": dataset.structure_keys, "method": method, "parameters": parameters}
    )
    return cache_directory("descriptors") / f"{method}-{key}.npy"


def _read(
    path: Path, dataset: AtomicDataset, config: DescriptorConfig, parameters: dict[str, Any]
) -> Descriptors | None:
    values = read_cached(path, functools.partial(np.load, mmap_mode="r", allow_pickle=False))
    if values is None or values.shape[0] != dataset.n_environments or values.dtype != np.float32:
        return None
    return Descriptors(values, config.method, parameters, config)


def check_same_descriptors(expected: dict[str, Any], descriptors: Descriptors) -> None:
    """Raise MEAGraphError, saying how they differ, unless a model was trained on such ``descriptors``.

    Versions may differ, and so may the content of ready-made values and the path of their file.
    """
    came = json.loads(json.dumps(descriptors.identity))
    ignored = {"implementation", "sha256"} | ({"source"} if descriptors.method == "npy" else set())
    differences = [
        f"{key}: the model has {expected.get(key)!r}, the dataset {came.get(key)!r}"
        for key in sorted((set(expected) | set(came)) - ignored)
        if expected.get(key) != came.get(key)
    ]
    if differences:
        raise MEAGraphError(
            "The model was trained on other descriptors: " + "; ".join(differences) + ". Compute the descriptors "
            "with the model's settings, or train a new model."
        )

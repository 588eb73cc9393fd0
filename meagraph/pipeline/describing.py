"""A dataset to its descriptors, from the cache where they were computed before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from meagraph.cache import place
from meagraph.datasets import AtomicDataset
from meagraph.descriptors import READY_MADE, DescriptorConfig, Descriptors, compute_descriptors
from meagraph.descriptors.computing import read_values, recipe
from meagraph.errors import MEAGraphError
from meagraph.progress import Progress, silent

CACHE_VERSION = 3


def describe(
    dataset: AtomicDataset,
    config: DescriptorConfig | None = None,
    *,
    species: tuple[int, ...] | None = None,
    cache: bool = True,
    progress: Progress = silent,
) -> Descriptors:
    """Descriptors of every environment, as :func:`compute_descriptors` computes them.

    With ``cache`` the values are kept on disk under a hash of the structures and all parameters, and memory-mapped when
    asked for again. Ready-made values are never cached.
    """
    config = config or DescriptorConfig()
    if not cache or config.method in READY_MADE:
        return compute_descriptors(dataset, config, species=species, progress=progress)
    parameters, _ = recipe(dataset, config, species)
    stored = _stored(dataset, config, parameters)
    known = read_values(stored, dataset)
    if known is not None:
        progress(1, 1, "descriptors from the cache")
        return Descriptors(known, config.method, parameters, config)
    return compute_descriptors(dataset, config, species=species, into=stored, progress=progress)


def recall_descriptors(dataset: AtomicDataset, config: DescriptorConfig) -> Descriptors | None:
    """What :func:`describe` left in the cache, None where it has not been asked for them yet.

    Whether the settings fit the dataset is for :func:`describe` to say.
    """
    if config.method in READY_MADE:
        return None
    try:
        parameters, _ = recipe(dataset, config)
    except MEAGraphError:
        return None
    values = read_values(_stored(dataset, config, parameters), dataset)
    return None if values is None else Descriptors(values, config.method, parameters, config)


def _stored(dataset: AtomicDataset, config: DescriptorConfig, parameters: dict[str, Any]) -> Path:
    depends = {
        "version": CACHE_VERSION,
        "structures": dataset.structure_keys,
        "method": config.method,
        "parameters": parameters,
    }
    return place("descriptors", depends, ".npy")

"""A dataset to its descriptors, from the cache where they were computed before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from meagraph.cache import place
from meagraph.datasets import AtomicDataset
from meagraph.datasets.aside import set_aside
from meagraph.descriptors import READY_MADE, DescriptorConfig, Descriptors, compute_descriptors
from meagraph.descriptors.computing import recall_values, recipe
from meagraph.descriptors.context import Frame
from meagraph.errors import MEAGraphError
from meagraph.model.checkpoint import frame_of
from meagraph.pipeline.config import PipelineConfig
from meagraph.progress import Progress, silent
from meagraph.workers import HERE, ChunkError, Workers

CACHE_VERSION = 3
CONTEXT_VERSION = 3


def describe(
    dataset: AtomicDataset,
    config: DescriptorConfig | None = None,
    *,
    species: tuple[int, ...] | None = None,
    context: bool = False,
    like: Frame | None = None,
    cache: bool = True,
    workers: Workers = HERE,
    progress: Progress = silent,
) -> Descriptors:
    """Descriptors of every environment, as :func:`compute_descriptors` computes them.

    With ``cache`` the values are kept on disk under a hash of the structures and all parameters, and memory-mapped when
    asked for again. Ready-made values are never cached. ``like`` is the frame of a reference, where the context is to
    be in that one.
    """
    config = config or DescriptorConfig()
    if not cache or config.method in READY_MADE:
        return compute_descriptors(dataset, config, species=species, context=context, like=like, progress=progress)
    parameters, _ = recipe(dataset, config, species)
    stored = _stored(dataset, config, parameters, context, like)
    known = recall_values(stored, dataset, config, parameters, context)
    if known is not None:
        progress(1, 1, "descriptors from the cache")
        return known
    with workers.within("described", {"version": CACHE_VERSION, "into": stored.name}) as here:
        return compute_descriptors(
            dataset, config, species=species, context=context, like=like, into=stored, workers=here, progress=progress
        )


def describe_for(
    dataset: AtomicDataset,
    config: PipelineConfig,
    model_path: str | Path | None,
    *,
    cache: bool = True,
    workers: Workers = HERE,
    progress: Progress = silent,
) -> Descriptors:
    """Descriptors as ``config`` has them, for the model at ``model_path`` in its frame; without context if it has none.

    Without a path they are for a model that is still to be trained.
    """
    like = frame_of(model_path)
    context = config.context and (model_path is None or like is not None)
    return describe(
        dataset, config.descriptors, context=context, like=like, cache=cache, workers=workers, progress=progress
    )


def describe_usable(
    dataset: AtomicDataset,
    config: PipelineConfig,
    model_path: str | Path | None,
    *,
    on_error: str = "stop",
    cache: bool = True,
    workers: Workers = HERE,
    progress: Progress = silent,
) -> tuple[AtomicDataset, Descriptors]:
    """``dataset`` and what :func:`describe_for` gives of it.

    With ``on_error`` "quarantine" without the structures of chunks on which the ``workers`` failed again and again.
    """
    while True:
        try:
            found = describe_for(dataset, config, model_path, cache=cache, workers=workers, progress=progress)
        except ChunkError as error:
            if on_error != "quarantine":
                raise
            dataset = set_aside(dataset, np.concatenate(error.chunk), str(error))
        else:
            return dataset, found


def recall_descriptors(
    dataset: AtomicDataset, config: DescriptorConfig, *, context: bool = False, like: Frame | None = None
) -> Descriptors | None:
    """What :func:`describe` left in the cache, None where it has not been asked for them yet.

    Whether the settings fit the dataset is for :func:`describe` to say.
    """
    if config.method in READY_MADE:
        return None
    try:
        parameters, _ = recipe(dataset, config)
    except MEAGraphError:
        return None
    return recall_values(_stored(dataset, config, parameters, context, like), dataset, config, parameters, context)


def _stored(
    dataset: AtomicDataset, config: DescriptorConfig, parameters: dict[str, Any], context: bool, like: Frame | None
) -> Path:
    depends = {
        "version": CACHE_VERSION,
        "structures": dataset.structure_keys,
        "method": config.method,
        "parameters": parameters,
        **({"context": CONTEXT_VERSION, "like": like and like.digest} if context else {}),
    }
    return place("descriptors", depends, ".npy")

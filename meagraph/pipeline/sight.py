"""What there is to see of a dataset while the rest is still being computed: a quick map first, then part by part."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from meagraph.cache import recall, remember
from meagraph.datasets import AtomicDataset
from meagraph.descriptors import READY_MADE, Descriptors
from meagraph.files import read_arrays, write_arrays
from meagraph.graph.condensation import scaled_rows
from meagraph.latent.clustering import Clusters
from meagraph.latent.projection import Projection, principal_plane
from meagraph.model.results import Embedding
from meagraph.outliers import Outliers
from meagraph.pipeline.config import PipelineConfig

QUICK_VERSION = 2


@dataclass(frozen=True, eq=False)
class Sight:
    """A map of N environments and what is known of them so far; what is not there yet is None."""

    projection: Projection
    config: PipelineConfig  # that makes it
    quick: bool = False  # a map of principal components, until the learned one is there
    embedding: Embedding | None = None
    clusters: Clusters | None = None
    outliers: Outliers | None = None


OnPart = Callable[[Sight], object]
"""Called with what is known so far, each time that there is more."""


def quick_sight(
    dataset: AtomicDataset, descriptors: Descriptors, config: PipelineConfig, *, cache: bool = True
) -> Sight:
    """The quick map: the first two principal components of the descriptors, their columns scaled to unit norm.

    All environments are placed, not representatives only: that takes no condensing, and gives the same axes.
    """
    places = remember(
        "quick",
        _depends(dataset, descriptors),
        lambda: principal_plane(scaled_rows(descriptors.own) if descriptors.context is None else descriptors.context),
        read=_read,
        write=_write,
        use=cache and descriptors.method not in READY_MADE,
    )
    return Sight(places, config, quick=True)


def recall_quick(dataset: AtomicDataset, descriptors: Descriptors, config: PipelineConfig) -> Sight | None:
    """What :func:`quick_sight` left in the cache, or None."""
    places = recall("quick", _depends(dataset, descriptors), _read)
    return None if places is None else Sight(places, config, quick=True)


def continues(before: Any, after: Any) -> bool:
    """Whether everything that was known of the environments in the sight or survey ``before`` is so in ``after``.

    The map itself may be another one. What is None is known of nothing, and continued by anything.
    """
    if before is None or after is None:
        return False
    for name, values in (("clusters", "labels"), ("outliers", "score")):
        old, new = getattr(before, name), getattr(after, name)
        if old is not None and (new is None or not np.array_equal(getattr(old, values), getattr(new, values))):
            return False
    return True


def _depends(dataset: AtomicDataset, descriptors: Descriptors) -> dict[str, Any]:
    return {"version": QUICK_VERSION, "structures": dataset.structure_keys, "descriptors": descriptors.identity}


def _read(path: Path) -> Projection:
    return Projection(read_arrays(path)["xy"])


def _write(path: Path, places: Projection) -> None:
    write_arrays(path, {"xy": places.xy})

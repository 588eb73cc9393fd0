"""How much memory a job will take, before it takes it: from the peaks that benchmarks/scaling.py measured."""

from __future__ import annotations

from meagraph.datasets import AtomicDataset
from meagraph.descriptors.computing import WIDTHS
from meagraph.evaluation.equations import CAP
from meagraph.force_field.field import new_field
from meagraph.pipeline.config import PipelineConfig

FIXED = 0.3e9  # bytes: libraries that are loaded, representatives and their neighbours
EACH = 1000.0  # bytes of an environment beside its descriptor: map, clusters, signals of the outliers
COPIES = 2  # of the descriptors, single precision
USUAL = 200  # columns of a descriptor that has none by its settings


def of_analysis(dataset: AtomicDataset, config: PipelineConfig) -> float:
    """Bytes, from the dataset to the map."""
    wide = WIDTHS.get(config.descriptors.method)
    width = USUAL if wide is None else wide(config.descriptors, dataset.species)
    return FIXED + dataset.n_environments * (EACH + COPIES * 4.0 * width)


def of_cost(dataset: AtomicDataset) -> float:
    """Bytes of the equations of the quick force field, and of what solves them."""
    width = new_field(dataset.species, 2.0).width
    return FIXED + 2 * 12.0 * width * min(dataset.n_environments, CAP)

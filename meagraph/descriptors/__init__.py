"""AtomicDataset -> one descriptor vector per atomic environment: computed, or ready-made and checked."""

from meagraph.descriptors.computing import (
    METHODS,
    WIDTHS,
    Descriptors,
    check_same_descriptors,
    compute_descriptors,
)
from meagraph.descriptors.naming import component_names
from meagraph.descriptors.ready_made import READY_MADE
from meagraph.descriptors.settings import KINDS, DescriptorConfig, Kind, Maker

__all__ = [
    "KINDS",
    "METHODS",
    "READY_MADE",
    "WIDTHS",
    "DescriptorConfig",
    "Descriptors",
    "Kind",
    "Maker",
    "check_same_descriptors",
    "component_names",
    "compute_descriptors",
]

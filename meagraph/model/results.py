"""What training and applying a model bring, without PyTorch, whose import takes seconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from meagraph.display.cards import Shown


@dataclass(frozen=True)
class EpochRecord:
    """What one epoch brought."""

    epoch: int  # from 1
    loss: float  # mean squared error of the scaled descriptors, relative to their mean square
    seconds: float
    validation: float | None = None  # the same on the structures held out; None where there are none

    @property
    def judged(self) -> float:
        """The loss by which epochs are compared: on the structures held out, where there are any."""
        return self.loss if self.validation is None else self.validation


def best_epoch(history: Sequence[EpochRecord]) -> EpochRecord:
    """The record of the epoch whose weights are kept."""
    return min(history, key=lambda record: record.judged)


@dataclass(frozen=True, eq=False)
class Nodes:
    """Environments drawn at random of all N, and which of them is nearest to each in the latent space."""

    rows: NDArray[np.int64]  # (L,) ascending
    values: NDArray[np.float32]  # (L, H), no two equal
    nearest: NDArray[np.int32]  # (N,) index into the rows


@dataclass(frozen=True, eq=False, repr=False)
class Embedding(Shown):
    """The latent space of a similarity graph."""

    values: NDArray[np.float32]  # (M, H)
    edge_index: NDArray[np.int64]  # (2, E) latent edges: what the last pooling left, both directions
    score: NDArray[np.float32]  # (E,) their score in the last layer
    rate: float  # pooling rate
    connected: NDArray[np.bool_]  # (M,) has an edge or a twin in the similarity graph
    by_distance: bool = False  # rows are compared by their distance; else, as published, by direction alone
    nodes: Nodes | None = None  # what clusters are found by, where the representatives are too coarse for that

"""A model, and what it needs to be applied to a dataset."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from meagraph.display.cards import Facts, Shown, brief
from meagraph.graph.condensation import Condensed, Points
from meagraph.latent.nodes import LatentOf
from meagraph.model.agreement import Agreement
from meagraph.model.results import EpochRecord, best_epoch
from meagraph.model.settings import ModelConfig
from meagraph.pipeline.config import PipelineConfig
from meagraph.workers import HERE, Workers
from meagraph.workers.sharing import Array

if TYPE_CHECKING:
    from meagraph.model.autoencoder import MEAGraph


@dataclass(frozen=True)
class Start:
    """A trained model that another one came of."""

    path: str  # as it was given
    sha256: str  # of its weights
    fine_tuned: bool  # it was trained further; else it is the model itself


@dataclass(frozen=True, eq=False)
class Latent:
    """Latent values in which neighbouring atoms agree."""

    weights: dict[str, Array]  # of the agreement
    context: Array  # (N, k)

    def __call__(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Those (n, H) of the environments ``rows`` (n,)."""
        return Agreement.from_arrays({name: one.load() for name, one in self.weights.items()})(
            self.context.load()[rows]
        )


@dataclass(frozen=True, eq=False, repr=False)
class Learned(Shown):
    """A model, and what it needs to be applied to this dataset."""

    shape: ModelConfig
    load: Callable[[], MEAGraph]  # the model; one from the cache is read when it is first asked for
    history: tuple[EpochRecord, ...]  # empty for a loaded model
    points: Points  # (N, D) descriptors, columns of unit norm
    condensed: Condensed
    key: str  # of everything that the weights depend on
    source: str  # "trained", "fine-tuned from" a file, "cache", or the file it was loaded from
    config: PipelineConfig  # that made it; of a loaded model those of its training, as far as the file tells
    agreement: Agreement | None = None  # what clusters and map are found by; None: the model's own latent space
    context: NDArray[np.float32] | None = None  # (N, k) what it is applied to
    start: Start | None = None  # None: trained from random weights

    @property
    def origin(self) -> str:
        """As ``source``, but the same whether the training has just ended or comes from the cache."""
        if self.start is None:
            return "trained" if self.source == "cache" else self.source
        return f"fine-tuned from {self.start.path}" if self.start.fine_tuned else self.start.path

    def latent_for(self, workers: Workers) -> LatentOf | None:
        """The same as :attr:`latent`, as it can be told to tasks of ``workers``."""
        if self.agreement is None or self.context is None:
            return None
        weights = {name: workers.share(f"agreement-{name}", array) for name, array in self.agreement.arrays().items()}
        return Latent(weights, workers.share("context", self.context))

    @property
    def latent(self) -> LatentOf | None:
        """Latent values (n, H) of environments (n,), in which neighbouring atoms agree; None without a context."""
        return self.latent_for(HERE)

    def _title(self) -> str:
        return "Model"

    def _facts(self) -> Facts:
        facts = [
            ("from", self.source),
            ("widths", f"{', '.join(map(str, self.shape.widths))}, from {self.shape.inputs} descriptors"),
            ("kernels", str(self.shape.kernels)),
            ("learned from", brief(self.condensed)),
            ("seed", str(self.config.seed)),
        ]
        if self.history:
            best = best_epoch(self.history)
            where = "in training" if best.validation is None else "on structures held out"
            facts.insert(1, ("epochs", f"{len(self.history)}, best {best.epoch}: loss {best.judged:.3g} {where}"))
        return facts

    def _line(self) -> str:
        epochs = f"{len(self.history)} epochs, " if self.history else ""
        return f"{self.source}, {epochs}widths {'-'.join(map(str, self.shape.widths))}, {brief(self.condensed)}"

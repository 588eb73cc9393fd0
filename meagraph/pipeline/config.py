"""Every setting between a dataset and its map."""

from __future__ import annotations

from dataclasses import dataclass, field

from meagraph.descriptors import DescriptorConfig
from meagraph.errors import MEAGraphError
from meagraph.graph.condensation import BUDGET
from meagraph.graph.similarity import GraphConfig
from meagraph.latent.clustering import ClusteringConfig
from meagraph.latent.projection import ProjectionConfig
from meagraph.model.settings import TrainingConfig

AGREEMENT, DIRECT = "agreement", "direct"
LATENT = (AGREEMENT, DIRECT)  # what clusters and map are found in, where there is a context


@dataclass(frozen=True)
class PipelineConfig:
    """Every setting between a dataset and its map; the one ``seed`` serves all steps.

    With ``context`` clusters and map are found in a ``latent`` space made of it: one in which neighbouring atoms agree
    (:mod:`meagraph.model.agreement`), or the context itself, read directly; without, in that of the published model.
    """

    descriptors: DescriptorConfig = field(default_factory=DescriptorConfig)
    context: bool = True
    latent: str = AGREEMENT
    budget: int = BUDGET  # representatives at most
    graph: GraphConfig = field(default_factory=GraphConfig)
    widths: tuple[int, ...] = (128, 64, 32)
    kernels: int = 3
    training: TrainingConfig = field(default_factory=TrainingConfig)
    pooling_rate: float = 0.5
    clustering: ClusteringConfig = field(default_factory=ClusteringConfig)
    projection: ProjectionConfig = field(default_factory=ProjectionConfig)
    seed: int = 0

    def __post_init__(self) -> None:
        if self.latent not in LATENT:
            raise MEAGraphError(f"Unknown latent space {self.latent!r}; choose from {', '.join(LATENT)}.")
        if not 0 <= self.seed < 2**32:
            raise MEAGraphError(f"The seed must lie between 0 and {2**32 - 1}, got {self.seed}.")

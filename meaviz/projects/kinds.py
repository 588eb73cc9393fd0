"""The kinds of results and settings that a project may hold, by name; nothing else is ever made from its files."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from meagraph.datasets import Source
from meagraph.datasets.names import LabelNames
from meagraph.descriptors import DescriptorConfig
from meagraph.descriptors.context import Frame
from meagraph.display.cards import Table
from meagraph.evaluation.against_random import PlanCost
from meagraph.evaluation.coverage import Measures
from meagraph.evaluation.error_by_novelty import ErrorByNovelty
from meagraph.evaluation.error_curve import CostCurves, CostLine
from meagraph.evaluation.force_error import Cost
from meagraph.evaluation.novelty import Curve, Novelty
from meagraph.evaluation.quests import QuestsConfig, QuestsMeasures, SetFigures
from meagraph.graph.condensation import Condensed
from meagraph.graph.similarity import GraphConfig
from meagraph.inspection.findings.finding import Coverage, Distribution, Element, Finding, Findings, Pair
from meagraph.inspection.naming import Evidence, Kind
from meagraph.inspection.phases import Phases
from meagraph.inspection.summaries import Histogram
from meagraph.latent.clustering import ClusteringConfig, Clusters
from meagraph.latent.hierarchy import Hierarchy
from meagraph.latent.projection import Projection, ProjectionConfig
from meagraph.latent.stability import Stability
from meagraph.model.agreement import Agreement
from meagraph.model.results import Embedding, EpochRecord, Nodes
from meagraph.model.settings import ModelConfig, TrainingConfig
from meagraph.outliers import Family, Outliers, Signal
from meagraph.outliers.suspects import Suspect
from meagraph.pipeline.config import PipelineConfig
from meagraph.pipeline.sight import Sight
from meagraph.pipeline.survey import Survey
from meagraph.predictions import Errors
from meagraph.predictions.reading import Predicted
from meagraph.pruning.plan import PruningPlan
from meagraph.pruning.ranking import Ranking
from meagraph.pruning.settings import PruningConfig
from meagraph.pruning.shares import Chosen, Shares, Trial
from meaviz.judgements.ledger import Act
from meaviz.session.filters import Filters
from meaviz.session.past import Moment


@dataclass(frozen=True, eq=False)
class KeptDescriptors:
    """Descriptors as they lie in a project."""

    values: NDArray[np.floating]  # (N, D + k)
    norms: NDArray[np.float64]  # (D,) of the descriptor's own columns
    method: str
    parameters: dict[str, object]
    config: DescriptorConfig | None
    frame: Frame | None
    pairs: NDArray[np.int32] | None


@dataclass(frozen=True, eq=False)
class KeptModel:
    """A model as it lies in a project; its weights are a checkpoint of their own, named by ``key``."""

    shape: ModelConfig
    history: tuple[EpochRecord, ...]
    condensed: Condensed
    key: str
    source: str
    config: PipelineConfig
    agreement: Agreement | None
    with_context: bool


KINDS: dict[str, type] = {
    kind.__name__: kind
    for kind in (
        Act,
        Agreement,
        Chosen,
        ClusteringConfig,
        Clusters,
        Condensed,
        Cost,
        CostCurves,
        CostLine,
        Coverage,
        Curve,
        DescriptorConfig,
        Distribution,
        Element,
        Embedding,
        EpochRecord,
        ErrorByNovelty,
        Errors,
        Evidence,
        Family,
        Filters,
        Finding,
        Findings,
        Frame,
        GraphConfig,
        Hierarchy,
        Histogram,
        KeptDescriptors,
        KeptModel,
        Kind,
        LabelNames,
        Measures,
        ModelConfig,
        Moment,
        Nodes,
        Novelty,
        Outliers,
        Pair,
        Phases,
        PipelineConfig,
        PlanCost,
        Predicted,
        Projection,
        ProjectionConfig,
        PruningConfig,
        PruningPlan,
        QuestsConfig,
        QuestsMeasures,
        Ranking,
        SetFigures,
        Shares,
        Sight,
        Signal,
        Source,
        Stability,
        Survey,
        Suspect,
        Table,
        TrainingConfig,
        Trial,
    )
}
APART = {Clusters, Condensed, PipelineConfig, PruningPlan, Ranking}
"""Those that several results may share: each lies in a record of its own, and is one object again when it is read."""

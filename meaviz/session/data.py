"""What was opened and computed, step by step, and the settings of the next computation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import param
from numpy.typing import NDArray

from meagraph.datasets import AtomicDataset
from meagraph.datasets.label_table import LabelTable
from meagraph.descriptors import Descriptors
from meagraph.errors import MEAGraphError
from meagraph.evaluation.error_by_novelty import ErrorByNovelty
from meagraph.evaluation.novelty import Novelty
from meagraph.inspection.findings import Findings
from meagraph.inspection.naming import Evidence
from meagraph.inspection.properties import Properties
from meagraph.latent.clustering import ClusteringConfig
from meagraph.latent.stability import Stability
from meagraph.model.results import EpochRecord
from meagraph.outliers.suspects import Suspect
from meagraph.pipeline.analysis import Analysis
from meagraph.pipeline.config import PipelineConfig
from meagraph.pipeline.learned import Learned
from meagraph.pipeline.sight import Sight
from meagraph.pipeline.survey import Survey
from meagraph.predictions import Errors
from meaviz.session.runs import TrainingRun

RESULTS: dict[str, dict[str, Any]] = {  # what each step leaves behind, and what that is without it
    "data": {
        "dataset": None,
        "opened": None,
        "properties": None,
        "labels": None,
        "findings": None,
        "evidence": None,
        "errors": None,
    },
    "descriptors": {"descriptors": None, "runs": (), "quick": None, "sight": None},
    "model": {"learned": None, "history": (), "stability": None},
    "map": {"survey": None, "cluster_stability": None, "novelty": None, "thin": {}, "suspects": None},
}
STEPS = tuple(RESULTS)


@dataclass(frozen=True)
class Asked:
    """What somebody wants to open."""

    paths: tuple[str, ...]
    reading: Mapping[str, Any]  # options of :func:`meagraph.datasets.read_dataset`


class Data(param.Parameterized):
    """The results of a session; each carries the settings that made it."""

    next_config: PipelineConfig = param.ClassSelector(
        class_=PipelineConfig, default=PipelineConfig(), doc="Of the next computation."
    )
    asked: Asked | None = param.ClassSelector(
        class_=Asked, allow_None=True, doc="What was to be opened last, whatever came of it."
    )
    opened: Asked | None = param.ClassSelector(
        class_=Asked, allow_None=True, doc="What ``dataset`` was opened from; None for structures from memory."
    )
    labels: LabelTable | None = param.ClassSelector(
        class_=LabelTable, allow_None=True, doc="Names in the files of ``asked``, once somebody wants to see them."
    )
    dataset: AtomicDataset | None = param.ClassSelector(class_=AtomicDataset, allow_None=True)
    properties: Properties | None = param.ClassSelector(
        class_=Properties, allow_None=True, doc="What is known of each environment."
    )
    findings: Findings | None = param.ClassSelector(
        class_=Findings, allow_None=True, doc="What a look through the dataset finds; of labels alone at first."
    )
    evidence: Evidence | None = param.ClassSelector(
        class_=Evidence, allow_None=True, doc="Phases, and what else clusters are named by."
    )
    descriptors: Descriptors | None = param.ClassSelector(class_=Descriptors, allow_None=True)
    quick: Sight | None = param.ClassSelector(
        class_=Sight, allow_None=True, doc="The map of principal components, shown until there is a learned one."
    )
    runs: tuple[TrainingRun, ...] = param.ClassSelector(
        class_=tuple, default=(), doc="Every model that these descriptors had."
    )
    learned: Learned | None = param.ClassSelector(class_=Learned, allow_None=True)
    history: tuple[EpochRecord, ...] = param.ClassSelector(
        class_=tuple, default=(), doc="Epochs of the training that runs or ran last."
    )
    stability: Stability | None = param.ClassSelector(
        class_=Stability, allow_None=True, doc="Of the model, along the pooling rate."
    )
    sight: Sight | Survey | None = param.ClassSelector(
        class_=(Sight, Survey), allow_None=True, doc="What is shown: the survey, or as much of it as there is."
    )
    survey: Survey | None = param.ClassSelector(class_=Survey, allow_None=True)
    novelty: Novelty | None = param.ClassSelector(
        class_=Novelty, allow_None=True, doc="How far what is new lies from what is known; None until it is found."
    )
    errors: Errors | None = param.ClassSelector(
        class_=Errors, allow_None=True, doc="How far predictions are off; None while there are none."
    )
    thin: Mapping[str, ErrorByNovelty] = param.Dict(
        default={}, doc="By quantity: whether its error lies where the data is thin; empty until it is found."
    )
    suspects: tuple[Suspect, ...] | None = param.ClassSelector(
        class_=tuple, allow_None=True, doc="Whose labels may be wrong, by the errors; None until it is found."
    )
    cluster_stability: NDArray[np.float64] | None = param.Array(
        default=None, doc="(C,) of each cluster, None until it is measured."
    )

    def clear_from(self, step: str) -> None:
        """Forget what ``step`` of STEPS and those after it left behind."""
        for gone in STEPS[STEPS.index(step) :]:
            self.param.update(**RESULTS[gone])
        self.sight = self.quick

    def missing_step(self) -> str | None:
        """The first step without a result, None where the map is there."""
        results = (self.dataset, self.descriptors, self.learned, self.survey)
        return next((step for step, result in zip(STEPS, results, strict=True) if result is None), None)

    @property
    def analysis(self) -> Analysis | None:
        """Everything up to the map, None while something is missing."""
        dataset, descriptors, learned, survey = self.dataset, self.descriptors, self.learned, self.survey
        if dataset is None or descriptors is None or learned is None or survey is None:
            return None
        return Analysis(dataset, descriptors, learned, survey)

    @property
    def found(self) -> Analysis:
        """The same. Raises MEAGraphError while something is missing."""
        analysis = self.analysis
        if analysis is None:
            raise MEAGraphError("There is no map yet. Compute it first.")
        return analysis

    def config_of_next_map(self, *, pooling_rate: float, clustering: ClusteringConfig) -> PipelineConfig:
        """Settings for another map of what is shown: its edges and its seed, whatever a step that failed asked for."""
        shown = self.survey or self.learned
        config = replace(self.next_config, pooling_rate=pooling_rate, clustering=clustering)
        return config if shown is None else replace(config, graph=shown.config.graph, seed=shown.config.seed)

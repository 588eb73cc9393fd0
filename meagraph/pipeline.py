"""The whole chain on one screen: start reading here.

1. files -> dataset           (read_dataset)
2. dataset -> descriptors     (compute_descriptors)
3. descriptors -> graph       (condense, similarity_graph)       } learn(): a model, trained or loaded
4. graph -> model             (train or load_model)              }
5. model -> survey            (embed, cluster, project, score_outliers, rank_environments)   look()
6. survey -> plan -> files      (prune, export_plan)

Steps 2 to 5 are kept in the cache under a key of everything that they depend on. PyTorch is imported only where a
model is trained or applied: what comes from the cache comes without it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from meagraph import compiling, manifold
from meagraph.checkpoint import load_model, read_details, save_model
from meagraph.clustering import ClusteringConfig
from meagraph.condensation import BUDGET, Condensed, condense, read_condensed, unit_columns, write_condensed
from meagraph.datasets import AtomicDataset, read_dataset
from meagraph.descriptors import (
    DescriptorConfig,
    Descriptors,
    check_same_descriptors,
    compute_descriptors,
    recall_descriptors,
)
from meagraph.export import ExportedFiles, export_plan
from meagraph.files import cache_directory, content_key, read_cached
from meagraph.graph import GraphConfig
from meagraph.progress import Progress, part, silent
from meagraph.projection import ProjectionConfig
from meagraph.pruning import PruningConfig, PruningPlan, prune, rank_environments
from meagraph.records import EpochRecord, Layout, ModelConfig, TrainingConfig
from meagraph.survey import Survey, read_survey, survey, write_survey

if TYPE_CHECKING:
    from meagraph.model import MEAGraph

CACHE_VERSION = 3


@dataclass(frozen=True)
class PipelineConfig:
    """Every setting between a dataset and its map; one ``seed`` serves all steps."""

    descriptors: DescriptorConfig = field(default_factory=DescriptorConfig)
    budget: int = BUDGET  # representatives at most
    graph: GraphConfig = field(default_factory=GraphConfig)
    widths: tuple[int, ...] = (128, 64, 32)
    kernels: int = 3
    training: TrainingConfig = field(default_factory=TrainingConfig)
    pooling_rate: float = 0.5
    clustering: ClusteringConfig = field(default_factory=ClusteringConfig)
    projection: ProjectionConfig = field(default_factory=ProjectionConfig)

    def with_seed(self, seed: int) -> PipelineConfig:
        """The same settings with another seed everywhere."""
        return replace(
            self,
            training=replace(self.training, seed=seed),
            clustering=replace(self.clustering, seed=seed),
            projection=replace(self.projection, seed=seed),
        )


@dataclass(frozen=True, eq=False)
class Learned:
    """A model, and what it needs to be applied to this dataset."""

    shape: ModelConfig
    load: Callable[[], MEAGraph]  # the model; one from the cache is read when it is first asked for
    history: tuple[EpochRecord, ...]  # empty for a loaded model
    points: NDArray[np.float64]  # (N, D) descriptors, columns of unit norm
    condensed: Condensed
    key: str  # of everything that the weights depend on
    source: str  # "trained", "cache", or the file it was loaded from


def learn(
    dataset: Layout,
    descriptors: Descriptors,
    config: PipelineConfig,
    *,
    model_path: str | Path | None = None,
    on_epoch: Callable[[EpochRecord], None] | None = None,
    cache: bool = True,
    progress: Progress = silent,
) -> Learned:
    """Condense the descriptors and train a model on them, or load the one at ``model_path``.

    A model trained before with equal settings on equal data comes from the cache. A loaded model must have been
    trained on the same kind of descriptors, else MEAGraphError says how they differ.
    """
    if cache and model_path is None and (known := recall_learned(dataset, descriptors, config)) is not None:
        progress(1, 1, "model from the cache")
        return known
    keys = _keys(dataset, descriptors, config)
    points = unit_columns(descriptors.values)
    condensed = read_cached(keys.condensed, read_condensed) if cache else None
    if condensed is None:
        condensed = condense(points, budget=config.budget, progress=part(progress, 0.0, 0.3))
        if cache:
            write_condensed(keys.condensed, condensed)
    if model_path is not None:
        model, details = load_model(model_path)
        check_same_descriptors(details.get("descriptors", {}), descriptors)
        weights = [float(p.detach().double().sum()) for p in model.parameters()]
        key = content_key({"for": keys.key, "loaded": weights})
        return Learned(model.config, lambda: model, (), points, condensed, key, str(model_path))
    compiling.begin(manifold.__name__)
    progress(300, 1000, "loading PyTorch")
    from meagraph.training import new_model, train

    model = new_model(ModelConfig(points.shape[1], config.widths, config.kernels), seed=config.training.seed)
    records: list[EpochRecord] = []
    for record in train(
        model,
        points,
        condensed,
        dataset.offsets,
        config.graph,
        config.training,
        progress=part(progress, 0.3, 1.0),
    ):
        records.append(record)
        if on_epoch is not None:
            on_epoch(record)
    learned = Learned(model.config, lambda: model, tuple(records), points, condensed, keys.key, "trained")
    if cache:
        store_model(keys.model, learned, descriptors, config)
    return learned


@dataclass(frozen=True)
class _Keys:
    condensed: Path
    model: Path
    key: str  # of everything that the weights depend on


def _keys(dataset: Layout, descriptors: Descriptors, config: PipelineConfig) -> _Keys:
    """Where the cache keeps, or would keep, what learning makes."""
    condensing: dict[str, Any] = {
        "version": CACHE_VERSION,
        "structures": dataset.structure_keys,
        "descriptors": descriptors.identity,
        "budget": config.budget,
    }
    key = content_key(
        {
            **condensing,
            "graph": asdict(config.graph),
            "model": [config.widths, config.kernels],
            "training": asdict(config.training),
        }
    )
    return _Keys(
        cache_directory("condensed") / f"condensed-{content_key(condensing)}.npz",
        cache_directory("models") / f"model-{key}.safetensors",
        key,
    )


def recall_learned(dataset: Layout, descriptors: Descriptors, config: PipelineConfig) -> Learned | None:
    """A model trained before with equal settings on equal data, from the cache; its weights are read when needed."""
    keys = _keys(dataset, descriptors, config)
    found, condensed = read_cached(keys.model, read_details), read_cached(keys.condensed, read_condensed)
    if found is None or condensed is None:
        return None
    shape, details = found
    history = tuple(EpochRecord(**record) for record in details.get("history", []))
    load = functools.cache(lambda: load_model(keys.model)[0])
    points = unit_columns(descriptors.values)
    return Learned(shape, load, history, points, condensed, keys.key, "cache")


def store_model(
    path: str | Path, learned: Learned, descriptors: Descriptors, config: PipelineConfig, **details: Any
) -> Path:
    """Write a checkpoint that says what the model was trained on and how; ``details`` (JSON-like) go with it."""
    return save_model(
        path,
        learned.load(),
        descriptors=descriptors.identity,
        budget=config.budget,
        graph=asdict(config.graph),
        training=asdict(config.training),
        history=[asdict(record) for record in learned.history],
        **details,
    )


def look(
    dataset: AtomicDataset,
    learned: Learned,
    config: PipelineConfig,
    *,
    cache: bool = True,
    progress: Progress = silent,
) -> Survey:
    """The survey of ``dataset`` by the model, from the cache where it was made before."""
    stored = _survey_file(dataset, learned, config)
    if cache and (known := read_cached(stored, read_survey)) is not None:
        progress(1, 1, "map from the cache")
        return known
    result = survey(
        dataset,
        learned.load(),
        learned.points,
        learned.condensed,
        graph=config.graph,
        rate=config.pooling_rate,
        clustering=config.clustering,
        projection=config.projection,
        seed=config.training.seed,
        progress=progress,
    )
    if cache:
        write_survey(stored, result)
    return result


def _survey_file(dataset: AtomicDataset, learned: Learned, config: PipelineConfig) -> Path:
    depends = {
        "version": CACHE_VERSION,
        "model": learned.key,
        "rate": config.pooling_rate,
        "clustering": asdict(config.clustering),
        "projection": asdict(config.projection),
        "labels": dataset.fingerprint,
        "seed": config.training.seed,
    }
    return cache_directory("surveys") / f"survey-{content_key(depends)}.npz"


@dataclass(frozen=True, eq=False)
class Recalled:
    """What the cache holds of a dataset."""

    descriptors: Descriptors
    learned: Learned
    survey: Survey


def recall(dataset: AtomicDataset, config: PipelineConfig) -> Recalled | None:
    """Everything up to the map where all of it is in the cache, at once; None where a step must be computed."""
    descriptors = recall_descriptors(dataset, config.descriptors)
    if descriptors is None:
        return None
    learned = recall_learned(dataset, descriptors, config)
    known = read_cached(_survey_file(dataset, learned, config), read_survey) if learned is not None else None
    return Recalled(descriptors, learned, known) if learned is not None and known is not None else None


@dataclass(frozen=True, eq=False)
class Run:
    """Everything that one run made."""

    dataset: AtomicDataset
    descriptors: Descriptors
    learned: Learned
    survey: Survey
    plan: PruningPlan
    files: ExportedFiles | None  # None where no folder was given


def run(
    paths: str | Path | Sequence[str | Path],
    directory: str | Path | None = None,
    *,
    config: PipelineConfig | None = None,
    pruning: PruningConfig | None = None,
    model_path: str | Path | None = None,
    cache: bool = True,
    overwrite: bool = False,
    progress: Progress = silent,
    **reading: Any,
) -> Run:
    """Run the whole chain and, where ``directory`` is given, export the kept structures there.

    ``reading`` goes to :func:`meagraph.datasets.read_dataset`. Raises MEAGraphError for any bad input.
    """
    config, pruning = config or PipelineConfig(), pruning or PruningConfig()
    dataset = read_dataset(paths, progress=part(progress, 0.0, 0.1), **reading)
    descriptors = compute_descriptors(dataset, config.descriptors, cache=cache, progress=part(progress, 0.1, 0.25))
    learned = learn(
        dataset, descriptors, config, model_path=model_path, cache=cache, progress=part(progress, 0.25, 0.6)
    )
    result = look(dataset, learned, config, cache=cache, progress=part(progress, 0.6, 0.95))
    ranking = result.ranking
    if (pruning.within, pruning.seed) != (ranking.within, ranking.seed):
        ranking = rank_environments(
            result.clusters, learned.points, learned.condensed, within=pruning.within, seed=pruning.seed
        )
    plan = prune(ranking, result.clusters, dataset, pruning)
    files = None
    if directory is not None:
        settings = describe_settings(config, descriptors, learned, result)
        files = export_plan(dataset, plan, directory, settings=settings, overwrite=overwrite)
    progress(1, 1, "done")
    return Run(dataset, descriptors, learned, result, plan, files)


def describe_settings(
    config: PipelineConfig, descriptors: Descriptors, learned: Learned, result: Survey
) -> dict[str, Any]:
    """Every setting and seed that led to a survey, JSON-like, for the manifest of an export."""
    return {
        "descriptors": descriptors.identity,
        "condensation": {
            "budget": config.budget,
            "epsilon": learned.condensed.epsilon,
            "representatives": learned.condensed.size,
        },
        "graph": asdict(config.graph),
        "model": {"source": learned.source, "key": learned.key, **asdict(learned.shape)},
        "training": asdict(config.training),
        "pooling_rate": config.pooling_rate,
        "clustering": {
            "method": result.clusters.method,
            **result.clusters.settings,
            "clusters": result.clusters.n_clusters,
        },
        "projection": asdict(config.projection),
    }

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

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from meagraph.datasets import AtomicDataset, read_dataset
from meagraph.descriptors import Descriptors, compute_descriptors, recall_descriptors
from meagraph.exports import ExportedFiles, export_plan
from meagraph.exports.report import report_html
from meagraph.files import cache_directory, content_key, read_arrays, read_cached, write_arrays
from meagraph.graph.similarity import similarity_graph
from meagraph.latent.projection import Projection
from meagraph.latent.stability import RATES, Stability, rate_stability, read_stability, write_stability
from meagraph.pipeline.config import PipelineConfig
from meagraph.pipeline.learning import CACHE_VERSION, Learned, learn, recall_learned
from meagraph.pipeline.survey import SURVEY_VERSION, Survey, read_survey, survey, write_survey
from meagraph.progress import Progress, part, silent
from meagraph.pruning.plan import PruningConfig, PruningPlan, prune, rank_environments


def look(
    dataset: AtomicDataset,
    learned: Learned,
    config: PipelineConfig,
    *,
    cache: bool = True,
    progress: Progress = silent,
) -> Survey:
    """The survey of ``dataset`` by the model, from the cache where it was made before; a map serves other clusters."""
    stored = _survey_file(dataset, learned, config)
    if cache and (known := read_cached(stored, read_survey)) is not None:
        progress(1, 1, "map from the cache")
        return known
    mapped = _places_file(learned, config)
    places = read_cached(mapped, _read_places) if cache else None
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
        places=places,
        progress=progress,
    )
    if cache:
        write_survey(stored, result)
        if places is None:
            write_arrays(mapped, {"xy": result.projection.xy})
    return result


def _places_file(learned: Learned, config: PipelineConfig) -> Path:
    """Where the cache keeps the map itself, which other clusters leave as it is."""
    depends = {
        "version": CACHE_VERSION,
        "model": learned.key,
        "graph": asdict(config.graph),
        "rate": config.pooling_rate,
        "projection": asdict(config.projection),
    }
    return cache_directory("maps") / f"map-{content_key(depends)}.npz"


def _read_places(path: Path) -> Projection:
    return Projection(read_arrays(path)["xy"])


def _survey_file(dataset: AtomicDataset, learned: Learned, config: PipelineConfig) -> Path:
    depends = {
        "version": CACHE_VERSION,
        "survey": SURVEY_VERSION,
        "model": learned.key,
        "graph": asdict(config.graph),
        "rate": config.pooling_rate,
        "clustering": asdict(config.clustering),
        "projection": asdict(config.projection),
        "labels": dataset.fingerprint,
        "seed": config.training.seed,
    }
    return cache_directory("surveys") / f"survey-{content_key(depends)}.npz"


def look_along_rates(
    learned: Learned, config: PipelineConfig, *, cache: bool = True, progress: Progress = silent
) -> Stability:
    """The published clusters along the pooling rate, from the cache where they were found before."""
    key = content_key({"version": CACHE_VERSION, "model": learned.key, "graph": asdict(config.graph), "rates": RATES})
    stored = cache_directory("stability") / f"stability-{key}.npz"
    if cache and (known := read_cached(stored, read_stability)) is not None:
        progress(1, 1, "stability from the cache")
        return known
    graph = similarity_graph(learned.points, learned.condensed, config.graph, progress=part(progress, 0.0, 0.1))
    result = rate_stability(learned.load(), graph, learned.condensed, progress=part(progress, 0.1, 1.0))
    if cache:
        write_stability(stored, result)
    return result


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
    fine_tune: bool = False,
    device: str = "cpu",
    cache: bool = True,
    overwrite: bool = False,
    progress: Progress = silent,
    **reading: Any,
) -> Run:
    """Run the whole chain and, where ``directory`` is given, export the kept structures there.

    ``model_path``, ``fine_tune`` and ``device`` go to :func:`meagraph.pipeline.learning.learn`, ``reading`` goes to
    :func:`meagraph.datasets.read_dataset`. Raises MEAGraphError for any bad input.
    """
    config, pruning = config or PipelineConfig(), pruning or PruningConfig()
    dataset = read_dataset(paths, progress=part(progress, 0.0, 0.1), **reading)
    descriptors = compute_descriptors(dataset, config.descriptors, cache=cache, progress=part(progress, 0.1, 0.25))
    learned = learn(
        dataset,
        descriptors,
        config,
        model_path=model_path,
        fine_tune=fine_tune,
        device=device,
        cache=cache,
        progress=part(progress, 0.25, 0.6),
    )
    result = look(dataset, learned, config, cache=cache, progress=part(progress, 0.6, 0.95))
    ranking = result.ranking
    if not pruning.fits(ranking):
        ranking = rank_environments(
            result.clusters,
            learned.points,
            learned.condensed,
            selector=pruning.selector,
            within=pruning.within,
            bins=ranking.bin,
            groups=dataset.groups[dataset.structure_of],
            seed=pruning.seed,
            progress=part(progress, 0.95, 1.0),
        )
    plan = prune(ranking, result.clusters, dataset, pruning)
    files = None
    if directory is not None:
        settings = describe_settings(config, descriptors, learned, result)
        report = report_html(dataset, result.clusters, result.projection, plan, settings=settings)
        files = export_plan(dataset, plan, directory, settings=settings, report=report, overwrite=overwrite)
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

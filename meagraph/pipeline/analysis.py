"""From data to all that there is to see in it: descriptors, model, latent space, clusters, map, outliers, ranking."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from ase import Atoms

from meagraph.cache import recall, remember
from meagraph.datasets import AtomicDataset, dataset_from_structures, read_dataset
from meagraph.descriptors import Descriptors
from meagraph.errors import MEAGraphError
from meagraph.files import read_arrays, write_arrays
from meagraph.graph.similarity import similarity_graph
from meagraph.latent.projection import Projection
from meagraph.latent.stability import RATES, Stability, rate_stability, read_stability, write_stability
from meagraph.model.results import EpochRecord
from meagraph.pipeline.config import PipelineConfig
from meagraph.pipeline.describing import describe, recall_descriptors
from meagraph.pipeline.learning import CACHE_VERSION, Learned, learn, recall_learned
from meagraph.pipeline.survey import SURVEY_VERSION, Survey, read_survey, survey, write_survey
from meagraph.progress import Progress, part, silent

Data = str | Path | Sequence[str | Path] | Iterable[Atoms] | AtomicDataset
"""What is accepted wherever data is: a path, several, structures, or a dataset."""


@dataclass(frozen=True, eq=False)
class Analysis:
    """Everything up to the map, and the settings that made it."""

    dataset: AtomicDataset
    descriptors: Descriptors
    learned: Learned
    survey: Survey

    @property
    def config(self) -> PipelineConfig:
        """The settings that made all of it."""
        return self.survey.config


def as_dataset(data: Data, *, progress: Progress = silent, **reading: Any) -> AtomicDataset:
    """A dataset of files, structures, or what is one already; ``reading`` goes to :func:`read_dataset`, for files.

    Raises MEAGraphError for bad input, and for options of reading where nothing is read.
    """
    if isinstance(data, (str, Path)):
        return read_dataset(data, progress=progress, **reading)
    if not isinstance(data, AtomicDataset):
        items: list[Any] = [data] if isinstance(data, Atoms) else list(data)
        if items and all(isinstance(item, (str, Path)) for item in items):
            return read_dataset(items, progress=progress, **reading)
        strangers = {type(item).__name__ for item in items if not isinstance(item, Atoms)}
        if strangers:
            raise MEAGraphError(
                f"Expected paths or ase.Atoms, but the data hold {', '.join(sorted(strangers))}. Give a path, several, "
                "a list of Atoms, or a dataset."
            )
        return dataset_from_structures(items, **reading)
    if reading:
        raise MEAGraphError(f"The dataset is read already; leave out {', '.join(sorted(reading))}.")
    return data


def analyse(
    data: Data,
    *,
    config: PipelineConfig | None = None,
    model_path: str | Path | None = None,
    fine_tune: bool = False,
    device: str = "cpu",
    on_epoch: Callable[[EpochRecord], None] | None = None,
    cache: bool = True,
    progress: Progress = silent,
    **reading: Any,
) -> Analysis:
    """Describe, learn, cluster, map and score the environments of ``data``; what was done before comes from the cache.

    ``model_path``, ``fine_tune``, ``device`` and ``on_epoch`` go to :func:`meagraph.pipeline.learning.learn`,
    ``reading`` to :func:`meagraph.datasets.read_dataset`. Raises MEAGraphError for any bad input.
    """
    config = config or PipelineConfig()
    dataset = as_dataset(data, progress=part(progress, 0.0, 0.1), **reading)
    descriptors = describe(dataset, config.descriptors, cache=cache, progress=part(progress, 0.1, 0.25))
    learned = learn(
        dataset,
        descriptors,
        config,
        model_path=model_path,
        fine_tune=fine_tune,
        device=device,
        on_epoch=on_epoch,
        cache=cache,
        progress=part(progress, 0.25, 0.6),
    )
    return Analysis(
        dataset, descriptors, learned, look(dataset, learned, config, cache=cache, progress=part(progress, 0.6, 1.0))
    )


def look(
    dataset: AtomicDataset,
    learned: Learned,
    config: PipelineConfig,
    *,
    cache: bool = True,
    progress: Progress = silent,
) -> Survey:
    """The survey of ``dataset`` by the model, from the cache where it was made before; a map serves other clusters."""
    made_by = _looking_with(learned, config)
    if cache and (known := _known_survey(dataset, learned, made_by)) is not None:
        progress(1, 1, "map from the cache")
        return known
    places = recall("map", _mapping(learned, made_by), _read_places) if cache else None
    result = survey(
        dataset, learned.load(), learned.points, learned.condensed, made_by, places=places, progress=progress
    )
    if not cache:
        return result
    remember("map", _mapping(learned, made_by), lambda: result.projection, read=_read_places, write=_write_places)
    return remember(
        "survey",
        _looking(dataset, learned, made_by),
        lambda: result,
        read=partial(read_survey, config=made_by),
        write=write_survey,
    )


def look_along_rates(
    learned: Learned, config: PipelineConfig, *, cache: bool = True, progress: Progress = silent
) -> Stability:
    """The published clusters along the pooling rate, from the cache where they were found before."""

    def make() -> Stability:
        graph = similarity_graph(learned.points, learned.condensed, config.graph, progress=part(progress, 0.0, 0.1))
        return rate_stability(learned.load(), graph, learned.condensed, progress=part(progress, 0.1, 1.0))

    depends = {"version": CACHE_VERSION, "model": learned.key, "graph": asdict(config.graph), "rates": RATES}
    found = remember("stability", depends, make, read=read_stability, write=write_stability, use=cache)
    progress(1, 1, "stability")
    return found


def recall_analysis(dataset: AtomicDataset, config: PipelineConfig) -> Analysis | None:
    """Everything up to the map where all of it is in the cache, at once; None where a step must be computed."""
    descriptors = recall_descriptors(dataset, config.descriptors)
    if descriptors is None:
        return None
    learned = recall_learned(dataset, descriptors, config)
    if learned is None:
        return None
    known = _known_survey(dataset, learned, _looking_with(learned, config))
    return None if known is None else Analysis(dataset, descriptors, learned, known)


def _looking_with(learned: Learned, config: PipelineConfig) -> PipelineConfig:
    """The settings of a survey: those of the model as it was made, and what ``config`` says of the steps after it."""
    return replace(
        learned.config,
        graph=config.graph,
        pooling_rate=config.pooling_rate,
        clustering=config.clustering,
        projection=config.projection,
        seed=config.seed,
    )


def _mapping(learned: Learned, config: PipelineConfig) -> dict[str, Any]:
    """Everything that the map itself depends on, which other clusters leave as it is."""
    return {
        "version": CACHE_VERSION,
        "model": learned.key,
        "graph": asdict(config.graph),
        "rate": config.pooling_rate,
        "projection": asdict(config.projection),
        "seed": config.seed,
    }


def _looking(dataset: AtomicDataset, learned: Learned, config: PipelineConfig) -> dict[str, Any]:
    """Everything that a survey depends on."""
    return {
        **_mapping(learned, config),
        "survey": SURVEY_VERSION,
        "clustering": asdict(config.clustering),
        "labels": dataset.fingerprint,
    }


def _known_survey(dataset: AtomicDataset, learned: Learned, config: PipelineConfig) -> Survey | None:
    return recall("survey", _looking(dataset, learned, config), partial(read_survey, config=config))


def _read_places(path: Path) -> Projection:
    return Projection(read_arrays(path)["xy"])


def _write_places(path: Path, places: Projection) -> None:
    write_arrays(path, {"xy": places.xy})

"""From data to all that there is to see in it: descriptors, model, latent space, clusters, map, outliers, ranking."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from meagraph.cache import recall, remember
from meagraph.datasets import AtomicDataset
from meagraph.descriptors import WIDTHS, Descriptors
from meagraph.display.cards import ROWS, Facts, Shown, brief, html_table
from meagraph.display.pictures import Layer, cluster_layers, map_image
from meagraph.evaluation.novelty import Novelty, find_novelty
from meagraph.files import read_arrays, write_arrays
from meagraph.graph.similarity import similarity_graph
from meagraph.inspection.clusters import count_clusters
from meagraph.inspection.naming import Evidence
from meagraph.inspection.properties import Properties
from meagraph.inspection.selections import Selection
from meagraph.inspection.tables import to_dataframe
from meagraph.latent.projection import Projection
from meagraph.latent.stability import RATES, Stability, rate_stability, read_stability, write_stability
from meagraph.model.results import EpochRecord
from meagraph.pipeline.config import PipelineConfig
from meagraph.pipeline.data import Data, with_data
from meagraph.pipeline.describing import describe_usable, recall_descriptors
from meagraph.pipeline.learned import Learned
from meagraph.pipeline.learning import CACHE_VERSION, check_room, learn, recall_learned
from meagraph.pipeline.phasing import evidence, phases
from meagraph.pipeline.sight import OnPart
from meagraph.pipeline.survey import SURVEY_VERSION, Survey, read_survey, survey, write_survey
from meagraph.predictions import Errors
from meagraph.progress import Progress, part, silent
from meagraph.pruning.plan import PruningPlan
from meagraph.workers import HERE, Workers
from meagraph.workers.clients import Client, workers_of

if TYPE_CHECKING:
    import pandas as pd

MAP_VERSION = 2  # of the places that the cache keeps


@dataclass(frozen=True, eq=False, repr=False)
class Analysis(Shown):
    """Everything up to the map, and the settings that made it. N environments, M representatives."""

    dataset: AtomicDataset
    descriptors: Descriptors  # (N, D)
    learned: Learned  # the model, and the M representatives
    survey: Survey  # latent space, clusters, map, outliers, ranking

    @property
    def config(self) -> PipelineConfig:
        """The settings that made all of it."""
        return self.survey.config

    @cached_property
    def properties(self) -> Properties:
        """What is known of each environment, by name; ``properties.find("fmax > 5")`` is a mask (N,)."""
        return self.properties_with(None)

    def properties_with(self, errors: Errors | None) -> Properties:
        """The same, and the errors of predictions."""
        novelty = None if self.novelty is None else self.novelty.value
        known: dict[str, Any] = {"evidence": self.evidence, "novelty": novelty, "errors": errors}
        return Properties(self.dataset, self.survey, self.learned.condensed, **known)

    @cached_property
    def novelty(self) -> Novelty | None:
        """How far all that is new lies from what is known already; None where nothing is."""
        if not self.dataset.known.any():
            return None
        return find_novelty(self.dataset, self.learned.points, self.learned.condensed)

    @cached_property
    def evidence(self) -> Evidence:
        """Phases, groups and all else that clusters can be named by."""
        return evidence(self.dataset)

    @cached_property
    def cluster_names(self) -> tuple[str, ...]:
        """In a few words, what sets each of the C clusters apart."""
        return self.evidence.names(self.survey.clusters)

    def to_dataframe(
        self, rows: str = "environments", *, columns: Sequence[str] | None = None, plan: PruningPlan | None = None
    ) -> pd.DataFrame:
        """A table of "environments", "structures" or "clusters": see :func:`meagraph.inspection.tables.to_dataframe`.

        ``columns`` are names of :attr:`properties`; with a ``plan`` two columns say what it keeps.
        ``attrs["units"]`` gives the unit of each column. Raises MEAGraphError for rows, columns or a plan that do not
        fit, and where pandas is not installed.
        """
        return to_dataframe(
            self.dataset,
            self.survey,
            self.learned.condensed,
            rows=rows,
            columns=columns,
            plan=plan,
            evidence=self.evidence,
            novelty=None if self.novelty is None else self.novelty.value,
        )

    def select(self, text: str) -> Selection:
        """The environments that ``text`` means, as ``properties.find`` takes it: ``phase == 'fcc' and fmax > 5``."""
        return Selection(self.dataset, self.properties.find(text), text.strip())

    def at(self, *, clusters: int | None = None, level: float | None = None) -> Self:
        """The same with as many ``clusters``, or at a ``level`` from 0, coarse, to 1, fine; by default those at first.

        Nothing is computed anew, and a cluster that does not split keeps its number. Raises MEAGraphError for a level
        that there is not, and where the clusters were not made by the method "hierarchy".
        """
        clustering = replace(self.config.clustering, clusters=clusters, level=level)
        return replace(self, survey=self.survey.at(clustering))

    def _title(self) -> str:
        return f"{type(self).__name__} of {self.dataset.name}"

    def _facts(self) -> Facts:
        config, survey = self.config, self.survey
        return [
            ("data", f"{self.dataset.n_environments:,} environments in {self.dataset.n_structures:,} structures"),
            ("descriptors", brief(self.descriptors)),
            ("model", brief(self.learned)),
            ("clusters", brief(survey.clusters)),
            ("outlier candidates", brief(survey.outliers)),
            ("settings", f"pooling rate {config.pooling_rate:g}, seed {config.seed}"),
        ]

    def _parts(self) -> list[str]:
        return self._map_and_clusters(cluster_layers(self.survey.clusters.bins, self.survey.clusters.n_clusters))

    def _map_and_clusters(self, layers: Sequence[Layer], plan: PruningPlan | None = None) -> list[str]:
        counts = count_clusters(self.survey.clusters, self.dataset, plan)
        return [
            map_image(self.survey.projection.xy, layers, f"Map of {self.dataset.name}"),
            html_table(counts.table(self.cluster_names), ROWS),
        ]


def analyse(
    data: Data,
    *,
    known: Data | None = None,
    config: PipelineConfig | None = None,
    model_path: str | Path | None = None,
    fine_tune: bool = False,
    device: str = "auto",
    on_epoch: Callable[[EpochRecord], None] | None = None,
    cache: bool = True,
    client: Client | None = None,
    on_error: str = "stop",
    progress: Progress = silent,
    **reading: Any,
) -> Analysis:
    """Describe, learn, cluster, map and score the environments of ``data``; what was done before comes from the cache.

    What is ``known`` already, as a training set, is learned from and lies on the map beside it; plans choose what adds
    to it and never take of it (:mod:`meagraph.datasets.known`). Then neither needs labels.

    ``model_path``, ``fine_tune``, ``device`` and ``on_epoch`` go to :func:`meagraph.pipeline.learning.learn`,
    ``reading`` to :func:`meagraph.datasets.read_dataset`. The processes or machines of a ``client`` (of Dask, or an
    executor of :mod:`concurrent.futures`) read, describe, condense, look for outliers and phases chunk by chunk, with
    the same result (docs/cluster.md); the cache must lie where all of them see it. With ``on_error`` "quarantine"
    frames that cannot be read, and chunks that no worker can describe, are set aside. Raises MEAGraphError for any bad
    input.
    """
    config = config or PipelineConfig()
    crew = workers_of(client, cache=cache)
    if on_error != "stop" and not isinstance(data, AtomicDataset):
        reading["on_error"] = on_error
    dataset = with_data(data, known, cache=cache, workers=crew, progress=part(progress, 0.0, 0.1), **reading)
    if model_path is None and (width := WIDTHS.get(config.descriptors.method)):
        check_room(config, width(config.descriptors, dataset.species), len(dataset.species))
    dataset, descriptors = describe_usable(
        dataset,
        config,
        model_path,
        on_error=on_error,
        cache=cache,
        workers=crew,
        progress=part(progress, 0.1, 0.25),
    )
    learned = learn(
        dataset,
        descriptors,
        config,
        model_path=model_path,
        fine_tune=fine_tune,
        device=device,
        on_epoch=on_epoch,
        cache=cache,
        workers=crew,
        progress=part(progress, 0.25, 0.6),
    )
    seen = look(dataset, learned, config, cache=cache, workers=crew, progress=part(progress, 0.6, 0.95))
    if cache:
        phases(dataset, workers=crew, progress=part(progress, 0.95, 1.0))
    return Analysis(dataset, descriptors, learned, seen)


def look(
    dataset: AtomicDataset,
    learned: Learned,
    config: PipelineConfig,
    *,
    quick: Projection | None = None,
    on_part: OnPart = lambda sight: None,
    cache: bool = True,
    workers: Workers = HERE,
    progress: Progress = silent,
) -> Survey:
    """The survey of ``dataset`` by the model, from the cache where it was made before; a map serves other clusters.

    ``quick`` and ``on_part`` go to :func:`meagraph.pipeline.survey.survey`.
    """
    made_by = _looking_with(learned, config)
    if cache and (known := _known_survey(dataset, learned, made_by)) is not None:
        progress(1, 1, "map from the cache")
        return known
    places = recall("map", _mapping(learned, made_by), _read_places) if cache else None
    with workers.within("survey", _looking(dataset, learned, made_by)) as here:
        result = survey(
            dataset,
            learned.load(),
            learned.points,
            learned.condensed,
            made_by,
            latent=learned.latent_for(here),
            places=places,
            quick=quick,
            on_part=on_part,
            workers=here,
            progress=progress,
        )
    if not cache:
        return result
    remember("map", _mapping(learned, made_by), lambda: result.projection, read=_read_places, write=_write_places)
    kept = remember(
        "survey",
        _looking(dataset, learned, made_by),
        lambda: result,
        read=partial(read_survey, config=made_by),
        write=write_survey,
    )
    return kept.at(made_by.clustering)


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
    descriptors = recall_descriptors(dataset, config.descriptors, context=config.context)
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
        "version": (CACHE_VERSION, MAP_VERSION),
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
        "clustering": asdict(replace(config.clustering, clusters=None, level=None)),  # all levels are in one file
        "labels": dataset.fingerprint,
    }


def _known_survey(dataset: AtomicDataset, learned: Learned, config: PipelineConfig) -> Survey | None:
    known = recall("survey", _looking(dataset, learned, config), partial(read_survey, config=config))
    return None if known is None else known.at(config.clustering)


def _read_places(path: Path) -> Projection:
    return Projection(read_arrays(path)["xy"])


def _write_places(path: Path, places: Projection) -> None:
    write_arrays(path, {"xy": places.xy})

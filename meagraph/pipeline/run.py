"""The whole chain on one screen: start reading here.

1. files -> dataset                          open_data
2. dataset -> descriptors                    describe
3. descriptors -> representatives -> model   learn
4. model -> latent space, clusters, map,
   outliers, ranking                         look
   (steps 1 to 4 together                    analyse)
5. analysis -> plan                          prune
6. plan -> what it costs                     evaluate
7. plan -> files                             export

Steps 2 to 4 are kept in the cache under a key of everything that they depend on. PyTorch is imported only where a model
is trained or applied: what comes from the cache comes without it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from meagraph.display.cards import Facts, brief
from meagraph.display.pictures import kept_layers
from meagraph.duplicates.dropping import Dropped, find_dropped
from meagraph.duplicates.thresholds import NEAR
from meagraph.exports import ExportedFiles, check_target
from meagraph.exports.formats import check_formats
from meagraph.pipeline.analysis import Analysis, analyse
from meagraph.pipeline.config import PipelineConfig
from meagraph.pipeline.data import Data, with_data
from meagraph.pipeline.planning import export, prune
from meagraph.pipeline.predicting import errors_of
from meagraph.progress import Progress, part, silent
from meagraph.pruning.plan import PruningPlan
from meagraph.pruning.settings import PruningConfig
from meagraph.workers.clients import Client, workers_of

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False, repr=False)
class Run(Analysis):
    """Everything that one run made, and the settings that made it."""

    plan: PruningPlan
    files: ExportedFiles | None  # None where no folder was given
    dropped: Dropped | None = None  # duplicates that left, where that was asked for

    def to_dataframe(
        self, rows: str = "environments", *, columns: Sequence[str] | None = None, plan: PruningPlan | None = None
    ) -> pd.DataFrame:
        """As :meth:`Analysis.to_dataframe`, with the plan of this run unless another is given."""
        return super().to_dataframe(rows, columns=columns, plan=plan or self.plan)

    def _facts(self) -> Facts:
        files = [] if self.files is None else [("files", brief(self.files))]
        dropped = [] if self.dropped is None else [("dropped", self.dropped.words)]
        return [*super()._facts(), *dropped, ("plan", brief(self.plan)), *files]

    def _parts(self) -> list[str]:
        kept = self.plan.structures[self.dataset.structure_of]
        return self._map_and_clusters(kept_layers(kept, self.dataset.known_environments), self.plan)


def run(
    data: Data,
    directory: str | Path | None = None,
    *,
    known: Data | None = None,
    config: PipelineConfig | None = None,
    pruning: PruningConfig | None = None,
    predictions: Mapping[str, Any] | None = None,
    model_path: str | Path | None = None,
    fine_tune: bool = False,
    device: str = "auto",
    cache: bool = True,
    drop_duplicates: str | None = None,
    distance: float = NEAR,
    formats: Sequence[str] = (),
    weights: str | None = None,
    recipe: Callable[[Analysis], str] | None = None,
    overwrite: bool = False,
    client: Client | None = None,
    progress: Progress = silent,
    **reading: Any,
) -> Run:
    """Run the whole chain on ``data`` and, where ``directory`` is given, export the kept structures there.

    What is ``known`` already is beside it as in :func:`meagraph.pipeline.analysis.analyse`, and is not exported.
    ``predictions``, the arguments ``family`` or ``other`` of :func:`meagraph.pipeline.predicting.errors_of`, name a
    model whose error the shares of clusters grow with, too. ``model_path``, ``fine_tune`` and ``device`` go to
    :func:`meagraph.pipeline.learning.learn`, ``client`` to :func:`meagraph.pipeline.analysis.analyse` and
    :func:`meagraph.pipeline.planning.export`, ``reading`` to
    :func:`meagraph.datasets.read_dataset`. With ``drop_duplicates``, a kind of :data:`meagraph.duplicates.KINDS`,
    repeats of this kind and those before it leave, near ones within ``distance`` Å: see
    :func:`meagraph.duplicates.dropping.find_dropped`. ``recipe`` gives the text of the recipe that is written beside
    the export; ``formats`` and ``weights`` go to :func:`meagraph.pipeline.planning.export`. Raises MEAGraphError for
    any bad input.
    """
    crew = workers_of(client, cache=cache)
    dataset = with_data(data, known, cache=cache, workers=crew, progress=part(progress, 0.0, 0.1), **reading)
    if directory is not None:
        check_target(dataset, directory, overwrite=overwrite, recipe=recipe is not None)
        check_formats(dataset, directory, formats, weights=weights, overwrite=overwrite)
    errors = None if predictions is None else errors_of(dataset, **predictions)
    found = analyse(
        dataset,
        config=config,
        model_path=model_path,
        fine_tune=fine_tune,
        device=device,
        cache=cache,
        client=client,
        on_error=reading.get("on_error", "stop"),
        progress=part(progress, 0.1, 0.85),
    )
    if found.dataset is not dataset:  # some of it could not be described
        dataset = found.dataset
        errors = None if predictions is None else errors_of(dataset, **predictions)
    dropped = None
    if drop_duplicates is not None:
        protected = () if pruning is None else pruning.protected
        dropped = find_dropped(
            dataset, drop_duplicates, distance=distance, protected=protected, progress=part(progress, 0.85, 0.88)
        )
    rejected, details = (None, None) if dropped is None else (dropped.environments, dropped.figures())
    plan = prune(
        found, config=pruning, rejected=rejected, errors=errors, cache=cache, progress=part(progress, 0.88, 1.0)
    )
    files = None
    if directory is not None:
        wanted: dict[str, Any] = {"formats": formats, "weights": weights, "overwrite": overwrite, "client": client}
        text = None if recipe is None else recipe(found)
        files = export(found, plan, directory, details=details, recipe=text, **wanted)
    progress(1, 1, "done")
    return Run(found.dataset, found.descriptors, found.learned, found.survey, plan, files, dropped)

"""An analysis to show others: one page that opens anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from meagraph.display.cards import Facts, Shown
from meagraph.display.pages import claim_file, write_whole
from meagraph.errors import MEAGraphError
from meagraph.evaluation.against_random import PlanCost
from meagraph.evaluation.coverage import Measures
from meagraph.evaluation.error_curve import CostCurves
from meagraph.evaluation.quests import QuestsMeasures
from meagraph.pages.content import Shot
from meagraph.pages.page import MARK, page_html
from meagraph.pages.sampling import POINTS, sample, structures_held
from meagraph.pipeline.analysis import Analysis
from meagraph.pipeline.planning import Evaluation, central_of, check_plan
from meagraph.pipeline.provenance import describe_settings
from meagraph.predictions import Errors
from meagraph.progress import Progress, silent
from meagraph.pruning.plan import PruningPlan

CANDIDATES = 2_000  # for outliers that are drawn in any case


@dataclass(frozen=True, eq=False, repr=False)
class SharedPage(Shown):
    """A page that was written, and what it holds."""

    path: Path
    size: int  # bytes
    points: int  # environments on its map
    environments: int  # of the dataset
    structures: int  # whose atoms it holds
    sampled: str  # what is drawn, in a sentence; empty for everything

    def _title(self) -> str:
        return f"Page {self.path}"

    def _facts(self) -> Facts:
        return [
            ("size", f"{self.size / 1e6:.1f} MB"),
            ("map", self.sampled or f"all {self.environments:,} environments"),
            ("3D", f"the atoms of {self.structures:,} structures"),
        ]


def share(
    analysis: Analysis,
    path: str | Path,
    *,
    plan: PruningPlan | None = None,
    evaluation: Evaluation | None = None,
    measures: Measures | None = None,
    cost: PlanCost | None = None,
    curves: CostCurves | None = None,
    quests: QuestsMeasures | None = None,
    errors: Errors | None = None,
    title: str = "",
    comment: str = "",
    properties: Sequence[str] = (),
    points: int = POINTS,
    overwrite: bool = False,
    progress: Progress = silent,
) -> SharedPage:
    """Write one HTML file that shows ``analysis`` to others, by double click, without network: map, clusters, 3D.

    With a ``plan`` it shows what is kept; ``evaluation``, or its parts, and ``curves`` what that costs: figures of
    another plan are left out. ``errors`` of predictions are shown in a table, and on the map. ``title`` and ``comment``
    are for the reader; ``properties`` are names of further columns. Of more than ``points`` environments a part is
    drawn, with all representatives that there is room for, and the page says so. The same input gives the same bytes.
    Folders of the files are not told.

    Raises MEAGraphError for a plan or errors of other data, a property that is not there, fewer than 1 point, and
    where the file is another one, unless it may be overwritten, or cannot be written.
    """
    if points < 1:
        raise MEAGraphError(f"Expected at least 1 point on the map, got {points}.")
    dataset, survey, condensed = analysis.dataset, analysis.survey, analysis.learned.condensed
    claim_file(path, MARK, inputs=[one.path for one in dataset.sources if one.path], overwrite=overwrite)
    if plan is not None:
        check_plan(plan, dataset)
        plan = plan.counted(survey.clusters)
    if errors is not None:
        if errors.dataset.fingerprint != dataset.fingerprint:
            raise MEAGraphError(
                f"Expected errors of predictions for {dataset.name}, but they are of {errors.dataset.name}. Read the "
                "predictions for the data that is shown."
            )
        errors = replace(errors, clusters=survey.clusters.labels, cluster_names=tuple(analysis.cluster_names))
    if evaluation is not None:
        measures, cost, quests = evaluation.measures, evaluation.cost, evaluation.quests
    central = central_of(analysis)
    wanted = np.concatenate([central[central >= 0], survey.outliers.candidates[:CANDIDATES]])
    drawn = sample(dataset.n_environments, condensed.representatives, wanted, points=points, seed=analysis.config.seed)
    of, first = dataset.structure_of, dataset.structure_of[wanted[np.isin(wanted, drawn.rows)]]
    held = structures_held(of[drawn.rows], dataset.sizes, first, seed=analysis.config.seed)
    central = np.where(np.isin(central, drawn.rows), central, -1)
    shot = Shot(
        dataset=dataset,
        properties=analysis.properties if errors is None else analysis.properties_with(errors),
        clusters=survey.clusters,
        names=analysis.cluster_names,
        xy=survey.projection.xy,
        sample=drawn,
        held=held,
        central=central,
        cutoff=analysis.descriptors.cutoff,
        plan=plan,
    )
    text = page_html(
        shot,
        survey.outliers,
        settings=describe_settings(analysis),
        title=title,
        comment=comment,
        wanted=properties,
        measures=measures,
        cost=cost,
        curves=curves,
        quests=quests,
        errors=errors,
        progress=progress,
    )
    size = write_whole(path, text)
    progress(1, 1, "done")
    return SharedPage(Path(path), size, len(drawn.rows), dataset.n_environments, int(held.sum()), drawn.words)

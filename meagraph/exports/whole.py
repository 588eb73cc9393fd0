"""A whole export: kept structures, index, manifest and report, in one call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from meagraph.datasets import AtomicDataset
from meagraph.evaluation.against_random import PlanCost
from meagraph.evaluation.coverage import Measures
from meagraph.evaluation.error_curve import CostCurves
from meagraph.evaluation.quests import QuestsMeasures
from meagraph.exports.report import report_html
from meagraph.exports.target import ExportedFiles
from meagraph.exports.writing import export_plan
from meagraph.latent.clustering import Clusters
from meagraph.latent.projection import Projection
from meagraph.outliers.families import Family
from meagraph.progress import Progress, silent
from meagraph.pruning.plan import PruningPlan


def export_with_report(
    dataset: AtomicDataset,
    clusters: Clusters,
    projection: Projection,
    plan: PruningPlan,
    directory: str | Path,
    *,
    settings: Mapping[str, Any],
    names: Sequence[str] = (),
    measures: Measures | None = None,
    cost: PlanCost | None = None,
    curves: CostCurves | None = None,
    quests: QuestsMeasures | None = None,
    families: Sequence[Family] = (),
    recipe: str | None = None,
    overwrite: bool = False,
    progress: Progress = silent,
) -> ExportedFiles:
    """Write what ``plan`` keeps and a page about it: :func:`export_plan` with :func:`report_html`.

    Figures of another plan are left out. ``families`` are structures that are off together, ``recipe`` is
    the text of one, for a file of its own. Raises as
    :func:`meagraph.exports.writing.export_plan`.
    """
    report = report_html(
        dataset,
        clusters,
        projection,
        plan,
        settings=settings,
        names=names,
        measures=measures,
        cost=cost if cost is not None and cost.plan is plan else None,
        curves=curves,
        quests=quests if quests is not None and quests.plan is plan else None,
        families=families,
    )
    return export_plan(
        dataset,
        plan,
        directory,
        settings=settings,
        report=report,
        families=families,
        recipe=recipe,
        overwrite=overwrite,
        progress=progress,
    )

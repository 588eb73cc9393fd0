"""A whole export: kept structures, index, manifest and report, in one call."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from meagraph.datasets import AtomicDataset
from meagraph.evaluation.against_random import PlanCost
from meagraph.evaluation.coverage import Measures
from meagraph.evaluation.error_curve import CostCurves
from meagraph.evaluation.quests import QuestsMeasures
from meagraph.exports.formats import check_formats
from meagraph.exports.report import report_html
from meagraph.exports.target import ExportedFiles
from meagraph.exports.weights import Weights, weights_of
from meagraph.exports.writing import export_plan
from meagraph.latent.clustering import Clusters
from meagraph.latent.projection import Projection
from meagraph.outliers.families import Family
from meagraph.progress import Progress, silent
from meagraph.pruning.plan import PruningPlan
from meagraph.workers import HERE, Workers

if TYPE_CHECKING:
    import pandas as pd


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
    central: NDArray[np.int64] | None = None,
    cutoff: float = 5.0,
    formats: Sequence[str] = (),
    weights: str | None = None,
    table: Callable[[Weights | None], pd.DataFrame] | None = None,
    recipe: str | None = None,
    overwrite: bool = False,
    workers: Workers = HERE,
    progress: Progress = silent,
) -> ExportedFiles:
    """Write what ``plan`` keeps and a page about it: :func:`export_plan` with :func:`report_html`.

    Figures of another plan are left out. ``families`` are structures that are off together, ``central`` (C + 1,) the
    most central environment of each cluster, shown with what lies within ``cutoff`` Å. ``formats`` are written
    beside; ``weights`` is a name of :data:`meagraph.exports.weights.SCHEMES`, and ``table`` makes the table of all
    environments of them, which is made once. ``recipe`` is the text of one, for a file of its own; ``workers`` copy the
    frames. Raises as :func:`meagraph.exports.writing.export_plan`.
    """
    check_formats(dataset, directory, formats, weights=weights, overwrite=overwrite)
    weighed = None if weights is None else weights_of(weights, dataset, clusters, plan)
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
        central=central,
        cutoff=cutoff,
    )
    return export_plan(
        dataset,
        plan,
        directory,
        settings=settings,
        report=report,
        families=families,
        formats=formats,
        weights=weighed,
        table=None if table is None else cache(partial(table, weighed)),
        recipe=recipe,
        overwrite=overwrite,
        workers=workers,
        progress=progress,
    )

"""Figures of an analysis for papers: map, histograms, curves of cost, composition of clusters."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from meagraph.display.pages import claim_file, write_whole
from meagraph.errors import MEAGraphError
from meagraph.evaluation.coverage import yardstick
from meagraph.evaluation.equations import prepare
from meagraph.evaluation.error_curve import CostCurves, cost_curves
from meagraph.figures.compositions import composition_figure
from meagraph.figures.curves import curves_figure
from meagraph.figures.histograms import histogram_figure
from meagraph.figures.maps import PLAN, map_figure
from meagraph.figures.style import MARK, file_of, inches, suffix_of
from meagraph.inspection.property import Property, two_sided
from meagraph.pipeline.analysis import Analysis
from meagraph.pipeline.planning import check_plan, ranking_for
from meagraph.progress import Progress, part, silent
from meagraph.pruning.plan import PruningPlan
from meagraph.pruning.plan import prune as plan_of
from meagraph.pruning.settings import PruningConfig

ENERGY = ("energy",)


@dataclass(frozen=True, eq=False)
class Picture:
    """What a figure shows, by names of properties; "plan" is what a plan keeps."""

    colour_by: str = "cluster"  # of the map
    properties: Sequence[str] = ENERGY  # of histograms
    by: str | None = None  # what histograms are parted by, and composition ("group" there)
    width: str | float = "single"  # a column of a journal, or inches


def plot(
    analysis: Analysis,
    kind: str,
    path: str | Path,
    *,
    colour_by: str = "cluster",
    properties: Sequence[str] = ENERGY,
    by: str | None = None,
    plan: PruningPlan | None = None,
    curves: CostCurves | None = None,
    width: str | float = "single",
    overwrite: bool = False,
    progress: Progress = silent,
) -> Path:
    """Write a figure of a ``kind`` of KINDS to ``path`` (.svg, .pdf or .png), as wide as a column or in inches.

    ``colour_by`` colours the map; ``properties`` are those of histograms, which ``by`` parts by a category, as it does
    the clusters of a composition (by default by group). All are names of ``analysis.properties``, or "plan" where there
    is one. ``curves`` are traced where they are not given: see :func:`trace`. The same input gives the same bytes.

    Raises MEAGraphError for what is not there, a plan of other data, and a file that is another one, unless it may be
    overwritten.
    """
    if kind not in KINDS:
        raise MEAGraphError(f"There is no figure {kind!r}; there are: {', '.join(KINDS)}. Name one of these.")
    suffix = suffix_of(path)
    claim_file(path, MARK, inputs=sources_of(analysis), overwrite=overwrite)
    if plan is not None:
        check_plan(plan, analysis.dataset)
    if kind == "curves" and curves is None:
        config = PruningConfig(seed=analysis.config.seed) if plan is None else plan.config
        curves = trace(analysis, config=config, progress=progress)
    picture = Picture(colour_by, properties, by, width)
    write_whole(path, file_of(KINDS[kind](analysis, picture, plan, curves), suffix))
    return Path(path)


def sources_of(analysis: Analysis) -> list[str]:
    """The files that an analysis was made from."""
    return [source.path for source in analysis.dataset.sources if source.path]


def trace(
    analysis: Analysis,
    *,
    config: PruningConfig | None = None,
    selectors: Sequence[str] = (),
    cache: bool = True,
    progress: Progress = silent,
) -> CostCurves:
    """Force errors of the quick force field along the keep fraction, for the selector of ``config`` and others.

    Raises MEAGraphError for an unknown selector, and for data without forces.
    """
    config = config or PruningConfig(seed=analysis.config.seed)
    dataset, clusters = analysis.dataset, analysis.survey.clusters
    wanted = {name: replace(config, selector=name) for name in dict.fromkeys([config.selector, *selectors])}
    prepared = prepare(dataset, seed=analysis.config.seed, progress=part(progress, 0.0, 0.4))
    stick = yardstick(
        dataset, analysis.learned.points, analysis.learned.condensed, clusters, progress=part(progress, 0.4, 0.5)
    )
    rankings = {
        name: ranking_for(analysis, one, cache=cache, progress=part(progress, 0.5, 0.6)) for name, one in wanted.items()
    }
    return cost_curves(
        prepared,
        rankings,
        lambda ranking, one: plan_of(ranking, clusters, dataset, one),
        config,
        stick=stick,
        progress=part(progress, 0.6, 1.0),
    )


def _property(analysis: Analysis, name: str, plan: PruningPlan | None) -> Property:
    if name == PLAN and plan is not None:
        mask = plan.structures[analysis.dataset.structure_of]
        return two_sided(PLAN, "Plan", np.asarray(mask), ("left out", "in kept structures"))
    if name not in analysis.properties:
        there = [*analysis.properties, *([] if plan is None else [PLAN])]
        raise MEAGraphError(f"There is no property {name!r}; there are: {', '.join(there)}. Name one of these.")
    return analysis.properties[name]


def _category(analysis: Analysis, name: str, plan: PruningPlan | None) -> Property:
    found = _property(analysis, name, plan)
    if found.kind != "category":
        raise MEAGraphError(
            f"Expected a property with categories, but {name!r} has numbers. Name another, such as group."
        )
    return found


def _map(analysis: Analysis, picture: Picture, plan: PruningPlan | None, curves: CostCurves | None) -> Any:
    by = _property(analysis, picture.colour_by, plan)
    return map_figure(analysis.survey.projection.xy, by, width=inches(picture.width))


def _histogram(analysis: Analysis, picture: Picture, plan: PruningPlan | None, curves: CostCurves | None) -> Any:
    by = None if picture.by is None else _category(analysis, picture.by, plan)
    wanted = [_property(analysis, name, plan) for name in picture.properties]
    return histogram_figure(wanted, by, width=inches(picture.width))


def _curves(analysis: Analysis, picture: Picture, plan: PruningPlan | None, curves: CostCurves | None) -> Any:
    assert curves is not None
    return curves_figure(curves, None if plan is None else plan.config.keep, width=inches(picture.width))


def _composition(analysis: Analysis, picture: Picture, plan: PruningPlan | None, curves: CostCurves | None) -> Any:
    category = _category(analysis, picture.by or "group", plan)
    return composition_figure(category, analysis.survey.clusters, analysis.cluster_names, width=inches(picture.width))


KINDS: Mapping[str, Callable[[Analysis, Picture, PruningPlan | None, CostCurves | None], Any]] = {
    "map": _map,
    "histogram": _histogram,
    "curves": _curves,
    "composition": _composition,
}

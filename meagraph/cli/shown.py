"""What the commands that show an analysis to others take: data, settings, and perhaps a plan of what to keep."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from meagraph.cli.options import (
    add_common_options,
    add_data,
    add_known,
    add_settings,
    pipeline_config,
    reading_options,
)
from meagraph.cli.pruning_options import add_pruning_options, pruning_config
from meagraph.errors import MEAGraphError
from meagraph.progress import Progress

if TYPE_CHECKING:
    from meagraph.pipeline.analysis import Analysis
    from meagraph.pruning.plan import PruningPlan


def add_shown(parser: argparse.ArgumentParser) -> None:
    """DATA, the settings of the analysis and those of a plan; :func:`analysis_of` and :func:`plan_of` take them."""
    parser.add_argument(
        "--plan",
        metavar="PLAN.npz",
        help="a plan, as 'meagraph prune' writes it (default: one is made with the options of pruning)",
    )
    parser.add_argument("--no-plan", action="store_true", help="show the data alone")
    parser.add_argument("--model", metavar="FILE", help="a trained model instead of training one")
    add_common_options(parser)
    add_pruning_options(parser)
    add_settings(parser, "descriptors", "graph", "training", "embedding", "clustering", "map")
    add_known(parser)
    add_data(parser)


def inputs_of(options: argparse.Namespace) -> list[str | Path]:
    """All files that are read."""
    from meagraph.step_files.checks import with_details

    return [*options.data, *options.known, *with_details(options.plan)]


def analysis_of(options: argparse.Namespace, progress: Progress) -> Analysis:
    """The analysis of DATA with these settings, from the cache where it was made before."""
    from meagraph.pipeline.analysis import analyse

    if options.plan is not None and options.no_plan:
        raise MEAGraphError("--plan names a plan, --no-plan shows none. Give one of them.")
    return analyse(
        options.data,
        known=options.known or None,
        config=pipeline_config(options),
        model_path=options.model,
        cache=not options.no_cache,
        progress=progress,
        **reading_options(options),
    )


def plan_of(options: argparse.Namespace, analysis: Analysis, progress: Progress) -> PruningPlan | None:
    """The plan of --plan, or one made with the options of pruning; None with --no-plan."""
    from meagraph.pipeline.planning import prune
    from meagraph.step_files.plans import read_plan

    if options.no_plan:
        return None
    if options.plan is not None:
        return read_plan(options.plan).of(analysis.dataset, options.plan)
    return prune(analysis, config=pruning_config(options), cache=not options.no_cache, progress=progress)

"""``meagraph prune``: a plan of what to keep."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from meagraph.cli.duplicates import add_dropping, dropped_by
from meagraph.cli.formats_options import add_formats, format_lines
from meagraph.cli.inputs import add_step_files, clusters_of, files_of_steps, read_described_dataset, read_step_files
from meagraph.cli.options import (
    add_common_options,
    add_data,
    add_known,
    add_out,
    pipeline_config,
)
from meagraph.cli.output import Bar, plan_figures, plan_lines, say
from meagraph.cli.predictions_options import add_by_error, predicted_by
from meagraph.cli.pruning_options import add_pruning_options, pruning_config
from meagraph.cli.recipe_options import recipe_of_steps

if TYPE_CHECKING:
    from meagraph.recipe import Recipe


def add_prune(commands: Any) -> None:
    """``meagraph prune``."""
    commands.add_parser(
        "prune",
        help="step 7: a plan of what to keep",
        description="Choose environments and structures to keep. Writes OUT, masks of both as a NumPy archive, and the "
        "same name with .json: every setting, the seed, how good the plan is, and what it was made from. With --export "
        "also the kept structures, as 'meagraph run' does.",
        fill=_options,
    )


def _options(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=_prune)
    add_step_files(parser)
    add_out(parser, "OUT.npz", "file for the plan")
    parser.add_argument(
        "--export",
        metavar="DIR",
        help="folder for the kept structures, an index and a manifest; --overwrite replaces those of an earlier export",
    )
    add_common_options(parser, cache=False)
    add_pruning_options(parser)
    add_by_error(parser)
    add_formats(parser)
    add_dropping(parser)
    add_known(parser)
    add_data(parser)


def _prune(options: argparse.Namespace) -> None:
    from dataclasses import asdict

    from meagraph.evaluation.coverage import measure, yardstick
    from meagraph.exports import check_target
    from meagraph.exports.formats import check_formats
    from meagraph.exports.whole import export_with_report
    from meagraph.graph.condensation import unit_columns
    from meagraph.inspection.environment_table import MapAndClusters, environment_table
    from meagraph.latent.exemplars import extremes
    from meagraph.latent.nodes import population
    from meagraph.latent.projection import project
    from meagraph.pipeline.phasing import evidence
    from meagraph.pipeline.planning import by_error
    from meagraph.pipeline.predicting import errors_of
    from meagraph.pipeline.sharing import ask, asks
    from meagraph.pipeline.survey import latent_neighbours
    from meagraph.progress import part
    from meagraph.pruning.bins import fine_bins
    from meagraph.pruning.plan import prune, rank_for
    from meagraph.step_files.checks import check_suffix, claim
    from meagraph.step_files.plans import PLAN, write_plan

    check_suffix(options.out, ".npz")
    claim(options.out, PLAN, inputs=files_of_steps(options), overwrite=options.overwrite)
    config, pruning = pipeline_config(options), pruning_config(options)
    described, file = read_step_files(options, remedy="Run 'meagraph embed' without --onto.")
    latent = file.latent
    recipe: Recipe | None = None
    why_none = ""
    with Bar("prune") as progress:
        dataset = read_described_dataset(options, described, part(progress, 0.0, 0.2))
        predictions = predicted_by(options, by="by_error")
        if options.export is not None:
            recipe, why_none = recipe_of_steps(options, dataset, described, file, pruning, predictions)
            check_target(dataset, options.export, overwrite=options.overwrite, recipe=recipe is not None)
            check_formats(dataset, options.export, options.to, weights=options.weights, overwrite=options.overwrite)
        neighbours = latent_neighbours(latent.embedding, config)
        clusters = clusters_of(options, file, config, neighbours)
        points = unit_columns(described.descriptors.own)
        _, nodes = population(latent.embedding, latent.condensed)
        bins = fine_bins(neighbours, clusters, nodes, seed=pruning.seed)
        ranking = rank_for(
            pruning, dataset, clusters, points, latent.condensed, bins=bins, progress=part(progress, 0.3, 0.4)
        )
        if asks(pruning, ranking):
            ranking = ask(dataset, ranking, seed=config.seed, progress=part(progress, 0.4, 0.6))
        if predictions is not None:
            pruning, ranking = by_error(pruning, ranking, errors_of(dataset, **predictions))
        dropped = dropped_by(options, dataset, pruning.protected)
        rejected = None if dropped is None else dropped.environments
        plan = prune(ranking, clusters, dataset, pruning, rejected=rejected)
        stick = yardstick(dataset, points, latent.condensed, clusters, progress=part(progress, 0.6, 1.0))
    measures = measure(stick, plan.keep)
    made_from = {"descriptors": described.sha256, "latent": file.sha256}
    settings = {
        "descriptors": described.descriptors.identity,
        "graph": asdict(latent.graph),
        "pooling_rate": latent.embedding.rate,
        "clustering": {"method": clusters.method, **clusters.settings, "clusters": clusters.n_clusters},
        **({} if dropped is None else dropped.figures()),
    }
    beside = write_plan(
        options.out,
        plan,
        dataset,
        clusters,
        measures=measures,
        made_from=made_from,
        settings=settings,
        overwrite=options.overwrite,
    )
    files = [options.out, str(beside)]
    notes: tuple[str, ...] = ()
    if options.export is not None:
        with Bar("export") as progress:
            named = evidence(dataset)
            projection = project(neighbours, nodes, config.projection, seed=config.seed)
            exported = export_with_report(
                dataset,
                clusters,
                projection,
                plan,
                options.export,
                names=named.names(clusters),
                settings={**settings, "seed": config.seed, "made_from": made_from},
                measures=measures,
                central=extremes(clusters, latent.condensed, latent.embedding.values)[0],
                cutoff=described.descriptors.cutoff,
                formats=options.to,
                weights=options.weights,
                table=lambda weights: environment_table(
                    dataset,
                    MapAndClusters(projection, latent.embedding, clusters),
                    latent.condensed,
                    plan,
                    evidence=named,
                    weights=None if weights is None else weights.atoms,
                ),
                recipe=None if recipe is None else recipe.to_yaml(),
                overwrite=options.overwrite,
                progress=progress,
            )
        notes = exported.notes
        files += [str(path) for path in exported.paths]
    figures = {
        **plan_figures(plan),
        "covered_environments": measures.covered_environments,
        "redundancy": measures.redundancy,
        **({} if dropped is None else dropped.figures()),
        "files": files,
        "not_held": list(notes),
    }
    say(
        options.json,
        figures,
        *([] if dropped is None else [f"dropped  {dropped.words}"]),
        *plan_lines(plan, measures),
        *format_lines(notes),
        *([f"note     no recipe: {why_none}"] if why_none else []),
        *(f"wrote    {path}" for path in files),
    )

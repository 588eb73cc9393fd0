"""``meagraph run``: from a dataset to a pruned one."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from meagraph.cli.duplicates import add_dropping
from meagraph.cli.formats_options import add_formats, format_lines
from meagraph.cli.options import (
    add_common_options,
    add_data,
    add_known,
    add_settings,
    add_training_options,
    pipeline_config,
    reading_options,
    training_options,
)
from meagraph.cli.output import Bar, cluster_lines, cost_table, plan_figures, plan_lines
from meagraph.cli.predictions_options import add_by_error, predicted_by
from meagraph.cli.pruning_options import add_pruning_options, pruning_config
from meagraph.cli.recipe_options import recipe_of_options
from meagraph.cli.workers_options import add_workers, client_of
from meagraph.display.cards import printable
from meagraph.errors import MEAGraphError

if TYPE_CHECKING:
    from meagraph.evaluation.against_random import PlanCost
    from meagraph.pipeline.run import Run


def add_run(commands: Any) -> None:
    """``meagraph run``."""
    commands.add_parser(
        "run",
        help="from a dataset to a pruned one",
        description="Describe, learn, cluster, prune; export kept structures, an index and a manifest.",
        fill=_options,
    )


def _options(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=_run)
    parser.add_argument("--out", required=True, metavar="DIR", help="folder for the exported files")
    parser.add_argument(
        "--evaluate", action="store_true", help="fit a quick force field to the kept structures, and test it"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace files of an earlier export")
    parser.add_argument("--model", metavar="FILE", help="a trained model instead of training one")
    add_common_options(parser)
    add_training_options(parser)
    add_workers(parser)
    add_pruning_options(parser)
    add_by_error(parser)
    add_formats(parser)
    add_dropping(parser)
    add_settings(parser, "descriptors", "graph", "training", "embedding", "clustering", "map")
    add_known(parser)
    add_data(parser)


def _run(options: argparse.Namespace) -> None:
    from meagraph.datasets.known import known_words
    from meagraph.pipeline.run import run

    config, training = pipeline_config(options), training_options(options)
    if options.model is not None:
        if options.fine_tune is not None:
            raise MEAGraphError("--model applies a model as it is, --fine-tune trains one further. Give one of them.")
        training["model_path"] = options.model
    pruning, predictions = pruning_config(options), predicted_by(options, by="by_error")
    with client_of(options) as client, Bar("meagraph") as progress:
        result = run(
            options.data,
            options.out,
            known=options.known or None,
            config=config,
            pruning=pruning,
            predictions=predictions,
            **training,
            cache=not options.no_cache,
            drop_duplicates=options.drop_duplicates,
            distance=options.distance,
            formats=options.to,
            weights=options.weights,
            recipe=lambda found: recipe_of_options(options, found, pruning, predictions).to_yaml(),
            overwrite=options.overwrite,
            client=client,
            progress=progress,
            **reading_options(options),
        )
    dataset, plan, clusters = result.dataset, result.plan, result.survey.clusters
    assert result.files is not None
    figures = {
        **plan_figures(plan),
        "known": {"structures": int(dataset.known.sum()), "environments": int(dataset.known_environments.sum())},
        "representatives": result.learned.condensed.size,
        "clusters": clusters.n_clusters,
        "cluster_names": list(result.cluster_names),
        "clusters_lost": plan.summary.clusters_lost,
        "unclustered": int((clusters.labels < 0).sum()),
        "outlier_candidates": len(result.survey.outliers.candidates),
        "off_together": [family.words for family in result.survey.outliers.off_together],
        "files": [str(path) for path in result.files.paths],
        "not_held": list(result.files.notes),
        **({} if result.dropped is None else result.dropped.figures()),
    }
    alike = dataset.n_structures > 1 and not dataset.first_equal.any()
    costs = _costs(result) if options.evaluate else None
    if costs is not None:
        figures["cost"] = costs.figures()
    if options.json:
        print(json.dumps(figures, indent=2))
        return
    print(
        f"{clusters.n_clusters} clusters, {figures['unclustered']:,} of {dataset.n_environments:,} environments in "
        f"none, {figures['outlier_candidates']:,} outlier candidates"
    )
    if dataset.known.any():
        print(f"known    {known_words(dataset)}: learned from, on the map, not chosen and not exported")
    for words in figures["off_together"]:
        print(f"warning  off together: {printable(words)}")
    if alike:
        print(f"note     all structures are alike: {dataset.n_structures:,} copies of 1")
    for line in cluster_lines(clusters, result.cluster_names):
        print(line)
    if result.dropped is not None:
        print(f"dropped  {result.dropped.words}")
    for line in plan_lines(plan):
        print(line)
    if figures["clusters_lost"] and not dataset.known.any():
        print(f"warning  {figures['clusters_lost']} clusters keep no environment; raise --keep or lower --alpha")
    if costs is not None:
        print(cost_table(costs.figures(), len(costs.random)))
    for line in format_lines(result.files.notes):
        print(line)
    for path in result.files.paths:
        print(f"wrote    {path}")


def _costs(result: Run) -> PlanCost:
    from meagraph.pipeline.planning import cost_of

    with Bar("cost") as progress:
        return cost_of(result.dataset, result.plan, seed=result.config.seed, progress=progress)

"""Plans: ``prune``, ``compare``, ``evaluate``."""

from __future__ import annotations

import argparse
from typing import Any

from meagraph.cli.inputs import add_step_files, clusters_of, read_described_dataset, read_step_files
from meagraph.cli.options import (
    add_common_options,
    add_data,
    add_pruning_options,
    add_quests_options,
    pipeline_config,
    pruning_config,
    quests_config,
    reading_options,
)
from meagraph.cli.output import Bar, cost_table, quests_table, say
from meagraph.errors import MEAGraphError


def add_prune(commands: Any) -> None:
    """``meagraph prune``."""
    parser = commands.add_parser(
        "prune",
        help="step 7: a plan of what to keep",
        description="Choose environments and structures to keep. Writes OUT, masks of both as a NumPy archive, and the "
        "same name with .json: every setting, the seed, how good the plan is, and what it was made from. With --export "
        "also the kept structures, as 'meagraph run' does.",
    )
    parser.set_defaults(command=_prune)
    add_step_files(parser)
    parser.add_argument("--out", required=True, metavar="OUT.npz", help="file for the plan")
    parser.add_argument("--export", metavar="DIR", help="folder for the kept structures, an index and a manifest")
    parser.add_argument("--overwrite", action="store_true", help="replace files of an earlier export")
    add_common_options(parser, cache=False)
    add_pruning_options(parser)
    add_data(parser)


def _prune(options: argparse.Namespace) -> None:
    from meagraph.evaluation.coverage import measure, yardstick
    from meagraph.exports import export_plan
    from meagraph.graph.condensation import unit_columns
    from meagraph.pipeline.survey import latent_neighbours
    from meagraph.progress import part
    from meagraph.pruning.bins import fine_bins
    from meagraph.pruning.plan import prune, rank_environments
    from meagraph.step_files.handover import check_suffix, claim_details
    from meagraph.step_files.plans import PLAN, write_plan

    check_suffix(options.out, ".npz")
    claim_details(options.out, PLAN)
    config, pruning = pipeline_config(options), pruning_config(options)
    described, file = read_step_files(options, remedy="Run 'meagraph embed' without --onto.")
    latent = file.latent
    with Bar("prune") as progress:
        dataset = read_described_dataset(options, described, part(progress, 0.0, 0.2))
        neighbours = latent_neighbours(latent.embedding, config.clustering, config.projection)
        clusters = clusters_of(options, file, config, neighbours)
        points = unit_columns(described.descriptors.values)
        ranking = rank_environments(
            clusters,
            points,
            latent.condensed,
            selector=pruning.selector,
            within=pruning.within,
            bins=fine_bins(neighbours, clusters, latent.condensed, seed=pruning.seed),
            groups=dataset.groups[dataset.structure_of],
            seed=pruning.seed,
            progress=part(progress, 0.3, 0.6),
        )
        plan = prune(ranking, clusters, dataset, pruning)
        stick = yardstick(dataset, points, latent.condensed, clusters, progress=part(progress, 0.6, 1.0))
    measures = measure(stick, plan.keep)
    made_from = {"descriptors": described.sha256, "latent": file.sha256}
    settings = {
        "descriptors": described.descriptors.identity,
        "clustering": {"method": clusters.method, **clusters.settings, "clusters": clusters.n_clusters},
    }
    beside = write_plan(options.out, plan, dataset, clusters, measures=measures, made_from=made_from, settings=settings)
    files = [options.out, str(beside)]
    if options.export is not None:
        exported = export_plan(
            dataset, plan, options.export, settings={**settings, "made_from": made_from}, overwrite=options.overwrite
        )
        files += [str(path) for path in exported.paths]
    atoms = int((dataset.offsets[1:] - dataset.offsets[:-1])[plan.structures].sum())
    total, whole = dataset.n_environments, dataset.n_structures
    figures = {
        "environments": total,
        "environments_chosen": plan.n_environments,
        "structures": whole,
        "structures_kept": plan.n_structures,
        "environments_in_kept_structures": atoms,
        "covered_environments": measures.covered_environments,
        "redundancy": measures.redundancy,
        "files": files,
    }
    say(
        options.json,
        figures,
        f"chosen   {plan.n_environments:,} of {total:,} environments ({plan.n_environments / total:.1%}), which have "
        f"{measures.covered_environments:.1%} of all nearby",
        f"kept     {plan.n_structures:,} of {whole:,} structures ({plan.n_structures / whole:.1%}) with {atoms:,} "
        f"environments ({atoms / total:.1%}), by the rule {pruning.rule!r}",
        *(f"wrote    {path}" for path in files),
    )


def add_compare(commands: Any) -> None:
    """``meagraph compare``."""
    parser = commands.add_parser(
        "compare",
        help="two or more plans side by side",
        description="Print what each plan keeps that no other does, the shares of each group and cluster, and the "
        "measures of the plans side by side. All must be plans of one dataset.",
    )
    parser.set_defaults(command=_compare)
    parser.add_argument("plans", nargs="+", metavar="PLAN", help="plans, as 'meagraph prune' writes them")
    add_common_options(parser, seed=False, cache=False)


def _compare(options: argparse.Namespace) -> None:
    from meagraph.step_files.plans import compare_plans, read_plan

    if len(set(options.plans)) < len(options.plans):
        raise MEAGraphError("A plan is named twice. Name each once.")
    found = compare_plans({path: read_plan(path) for path in options.plans})
    say(options.json, found, *_comparison(found))


def _comparison(found: dict[str, Any]) -> list[str]:
    """The comparison as lines of a table, a column for each plan."""
    plans = list(found["plans"].values())
    lines = [f"{'ABCDEFGHIJKLMNOPQRSTUVWXYZ'[row % 26]}  {name}" for row, name in enumerate(found["plans"])]
    head = f"{'':<34}" + "".join(f"{line[0]:>12}" for line in lines)
    rows: list[tuple[str, list[Any]]] = [
        ("environments chosen", [plan["environments"] for plan in plans]),
        ("structures kept", [plan["structures"] for plan in plans]),
        ("atoms in them", [plan["atoms"] for plan in plans]),
        ("environments only here", [plan["only"]["environments"] for plan in plans]),
        ("structures only here", [plan["only"]["structures"] for plan in plans]),
    ]
    measured = [plan["measures"] or {} for plan in plans]
    for name, label in (
        ("covered_environments", "environments with one nearby"),
        ("covered_representatives", "representatives with one nearby"),
        ("covered_bins", "bins of principal components"),
        ("entropy", "entropy / nats"),
        ("diversity", "diversity / nats"),
        ("overlap", "overlap"),
        ("redundancy", "redundancy left"),
    ):
        rows.append((label, [values.get(name) for values in measured]))
    for name in measured[0].get("extremes", {}):
        rows.append((name, [values.get("extremes", {}).get(name) for values in measured]))
    rows += [(f"group {name}", shares["environments"]) for name, shares in found["groups"].items()]
    rows += [(f"cluster {name}", shares) for name, shares in (found["clusters"] or {}).items()]
    table = [f"{label:<34}" + "".join(f"{_cell(value):>12}" for value in values) for label, values in rows]
    shared = found["shared"]
    return [
        *lines,
        f"all keep {shared['environments']:,} environments ({found['overlap']:.1%} of those that any keeps) and "
        f"{shared['structures']:,} structures",
        head,
        *table,
        "groups and clusters: share of their environments chosen"
        + ("" if found["clusters"] else "; the plans have different clusters, which are left out"),
    ]


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:.3f}" if isinstance(value, float) else f"{value:,}"


def add_evaluate(commands: Any) -> None:
    """``meagraph evaluate``."""
    parser = commands.add_parser(
        "evaluate",
        help="what a plan costs a quick force field",
        description="Fit a quick linear force field to the structures that a plan keeps, to random ones of the same "
        "size, and to everything, and test all three on the same structures held out. It ranks plans of one dataset; "
        "it does not forecast the error of a neural force field. With --quests also the entropy, diversity and overlap "
        "of QUESTS, exact, by its own package.",
    )
    parser.set_defaults(command=_evaluate)
    parser.add_argument("plan", metavar="PLAN", help="a plan, as 'meagraph prune' writes it")
    parser.add_argument("--draws", type=int, default=5, metavar="N", help="random selections (default: %(default)s)")
    add_quests_options(parser)
    add_common_options(parser)
    add_data(parser)


def _evaluate(options: argparse.Namespace) -> None:
    from meagraph.datasets import read_dataset
    from meagraph.evaluation.against_random import evaluate
    from meagraph.evaluation.force_error import prepare
    from meagraph.evaluation.quests import implementation, quests_measures
    from meagraph.progress import part
    from meagraph.step_files.plans import read_plan

    if options.draws < 1:
        raise MEAGraphError(f"--draws: expected 1 or more, got {options.draws}.")
    wanted, parameters = options.quests, quests_config(options)
    if wanted:
        implementation()  # where it is missing, that is to be said before all the work
    file = read_plan(options.plan)
    with Bar("evaluate") as progress:
        dataset = read_dataset(options.data, progress=part(progress, 0.0, 0.2), **reading_options(options))
        file.check(dataset, options.plan)
        ends = (0.3, 0.4) if wanted else (0.7, 1.0)
        prepared = prepare(dataset, seed=options.seed, progress=part(progress, 0.2, ends[0]))
        found = evaluate(prepared, file.plan, seeds=range(options.draws), progress=part(progress, *ends))
        figures = found.figures()
        lines = [cost_table(figures, options.draws)]
        if wanted:
            measured = quests_measures(
                dataset, file.plan, parameters, cache=not options.no_cache, progress=part(progress, ends[1], 1.0)
            )
            figures["quests"] = measured.figures()
            lines.append(quests_table(figures["quests"], measured.caption()))
    say(options.json, figures, *lines)


COMMANDS = (add_prune, add_compare, add_evaluate)

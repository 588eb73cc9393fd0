"""The ``meagraph`` command: parse, call the pipeline, print."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import version
from typing import Any

from meagraph.errors import MEAGraphError
from meagraph.progress import Progress


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return the exit status: 0 done, 1 bad input or no disk, 130 interrupted."""
    options = _parser().parse_args(arguments)
    try:
        options.command(options)
    except MEAGraphError as error:
        print(f"meagraph: error: {error}", file=sys.stderr)
        return 1
    except OSError as error:  # a full disk, a file system that went away
        print(f"meagraph: error: {error}. Check the disk and its permissions.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nmeagraph: interrupted; no file was left half-written.", file=sys.stderr)
        return 130
    return 0


def add_reading_options(parser: argparse.ArgumentParser) -> None:
    """Options that say how files are read; :func:`reading_options` collects them again."""
    group = parser.add_argument_group("reading")
    group.add_argument("--format", help="ASE's name of the file format (default: from the suffix)")
    group.add_argument("--energy-key", help="name of the energy in the file (default: the usual names)")
    group.add_argument("--forces-key", help="name of the forces in the file (default: the usual names)")
    group.add_argument("--group-key", default="config_type", help="name of the group label (default: %(default)s)")
    group.add_argument("--allow-unlabelled", action="store_true", help="accept frames without energy or forces")
    group.add_argument(
        "--max-atoms",
        type=int,
        default=50_000,
        metavar="N",
        help="refuse larger frames (default: %(default)s)",
    )


def reading_options(options: argparse.Namespace) -> dict[str, Any]:
    """Keyword arguments for :func:`meagraph.datasets.read_dataset`."""
    names = ("format", "energy_key", "forces_key", "group_key", "allow_unlabelled", "max_atoms")
    return {name: getattr(options, name) for name in names}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="meagraph", description="See what is in an atomistic dataset, and prune what repeats itself."
    )
    parser.add_argument("--version", action="version", version=f"meagraph {version('meaviz')}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    info = commands.add_parser("info", help="what a dataset holds", description="Print what a dataset holds.")
    info.set_defaults(command=_info)
    info.add_argument("data", nargs="+", metavar="DATA", help="files that ASE reads, also compressed")
    info.add_argument("--json", action="store_true", help="print JSON")
    add_reading_options(info)

    run = commands.add_parser(
        "run",
        help="from a dataset to a pruned one",
        description="Describe, learn, cluster, prune; export kept structures, an index and a manifest.",
    )
    run.set_defaults(command=_run)
    run.add_argument("data", nargs="+", metavar="DATA", help="files that ASE reads, also compressed")
    run.add_argument("--out", required=True, metavar="DIR", help="folder for the exported files")
    run.add_argument("--seed", type=int, default=0, help="for everything random (default: %(default)s)")
    run.add_argument("--json", action="store_true", help="print the result as JSON")
    run.add_argument("--overwrite", action="store_true", help="replace files of an earlier export")
    run.add_argument("--no-cache", action="store_true", help="compute everything anew")
    _add_pruning_options(run)
    _add_method_options(run)
    add_reading_options(run)
    return parser


def _add_pruning_options(parser: argparse.ArgumentParser) -> None:
    from meagraph.selectors import SELECTORS

    group = parser.add_argument_group("pruning")
    group.add_argument("--keep", type=float, default=0.2, metavar="F", help="fraction of environments (default: 0.2)")
    group.add_argument("--selector", default="meagraph", choices=tuple(SELECTORS), help="which environments come first")
    group.add_argument(
        "--alpha",
        type=float,
        default=0.75,
        help="a cluster's share grows like size^alpha (default: %(default)s)",
    )
    group.add_argument("--within", default="fps", choices=("fps", "random"), help="order inside a cluster")
    group.add_argument(
        "--rule",
        default="at-least",
        choices=("at-least", "any", "all"),
        help="when a structure stays (default: at-least)",
    )
    group.add_argument(
        "--percent",
        type=float,
        metavar="X",
        help="for at-least: share of kept environments (default: 100 × F)",
    )
    group.add_argument(
        "--protect",
        action="append",
        default=[],
        metavar="GROUP",
        help="keep this group whole (isolated atoms always are)",
    )


def _add_method_options(parser: argparse.ArgumentParser) -> None:
    from meagraph.clustering import METHODS
    from meagraph.descriptors import KINDS
    from meagraph.pipeline import PipelineConfig

    usual = PipelineConfig()
    group = parser.add_argument_group("method")
    group.add_argument("--model", metavar="FILE", help="a trained model instead of training one")
    group.add_argument(
        "--descriptor",
        default=usual.descriptors.method,
        choices=tuple(KINDS),
        help="snap and mace need the extras of these names (default: %(default)s)",
    )
    group.add_argument(
        "--source",
        default="",
        metavar="NAME",
        help="; ".join(f"{name}: {kind.source}" for name, kind in KINDS.items() if kind.source),
    )
    group.add_argument(
        "--r-cut", type=float, default=usual.descriptors.r_cut, help="cutoff in Å (default: %(default)s)"
    )
    group.add_argument(
        "--n-max",
        type=int,
        default=usual.descriptors.n_max,
        help="radial functions, of soap and acsf (default: %(default)s)",
    )
    group.add_argument(
        "--l-max",
        type=int,
        default=usual.descriptors.l_max,
        help="angular degree; of snap half of twojmax (default: %(default)s)",
    )
    group.add_argument(
        "--budget", type=int, default=usual.budget, help="representatives at most (default: %(default)s)"
    )
    group.add_argument(
        "--threshold",
        type=float,
        default=usual.graph.lower,
        help="similarity of an edge (default: %(default)g)",
    )
    group.add_argument(
        "--neighbours",
        type=int,
        default=usual.graph.neighbours,
        help="edges a representative at most (default: %(default)s)",
    )
    group.add_argument("--epochs", type=int, default=usual.training.epochs, help="of training (default: %(default)s)")
    group.add_argument("--rate", type=float, default=usual.pooling_rate, help="pooling rate (default: %(default)s)")
    group.add_argument(
        "--resolution",
        type=float,
        default=usual.clustering.resolution,
        help="of Leiden: more clusters the larger it is (default: %(default)s)",
    )
    group.add_argument(
        "--clusters",
        default=usual.clustering.method,
        choices=tuple(METHODS),
        help="(default: %(default)s)",
    )


def _info(options: argparse.Namespace) -> None:
    from meagraph.datasets import read_dataset, summarise

    with _Bar("reading") as progress:
        dataset = read_dataset(options.data, progress=progress, **reading_options(options))
    summary = summarise(dataset)
    if options.json:
        print(json.dumps(summary, indent=2))
        return
    print(f"{summary['name']}: {summary['structures']:,} structures, {summary['environments']:,} environments")
    for key, value in summary.items():
        if key not in ("name", "structures", "environments", "groups", "sources"):
            print(f"  {key.replace('_', ' ')}: {_words(value)}")
    print(f"\n  {'group':<32}{'structures':>12}{'environments':>14}")
    for group, counts in summary["groups"].items():
        print(f"  {group:<32}{counts['structures']:>12,}{counts['environments']:>14,}")


def _run(options: argparse.Namespace) -> None:
    from meagraph.pipeline import PipelineConfig, run
    from meagraph.pruning import PruningConfig

    usual = PipelineConfig()
    config = replace(
        usual,
        descriptors=replace(
            usual.descriptors,
            method=options.descriptor,
            source=options.source,
            r_cut=options.r_cut,
            n_max=options.n_max,
            l_max=options.l_max,
        ),
        budget=options.budget,
        graph=replace(usual.graph, lower=options.threshold, neighbours=options.neighbours),
        training=replace(usual.training, epochs=options.epochs),
        pooling_rate=options.rate,
        clustering=replace(usual.clustering, method=options.clusters, resolution=options.resolution),
    ).with_seed(options.seed)
    pruning = PruningConfig(
        keep=options.keep,
        alpha=options.alpha,
        selector=options.selector,
        within=options.within,
        rule=options.rule,
        percent=options.percent,
        protected=(*PruningConfig.protected, *options.protect),
        seed=options.seed,
    )
    with _Bar("meagraph") as progress:
        result = run(
            options.data,
            options.out,
            config=config,
            pruning=pruning,
            model_path=options.model,
            cache=not options.no_cache,
            overwrite=options.overwrite,
            progress=progress,
            **reading_options(options),
        )
    dataset, plan, clusters = result.dataset, result.plan, result.survey.clusters
    assert result.files is not None
    atoms = int((dataset.offsets[1:] - dataset.offsets[:-1])[plan.structures].sum())
    figures = {
        "structures": dataset.n_structures,
        "structures_kept": plan.n_structures,
        "environments": dataset.n_environments,
        "environments_chosen": plan.n_environments,
        "environments_in_kept_structures": atoms,
        "representatives": result.learned.condensed.size,
        "clusters": clusters.n_clusters,
        "clusters_lost": int((plan.per_cluster[: clusters.n_clusters] == 0).sum()),
        "unclustered": int((clusters.labels < 0).sum()),
        "outlier_candidates": len(result.survey.outliers.candidates),
        "files": [str(path) for path in vars(result.files).values()],
    }
    if options.json:
        print(json.dumps(figures, indent=2))
        return
    total, whole = dataset.n_environments, dataset.n_structures
    print(
        f"{clusters.n_clusters} clusters, {figures['unclustered']:,} of {total:,} environments in none, "
        f"{figures['outlier_candidates']:,} outlier candidates"
    )
    print(f"chosen   {plan.n_environments:,} of {total:,} environments ({plan.n_environments / total:.1%})")
    print(
        f"kept     {plan.n_structures:,} of {whole:,} structures ({plan.n_structures / whole:.1%}) with {atoms:,} "
        f"environments ({atoms / total:.1%}), by the rule {pruning.rule!r}"
    )
    if figures["clusters_lost"]:
        print(f"warning  {figures['clusters_lost']} clusters keep no environment; raise --keep or lower --alpha")
    for path in vars(result.files).values():
        print(f"wrote    {path}")


class _Bar:
    """A progress bar on the terminal; silent where there is none."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __enter__(self) -> Progress:
        from tqdm import tqdm

        self.bar = tqdm(
            total=1000,
            desc=self.name,
            disable=None,
            bar_format="{desc:<28}{percentage:3.0f}%|{bar}| {elapsed}",
        )

        def report(done: int, total: int, message: str) -> None:
            self.bar.set_description(message, refresh=False)
            self.bar.update(max(0, round(1000 * done / max(total, 1)) - self.bar.n))

        return report

    def __exit__(self, *_: object) -> None:
        self.bar.close()


def _words(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_words(item)}" for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(_words(item) for item in value)
    return f"{value:.6g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    sys.exit(main())

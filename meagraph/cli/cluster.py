"""``meagraph cluster``: groups of like environments, and how stable they are."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, Any

from meagraph.cli.inputs import add_latent, refuse_onto, refuse_without, rows_of
from meagraph.cli.options import add_common_options, add_reading_options, add_settings, pipeline_config, reading_options
from meagraph.cli.output import Bar, cluster_lines, say
from meagraph.errors import MEAGraphError

if TYPE_CHECKING:
    from meagraph.latent.clustering import Clusters
    from meagraph.latent.neighbours import Neighbours
    from meagraph.latent.stability import Stability
    from meagraph.pipeline.config import PipelineConfig
    from meagraph.progress import Progress
    from meagraph.step_files.latent import LatentFile


def add_cluster(commands: Any) -> None:
    """``meagraph cluster``."""
    commands.add_parser(
        "cluster",
        help="step 4: groups of like environments",
        description="Group the environments of a latent space. Writes OUT, a table: structure, atom, cluster (-1: in "
        "none). By default these are a level of a hierarchy: --clusters or --level take another one, in which clusters "
        "that do not split keep their numbers. With --stability also how the clusters change along the setting that "
        "moves them most: the pooling rate of 'components', for which --model is needed, or the resolution of "
        "'leiden'.",
        fill=_options,
    )


def _options(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=_cluster)
    add_latent(parser)
    parser.add_argument("--onto", metavar="CLUSTERS", help="take the labels of these clusters of the reference")
    parser.add_argument("--stability", metavar="FILE", help="write the stability curve to this .csv or .npz")
    parser.add_argument(
        "--model", metavar="FILE", help="for the stability of 'components': the model of the latent space"
    )
    parser.add_argument(
        "--structures", nargs="+", metavar="DATA", help="the files that were described, to name the clusters by"
    )
    add_common_options(parser, cache=False)
    add_settings(parser, "clustering")
    add_reading_options(parser)


def _cluster(options: argparse.Namespace) -> None:
    from meagraph.latent.clustering import cluster
    from meagraph.latent.placement import inherit_clusters
    from meagraph.model.checkpoint import model_files
    from meagraph.pipeline.survey import latent_neighbours
    from meagraph.step_files.checks import with_details
    from meagraph.step_files.latent import read_latent
    from meagraph.step_files.tables import claim_table, read_clusters, write_table

    read = [options.data, *(options.structures or ()), *with_details(options.onto)]
    read += model_files(options.model) if options.model else ()
    for path in filter(None, (options.out, options.stability)):
        claim_table(path, inputs=read, overwrite=options.overwrite)
    if options.stability and os.path.realpath(options.out) == os.path.realpath(options.stability):
        raise MEAGraphError(f"{options.out}: is named for the clusters and for --stability. Name two files.")
    config = pipeline_config(options)
    file = read_latent(options.data)
    figures: dict[str, Any] = {}
    lines: list[str] = []
    made_from = {"latent": file.sha256}
    if file.placement is not None:
        refuse_without(options.onto, options.data, "cluster", "clusters")
        if options.stability:
            raise MEAGraphError("--stability: clusters that are inherited have none. Ask it of the reference.")
        environments = len(file.latent.condensed.assignment)
        known = read_clusters(options.onto, file.about["made_from"]["reference"], environments)
        found = inherit_clusters(file.placement, file.latent, known)
    else:
        refuse_onto(options.onto, options.data)
        latent = file.latent
        with Bar("cluster") as progress:
            neighbours = latent_neighbours(latent.embedding, config)
            found = cluster(latent.embedding, neighbours, latent.condensed, config.clustering, seed=config.seed)
            if options.stability:
                curve = _stability(options, file, config, neighbours, progress)
                curve_of = {"dataset": file.about["dataset"], "made_from": made_from}
                _write_curve(options.stability, curve, curve_of, overwrite=options.overwrite)
                figures["stability"] = {"plateau": curve.plateau, "suggestion": curve.suggestion}
                lines = _curve_lines(curve)
    names = _names(options, file, found)
    columns = {**rows_of(file.offsets), "cluster": found.labels}
    about = {"table": "clusters", "dataset": file.about["dataset"], "method": found.method, "settings": found.settings}
    about |= {"sizes": found.sizes.tolist(), "made_from": made_from}
    about |= {"names": list(names)} if names else {}
    write_table(options.out, columns, about, overwrite=options.overwrite)
    total, alone = len(found.labels), int((found.labels < 0).sum())
    figures |= {
        "environments": total,
        "clusters": found.n_clusters,
        "sizes": found.sizes.tolist(),
        "unclustered": alone,
        **({"names": list(names)} if names else {}),
        "files": [options.out, *filter(None, [options.stability])],
    }
    line = f"{found.n_clusters} clusters, {alone:,} of {total:,} environments in none"
    lines = [*(cluster_lines(found, names) if names else ()), *lines]
    if found.hierarchy is not None:
        tree = found.hierarchy
        figures["levels"] = {"shown": found.n_clusters, "default": tree.default, "finest": tree.finest}
        lines = [*lines, f"levels   1 to {tree.finest} clusters, {tree.default} by default (--clusters N)"]
    say(options.json, figures, line, *lines, *(f"wrote    {path}" for path in figures["files"]))


def _names(options: argparse.Namespace, file: LatentFile, found: Clusters) -> tuple[str, ...]:
    """What sets each cluster apart, where the structures are given. Raises MEAGraphError for those of another space."""
    from meagraph.pipeline.opening import open_data
    from meagraph.pipeline.phasing import evidence

    if not options.structures:
        return ()
    with Bar("names") as progress:
        dataset = open_data(options.structures, progress=progress, **reading_options(options))
        if dataset.offsets.tolist() != file.offsets.tolist():
            raise MEAGraphError(
                f"{', '.join(options.structures)}: expected the {len(file.offsets) - 1:,} structures that "
                f"{options.data} was made from, but these are {dataset.n_structures:,} or have other sizes. Give the "
                "same files in the same order."
            )
        return evidence(dataset, progress=progress).names(found)


def _stability(
    options: argparse.Namespace,
    file: LatentFile,
    config: PipelineConfig,
    neighbours: Neighbours,
    progress: Progress,
) -> Stability:
    from meagraph.files import sha256_file
    from meagraph.latent.nodes import population
    from meagraph.latent.stability import METHOD, rate_stability, resolution_stability
    from meagraph.model.checkpoint import load_model, model_files
    from meagraph.step_files.checks import check_made_from

    latent, method = file.latent, config.clustering.method
    if method == METHOD["resolution"]:
        near = neighbours.nearest(config.clustering.neighbours)
        embedding, nodes = population(latent.embedding, latent.condensed)
        return resolution_stability(embedding, near, nodes, seed=config.seed, progress=progress)
    if method != METHOD["pooling_rate"]:
        raise MEAGraphError(f"--stability: expected --clustering {' or '.join(METHOD.values())}, got {method}.")
    if options.model is None:
        raise MEAGraphError("--stability of 'components' encodes at every pooling rate; name the model with --model.")
    check_made_from(options.data, file.about, model=sha256_file(model_files(options.model)[0]))
    model, _ = load_model(options.model)
    return rate_stability(model, latent.similarity_graph(), latent.condensed, progress=progress)


def _write_curve(path: str, curve: Stability, about: dict[str, Any], *, overwrite: bool) -> None:
    import numpy as np

    from meagraph.step_files.tables import write_table

    columns = {
        curve.parameter: curve.values,
        "clusters": curve.clusters,
        "alone": curve.alone,
        "largest": curve.largest,
        "agreement_with_next": np.append(curve.agreement, np.nan),
    }
    write_table(path, columns, {"table": "stability", "plateau": curve.plateau, **about}, overwrite=overwrite)


def _curve_lines(curve: Stability) -> list[str]:
    """The curve as a table, and what it suggests."""
    name = curve.parameter.replace("_", " ")
    lines = [f"\n  {name:>12}{'clusters':>10}{'in none':>10}{'largest':>10}{'agreement with next':>21}"]
    for row in zip(curve.values, curve.clusters, curve.alone, curve.largest, [*curve.agreement, None], strict=True):
        value, clusters, alone, largest, agreement = row
        after = "" if agreement is None else f"{agreement:.3f}"
        lines.append(f"  {value:>12g}{clusters:>10,}{alone:>10.1%}{largest:>10.1%}{after:>21}")
    if curve.plateau is None:
        return [*lines, f"no stable range of the {name}: neighbouring values give other clusters\n"]
    first, last = curve.plateau
    return [*lines, f"most stable from {first:g} to {last:g}; the middle is {curve.suggestion:g}\n"]

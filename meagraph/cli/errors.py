"""``meagraph errors``: predictions of a model against the labels of a dataset."""

from __future__ import annotations

import argparse
from typing import Any

from meagraph.cli.options import add_common_options, add_data, reading_options
from meagraph.cli.output import Bar, say
from meagraph.display.cards import printable, text_table
from meagraph.errors import MEAGraphError


def add_errors(commands: Any) -> None:
    """``meagraph errors``."""
    commands.add_parser(
        "errors",
        help="predictions of a model against the labels",
        description="Compare a second set of labels with that of a dataset: another family of names in the same "
        "frames, or another file of the same structures in any order. Print errors of energy and forces by group, "
        "element and, with --by-clusters, cluster, and the worst structures.",
        fill=_options,
    )


def _options(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=_errors)
    of = parser.add_mutually_exclusive_group(required=True)
    of.add_argument("--predicted", metavar="FAMILY", help="what names begin with, as MACE_ of MACE_energy")
    of.add_argument(
        "--predicted-file", action="append", metavar="FILE", help="a file of the same structures; several are joined"
    )
    parser.add_argument(
        "--by-clusters",
        action="store_true",
        help="also by cluster: those of 'meagraph run' with its usual settings, computed unless in the cache",
    )
    parser.add_argument("--out", metavar="OUT", help="table of all structures with their errors, .csv or .npz")
    parser.add_argument(
        "--overwrite", action="store_true", help="replace OUT where it is there and not of an earlier run"
    )
    parser.add_argument("--top", type=int, default=5, metavar="N", help="print as many (default: %(default)s)")
    add_common_options(parser)
    add_data(parser)


def _errors(options: argparse.Namespace) -> None:
    from meagraph.pipeline.analysis import analyse
    from meagraph.pipeline.config import PipelineConfig
    from meagraph.pipeline.opening import open_data
    from meagraph.pipeline.predicting import errors_of
    from meagraph.progress import part
    from meagraph.step_files.tables import claim_table, write_table

    if options.top < 0:
        raise MEAGraphError(f"--top: expected 0 or more, got {options.top}.")
    files = options.predicted_file
    if options.out is not None:
        claim_table(options.out, inputs=[*options.data, *(files or [])], overwrite=options.overwrite)
    reading = {"cache": not options.no_cache, **reading_options(options)}
    with Bar("errors") as progress:
        data: Any = open_data(options.data, progress=part(progress, 0.0, 0.2), **reading)
        other = None
        if files is not None:
            other = open_data(
                files, progress=part(progress, 0.2, 0.3), **{**reading, "allow_unlabelled": True, "stress_unit": None}
            )
        if options.by_clusters:
            config = PipelineConfig(seed=options.seed)
            data = analyse(data, config=config, cache=not options.no_cache, progress=part(progress, 0.3, 0.9))
        found = errors_of(data, family=options.predicted, other=other, progress=part(progress, 0.9, 1.0))
    figures = found.figures(options.top)
    lines = [f"predicted: {printable(found.predicted.words, None)}", "", *text_table(found.table())]
    for by, key, unit in (("energy", "energy_error", "meV/atom"), ("forces", "force_rmse", "meV/Å (RMSE)")):
        if figures["worst"][by]:
            lines += ["", f"farthest off by {by}:"]
        for row in figures["worst"][by]:
            value = f"{1000 * row[key]:+10.1f}" if by == "energy" else f"{1000 * row[key]:10.1f}"
            lines.append(f"  {value} {unit}  {printable(row['file'], None)}, frame {row['frame']} ({row['group']})")
    if options.out is not None:
        about = {"table": "errors", "dataset": found.dataset.name, "predicted": found.predicted.name}
        write_table(options.out, found.columns(), about, overwrite=options.overwrite)
        figures["files"] = [options.out]
        lines.append(f"wrote    {options.out}")
    say(options.json, figures, *lines)

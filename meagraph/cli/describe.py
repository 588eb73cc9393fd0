"""``meagraph describe``: descriptors of every environment."""

from __future__ import annotations

import argparse
from typing import Any

from meagraph.cli.inputs import read_data
from meagraph.cli.options import (
    add_common_options,
    add_data,
    add_known,
    add_out,
    add_settings,
    pipeline_config,
)
from meagraph.cli.output import Bar, say
from meagraph.cli.workers_options import add_workers, client_of


def add_describe(commands: Any) -> None:
    """``meagraph describe``."""
    commands.add_parser(
        "describe",
        help="step 1: descriptors of every environment",
        description="Compute one descriptor vector for every atomic environment. Writes OUT, a NumPy array of float32 "
        "with a row for each environment, and the same name with .json: what made it, from which files.",
        fill=_options,
    )


def _options(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=_describe)
    add_out(parser, "OUT.npy", "file for the descriptors")
    add_common_options(parser, seed=False)
    add_settings(parser, "descriptors")
    parser.add_argument(
        "--like",
        metavar="FILE",
        help="a model, or descriptors, whose frame the context is to be in (default: a frame of these data)",
    )
    add_workers(parser)
    add_known(parser)
    add_data(parser)


def _describe(options: argparse.Namespace) -> None:
    from meagraph.pipeline.describing import describe
    from meagraph.progress import part
    from meagraph.step_files.checks import check_suffix, claim, with_details
    from meagraph.step_files.descriptors import DESCRIPTORS, frame_in, write_described
    from meagraph.workers.clients import workers_of

    check_suffix(options.out, ".npy")
    config = pipeline_config(options)
    read = [*options.data, *options.known, config.descriptors.source, *with_details(options.like)]
    beside = claim(options.out, DESCRIPTORS, inputs=read, overwrite=options.overwrite)
    with client_of(options) as client, Bar("describe") as progress:
        dataset = read_data(options, part(progress, 0.0, 0.3))
        descriptors = describe(
            dataset,
            config.descriptors,
            context=config.context,
            like=frame_in(options.like),
            cache=not options.no_cache,
            workers=workers_of(client, cache=not options.no_cache),
            progress=part(progress, 0.3, 1.0),
        )
        write_described(options.out, dataset, descriptors, overwrite=options.overwrite)
    size, width = descriptors.own.shape
    frame, context = descriptors.frame, list[str]()
    if frame is not None:
        within = f"cutoff {frame.cutoff:g} Å, " if config.descriptors.method == "soap" else ""
        context = [f"context  {frame.columns} more ({within}first shell {frame.shell:.2f} Å)"]
    figures = {
        "structures": dataset.n_structures,
        "environments": size,
        "width": width,
        "context": 0 if frame is None else frame.columns,
        "descriptors": descriptors.identity,
        "files": [options.out, str(beside)],
    }
    say(
        options.json,
        figures,
        f"{size:,} environments of {dataset.n_structures:,} structures, {width} values each",
        *([descriptors.note] if descriptors.note else []),
        *context,
        f"wrote    {options.out}\nwrote    {beside}",
    )

"""``meagraph train``: a model of the descriptors."""

from __future__ import annotations

import argparse
from typing import Any

from meagraph.cli.options import (
    add_common_options,
    add_out,
    add_settings,
    add_training_options,
    pipeline_config,
    training_options,
)
from meagraph.cli.output import Bar, say


def add_train(commands: Any) -> None:
    """``meagraph train``."""
    commands.add_parser(
        "train",
        help="step 2: a model of the descriptors",
        description="Train a graph autoencoder on descriptors. Writes OUT, the weights, and the same name with .json: "
        "the model's shape, every setting, and the loss of each epoch. A training that was stopped or killed goes on "
        "where it was when the same command is given again.",
        fill=_options,
    )


def _options(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=_train)
    parser.add_argument("data", metavar="DESC.npy", help="descriptors, as 'meagraph describe' writes them")
    add_out(parser, "OUT.safetensors", "file for the model")
    add_common_options(parser)
    add_training_options(parser)
    add_settings(parser, "graph", "training")


def _train(options: argparse.Namespace) -> None:
    from meagraph.model.checkpoint import FORMAT, model_files
    from meagraph.model.results import best_epoch
    from meagraph.pipeline.learning import learn, store_model
    from meagraph.step_files.checks import check_suffix, claim, with_details
    from meagraph.step_files.descriptors import read_described

    check_suffix(options.out, ".safetensors")
    start = model_files(options.fine_tune) if options.fine_tune else ()
    beside = claim(options.out, FORMAT, inputs=[*with_details(options.data), *start], overwrite=options.overwrite)
    config = pipeline_config(options)
    described = read_described(options.data)
    with Bar("train") as progress:
        learned = learn(
            described,
            described.descriptors,
            config,
            cache=not options.no_cache,
            progress=progress,
            **training_options(options),
        )
    made_from = {"descriptors": described.sha256}
    store_model(options.out, learned, described.descriptors, dataset=described.name, made_from=made_from)
    best = best_epoch(learned.history)
    figures = {
        "environments": len(learned.points),
        "representatives": learned.condensed.size,
        "source": learned.source,
        "loss": [record.loss for record in learned.history],
        "validation": [record.validation for record in learned.history],
        "best_epoch": best.epoch,
        "files": [options.out, str(beside)],
    }
    say(
        options.json,
        figures,
        f"{learned.condensed.size:,} representatives of {len(learned.points):,} environments",
        f"loss     {best.judged:.4g} in epoch {best.epoch} of {len(learned.history)}, the best, "
        + ("on structures held out" if best.validation is not None else "none held out"),
        f"wrote    {options.out}\nwrote    {beside}",
    )

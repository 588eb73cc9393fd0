"""``meagraph predict``: what a model says of all structures of a dataset."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from meagraph.cli.inputs import read_data
from meagraph.cli.options import add_common_options, add_data, add_out
from meagraph.cli.output import Bar, say
from meagraph.display.cards import printable

FAILED = 4  # exit status where some structures have no prediction
LISTED = 10


def add_predict(commands: Any) -> None:
    """``meagraph predict``."""
    commands.add_parser(
        "predict",
        help="energies, forces and stresses by a model, beside the labels",
        description="Run a model over all structures and write them with its labels beside their own, for 'meagraph "
        "errors' to compare. What is done is kept in the cache, and the same command goes on where it was stopped. "
        "Labels are not needed. Exit status 4: some structures failed; they are named, and the others are written.",
        fill=_options,
    )


def _options(parser: argparse.ArgumentParser) -> None:
    from meagraph.model.settings import DEVICES
    from meagraph.predictions.models import DTYPES, MODELS

    parser.set_defaults(command=_predict)
    parser.add_argument(
        "--calculator",
        required=True,
        metavar="NAME",
        help=f"{', '.join(MODELS)}, or package.module:Class of a calculator of ASE, which is called with --model where "
        "that is given; mace and chgnet need the extras of these names",
    )
    parser.add_argument(
        "--model", metavar="FILE", help="of mace: the model, as its training saves it; nothing in it is run"
    )
    parser.add_argument(
        "--prefix", metavar="NAME_", help="of the names that its labels get (default: by the calculator, as MACE_)"
    )
    parser.add_argument(
        "--device", default="cpu", choices=DEVICES, help="auto is cuda where there is one (default: %(default)s)"
    )
    parser.add_argument("--dtype", choices=DTYPES, help="precision of mace (default: that of the model)")
    add_out(parser, "PREDICTED.extxyz", "all structures with both sets of labels, .extxyz or .xyz")
    add_common_options(parser, seed=False)
    add_data(parser)


def _predict(options: argparse.Namespace) -> int:
    from dataclasses import replace

    from meagraph.pipeline.predicting import labels_of
    from meagraph.predictions.models import load_model
    from meagraph.predictions.predicting import check_species
    from meagraph.predictions.writing import FORMAT, SUFFIXES, check_prefix, write_predictions
    from meagraph.progress import part
    from meagraph.step_files.checks import check_suffix, claim

    check_suffix(options.out, *SUFFIXES)
    claim(options.out, FORMAT, inputs=[*options.data, options.model], overwrite=options.overwrite)
    model = load_model(options.calculator, model=options.model, device=options.device, dtype=options.dtype)
    model = model if options.prefix is None else replace(model, prefix=options.prefix)
    options.known, options.allow_unlabelled = [], True
    try:
        with Bar("predict") as progress:
            dataset = read_data(options, part(progress, 0.0, 0.05))
            check_prefix(dataset, model.prefix)
            check_species(dataset, model)
            found = labels_of(dataset, model, cache=not options.no_cache, progress=part(progress, 0.05, 0.95))
            lost = write_predictions(options.out, found, progress=part(progress, 0.95, 1.0))
    except KeyboardInterrupt:
        if model.identity is not None and not options.no_cache:
            print("\nmeagraph: what is predicted by now is kept; the same command goes on from there.", file=sys.stderr)
        raise
    failures = found.failures()
    lines = [f"predicted {found.predicted.words}, under the names {model.prefix}energy, _forces, _stress"]
    lines += [f"  failed: {printable(line, None)}" for line in failures[:LISTED]]
    if len(failures) > LISTED:
        lines.append(f"  and {len(failures) - LISTED:,} more, named in {options.out.rpartition('.')[0]}.json")
    lines += [f"left out {', '.join(lost)}: entries that extended XYZ cannot hold"] if lost else []
    figures = {
        "structures": dataset.n_structures,
        "environments": dataset.n_environments,
        "predicted": dataset.n_structures - len(failures),
        "failed": failures,
        "prefix": model.prefix,
        "left_out": lost,
        "files": [options.out],
    }
    say(options.json, figures, *lines, f"wrote    {options.out}")
    return FAILED if failures else 0

"""``meagraph convert``: a dataset as a folder of arrays, which opens at once."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from meagraph.cli.duplicates import add_dropping, dropped_by
from meagraph.cli.options import add_common_options, add_data, reading_options
from meagraph.cli.output import Bar, say


def add_convert(commands: Any) -> None:
    """``meagraph convert``."""
    commands.add_parser(
        "convert",
        help="write a dataset as a folder of arrays that opens at once",
        description="Read a dataset and write it as a folder OUT.meadata of plain NumPy arrays with a header in JSON. "
        "Every command, and the app, opens it like a file, in no time, by memory map. Exports still copy frames from "
        "the original extended XYZ as long as it is there and unchanged; without it they write frames of their own.",
        fill=_options,
    )


def _options(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=_convert)
    add_common_options(parser, seed=False, cache=False)
    add_dropping(parser)
    add_data(parser)
    parser.add_argument("out", metavar="OUT.meadata", help="the folder to write")
    parser.add_argument("--overwrite", action="store_true", help="replace a folder of an earlier conversion")


def _convert(options: argparse.Namespace) -> None:
    from meagraph.datasets import read_dataset
    from meagraph.datasets.store import check_new, write_store
    from meagraph.progress import part

    check_new(options.out, overwrite=options.overwrite)
    with Bar("reading") as progress:
        dataset = read_dataset(options.data, progress=part(progress, 0.0, 0.9), **reading_options(options))
        dropped = dropped_by(options, dataset, ())
        dataset = dataset if dropped is None else dropped.rest()
        lost = write_store(dataset, options.out, overwrite=options.overwrite)
    size = sum(file.stat().st_size for file in Path(options.out).iterdir())
    figures = {
        "structures": dataset.n_structures,
        "environments": dataset.n_environments,
        "bytes": size,
        "left_out": list(lost),
        "files": [options.out],
        **({} if dropped is None else dropped.figures()),
    }
    line = f"{dataset.n_structures:,} structures, {dataset.n_environments:,} environments, {size / 1e6:.1f} MB"
    left = [f"left out {', '.join(lost)}: objects that no file can hold"] if lost else []
    gone = [] if dropped is None else [f"dropped  {dropped.words}"]
    say(options.json, figures, *gone, line, *left, f"wrote    {options.out}")

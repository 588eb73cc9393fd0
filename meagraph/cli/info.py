"""``meagraph info``: what a dataset holds."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from meagraph.cli.options import (
    add_common_options,
    add_data,
    reading_options,
)
from meagraph.cli.output import Bar, words

if TYPE_CHECKING:
    pass


def add_info(commands: Any) -> None:
    """``meagraph info``."""
    commands.add_parser(
        "info",
        help="what a dataset holds",
        description="Print what a dataset holds.",
        fill=_options,
    )


def _options(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=_info)
    add_common_options(parser, seed=False, cache=False)
    add_data(parser)


def _info(options: argparse.Namespace) -> None:
    from meagraph.datasets import read_dataset, summarise
    from meagraph.descriptors import DescriptorConfig
    from meagraph.descriptors.computing import recipe
    from meagraph.descriptors.elements import shared_columns

    with Bar("reading") as progress:
        dataset = read_dataset(options.data, progress=progress, **reading_options(options))
    summary = summarise(dataset)
    if options.json:
        print(json.dumps(summary, indent=2))
        return
    print(f"{summary['name']}: {summary['structures']:,} structures, {summary['environments']:,} environments")
    for key, value in summary.items():
        if key not in ("name", "structures", "environments", "groups", "sources"):
            print(f"  {key.replace('_', ' ')}: {words(value)}")
    if note := shared_columns(recipe(dataset, DescriptorConfig())[0]):
        print(f"  soap: {note}")
    print(f"\n  {'group':<32}{'structures':>12}{'environments':>14}")
    for group, counts in summary["groups"].items():
        print(f"  {group:<32}{counts['structures']:>12,}{counts['environments']:>14,}")

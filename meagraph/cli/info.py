"""``meagraph info``: what a dataset holds."""

from __future__ import annotations

import argparse
import json
from typing import Any

from meagraph.cli.options import add_common_options, add_data, reading_options
from meagraph.cli.output import Bar, words

SHOWN = 10  # frames in quarantine


def add_info(commands: Any) -> None:
    """``meagraph info``."""
    commands.add_parser(
        "info",
        help="what a dataset holds, and what is odd in it",
        description="Print what a dataset holds and what a careful look finds in it: labels that are missing or cannot "
        "be, atoms too close, duplicates.",
        fill=_options,
    )


def _options(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=_info)
    add_common_options(parser, seed=False, cache=False)
    add_data(parser)
    parser.add_argument("--html", metavar="FILE", help="write the findings as a page, in place of an earlier one")


def _info(options: argparse.Namespace) -> None:
    from meagraph.datasets import summarise
    from meagraph.descriptors import DescriptorConfig
    from meagraph.descriptors.computing import recipe
    from meagraph.descriptors.elements import shared_columns
    from meagraph.inspection.findings import examine
    from meagraph.inspection.findings.page import as_json, as_lines, claim_page, write_page
    from meagraph.pipeline.opening import open_data
    from meagraph.progress import part

    if options.html:
        claim_page(options.html, options.data)
    with Bar("reading") as progress:
        dataset = open_data(options.data, progress=part(progress, 0.0, 0.6), **reading_options(options))
        found = examine(dataset, progress=part(progress, 0.6, 1.0))
    if options.html:
        write_page(options.html, found)
    summary = summarise(dataset)
    if options.json:
        print(json.dumps({**summary, **as_json(found)}, indent=2))
        return
    print(f"{summary['name']}: {summary['structures']:,} structures, {summary['environments']:,} environments")
    for key, value in summary.items():
        if key not in ("name", "structures", "environments", "groups", "sources", "quarantined"):
            print(f"  {key.replace('_', ' ')}: {words(value)}")
    if note := shared_columns(recipe(dataset, DescriptorConfig())[0]):
        print(f"  soap: {note}")
    for source in dataset.sources:
        print(f"  {source.path}: {source.labels.words()}")
        for note in source.notes:
            print(f"  {source.path}: {note}")
    if dataset.quarantined:
        print(f"\n  {len(dataset.quarantined):,} frames cannot be used and are left out:")
        for frame in dataset.quarantined[:SHOWN]:
            print(f"    {frame.cause}")
        if len(dataset.quarantined) > SHOWN:
            print(f"    and {len(dataset.quarantined) - SHOWN:,} more (all with --json)")
    print(f"\n  {'group':<32}{'structures':>12}{'environments':>14}")
    for group, counts in summary["groups"].items():
        print(f"  {group:<32}{counts['structures']:>12,}{counts['environments']:>14,}")
    print("", *as_lines(found), sep="\n")

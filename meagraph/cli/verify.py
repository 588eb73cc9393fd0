"""``meagraph verify``: an export proven against its sources."""

from __future__ import annotations

import argparse
import json
from typing import Any

from meagraph.cli.options import add_common_options
from meagraph.cli.output import Bar
from meagraph.display.cards import printable

LISTED = 20  # differences


def add_verify(commands: Any) -> None:
    """``meagraph verify``."""
    commands.add_parser(
        "verify",
        help="prove an export against its sources",
        description="Compare every byte, frame, count and hash of an export with its sources, its manifest and its "
        "recipe. The first difference is named by file, frame and field; the exit status is 1 if there is any.",
        fill=_options,
    )


def _options(parser: argparse.ArgumentParser) -> None:
    from meagraph.model.settings import DEVICES

    parser.set_defaults(command=_verify)
    parser.add_argument("export", metavar="DIR", help="folder of an export, or its manifest")
    parser.add_argument(
        "--again",
        action="store_true",
        help="also do the recipe again and compare all files, which proves the choice of environments",
    )
    parser.add_argument(
        "--device", default="cpu", choices=DEVICES, help="of --again; auto is cuda where there is one (default: cpu)"
    )
    add_common_options(parser, seed=False)


def _verify(options: argparse.Namespace) -> int:
    from meagraph.recipe.proof import prove

    with Bar("verify") as progress:
        found = prove(
            options.export,
            again=options.again,
            device=options.device,
            cache=not options.no_cache,
            progress=progress,
        )
    if options.json:
        print(json.dumps({"export": options.export, "differences": found}, indent=2))
        return int(bool(found))
    for text in found[:LISTED]:
        print(f"differs  {printable(text, None)}")
    if len(found) > LISTED:
        print(f"  and {len(found) - LISTED:,} more (all with --json)")
    if not found:
        print(f"verified {options.export}: every file, frame and count is as its sources and its manifest have it")
    return int(bool(found))

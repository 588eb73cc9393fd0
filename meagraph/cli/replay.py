"""``meagraph replay``: a recipe, done again."""

from __future__ import annotations

import argparse
from typing import Any

from meagraph.cli.options import add_common_options
from meagraph.cli.output import Bar, plan_figures, plan_lines, say


def add_replay(commands: Any) -> None:
    """``meagraph replay``."""
    commands.add_parser(
        "replay",
        help="do again what a recipe says",
        description="Read a recipe, which 'run', 'prune --export' and the app write beside what they export, and do "
        "all of it again: the files are equal byte for byte. Data that has changed since is refused, unless --data "
        "names it.",
        fill=_options,
    )


def _options(parser: argparse.ArgumentParser) -> None:
    from meagraph.model.settings import DEVICES

    parser.set_defaults(command=_replay)
    parser.add_argument("recipe", metavar="RECIPE", help="a recipe.yaml")
    parser.add_argument(
        "--data",
        nargs="+",
        metavar="FILE",
        help="the data, where it is other than it was; what belongs to the old data alone is left out and named",
    )
    parser.add_argument("--out", metavar="DIR", help="folder for the exported files (default: none are written)")
    parser.add_argument("--overwrite", action="store_true", help="replace files of an earlier export")
    parser.add_argument(
        "--device", default="cpu", choices=DEVICES, help="auto is cuda where there is one (default: %(default)s)"
    )
    add_common_options(parser, seed=False)


def _replay(options: argparse.Namespace) -> None:
    from meagraph.recipe import replay

    with Bar("meagraph") as progress:
        done = replay(
            options.recipe,
            options.data,
            out=options.out,
            device=options.device,
            cache=not options.no_cache,
            overwrite=options.overwrite,
            progress=progress,
        )
    files = [] if done.files is None else [str(path) for path in done.files.paths]
    files += [] if done.parts is None else [str(path) for path in done.parts.paths]
    figures = {**plan_figures(done.plan), "notes": list(done.notes), "files": files}
    say(
        options.json,
        figures,
        *(f"note     {note}" for note in done.notes),
        *([] if done.dropped is None else [f"dropped  {done.dropped.words}"]),
        *plan_lines(done.plan),
        *(f"wrote    {path}" for path in files),
    )

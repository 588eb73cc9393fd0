"""``meagraph split``: training, validation and test, or folds, that share nothing."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from meagraph.cli.duplicates import add_distance
from meagraph.cli.options import add_common_options, add_data, reading_options
from meagraph.cli.output import Bar, say
from meagraph.display.cards import text_table

if TYPE_CHECKING:
    from meagraph.splits import SplitConfig


def add_split(commands: Any) -> None:
    """``meagraph split``."""
    commands.add_parser(
        "split",
        help="training, validation and test, or folds, without near duplicates on two sides",
        description="Divide a dataset so that structures which are alike are on one side, and each side has its share "
        "of every group and, with --by-clusters, of every cluster. Writes a file for each side into DIR, an index of "
        "all structures, and a manifest. Isolated atoms and protected groups are trained on.",
        fill=_options,
    )


def _options(parser: argparse.ArgumentParser) -> None:
    from meagraph.splits.split import ALIKE, UNITS

    parser.set_defaults(command=_split)
    parser.add_argument("--out", required=True, metavar="DIR", help="folder for the files")
    how = parser.add_mutually_exclusive_group()
    how.add_argument(
        "--fractions",
        nargs="+",
        type=float,
        metavar="F",
        help="of training, (validation) and test (default: 0.8 0.1 0.1)",
    )
    how.add_argument("--folds", type=int, metavar="K", help="as many parts of equal size instead")
    how.add_argument(
        "--sizes", nargs="+", type=int, metavar="N", help="at most so many on each side instead; the rest is left out"
    )
    parser.add_argument("--unit", choices=UNITS, default=UNITS[0], help="of fractions and sizes (default: %(default)s)")
    add_distance(parser)
    parser.add_argument(
        "--alike",
        choices=ALIKE,
        default=ALIKE[0],
        help="structures stay together that are alike as a whole, or in a single environment (default: %(default)s)",
    )
    parser.add_argument("--protect", action="append", default=[], metavar="GROUP", help="train on this group")
    parser.add_argument(
        "--by-clusters",
        action="store_true",
        help="share out clusters too: those of 'meagraph run' with its usual settings, computed unless in the cache",
    )
    parser.add_argument(
        "--entry",
        metavar="NAME",
        help="write one file of all, in which NAME=train, NAME=test stands in each frame, instead of one for each side",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace files of an earlier split")
    add_common_options(parser)
    add_data(parser)


def _config(options: argparse.Namespace) -> SplitConfig:
    from meagraph.splits import SplitConfig

    usual = SplitConfig()
    return SplitConfig(
        fractions=usual.fractions if options.fractions is None else tuple(options.fractions),
        folds=options.folds,
        sizes=None if options.sizes is None else tuple(options.sizes),
        unit=options.unit,
        distance=options.distance,
        alike=options.alike,
        protected=tuple(dict.fromkeys(options.protect)),
        seed=options.seed,
    )


def _split(options: argparse.Namespace) -> None:
    from meagraph.exports.parts import claim_parts
    from meagraph.pipeline.analysis import analyse
    from meagraph.pipeline.config import PipelineConfig
    from meagraph.pipeline.opening import open_data
    from meagraph.pipeline.splitting import SPLIT, split, write_split
    from meagraph.progress import part

    config = _config(options)
    with Bar("split") as progress:
        wanted = {"cache": not options.no_cache, **reading_options(options)}
        data: Any = open_data(options.data, progress=part(progress, 0.0, 0.1), **wanted)
        claim_parts(
            data,
            list(config.names),
            options.out,
            SPLIT,
            together=options.entry is not None,
            overwrite=options.overwrite,
        )
        if options.by_clusters:
            settings = PipelineConfig(seed=options.seed)
            data = analyse(data, config=settings, cache=not options.no_cache, progress=part(progress, 0.1, 0.6))
        found = split(data, config=config, progress=part(progress, 0.6, 0.9))
        files = write_split(
            found, options.out, entry=options.entry, overwrite=options.overwrite, progress=part(progress, 0.9, 1.0)
        )
    say(
        options.json,
        {**found.figures(), "files": [str(path) for path in files.paths]},
        *(f"{name:<16} {value}" for name, value in found.facts()),
        *text_table(found.group_table()),
        *(f"wrote    {path}" for path in files.paths),
    )

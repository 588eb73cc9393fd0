"""``meagraph duplicates``: what repeats itself in a dataset, and what stands in several parts of it."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from meagraph.cli.options import add_common_options, add_reading_options, reading_options
from meagraph.cli.output import Bar, say
from meagraph.display.cards import printable
from meagraph.errors import MEAGraphError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from meagraph.datasets import AtomicDataset
    from meagraph.duplicates.dropping import Dropped
    from meagraph.duplicates.repeats import Repeats
    from meagraph.progress import Progress

PARTS = ("train", "validation", "test")
LEAKS = 3  # exit status


def add_duplicates(commands: Any) -> None:
    """``meagraph duplicates``."""
    commands.add_parser(
        "duplicates",
        help="structures that repeat others, and leaks between training, validation and test",
        description="List structures that repeat an earlier one: exactly, turned, moved, renumbered or in another "
        "cell, or with all distances to neighbours within --distance; and whether their labels agree. Of files given "
        "as --train, --validation and --test list what stands in two of them; the exit status is 3 if any does.",
        fill=_options,
    )


def _options(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=_duplicates)
    parser.add_argument("data", nargs="*", metavar="DATA", help="files, folders, archives; also compressed")
    for name in PARTS:
        parser.add_argument(
            f"--{name}", nargs="+", default=[], metavar="DATA", help=f"files of the {name} set, instead of DATA"
        )
    add_distance(parser)
    parser.add_argument("--out", metavar="OUT", help="table of all pairs to write, .csv or .npz")
    parser.add_argument(
        "--overwrite", action="store_true", help="replace OUT where it is there and not of an earlier run"
    )
    parser.add_argument("--top", type=int, default=20, metavar="N", help="print as many pairs (default: %(default)s)")
    add_common_options(parser, seed=False, cache=False)
    add_reading_options(parser)


def add_distance(parser: argparse.ArgumentParser) -> None:
    """How alike near duplicates are."""
    from meagraph.duplicates.thresholds import NEAR

    parser.add_argument(
        "--distance",
        type=float,
        default=NEAR,
        metavar="Å",
        help="structures are near duplicates where distances to neighbours agree to this (default: %(default)g)",
    )


def add_dropping(parser: argparse.ArgumentParser) -> None:
    """Whether repeats leave; :func:`dropped_by` finds them."""
    from meagraph.duplicates import KINDS

    parser.add_argument(
        "--drop-duplicates",
        choices=KINDS,
        help="leave out structures that repeat an earlier one: exact, also symmetric, also near ones; isolated atoms "
        "and protected groups stay",
    )
    add_distance(parser)


def dropped_by(options: argparse.Namespace, dataset: AtomicDataset, protected: Sequence[str]) -> Dropped | None:
    """What leaves by --drop-duplicates; None where nothing is to."""
    from meagraph.duplicates.dropping import find_dropped

    if options.drop_duplicates is None:
        return None
    return find_dropped(dataset, options.drop_duplicates, distance=options.distance, protected=protected)


def _duplicates(options: argparse.Namespace) -> int:
    from meagraph.progress import part
    from meagraph.step_files.tables import claim_table, write_table

    given = {name: getattr(options, name) for name in PARTS if getattr(options, name)}
    if bool(given) == bool(options.data) or len(given) == 1:
        raise MEAGraphError(
            "Expected either DATA, or two or three of --train, --validation and --test. Name the files of one dataset, "
            "or those of each part."
        )
    if options.top < 0:
        raise MEAGraphError(f"--top: expected 0 or more, got {options.top}.")
    paths = options.data or [path for files in given.values() for path in files]
    if options.out is not None:
        claim_table(options.out, inputs=paths, overwrite=options.overwrite)
    found: Repeats
    with Bar("reading") as progress:
        if given:
            from meagraph.duplicates import find_leaks

            dataset, parts = _of_parts(given, options, part(progress, 0.0, 0.3))
            leaks = find_leaks(
                dataset, parts, tuple(given), distance=options.distance, progress=part(progress, 0.3, 1.0)
            )
            found, lines = leaks, leaks.lines()
        else:
            from meagraph.duplicates import find_duplicates
            from meagraph.pipeline.opening import open_data

            dataset = open_data(options.data, progress=part(progress, 0.0, 0.3), **reading_options(options))
            found = find_duplicates(dataset, distance=options.distance, progress=part(progress, 0.3, 1.0))
            lines = [f"{value} {name}" for name, value in found.facts()]
    figures = found.figures()
    if options.out is not None:
        about = {"table": "duplicates", "dataset": dataset.name, "distance": options.distance}
        write_table(options.out, found.columns(), about, overwrite=options.overwrite)
        figures["files"] = [options.out]
        lines.append(f"wrote    {options.out}")
    say(options.json, figures, *lines, *_listed(found, options.top))
    return LEAKS if given and len(found.structure) else 0


def _of_parts(
    given: dict[str, list[str]], options: argparse.Namespace, progress: Progress
) -> tuple[AtomicDataset, NDArray[np.int64]]:
    """All files as one dataset, and the part (S,) of each structure."""
    import numpy as np

    from meagraph.datasets.inputs import open_inputs
    from meagraph.pipeline.opening import open_data

    reading = reading_options(options)
    counts = []
    for paths in given.values():
        with open_inputs(paths, format=reading["format"], max_bytes=reading["max_bytes"]) as inputs:
            counts.append(len(inputs))
    every = [path for paths in given.values() for path in paths]
    dataset = open_data(every, progress=progress, **reading)
    return dataset, np.repeat(np.arange(len(counts)), counts)[dataset.source_index]


def _listed(found: Repeats, top: int) -> Iterable[str]:
    """The first pairs as lines, those whose labels disagree before others."""
    table = found.table()
    order = sorted(range(len(table.rows)), key=lambda row: not found.disagree[row])
    for row in order[:top]:
        kind, structure, of, away, labels = (printable(cell, None) for cell in table.rows[row])
        near = f", {away} Å" if kind == "near" else ""
        yield f"  {kind:<10}{structure}  =  {of}{near}{f'; labels disagree: {labels}' if labels else ''}"
    if len(order) > top:
        yield f"  and {len(order) - top:,} more (all with --out or --json)"

"""Options of the formats that an export is written in, which commands share."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from meagraph.display.cards import printable


def add_formats(parser: argparse.ArgumentParser) -> None:
    """``--to`` and ``--weights``."""
    from meagraph.exports.formats import FORMATS
    from meagraph.exports.weights import SCHEMES

    group = parser.add_argument_group("formats of the export")
    group.add_argument(
        "--to",
        action="append",
        default=[],
        choices=tuple(FORMATS),
        metavar="FORMAT",
        help="write what is kept in this format, too, into a folder of its name, read back and compared; several "
        f"times: {', '.join(FORMATS)}. Extended XYZ is always written",
    )
    group.add_argument(
        "--weights",
        choices=tuple(SCHEMES),
        help="weights for the formats that hold some. chosen: 1 for environments that were chosen, 0 for others in "
        "their structures; population: what stands for many counts for many (default: none)",
    )


def format_lines(notes: Sequence[str]) -> list[str]:
    """What the formats could not hold, in words."""
    return [f"note     {printable(note, None)}" for note in notes]

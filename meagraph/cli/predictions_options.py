"""Which predictions: a family of names in the data, or files of their own; and how they become arguments again."""

from __future__ import annotations

import argparse
from typing import Any

from meagraph.cli.options import reading_options
from meagraph.progress import Progress, silent


def add_predicted(parser: argparse.ArgumentParser, *, required: bool = False) -> None:
    """``--predicted`` and ``--predicted-file``; :func:`predicted_by` collects them again."""
    of = parser.add_mutually_exclusive_group(required=required)
    of.add_argument("--predicted", metavar="FAMILY", help="what names begin with, as MACE_ of MACE_energy")
    of.add_argument(
        "--predicted-file", action="append", metavar="FILE", help="a file of the same structures; several are joined"
    )


def add_by_error(parser: argparse.ArgumentParser) -> None:
    """Predictions by whose error shares grow; :func:`predicted_by` collects them, given ``by="by_error"``."""
    of = parser.add_mutually_exclusive_group()
    of.add_argument(
        "--by-error",
        metavar="FAMILY",
        help="multiply each share by the error of these predictions there: what their names begin with, as MACE_",
    )
    of.add_argument(
        "--by-error-file", action="append", metavar="FILE", help="the same with predictions in a file of their own"
    )


def predicted_by(
    options: argparse.Namespace, *, by: str = "predicted", progress: Progress = silent
) -> dict[str, Any] | None:
    """Keyword arguments for :func:`meagraph.pipeline.predicting.errors_of`; None where no predictions are named."""
    from meagraph.pipeline.opening import open_data

    family, files = getattr(options, by), getattr(options, f"{by}_file")
    if files is None:
        return None if family is None else {"family": family}
    reading = {**reading_options(options), "allow_unlabelled": True, "stress_unit": None}
    return {"other": open_data(files, cache=not getattr(options, "no_cache", False), progress=progress, **reading)}

"""``meagraph share``: one page that shows others what is in a dataset."""

from __future__ import annotations

import argparse
from typing import Any

from meagraph.cli.output import Bar, say
from meagraph.cli.predictions_options import add_predicted, predicted_by
from meagraph.cli.shown import add_shown, analysis_of, inputs_of, plan_of


def add_share(commands: Any) -> None:
    """``meagraph share``."""
    commands.add_parser(
        "share",
        help="one page to show others: map, clusters, 3D, plan",
        description="Write one HTML file with the map, the clusters, the structures in 3D, what a plan keeps, settings "
        "and versions. It opens by double click, asks for nothing elsewhere, and can be sent as it is. What was "
        "analysed before with the same settings comes from the cache.",
        fill=_options,
    )


def _options(parser: argparse.ArgumentParser) -> None:
    from meagraph.pages.sampling import POINTS

    parser.set_defaults(command=_share)
    parser.add_argument("-o", "--out", required=True, metavar="PAGE.html", help="the file to write")
    parser.add_argument("--title", default="", help="of the page (default: the name of the dataset)")
    parser.add_argument("--comment", default="", help="a paragraph for the reader below the title")
    parser.add_argument(
        "--property",
        action="append",
        default=[],
        metavar="NAME",
        help="a further property to colour by, as in conditions; may be given several times",
    )
    parser.add_argument(
        "--points",
        type=int,
        default=POINTS,
        metavar="N",
        help="of more environments so many are drawn, representatives first (default: %(default)s)",
    )
    parser.add_argument(
        "--evaluate", action="store_true", help="fit a quick force field to what the plan keeps, and show its errors"
    )
    add_predicted(parser)
    parser.add_argument("--overwrite", action="store_true", help="replace a file that is no page of 'meagraph share'")
    add_shown(parser)


def _share(options: argparse.Namespace) -> None:
    from meagraph.display.pages import claim_file
    from meagraph.errors import MEAGraphError
    from meagraph.pages.page import MARK
    from meagraph.pipeline.planning import evaluate
    from meagraph.pipeline.predicting import errors_of
    from meagraph.pipeline.showing import share
    from meagraph.progress import part
    from meagraph.step_files.checks import check_suffix

    check_suffix(options.out, ".html", ".htm")
    inputs = [*inputs_of(options), *(options.predicted_file or [])]
    claim_file(options.out, MARK, inputs=inputs, overwrite=options.overwrite)
    if options.evaluate and options.no_plan:
        raise MEAGraphError("--evaluate says what a plan costs, but --no-plan leaves it out. Give one of them.")
    with Bar("share") as progress:
        found = analysis_of(options, part(progress, 0.0, 0.6))
        plan = plan_of(options, found, part(progress, 0.6, 0.7))
        cost = None
        if options.evaluate and plan is not None:
            cost = evaluate(found, plan, cache=not options.no_cache, progress=part(progress, 0.7, 0.85))
        predictions = predicted_by(options, progress=part(progress, 0.85, 0.9))
        errors = None if predictions is None else errors_of(found, **predictions)
        page = share(
            found,
            options.out,
            plan=plan,
            evaluation=cost,
            errors=errors,
            title=options.title,
            comment=options.comment,
            properties=options.property,
            points=options.points,
            overwrite=options.overwrite,
            progress=part(progress, 0.9, 1.0),
        )
    figures = {
        "environments": page.environments,
        "points": page.points,
        "structures_in_3d": page.structures,
        "bytes": page.size,
        "files": [options.out],
    }
    lines = [page.sampled] if page.sampled else []
    say(options.json, figures, *lines, f"wrote    {options.out}, {page.size / 1e6:.1f} MB")

"""``meagraph plot``: figures for papers."""

from __future__ import annotations

import argparse
from typing import Any

from meagraph.cli.output import Bar, say
from meagraph.cli.shown import add_shown, analysis_of, inputs_of, plan_of


def add_plot(commands: Any) -> None:
    """``meagraph plot``."""
    commands.add_parser(
        "plot",
        help="figures for papers: map, histogram, curves, composition",
        description="Write a figure for a paper: the map, histograms of properties, the error of a quick force field "
        "along the keep fraction, or what clusters are made of. As wide as a column, with text as text, and the same "
        "bytes for the same input.",
        fill=_options,
    )


def _options(parser: argparse.ArgumentParser) -> None:
    from meagraph.pipeline.plotting import ENERGY, KINDS

    parser.set_defaults(command=_plot)
    parser.add_argument("kind", choices=tuple(KINDS), help="what is shown")
    parser.add_argument("-o", "--out", required=True, metavar="FIGURE", help="the file to write: .svg, .pdf or .png")
    parser.add_argument(
        "--width",
        default="single",
        metavar="W",
        help="single (3.4 in), double (7 in) or inches (default: %(default)s)",
    )
    parser.add_argument(
        "--colour-by", default="cluster", metavar="NAME", help="property of the map, or plan (default: %(default)s)"
    )
    parser.add_argument(
        "--property",
        action="append",
        metavar="NAME",
        help=f"property of a histogram; may be given several times (default: {ENERGY[0]})",
    )
    parser.add_argument(
        "--by",
        metavar="NAME",
        help="category that parts the bars of a histogram (default: none) or composition (default: group); plan too",
    )
    parser.add_argument(
        "--beside", action="append", default=[], metavar="SELECTOR", help="of curves: a further selector; several times"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace a file that is no figure of 'meagraph plot'")
    add_shown(parser)


def _plot(options: argparse.Namespace) -> None:
    from meagraph.cli.pruning_options import pruning_config
    from meagraph.display.pages import claim_file
    from meagraph.errors import MEAGraphError
    from meagraph.figures.style import MARK, inches, suffix_of
    from meagraph.pipeline.plotting import ENERGY, plot, trace
    from meagraph.progress import part
    from meagraph.pruning.selectors import SELECTORS

    suffix_of(options.out)
    width = inches(options.width)
    claim_file(options.out, MARK, inputs=inputs_of(options), overwrite=options.overwrite)
    if unknown := [name for name in options.beside if name not in SELECTORS]:
        raise MEAGraphError(f"--beside: there is no selector {unknown[0]!r}; there are: {', '.join(SELECTORS)}.")
    with Bar("plot") as progress:
        found = analysis_of(options, part(progress, 0.0, 0.6))
        needs_plan = "plan" in (options.colour_by, options.by) or options.plan is not None
        plan = plan_of(options, found, part(progress, 0.6, 0.7)) if needs_plan else None
        curves = None
        if options.kind == "curves":
            curves = trace(
                found,
                config=pruning_config(options),
                selectors=options.beside,
                cache=not options.no_cache,
                progress=part(progress, 0.7, 1.0),
            )
        plot(
            found,
            options.kind,
            options.out,
            colour_by=options.colour_by,
            properties=options.property or ENERGY,
            by=options.by,
            plan=plan,
            curves=curves,
            width=width,
            overwrite=options.overwrite,
        )
    say(options.json, {"files": [options.out]}, f"wrote    {options.out}")

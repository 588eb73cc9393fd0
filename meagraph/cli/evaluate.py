"""``meagraph evaluate``: what a plan costs a quick force field."""

from __future__ import annotations

import argparse
from typing import Any

from meagraph.cli.inputs import read_data
from meagraph.cli.options import (
    add_common_options,
    add_data,
    add_known,
)
from meagraph.cli.output import Bar, cost_table, quests_table, say
from meagraph.cli.quests_options import add_quests_options, quests_config
from meagraph.errors import MEAGraphError


def add_evaluate(commands: Any) -> None:
    """``meagraph evaluate``."""
    commands.add_parser(
        "evaluate",
        help="what a plan costs a quick force field",
        description="Fit a quick linear force field to the structures that a plan keeps, to random ones of the same "
        "size, and to everything, and test all three on the same structures held out. It ranks plans of one dataset; "
        "it does not forecast the error of a neural force field. With --quests also the entropy, diversity and overlap "
        "of QUESTS, exact, by its own package.",
        fill=_options,
    )


def _options(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=_evaluate)
    parser.add_argument("plan", metavar="PLAN", help="a plan, as 'meagraph prune' writes it")
    parser.add_argument("--draws", type=int, default=5, metavar="N", help="random selections (default: %(default)s)")
    add_quests_options(parser)
    add_common_options(parser)
    add_known(parser)
    add_data(parser)


def _evaluate(options: argparse.Namespace) -> None:
    from meagraph.evaluation.quests import implementation
    from meagraph.pipeline.planning import cost_of
    from meagraph.pipeline.quests import measure_quests
    from meagraph.progress import part
    from meagraph.step_files.plans import read_plan

    if options.draws < 1:
        raise MEAGraphError(f"--draws: expected 1 or more, got {options.draws}.")
    wanted, parameters = options.quests, quests_config(options)
    if wanted:
        implementation()  # where it is missing, that is to be said before all the work
    file = read_plan(options.plan)
    with Bar("evaluate") as progress:
        dataset = read_data(options, part(progress, 0.0, 0.2))
        plan = file.of(dataset, options.plan)
        end = 0.4 if wanted else 1.0
        found = cost_of(dataset, plan, draws=options.draws, seed=options.seed, progress=part(progress, 0.2, end))
        figures = found.figures()
        lines = [cost_table(figures, options.draws)]
        if wanted:
            measured = measure_quests(
                dataset, plan, parameters, cache=not options.no_cache, progress=part(progress, end, 1.0)
            )
            figures["quests"] = measured.figures()
            lines.append(quests_table(figures["quests"], measured.caption()))
    say(options.json, figures, *lines)

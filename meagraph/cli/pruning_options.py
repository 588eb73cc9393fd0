"""Options of the pruning plan, which commands share, and how they become settings again."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from meagraph.errors import MEAGraphError

if TYPE_CHECKING:
    from meagraph.pruning.settings import PruningConfig


def add_pruning_options(parser: argparse.ArgumentParser) -> None:
    """Options of the pruning plan; :func:`pruning_config` collects them again."""
    from meagraph.pruning.ranking import WITHIN
    from meagraph.pruning.selectors import SELECTORS
    from meagraph.pruning.settings import RULES, UNITS, PruningConfig

    usual = PruningConfig()
    group = parser.add_argument_group("pruning")
    group.add_argument(
        "--keep", type=float, default=usual.keep, metavar="F", help="fraction of environments (default: %(default)s)"
    )
    group.add_argument(
        "--number", type=int, metavar="N", help="keep so many, instead of a fraction; of what, says --unit"
    )
    group.add_argument(
        "--unit",
        choices=UNITS,
        default=usual.unit,
        help="environments chosen, or at most so many structures, or structures with at most so many atoms "
        "(default: %(default)s)",
    )
    group.add_argument(
        "--selector", default=usual.selector, choices=tuple(SELECTORS), help="which come first (default: %(default)s)"
    )
    group.add_argument(
        "--alpha",
        type=float,
        default=usual.alpha,
        help="a part's share grows like (size x variety)^(alpha/2) (default: what the dataset asks for, tried on "
        "structures held out)",
    )
    group.add_argument(
        "--within",
        default=usual.within,
        choices=tuple(WITHIN),
        help="order inside a part of a cluster; mixed: one farthest point in four, others at random "
        "(default: %(default)s)",
    )
    group.add_argument(
        "--keep-cluster",
        action="append",
        default=[],
        metavar="LABEL=F",
        help="keep this fraction of this cluster (-1: of those in none); the others share the rest",
    )
    group.add_argument(
        "--rule",
        default=usual.rule,
        choices=RULES,
        help="when a structure stays: cover takes those that add most to what is lacking; else by its chosen "
        "environments (default: %(default)s)",
    )
    group.add_argument(
        "--at-least",
        type=float,
        metavar="PERCENT",
        help="of the rule at-least: of a structure's environments, so many must be chosen (default: 100 × F)",
    )
    group.add_argument(
        "--until-covered",
        type=float,
        metavar="PERCENT",
        help="of the rule cover: go on until so much is covered (default: until the budget is spent)",
    )
    group.add_argument(
        "--fewest",
        default=usual.fewest,
        choices=UNITS[:0:-1],
        help="what cover spends as few of as it can (default: %(default)s)",
    )
    group.add_argument(
        "--protect",
        action="append",
        default=[],
        metavar="GROUP",
        help="keep this group whole (isolated atoms always are)",
    )


def pruning_config(options: argparse.Namespace) -> PruningConfig:
    """The settings of the plan. Raises MEAGraphError for values out of range."""
    from meagraph.pruning.settings import PruningConfig

    return PruningConfig(
        keep=options.keep,
        number=options.number,
        unit=options.unit,
        alpha=options.alpha,
        selector=options.selector,
        within=options.within,
        fractions=tuple(_by_hand(text) for text in options.keep_cluster),
        rule=options.rule,
        at_least=options.at_least,
        until_covered=options.until_covered,
        fewest=options.fewest,
        protected=tuple(dict.fromkeys(options.protect)),
        seed=options.seed,
    )


def _by_hand(text: str) -> tuple[int, float]:
    label, _, part = text.partition("=")
    try:
        return int(label), float(part)
    except ValueError as error:
        raise MEAGraphError(f"--keep-cluster: expected LABEL=F, as in 3=0.5, got {text!r}.") from error

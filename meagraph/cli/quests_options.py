"""Options of QUESTS' measures, for the command that evaluates plans."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from meagraph.evaluation.quests import QuestsConfig


def add_quests_options(parser: argparse.ArgumentParser) -> None:
    """Options of QUESTS' measures; :func:`quests_config` collects them again."""
    from meagraph.evaluation.quests import QuestsConfig

    usual = QuestsConfig()
    group = parser.add_argument_group("QUESTS")
    group.add_argument(
        "--quests", action="store_true", help="its entropy, diversity and overlap too (needs the extra of this name)"
    )
    for name, kind, words in (
        ("k", int, "neighbours of its descriptor"),
        ("cutoff", float, "cutoff of its descriptor in Å"),
        ("bandwidth", float, "bandwidth of its kernel in 1/Å"),
        ("epsilon", float, "an environment overlaps where its surprise is below, in nats"),
    ):
        group.add_argument(
            f"--quests-{name}", type=kind, default=getattr(usual, name), help=f"{words} (default: %(default)s)"
        )
    group.add_argument(
        "--quests-sample", type=int, metavar="N", help="of each set at most N environments, at random (default: all)"
    )


def quests_config(options: argparse.Namespace) -> QuestsConfig:
    """The parameters of QUESTS. Raises MEAGraphError for values out of range."""
    from meagraph.evaluation.quests import QuestsConfig

    return QuestsConfig(
        k=options.quests_k,
        cutoff=options.quests_cutoff,
        bandwidth=options.quests_bandwidth,
        epsilon=options.quests_epsilon,
        sample=options.quests_sample,
        seed=options.seed,
    )

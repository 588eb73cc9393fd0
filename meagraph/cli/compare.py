"""``meagraph compare``: two or more plans side by side."""

from __future__ import annotations

import argparse
from typing import Any

from meagraph.cli.options import (
    add_common_options,
)
from meagraph.cli.output import say
from meagraph.errors import MEAGraphError


def add_compare(commands: Any) -> None:
    """``meagraph compare``."""
    commands.add_parser(
        "compare",
        help="two or more plans side by side",
        description="Print what each plan keeps that no other does, the shares of each group and cluster, and the "
        "measures of the plans side by side. All must be plans of one dataset.",
        fill=_options,
    )


def _options(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=_compare)
    parser.add_argument("plans", nargs="+", metavar="PLAN", help="plans, as 'meagraph prune' writes them")
    add_common_options(parser, seed=False, cache=False)


def _compare(options: argparse.Namespace) -> None:
    from meagraph.evaluation.comparison import compare_plans
    from meagraph.step_files.plans import read_plan

    if len(set(options.plans)) < len(options.plans):
        raise MEAGraphError("A plan is named twice. Name each once.")
    found = compare_plans({path: read_plan(path) for path in options.plans})
    say(options.json, found, *_comparison(found))


def _comparison(found: dict[str, Any]) -> list[str]:
    """The comparison as lines of a table, a column for each plan."""
    plans = list(found["plans"].values())
    lines = [f"{'ABCDEFGHIJKLMNOPQRSTUVWXYZ'[row % 26]}  {name}" for row, name in enumerate(found["plans"])]
    head = f"{'':<34}" + "".join(f"{line[0]:>12}" for line in lines)
    rows: list[tuple[str, list[Any]]] = [
        ("environments chosen", [plan["environments"] for plan in plans]),
        ("structures kept", [plan["structures"] for plan in plans]),
        ("atoms in them", [plan["atoms"] for plan in plans]),
        ("environments only here", [plan["only"]["environments"] for plan in plans]),
        ("structures only here", [plan["only"]["structures"] for plan in plans]),
    ]
    measured = [plan["measures"] or {} for plan in plans]
    for name, label in (
        ("covered_environments", "environments with one nearby"),
        ("covered_representatives", "representatives with one nearby"),
        ("covered_bins", "bins of principal components"),
        ("entropy", "entropy / nats"),
        ("diversity", "diversity / nats"),
        ("overlap", "overlap"),
        ("redundancy", "redundancy left"),
    ):
        rows.append((label, [values.get(name) for values in measured]))
    for name in measured[0].get("extremes", {}):
        rows.append((name, [values.get("extremes", {}).get(name) for values in measured]))
    rows += [(f"group {name}", shares["environments"]) for name, shares in found["groups"].items()]
    rows += [(f"cluster {name}", shares) for name, shares in (found["clusters"] or {}).items()]
    table = [f"{label:<34}" + "".join(f"{_cell(value):>12}" for value in values) for label, values in rows]
    shared = found["shared"]
    return [
        *lines,
        f"all keep {shared['environments']:,} environments ({found['overlap']:.1%} of those that any keeps) and "
        f"{shared['structures']:,} structures",
        head,
        *table,
        "groups and clusters: share of their environments chosen"
        + ("" if found["clusters"] else "; the plans have different clusters, which are left out"),
    ]


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:.3f}" if isinstance(value, float) else f"{value:,}"

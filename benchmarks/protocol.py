"""Is the default never worse than chance, and does the rule that chooses its shares hold on sets it was not chosen on?

``python benchmarks/protocol.py [NAMES...]`` reads what ``benchmarks/pruning.py`` wrote and prints, as tables:

1. The median over the seeds of each selector's overall error over that of ``random``, and the default's worst group
   over the best selector's. Seeds are paired, as each splits the structures for all selectors alike: ``*`` marks where
   the default is lower than ``random``, ``!`` where it is higher, by Wilcoxon's signed-rank test, two-sided, p below
   0.05 (with six seeds at least). It is not corrected for the number of comparisons: of 72, 3 or 4 come by chance.
2. How often the goals of the default are met, set by set: not above any selector by more than the seeds' spread (the
   standard deviation over the seeds of the logarithm of the ratio of the two, times the error of a median); 5 % below
   ``random`` wherever any selector is; the worst group within 10 % of the best selector's.
3. Leave one dataset out: how far one fold may count (LIMIT in :mod:`meagraph.pruning.shares`) and by how many standard
   errors a candidate must beat chance (the default asks for none), chosen by the candidates' errors on all other sets,
   and what these and the default's give on the one left out.

``results/protocol.json`` gets the same figures.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import wilcoxon

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from meagraph.evaluation.trial import ENVIRONMENTS, KEEPS, STRUCTURES
from meagraph.files import write_json
from meagraph.pruning import shares as rule
from meagraph.pruning.shares import Trial

RESULTS = Path(__file__).parent / "results"
NAMES = ("Ta_JCP2014", "Nb_bcc2020", "InP_JPCA2020", "Fe_NPJ2021", "demo", "metal")
OURS, CHANCE = "meagraph", "random"
BUDGETS = ("environments", "atoms", "structures")
FRACTIONS = (0.02, 0.05, 0.1, 0.25)
FEWEST = 6  # seeds of which significance is asked
LEVEL = 0.05
LIMITS, CLEARS = (0.1, 0.2, 0.4, 1.0), (0.0, 0.25, 0.5, 1.0, 2.0)
OF_MEDIAN = 1.25  # its standard error over that of a mean
Figures = dict[str, dict[str, list[dict[str, Any]]]]


def load(name: str, ours: str = "pruning") -> Figures:
    """What was measured on a set; the default and ``before`` as a later run ``ours`` has them, on its seeds alone."""
    found: Figures = json.loads((RESULTS / f"pruning-{name}.json").read_text())["figures"]
    if ours == "pruning":
        return found
    later: Figures = json.loads((RESULTS / f"{ours}-{name}.json").read_text())["figures"]
    return {kept: {**found[kept], **of} for kept, of in later.items()}


def paired(selectors: dict[str, list[dict[str, Any]]], key: str) -> dict[str, NDArray[np.float64]]:
    """Errors (seeds,) of every selector on the seeds that all have."""
    by_seed = {one: {r["seed"]: float(r[key]) for r in records} for one, records in selectors.items()}
    seeds = sorted(set.intersection(*(set(found) for found in by_seed.values()))) if by_seed else []
    return {one: np.array([found[seed] for seed in seeds]) for one, found in by_seed.items()}


def significance(ours: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """p of the paired comparison, NaN of too few seeds; 1 where nothing differs."""
    if len(ours) < FEWEST:
        return math.nan
    difference = np.log(ours / other)
    return float(wilcoxon(difference).pvalue) if difference.any() else 1.0


def above(ours: NDArray[np.float64], other: NDArray[np.float64]) -> bool:
    """Whether the median of ours is above the other's by more than the seeds' spread."""
    spread = float(np.log(ours / other).std(ddof=1)) * OF_MEDIAN / math.sqrt(len(ours)) if len(ours) > 1 else math.inf
    return math.log(float(np.median(ours) / np.median(other))) > max(spread, 1e-3)


def compare(names: list[str], run: str = "pruning") -> list[dict[str, Any]]:
    """One row for each set, budget and fraction."""
    rows = []
    for name, budget, fraction in itertools.product(names, BUDGETS, FRACTIONS):
        selectors = load(name, run).get(f"{budget}, {fraction}", {})
        if OURS not in selectors or CHANCE not in selectors:
            continue
        overall, worst = paired(selectors, "rmse"), paired(selectors, "worst")
        ours, chance = overall[OURS], overall[CHANCE]
        if len(ours) < 2:
            continue
        medians = {one: float(np.median(found)) for one, found in overall.items()}
        worsts = {one: float(np.median(found)) for one, found in worst.items()}
        others = [one for one in overall if one not in (OURS, "before")]
        best = min(others, key=medians.__getitem__)
        rows.append(
            {
                "set": name,
                "budget": budget,
                "fraction": fraction,
                "seeds": len(ours),
                "random": medians[CHANCE],
                "over_random": {one: value / medians[CHANCE] for one, value in medians.items()},
                "paired_ratio": float(np.median(ours / chance)),
                "lower_than_random": int((ours < chance).sum()),
                "p": significance(ours, chance),
                "p_before": significance(ours, overall["before"]) if "before" in overall else math.nan,
                "best": best,
                "above": [one for one in others if above(ours, overall[one])],
                "five_below": medians[OURS] <= 0.95 * medians[CHANCE],
                "any_five_below": medians[best] <= 0.95 * medians[CHANCE],
                "worst_over_best": worsts[OURS] / min(worsts[one] for one in others),
            }
        )
    return rows


def mark(row: dict[str, Any]) -> str:
    """Significance beside chance."""
    if not row["p"] < LEVEL:
        return ""
    return "*" if row["paired_ratio"] < 1.0 else "!"


def table(rows: list[dict[str, Any]]) -> str:
    """Ratios of medians, for the README."""
    shown = (OURS, "before", "fps", "cur", "kmeans", "direct")
    head = ["set", "budget", "%", "seeds", "random, eV/Å", *shown, "lower than random", "worst group over the best's"]
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    for row in rows:
        ratios = [f"{row['over_random'][one]:.2f}" if one in row["over_random"] else "" for one in shown]
        ratios[0] += mark(row)
        cells = [
            row["set"].split("_")[0],
            row["budget"],
            f"{100 * row['fraction']:g}",
            str(row["seeds"]),
            f"{row['random']:.3f}",
            *ratios,
            f"{row['lower_than_random']}/{row['seeds']}",
            f"{row['worst_over_best']:.2f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def goals(rows: list[dict[str, Any]]) -> str:
    """How often each goal is met, by set."""
    lines = [
        "| set | not above random | not above any | 5 % below where any is | worst group within 10 % |",
        "|---|" * 5,
    ]
    lines[1] = f"|{'---|' * 5}"
    for name in [*dict.fromkeys(row["set"] for row in rows), "all"]:
        of = [row for row in rows if name in (row["set"], "all")]
        asked = [row for row in of if row["any_five_below"]]
        cells = [
            (sum(CHANCE not in row["above"] for row in of), len(of)),
            (sum(not row["above"] for row in of), len(of)),
            (sum(row["five_below"] for row in asked), len(asked)),
            (sum(row["worst_over_best"] <= 1.1 for row in of), len(of)),
        ]
        lines.append(f"| {name.split('_')[0]} | {' | '.join(f'{met} of {count}' for met, count in cells)} |")
    return "\n".join(lines)


def significances(rows: list[dict[str, Any]]) -> str:
    """How many cases are significantly below chance, above it, and level, by set; few seeds tell nothing."""
    lines = ["| set | seeds | significantly below random | above | level | too few seeds |", f"|{'---|' * 6}"]
    for name in [*dict.fromkeys(row["set"] for row in rows), "all"]:
        of = [row for row in rows if name in (row["set"], "all")]
        seeds = sorted({row["seeds"] for row in of})
        marks = [mark(row) for row in of if math.isfinite(row["p"])]
        counts = [marks.count(one) for one in ("*", "!", "")]
        cells = [f"{seeds[0]}-{seeds[-1]}" if len(seeds) > 1 else str(seeds[0]), *map(str, counts)]
        lines.append(f"| {name.split('_')[0]} | {' | '.join(cells)} | {len(of) - len(marks)} |")
    return "\n".join(lines)


def outcome(figures: Figures, limit: float, clear: float) -> list[float]:
    """Logarithms of the ratio of medians, of what a rule with these constants chooses over chance."""
    found = []
    for budget, candidates in (("environments", ENVIRONMENTS), ("atoms", STRUCTURES)):
        records = figures.get(f"candidates, {budget}", {}).get(OURS, [])
        for row in range(len(KEEPS)):
            ours, chance = [], []
            for record in records:
                if None in record["truth"][row]:
                    continue
                errors = np.array(json.loads(record["trial"]))
                trial = Trial(np.array(KEEPS), candidates, np.where(errors > 0.0, errors, np.nan))
                ours.append(record["truth"][row][int(choices(trial, limit, clear)[row])][0])
                chance.append(record["truth"][row][0][0])
            if len(ours) > 1:
                found.append(math.log(float(np.median(ours) / np.median(chance))))
    return found


def choices(trial: Trial, limit: float, clear: float) -> NDArray[np.int64]:
    """What is chosen where one fold counts for ``limit`` at most, and chance where nothing beats it clearly.

    Folds share structures: the variance of their mean is (1/F + 1/(FOLDS - 1)) of theirs (Nadeau and Bengio, Mach.
    Learn. 52, 239, 2003).
    """
    usual, rule.LIMIT = rule.LIMIT, limit
    best = Trial(trial.keeps, trial.candidates, trial.errors).choices
    rule.LIMIT = usual
    if not clear:
        return best
    rows = np.arange(len(best))
    ratio = np.clip(np.log(trial.errors / trial.errors[:, :1]), -limit, limit)[rows, best]  # (K, F)
    count = np.isfinite(ratio).sum(axis=1)
    doubt = np.nanstd(ratio, axis=1, ddof=1) * np.sqrt(1.0 / np.maximum(count, 1) + 1.0 / (rule.FOLDS - 1))
    return np.where(np.nanmean(ratio, axis=1) + clear * doubt < 0.0, best, 0)


def leave_one_out(names: list[str]) -> list[dict[str, Any]]:
    """The constants chosen on all other sets, and what they give on each."""
    usual = (rule.LIMIT, 0.0)
    pairs = list(itertools.product(LIMITS, CLEARS))
    by_set = {name: {pair: outcome(load(name), *pair) for pair in pairs} for name in names}
    rows = []
    for name in names:
        others = [one for one in names if one != name]
        chosen = min(pairs, key=lambda pair: np.mean([value for one in others for value in by_set[one][pair]]))
        rows.append(
            {
                "left_out": name,
                "limit": chosen[0],
                "clear": chosen[1],
                "over_chance": _ratio(by_set[name][chosen]),
                "largest": _largest(by_set[name][chosen]),
                "default_over_chance": _ratio(by_set[name][usual]),
                "default_largest": _largest(by_set[name][usual]),
            }
        )
    return rows


def _ratio(logarithms: list[float]) -> float:
    return float(np.exp(np.mean(logarithms)))


def _largest(logarithms: list[float]) -> float:
    return float(np.exp(np.max(logarithms)))


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "names", nargs="*", default=[name for name in NAMES if (RESULTS / f"pruning-{name}.json").is_file()]
    )
    parser.add_argument("--ours", default="pruning", help="what the results begin with that have the default's errors")
    options = parser.parse_args()
    names = [name for name in options.names if (RESULTS / f"{options.ours}-{name}.json").is_file()]
    rows = compare(names, options.ours)
    print(table(rows), goals(rows), significances(rows), sep="\n\n", end="\n\n")
    if options.ours != "pruning":  # no candidates there
        write_json(RESULTS / f"protocol-{options.ours}.json", _plain({"compared": rows}))
        return
    left_out = leave_one_out(options.names)
    heads = "| left out | LIMIT, standard errors by the others | error over chance there (largest) | by the default's |"
    print(heads, f"|{'---|' * 4}", sep="\n")
    for row in left_out:
        chosen = f"{row['over_chance']:.2f} ({row['largest']:.2f})"
        usual = f"{row['default_over_chance']:.2f} ({row['default_largest']:.2f})"
        print(f"| {row['left_out'].split('_')[0]} | {row['limit']:g}, {row['clear']:g} | {chosen} | {usual} |")
    write_json(RESULTS / "protocol.json", {"compared": _plain(rows), "left_out": left_out})


def _plain(value: Any) -> Any:
    """JSON has no NaN."""
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


if __name__ == "__main__":
    main()

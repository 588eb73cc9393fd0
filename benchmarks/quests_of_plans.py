"""QUESTS' entropy, diversity and overlap of the default's plans beside random ones of the same size.

``python benchmarks/quests_of_plans.py [Ta_JCP2014 demo metal] [--seeds 0 1 2] [--fractions 0.05 0.1]``, with the extra
``quests``. Each seed holds out structures as ``benchmarks/pruning.py`` does and plans on the others, by environments
and by whole structures (atoms); entropy and diversity in nats, the share of all environments that overlap with the set.
Figures go to ``results/quests_of_plans.json``, beside those that are there; what stands there is not measured again.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
from dataclasses import asdict, replace
from typing import Any

from pruning import BEFORE, OURS, RESULTS, Case, Whole, drawn, read

from meagraph.evaluation.quests import CHOSEN, KEPT
from meagraph.files import write_json
from meagraph.pipeline.quests import measure_quests
from meagraph.pruning.plan import PruningPlan, prune
from meagraph.pruning.settings import PruningConfig
from meagraph.pruning.shares import USUAL

PATH = RESULTS / "quests_of_plans.json"
COMPARED = (OURS, BEFORE, "random")
MEASURES = ("entropy", "diversity", "overlap")


def plan_of(case: Case, name: str, fraction: float) -> PruningPlan:
    """The plan of a selector; of ``random`` the structures are drawn as such, as many atoms as the others keep."""
    part, ranking = case.part, case.rankings[name]
    alpha = None if name == OURS else USUAL
    config = PruningConfig(keep=fraction, seed=case.seed, selector=ranking.selector, alpha=alpha)
    plan = prune(ranking, case.clusters, part, config)
    if name != "random":
        return plan
    return replace(plan, structures=drawn(part.sizes, part.groups, round(fraction * part.n_environments), config))


def measure(name: str, options: argparse.Namespace, records: list[dict[str, Any]]) -> None:
    """Add one record a seed, fraction and selector to those that are there, and write them."""
    whole = Whole.of(read(name))
    for seed in options.seeds:
        case = Case.of(whole, seed, list(COMPARED))
        for fraction, one in itertools.product(options.fractions, COMPARED):
            mine = {"set": name, "seed": seed, "fraction": fraction, "selector": one}
            if any(mine.items() <= record.items() for record in records):
                continue
            sets = measure_quests(case.part, plan_of(case, one, fraction)).sets
            figures = {kind: asdict(sets[kind]) for kind in (CHOSEN, KEPT)}
            records.append({**mine, **figures})
            print(f"{name}, seed {seed}, {fraction}, {one}: {figures}", flush=True)
            write_json(PATH, {"records": records})


def main() -> None:
    """Measure, write and print the medians over the seeds."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", nargs="*", default=["Ta_JCP2014", "demo", "metal"])
    parser.add_argument("--fractions", type=float, nargs="+", default=[0.05, 0.1])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    options = parser.parse_args()
    records: list[dict[str, Any]] = json.loads(PATH.read_text())["records"] if PATH.is_file() else []
    for name in options.data:
        measure(name, options, records)
    print("| set | % | of | selector | entropy | diversity | overlap |", f"|{'---|' * 7}", sep="\n")
    for name in options.data:
        for fraction in options.fractions:
            for kind in (CHOSEN, KEPT):
                for one in COMPARED:
                    of = [
                        record[kind]
                        for record in records
                        if (record["set"], record["fraction"], record["selector"]) == (name, fraction, one)
                    ]
                    medians = (f"{statistics.median(record[key] for record in of):.3f}" for key in MEASURES)
                    print(f"| {name.split('_')[0]} | {100 * fraction:g} | {kind} | {one} | {' | '.join(medians)} |")


if __name__ == "__main__":
    main()

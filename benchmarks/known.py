"""What is chosen beside known data worth more than chance, farthest points, or a choice that knows nothing?

``python benchmarks/known.py [NAMES...]``: half of a dataset is known, 5 % of the environments of the other half are
chosen, as whole structures, and the quick force field is fitted to both together. Structures held out (30 % of each
group, the same for all) are in no fit and no choice. Half is known in two ways: of every group half of the structures
("structures"), and half of the groups ("groups"), so that the others are new altogether. Five draws of each. Printed is
the median over the draws of the force RMSE on the structures held out, over that of structures drawn at random (the
median of five).

Then active learning: 2 % of all environments are known, drawn at random as whole structures; three times 2 % more are
chosen beside all that is known by then. The table has the median force RMSE after each round.

``results/known.json`` gets all figures. Analyses come from the cache where they are there.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from meagraph.datasets import AtomicDataset, read_dataset
from meagraph.evaluation.equations import Prepared, Rows, prepare
from meagraph.evaluation.force_error import cost
from meagraph.evaluation.novelty import find_novelty
from meagraph.evaluation.trial import choose_shares
from meagraph.files import write_json
from meagraph.pipeline.analysis import Analysis, analyse
from meagraph.pruning.covering import draw
from meagraph.pruning.plan import prune, rank_for
from meagraph.pruning.settings import PruningConfig
from meaviz.demo import demo_path

RESULTS = Path(__file__).parent / "results"
DATA = Path(os.environ.get("MEAVIZ_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
NAMES = ("Ta_JCP2014", "Nb_bcc2020", "InP_JPCA2020")
DRAWS = 5
KEEP, ROUND, ROUNDS = 0.05, 0.02, 3
Mask = NDArray[np.bool_]


class Bench:
    """A dataset, its analysis and its equations."""

    def __init__(self, name: str, alpha: float | None = None) -> None:
        self.alpha = alpha
        path = demo_path() if name == "demo" else DATA / f"{name}.extxyz"
        self.analysis: Analysis = analyse(read_dataset(str(path), allow_unlabelled=True))
        self.dataset = self.analysis.dataset
        self.prepared = prepare(self.dataset)
        self.held = np.zeros(self.dataset.n_structures, dtype=bool)
        self.held[self.prepared.test.structures] = True

    def marked(self, known: Mask) -> AtomicDataset:
        """The dataset with the structures ``known`` (S,) marked as such, in the same order."""
        data = self.dataset
        sources = (*data.sources, *(replace(source, known=True) for source in data.sources))
        return replace(data, sources=sources, source_index=data.source_index + known * np.int32(len(data.sources)))

    def error(self, structures: Mask) -> float:
        """Force RMSE in eV/Å of the field fitted to ``structures`` (S,)."""
        return cost(self.prepared, structures).rmse

    def random(self, known: Mask, room: int, seed: int) -> Mask:
        """New structures drawn at random that hold at most ``room`` environments."""
        none = np.zeros_like(known)
        return draw(self.dataset.sizes, stays=none, barred=known | self.held, room=room, seed=seed)

    def chosen(self, known: Mask, room: int, selector: str, seed: int, *, knowing: bool) -> Mask:
        """New structures that a selector chooses, whether or not it knows what is there already."""
        data = self.marked(known if knowing else np.zeros_like(known))
        out = self.held if knowing else self.held | known
        learned, survey = self.analysis.learned, self.analysis.survey
        config = PruningConfig(selector=selector, number=room, unit="atoms", seed=seed, alpha=self.alpha)
        bins = survey.ranking.bin
        ranking = rank_for(config, data, survey.clusters, learned.points, learned.condensed, bins=bins)
        if selector == "meagraph" and self.alpha is None:
            equations = replace(self.prepared, known=data.known)
            if not knowing:
                equations = without(equations, known)
            shares = choose_shares(equations, ranking, data.groups, data.structure_keys, seed=seed)
            ranking = replace(ranking, chosen=shares)
        rejected = out[data.structure_of]
        plan = prune(ranking, survey.clusters, data, config, rejected=rejected)
        return plan.structures & ~known & ~self.held


def without(prepared: Prepared, gone: Mask) -> Prepared:
    """The equations of a fit to which the structures ``gone`` (S,) never belonged."""
    fit = prepared.fit
    stay = ~gone[fit.structures]
    inside = stay[fit.structure_of]
    values: dict[str, Any] = {}
    for field in fields(Rows):
        of = getattr(fit, field.name)
        values[field.name] = of[stay] if len(of) == len(stay) else of[inside]
    values["structure_of"] = (np.cumsum(stay) - 1)[fit.structure_of[inside]]
    return replace(prepared, fit=Rows(**values))


METHODS: dict[str, Callable[[Bench, Mask, int, int], Mask]] = {
    "random": lambda bench, known, room, seed: bench.random(known, room, seed),
    "fps": lambda bench, known, room, seed: bench.chosen(known, room, "fps", seed, knowing=True),
    "fps, knowing nothing": lambda bench, known, room, seed: bench.chosen(known, room, "fps", seed, knowing=False),
    "meagraph": lambda bench, known, room, seed: bench.chosen(known, room, "meagraph", seed, knowing=True),
    "meagraph, knowing nothing": lambda bench, known, room, seed: bench.chosen(
        known, room, "meagraph", seed, knowing=False
    ),
}


def half(bench: Bench, way: str, seed: int) -> Mask:
    """Half of the structures that may be fitted (S,): of each group half of them, or half of the groups."""
    rng = np.random.default_rng(seed)
    groups, free = bench.dataset.groups, ~bench.held
    known = np.zeros(bench.dataset.n_structures, dtype=bool)
    names = rng.permutation(np.unique(groups[free]))
    if way == "groups":
        return np.isin(groups, names[: len(names) // 2]) & free
    for name in names:
        rows = rng.permutation(np.flatnonzero(free & (groups == name)))
        known[rows[: len(rows) // 2]] = True
    return known


def beside_half(bench: Bench, way: str, draws: int) -> list[dict[str, Any]]:
    """Errors of all methods, a record for each draw of what is known."""
    records = []
    sizes = bench.dataset.sizes
    for seed in range(draws):
        known = half(bench, way, seed)
        room = round(KEEP * int(sizes[~known & ~bench.held].sum()))
        record: dict[str, Any] = {"seed": seed, "known": bench.error(known), "all": bench.error(~bench.held)}
        for name, method in METHODS.items():
            seeds = range(DRAWS) if name == "random" else (seed,)
            found = [method(bench, known, room, one) for one in seeds]
            record[name] = float(np.median([bench.error(known | one) for one in found]))
            record[f"environments, {name}"] = int(np.median([sizes[one].sum() for one in found]))
        marked = bench.marked(known)
        learned = bench.analysis.learned
        novelty = find_novelty(marked, learned.points, learned.condensed)
        record["new"] = float((novelty.value[novelty.new & ~bench.held[marked.structure_of]] > 1.0).mean())
        records.append(record)
        print(way, record, flush=True)
    return records


def rounds(bench: Bench) -> list[dict[str, Any]]:
    """Errors after each round of active learning, a record for each start."""
    records = []
    room = round(ROUND * int(bench.dataset.sizes[~bench.held].sum()))
    nothing = np.zeros(bench.dataset.n_structures, dtype=bool)
    for seed in range(3):
        start = bench.random(nothing, room, seed)
        record: dict[str, Any] = {"seed": seed}
        for name in ("random", "fps", "meagraph"):
            known, errors = start, [bench.error(start)]
            for step in range(ROUNDS):
                known = known | METHODS[name](bench, known, room, 100 * seed + step)
                errors.append(bench.error(known))
            record[name] = errors
        records.append(record)
        print("rounds", record, flush=True)
    return records


def main() -> None:
    """Measure, write, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=NAMES, help="datasets (default: %(default)s)")
    parser.add_argument("--out", default=str(RESULTS / "known.json"), help="(default: %(default)s)")
    parser.add_argument("--draws", type=int, default=DRAWS, help="of what is known (default: %(default)s)")
    parser.add_argument("--alpha", type=float, help="exponent of the shares (default: what the dataset asks for)")
    options = parser.parse_args()
    found: dict[str, Any] = {}
    for name in options.names:
        bench = Bench(name, options.alpha)
        found[name] = {way: beside_half(bench, way, options.draws) for way in ("structures", "groups")}
        found[name]["rounds"] = rounds(bench)
        write_json(Path(options.out), found)
    print_tables(found)


def print_tables(found: dict[str, Any]) -> None:
    """Markdown."""
    others = [name for name in METHODS if name != "random"]
    print(f"| set | known | new beyond it | error: known alone / all | random | {' | '.join(others)} |")
    print("| --- | --- | --- | --- | --- |" + " --- |" * len(others))
    for name, one in found.items():
        for way in ("structures", "groups"):
            records = one[way]
            middle = {key: float(np.median([r[key] for r in records])) for key in ("known", "all", "random", "new")}
            ratios = [float(np.median([r[key] / r["random"] for r in records])) for key in others]
            cells = " | ".join(f"{ratio:.3f}" for ratio in ratios)
            print(
                f"| {name} | half of the {way} | {100 * middle['new']:.1f} % | {1e3 * middle['known']:.1f} / "
                f"{1e3 * middle['all']:.1f} | {1e3 * middle['random']:.1f} | {cells} |"
            )
    print("\n| set | method | start | round 1 | round 2 | round 3 |\n| --- | --- | --- | --- | --- | --- |")
    for name, one in found.items():
        for method in ("random", "fps", "meagraph"):
            middle_of = np.median([r[method] for r in one["rounds"]], axis=0)
            print(f"| {name} | {method} | " + " | ".join(f"{1e3 * value:.1f}" for value in middle_of) + " |")


if __name__ == "__main__":
    main()

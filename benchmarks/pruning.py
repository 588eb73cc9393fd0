"""What does pruning cost? Every selector on structures held out, by three budgets and with groups left out.

``python benchmarks/pruning.py DATA... [--fractions 0.05 0.1] [--seeds 0 1] [--budget environments atoms structures
out]``. Each seed splits the structures anew (70/30 within groups); descriptors are condensed, the model is trained and
selectors choose on the 70 % alone. A quick linear force field is fitted to what is kept and tested on the 30 %
(:mod:`meagraph.evaluation.force_error`). Budgets, each the fraction of all there are: ``environments``, chosen one by
one; ``atoms``, whole structures that hold about so many; ``structures``, so many whole ones. Structures: MEAGraph's by
the rule ``cover``, those of ``random`` and ``stratified`` drawn as such, those of the others in the order in which
their best environment would be chosen, as far as they fit. ``out``: environments, none of them from one group, tested
on this group, for each group in turn."""

from __future__ import annotations

import argparse
import statistics
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from meagraph.datasets import AtomicDataset, dataset_from_structures, read_dataset
from meagraph.descriptors import Descriptors
from meagraph.errors import MEAGraphError
from meagraph.evaluation.equations import Prepared, prepare
from meagraph.evaluation.force_error import Cost, cost
from meagraph.files import write_json
from meagraph.graph.similarity import similarity_graph
from meagraph.latent.clustering import Clusters, cluster
from meagraph.model.autoencoder import embed
from meagraph.pipeline.config import PipelineConfig
from meagraph.pipeline.describing import describe
from meagraph.pipeline.learning import learn
from meagraph.pipeline.survey import latent_neighbours
from meagraph.pruning.bins import fine_bins
from meagraph.pruning.plan import prune, rank_environments
from meagraph.pruning.ranking import Ranking
from meagraph.pruning.selectors import SELECTORS
from meagraph.pruning.settings import PruningConfig

RESULTS = Path(__file__).parent / "results"
BUDGETS = ("environments", "atoms", "structures", "out")
MEASURES = ("rmse", "macro", "worst", "energy_rmse")
DRAWN = ("random", "stratified")
Record = dict[str, float | str]
Figures = dict[str, dict[str, list[Record]]]  # budget and fraction -> selector -> one a seed


def rank_all(
    descriptors: Descriptors, part: AtomicDataset, seed: int, names: list[str]
) -> tuple[Clusters, dict[str, Ranking]]:
    """Clusters of the environments of ``part`` by the default model, and every selector's ranking."""
    config = PipelineConfig(seed=seed)
    learned = learn(part, descriptors, config)
    points, condensed = learned.points, learned.condensed
    graph = similarity_graph(points, condensed, config.graph)
    embedding = embed(learned.load(), graph, rate=config.pooling_rate)
    neighbours = latent_neighbours(embedding, config)
    clusters = cluster(embedding, neighbours, condensed, config.clustering)
    started = time.perf_counter()
    bins = fine_bins(neighbours, clusters, condensed, seed=seed)
    print(f"  {bins.max() + 1} bins: {time.perf_counter() - started:.1f} s", flush=True)
    groups = part.groups[part.structure_of]
    found = {}
    for name in names:
        started = time.perf_counter()
        found[name] = rank_environments(clusters, points, condensed, selector=name, bins=bins, groups=groups, seed=seed)
        print(f"  {name}: {time.perf_counter() - started:.1f} s for {condensed.size:,} representatives", flush=True)
    return clusters, found


@dataclass(frozen=True, eq=False)
class Case:
    """One split of a dataset, with everything ranked."""

    part: AtomicDataset  # what selectors choose from
    clusters: Clusters
    rankings: dict[str, Ranking]
    prepared: Prepared
    seed: int

    def keep(self, name: str, budget: str, fraction: float) -> NDArray[np.bool_]:
        """The environments of ``part`` that a selector keeps."""
        part, config = self.part, PruningConfig(keep=fraction, seed=self.seed, selector=name)
        if budget == "environments":
            return prune(self.rankings[name], self.clusters, part, config).keep
        sizes = np.diff(part.offsets)
        costs = sizes if budget == "atoms" else np.ones_like(sizes)
        wanted = fraction * float(costs.sum())
        if name in DRAWN:
            return draw(costs, part.groups, wanted, config)[part.structure_of]
        ranking = self.rankings[name]
        if name == "meagraph":
            config = replace(config, number=round(wanted), unit=budget, fewest=budget)
            return prune(ranking, self.clusters, part, config).structures[part.structure_of]
        turn = (ranking.rank + 0.5) / (ranking.sizes**config.alpha)[ranking.bin]  # when an environment would be chosen
        chosen, left = np.zeros(len(sizes), dtype=bool), round(wanted)
        for index in np.argsort(np.minimum.reduceat(turn, part.offsets[:-1]), kind="stable"):
            if costs[index] <= left:
                chosen[index], left = True, left - costs[index]
        return chosen[part.structure_of]

    def cost(self, keep: NDArray[np.bool_]) -> Cost:
        """What it costs to keep the environments ``keep`` of ``part``."""
        everywhere = np.zeros(self.prepared.shape[0], dtype=bool)
        everywhere[self.prepared.fit.environments] = keep
        return cost(self.prepared, everywhere)

    def out(self, name: str, fraction: float) -> Record:
        """Errors on each group that nothing is kept of: their mean and the largest."""
        errors = {}
        config = PruningConfig(keep=fraction, seed=self.seed, selector=name, protected=())
        for group in self.cost(np.ones(self.part.n_environments, dtype=bool)).groups:
            left_out = (self.part.groups == group)[self.part.structure_of]
            plan = prune(self.rankings[name], self.clusters, self.part, config, rejected=left_out)
            errors[group] = self.cost(plan.keep).groups[group]
        worst = max(errors, key=errors.__getitem__)
        return {"macro": statistics.mean(errors.values()), "worst": errors[worst], "worst_group": worst}


def draw(sizes: NDArray[np.int64], groups: NDArray[np.str_], wanted: float, config: PruningConfig) -> NDArray[np.bool_]:
    """Structures (S,) at random that hold about ``wanted`` environments; by ``stratified``, of each group its share."""
    order = np.random.default_rng(config.seed).permutation(len(sizes))
    of = groups[order] if config.selector == "stratified" else np.zeros(len(order), dtype="U1")
    place = np.empty(len(order))
    for group in np.unique(of):
        rows = np.flatnonzero(of == group)
        place[rows] = (np.cumsum(sizes[order[rows]]) - sizes[order[rows]] / 2) / sizes[order[rows]].sum()
    order = order[np.argsort(place, kind="stable")]
    chosen = np.zeros(len(sizes), dtype=bool)
    chosen[order[: 1 + int(np.abs(np.cumsum(sizes[order]) - wanted).argmin())]] = True
    return chosen


def run(path: str, options: argparse.Namespace) -> Figures:
    """All figures of one dataset."""
    dataset = read_dataset(path, allow_unlabelled=True)
    described = describe(dataset)
    figures: Figures = {}
    for seed in options.seeds:
        started = time.perf_counter()
        prepared = prepare(dataset, seed=seed, cap=dataset.n_environments)
        print(f"  prepare: {time.perf_counter() - started:.1f} s", flush=True)
        inside = [dataset.structures[index] for index in prepared.fit.structures]
        part = dataset_from_structures(inside, allow_unlabelled=True)
        descriptors = replace(described, values=np.asarray(described.values[prepared.fit.environments]))
        case = Case(part, *rank_all(descriptors, part, seed, options.selectors), prepared, seed)
        everything = case.cost(np.ones(part.n_environments, dtype=bool))
        figures.setdefault("all", {}).setdefault("all data", []).append(_record(everything))
        for budget in options.budget:
            for fraction in options.fractions if budget != "out" else (0.1,):
                for name in options.selectors:
                    if budget == "out":
                        record = case.out(name, fraction)
                    else:
                        try:
                            record = _record(case.cost(case.keep(name, budget, fraction)))
                        except MEAGraphError as error:
                            print(f"  {budget}, {fraction}, {name}: {error}", flush=True)
                            continue
                    figures.setdefault(f"{budget}, {fraction}", {}).setdefault(name, []).append(
                        {"seed": seed, **record}
                    )
        print(f"{dataset.name}, seed {seed}: {time.perf_counter() - started:.0f} s", flush=True)
        name = Path(path).name.split(".")[0]
        write_json(RESULTS / f"pruning-{name}.json", {"seeds": len(figures["all"]["all data"]), "figures": figures})
    return figures


def _record(found: Cost) -> Record:
    measured: Record = {name: getattr(found, name) for name in MEASURES}
    return {**measured, "worst_group": found.worst_group, "environments": found.environments, "p99": found.p99}


def table(figures: Figures) -> str:
    """Median and range over the seeds, and on how many seeds the default has the lower error, by a median ratio."""
    lines = [
        "| kept | selector | overall | macro | worst group | default lower: overall | macro | worst |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for kept, selectors in figures.items():
        for name, records in selectors.items():
            cells = []
            for key in MEASURES[:3]:
                numbers = [float(record[key]) for record in records if key in record]
                cells.append(
                    f"{statistics.median(numbers):.3f} ({min(numbers):.3f}-{max(numbers):.3f})" if numbers else ""
                )
            ours = {record["seed"]: record for record in selectors.get("meagraph", [])}
            for key in MEASURES[:3]:
                both = [record for record in records if record.get("seed") in ours and key in record]
                ratios = [float(ours[record["seed"]][key]) / float(record[key]) for record in both]
                compared = ratios and name != "meagraph"
                lower = sum(ratio < 1.0 for ratio in ratios)
                cells.append(f"{lower}/{len(ratios)}, x{statistics.median(ratios):.2f}" if compared else "")
            lines.append(f"| {kept} | {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Measure, write the figures beside this script after each seed, and print them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", nargs="+")
    parser.add_argument("--fractions", type=float, nargs="+", default=[0.02, 0.05, 0.1, 0.25, 0.5])
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(5)))
    parser.add_argument("--budget", nargs="+", choices=BUDGETS, default=list(BUDGETS))
    parser.add_argument("--selectors", nargs="+", choices=tuple(SELECTORS), default=list(SELECTORS))
    options = parser.parse_args()
    for path in options.data:
        print(table(run(path, options)))


if __name__ == "__main__":
    main()

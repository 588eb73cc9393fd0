"""What does pruning cost? Every selector at equal numbers of environments, judged on structures held out.

``python benchmarks/pruning.py DATA... [--fractions 0.05 0.1 0.2] [--seeds 3] [--budget environments structures]``. Each
seed splits the structures anew (70/30 within groups); descriptors are condensed, the model is trained and selectors
choose on the 70 % alone. A quick linear force field is fitted to what is kept and tested on the 30 %
(:mod:`meagraph.forcefit`). With ``structures``, whole structures are kept under the default rule, as many as hold about
the same number of environments; ``random`` then draws structures, and ``stratified`` draws them group by group.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from meagraph.clustering import Clusters, cluster
from meagraph.condensation import condense, scaled_rows
from meagraph.datasets import AtomicDataset, dataset_from_structures, read_dataset
from meagraph.descriptors import compute_descriptors
from meagraph.files import write_json
from meagraph.forcefit import Cost, Prepared, cost, prepare
from meagraph.graph import similarity_graph
from meagraph.learning import PipelineConfig
from meagraph.manifold import nearest_neighbours
from meagraph.model import embed
from meagraph.pruning import PruningConfig, prune, rank_environments
from meagraph.ranking import Ranking
from meagraph.records import ModelConfig
from meagraph.selectors import SELECTORS
from meagraph.training import new_model, train

RESULTS = Path(__file__).parent / "results"
BUDGETS = ("environments", "structures")
MEASURES = ("rmse", "macro", "worst", "energy_rmse")
Figures = dict[str, dict[str, list[dict[str, float | str]]]]  # budget and fraction -> selector -> one a seed


def rank_all(
    values: NDArray[np.float32], part: AtomicDataset, seed: int, names: list[str]
) -> tuple[Clusters, dict[str, Ranking]]:
    """Clusters of the environments of ``part`` by the default model, and every selector's ranking."""
    config = PipelineConfig().with_seed(seed)
    points = scaled_rows(values)
    condensed = condense(points, budget=config.budget)
    graph = similarity_graph(points, condensed, config.graph)
    model = new_model(ModelConfig(points.shape[1], config.widths, config.kernels), seed=seed)
    for _ in train(model, points, condensed, part.offsets, config.graph, config.training):
        pass
    embedding = embed(model, graph, rate=config.pooling_rate)
    clusters = cluster(embedding, nearest_neighbours(embedding.values, 45), condensed, config.clustering)
    found = {}
    for name in names:
        started = time.perf_counter()
        groups = part.groups[part.structure_of]
        found[name] = rank_environments(clusters, points, condensed, selector=name, groups=groups, seed=seed)
        print(f"  {name}: {time.perf_counter() - started:.1f} s for {condensed.size:,} representatives", flush=True)
    return clusters, found


def measure(
    ranking: Ranking, clusters: Clusters, part: AtomicDataset, prepared: Prepared, config: PruningConfig, whole: bool
) -> Cost:
    """What the plan of ``config`` costs; with ``whole``, a plan of structures that hold about as many environments."""
    keep = prune(ranking, clusters, part, config).keep
    sizes, wanted = np.diff(part.offsets), config.keep * part.n_environments
    if whole and config.selector in ("random", "stratified"):
        keep = draw(sizes, part.groups, wanted, config)[part.structure_of]
    elif whole:
        low, high, best = 0.0, 1.0, np.inf
        for _ in range(14):
            middle = (low + high) / 2
            chosen = prune(ranking, clusters, part, replace(config, keep=middle)).structures
            held = float(sizes[chosen].sum())
            if abs(held - wanted) < best:
                best, keep = abs(held - wanted), chosen[part.structure_of]
            low, high = (middle, high) if held < wanted else (low, middle)
    everywhere = np.zeros(prepared.shape[0], dtype=bool)
    everywhere[prepared.fit.environments] = keep
    return cost(prepared, everywhere)


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
    values = compute_descriptors(dataset).values
    figures: Figures = {}
    for seed in range(options.seeds):
        started = time.perf_counter()
        prepared = prepare(dataset, seed=seed, cap=dataset.n_environments)
        inside = [dataset.structures[index] for index in prepared.fit.structures]
        part = dataset_from_structures(inside, allow_unlabelled=True)
        clusters, rankings = rank_all(np.asarray(values[prepared.fit.environments]), part, seed, options.selectors)
        everything = cost(prepared, np.ones(dataset.n_environments, dtype=bool))
        figures.setdefault("all", {}).setdefault("all data", []).append(_record(everything))
        for budget, fraction in itertools.product(options.budget, options.fractions):
            for name, ranking in rankings.items():
                config = PruningConfig(keep=fraction, seed=seed, selector=name)
                found = measure(ranking, clusters, part, prepared, config, budget == "structures")
                figures.setdefault(f"{budget}, {fraction}", {}).setdefault(name, []).append(_record(found))
        print(f"{dataset.name}, seed {seed}: {time.perf_counter() - started:.0f} s", flush=True)
    return figures


def _record(found: Cost) -> dict[str, float | str]:
    measured: dict[str, float | str] = {name: getattr(found, name) for name in MEASURES}
    return {**measured, "worst_group": found.worst_group, "environments": found.environments, "p99": found.p99}


def table(figures: Figures) -> str:
    """Mean and standard deviation over the seeds."""
    lines = [
        "| kept | selector | environments | overall | macro | worst group | energy |",
        "|---|---|---:|---|---|---|---|",
    ]
    for fraction, selectors in figures.items():
        for name, records in selectors.items():
            cells = []
            for key in MEASURES:
                numbers = [float(record[key]) for record in records]
                spread = statistics.stdev(numbers) if len(numbers) > 1 else 0.0
                cells.append(f"{statistics.mean(numbers):.3f} ± {spread:.3f}")
            held = statistics.mean(float(record["environments"]) for record in records)
            lines.append(f"| {fraction} | {name} | {held:.0f} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Measure and print; write the figures beside this script."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", nargs="+")
    parser.add_argument("--fractions", type=float, nargs="+", default=[0.05, 0.1, 0.2])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--budget", nargs="+", choices=BUDGETS, default=["environments"])
    parser.add_argument("--selectors", nargs="+", choices=tuple(SELECTORS), default=list(SELECTORS))
    options = parser.parse_args()
    for path in options.data:
        figures = run(path, options)
        print(table(figures))
        name = Path(path).name.split(".")[0]
        write_json(RESULTS / f"pruning-{name}.json", {"seeds": options.seeds, "figures": figures})


if __name__ == "__main__":
    main()

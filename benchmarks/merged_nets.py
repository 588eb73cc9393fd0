"""What nets of chunks that are merged change in clusters, outliers and plans, beside what another seed changes anyway.

``python benchmarks/merged_nets.py FILE ... [--chunks 4 16] [--seeds 0 1 2] [--budget 2000] [--keep 0.1]``: each
dataset is condensed in one traversal, as all below 262,144 environments are, for each seed, and by so many chunks for
the first. Chunks must hold several times the budget, or all of their rows are chosen and nothing is merged. All else is
by the defaults, but that no network is trained: clusters and map hang on the agreement of neighbours. So outliers are
scored without what a model says, and plans have the usual shares. Against one traversal with the first seed:
the AMI of the clusters, and that of either with the groups; the candidates that both have over those that either has;
the structures that both plans keep over those that either keeps; and, of the error of forces of the quick field fitted
to the kept, the ratio. Two plans at random would share keep / (2 - keep).
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import adjusted_mutual_info_score

from meagraph.datasets import AtomicDataset
from meagraph.descriptors import Descriptors
from meagraph.evaluation.equations import Prepared, prepare
from meagraph.evaluation.force_error import cost
from meagraph.files import write_json
from meagraph.force_field.observing import Observed, observe
from meagraph.graph import nets
from meagraph.graph.condensation import condense, scaled_rows
from meagraph.latent.clustering import cluster
from meagraph.latent.nodes import holding, population
from meagraph.model.agreement import learn_agreement
from meagraph.model.results import Embedding
from meagraph.outliers.scoring import score_seen
from meagraph.pipeline.config import PipelineConfig
from meagraph.pipeline.describing import describe_for
from meagraph.pipeline.opening import open_data
from meagraph.pipeline.survey import latent_neighbours
from meagraph.pruning.bins import fine_bins
from meagraph.pruning.plan import prune, rank_environments
from meagraph.pruning.settings import PruningConfig

RESULTS = Path(__file__).parent / "results"
WHOLE = nets.ROWS


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a user sees of one way to condense."""

    labels: NDArray[np.int64]  # (N,) clusters, -1 for none
    candidates: NDArray[np.bool_]  # (N,)
    kept: NDArray[np.bool_]  # (S,)
    error: float  # of forces, of the fit to the kept
    figures: dict[str, Any]


def outcome(
    dataset: AtomicDataset,
    descriptors: Descriptors,
    seen: Observed,
    prepared: Prepared,
    config: PipelineConfig,
    *,
    chunks: int,
    keep: float,
) -> Outcome:
    """Condense by so many chunks, and all that follows."""
    began = time.process_time()
    nets.ROWS = WHOLE if chunks == 1 else -(-dataset.n_environments // chunks)
    points = scaled_rows(descriptors.own)
    net = condense(points, budget=config.budget)
    nets.ROWS = WHOLE
    context, pairs = descriptors.context, descriptors.pairs
    assert context is not None
    assert pairs is not None
    learned = learn_agreement(context, pairs, net.representatives, seed=config.seed)
    bare = Embedding(
        np.zeros((net.size, 1), np.float32),
        np.zeros((2, 0), np.int64),
        np.zeros(0, np.float32),
        config.pooling_rate,
        np.ones(net.size, dtype=bool),
    )
    held = holding(bare, net, lambda rows: learned(context[rows]), seed=config.seed)
    near, nodes = latent_neighbours(held, config), population(held, net)[1]
    clusters = cluster(held, near, net, config.clustering, seed=config.seed)
    outliers = score_seen(points, net, clusters, dataset, seen)
    bins = fine_bins(near, clusters, nodes, seed=config.seed)
    ranking = rank_environments(clusters, points, net, within="mixed", bins=bins, seed=config.seed)
    plan = prune(ranking, clusters, dataset, PruningConfig(keep=keep, seed=config.seed))
    error = cost(prepared, plan.structures).rmse
    figures = {
        "chunks": chunks,
        "seed": config.seed,
        "representatives": net.size,
        "epsilon": float(f"{net.epsilon / net.diameter:.3g}"),
        "clusters": clusters.n_clusters,
        "candidates": int((outliers.score >= 1.0).sum()),
        "kept": plan.n_structures,
        "processor_seconds": round(time.process_time() - began, 1),
    }
    return Outcome(clusters.labels, outliers.score >= 1.0, plan.structures, error, figures)


def beside(one: Outcome, other: Outcome, dataset: AtomicDataset) -> dict[str, Any]:
    """How ``one`` compares with the ``other``."""

    def shared(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
        return float((a & b).sum() / max((a | b).sum(), 1))

    groups = dataset.groups[dataset.structure_of]
    found = {
        "ami": float(adjusted_mutual_info_score(one.labels, other.labels)),
        "ami_groups": float(adjusted_mutual_info_score(groups, one.labels)),
        "candidates_shared": shared(one.candidates, other.candidates),
        "kept_shared": shared(one.kept, other.kept),
        "error": one.error,
        "error_ratio": one.error / other.error,
    }
    return {name: round(value, 4) for name, value in found.items()}


def main() -> None:
    """Measure, print, and write the figures beside this script."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", nargs="+")
    parser.add_argument("--chunks", type=int, nargs="+", default=[4, 16])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--budget", type=int, default=2000, help="representatives (default: %(default)s)")
    parser.add_argument("--keep", type=float, default=0.1)
    parser.add_argument("--write", type=Path, default=RESULTS / "merged_nets.json")
    options = parser.parse_args()
    found: list[dict[str, Any]] = []
    for path in options.data:
        usual = PipelineConfig(budget=options.budget)
        dataset = open_data(path)
        descriptors = describe_for(dataset, usual, None)
        seen, prepared = observe(dataset), prepare(dataset)
        first: Outcome | None = None
        ways = [(1, seed) for seed in options.seeds] + [(chunks, options.seeds[0]) for chunks in options.chunks]
        for chunks, seed in ways:
            config = replace(usual, seed=seed)
            one = outcome(dataset, descriptors, seen, prepared, config, chunks=chunks, keep=options.keep)
            first = first or one
            found.append({"data": Path(path).stem, **one.figures, **beside(one, first, dataset)})
            print(found[-1], flush=True)
            write_json(options.write, found)


if __name__ == "__main__":
    main()

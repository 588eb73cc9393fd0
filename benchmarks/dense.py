"""The published method, dense, against ours, condensed: time, memory, and whether the clusters agree.

``python benchmarks/dense.py Ta_JCP2014.extxyz [--size 4224]``: the same random weights, similarity threshold 0.995,
pooling rate 0.5; from scaled descriptors to the components of the pooled latent graph. The dense side is the reference
of the tests, a lean form of the published equations: it holds (N, N) matrices but no tensor of edges x width, which
would not fit at this size. Each side runs in a process of its own; memory is what it needs beyond its imports.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import adjusted_rand_score

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from meagraph.datasets import read_dataset
from meagraph.files import write_json
from meagraph.graph import loops as graph_loops
from meagraph.graph.condensation import condense, unit_columns
from meagraph.graph.similarity import GraphConfig, similarity_graph
from meagraph.latent.clustering import ClusteringConfig, cluster
from meagraph.latent.neighbours import nearest_neighbours
from meagraph.model import loops as model_loops
from meagraph.model.autoencoder import MEAGraph, embed
from meagraph.model.settings import ModelConfig
from meagraph.model.training import new_model
from meagraph.pipeline.describing import describe

THRESHOLD, RATE = 0.995, 0.5
RESULTS = Path(__file__).parent / "results"


def condensed_clusters(points: NDArray[np.float64], model: MEAGraph) -> NDArray[np.int64]:
    """Ours: labels (N,); as in the reference, each singleton has a label of its own."""
    net = condense(points)
    embedding = embed(model, similarity_graph(points, net, GraphConfig(lower=THRESHOLD)), rate=RATE)
    near = nearest_neighbours(embedding.values, 2)
    labels = cluster(embedding, near, net, ClusteringConfig(method="components")).labels
    return np.where(labels < 0, len(labels) + np.arange(len(labels)), labels)


def dense_clusters(points: NDArray[np.float64], model: MEAGraph) -> NDArray[np.int64]:
    """The published method: labels (N,)."""
    from tests.support import oracle
    from tests.support.weights import Weights

    graph = oracle.similarity_graph(points, lower=THRESHOLD)
    weights = Weights.encoder(model, len(graph.nodes))
    found = oracle.encode(graph.x, graph.edges, weights, [RATE] * len(weights))
    return np.asarray(oracle.clusters(graph.nodes, found.latent_edges, len(points)))


def measure(path: str, side: str, size: int, target: str) -> None:
    """Run one side in this process; write labels and figures."""
    rows = np.asarray(describe(read_dataset(path)).values[:size])
    points = unit_columns(rows)
    model = new_model(ModelConfig(points.shape[1]), seed=0)
    graph_loops.warm()
    model_loops.warm()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.perf_counter()
    labels = {"dense": dense_clusters, "condensed": condensed_clusters}[side](points, model)
    seconds = time.perf_counter() - started
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    np.savez(target, labels=labels, seconds=seconds, memory=memory / 1e6, allow_pickle=False)


def main() -> None:
    """Measure and print; write the figures beside this script."""
    import tempfile

    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data")
    parser.add_argument("--size", type=int, default=4224, help="environments (default: %(default)s)")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--side", help=argparse.SUPPRESS)
    parser.add_argument("--target", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        measure(options.data, options.side, options.size, options.target)
        return
    found: dict[str, list[dict[str, NDArray[np.float64]]]] = {"dense": [], "condensed": []}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(options.runs):
            for side, runs in found.items():
                target = str(Path(folder) / f"{side}.npz")
                arguments = [options.data, "--size", str(options.size), "--side", side, "--target", target]
                subprocess.run([sys.executable, __file__, *arguments], check=True)
                with np.load(target, allow_pickle=False) as data:
                    runs.append(dict(data))
                print(side, f"{float(runs[-1]['seconds']):.2f} s, {float(runs[-1]['memory']):.2f} GB", flush=True)
    dense, ours = (
        {key: statistics.median(float(run[key]) for run in runs) for key in ("seconds", "memory")}
        for runs in found.values()
    )
    figures = {
        "environments": options.size,
        "dense": dense,
        "condensed": ours,
        "time_ratio": dense["seconds"] / ours["seconds"],
        "memory_ratio": dense["memory"] / max(ours["memory"], 1e-3),
        "adjusted_rand_index": adjusted_rand_score(found["dense"][0]["labels"], found["condensed"][0]["labels"]),
    }
    print(json.dumps(figures, indent=2))
    write_json(RESULTS / "dense.json", figures)


if __name__ == "__main__":
    main()

"""Do clusters find what a labelled dataset knows? Agreement with the groups of Nb_bcc2020.

``python benchmarks/labelled.py NB_FILE``. At most 1,500 environments of each of eight labels (fcc, hcp, sc, dia, A15,
C15, liquid, and bcc from three groups), drawn anew for every seed; the agreement is adjusted mutual information
(AMI, noise as one more cluster), beside the share left in no cluster. Every method sees the same descriptors.
"""

from __future__ import annotations

import argparse
import statistics
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree
from sklearn.cluster import HDBSCAN, Birch, KMeans
from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_mutual_info_score
from sklearn.preprocessing import StandardScaler

from meagraph.datasets import read_dataset
from meagraph.files import write_json
from meagraph.graph.condensation import condense, unit_columns
from meagraph.graph.similarity import similarity_graph
from meagraph.latent.clustering import ClusteringConfig, cluster
from meagraph.latent.communities import communities
from meagraph.latent.neighbours import Neighbours, fuzzy_graph, nearest_neighbours
from meagraph.model.autoencoder import embed
from meagraph.model.settings import ModelConfig
from meagraph.model.training import new_model, train
from meagraph.pipeline.config import PipelineConfig
from meagraph.pipeline.describing import describe

LABELS = {
    **{name: name for name in ("fcc", "hcp", "sc", "dia", "A15", "C15", "liquid")},
    **dict.fromkeys(("bcc_distorted", "phonon", "vacancy"), "bcc"),
}
PER_LABEL = 1500
RESULTS = Path(__file__).parent / "results"


def draw(groups: NDArray[np.str_], seed: int) -> NDArray[np.int64]:
    """Rows of the benchmark: at most PER_LABEL of every label, in file order."""
    rng = np.random.default_rng(seed)
    labels = np.array([LABELS.get(group, "") for group in groups])
    chosen = []
    for name in dict.fromkeys(LABELS.values()):
        rows = np.flatnonzero(labels == name)
        chosen.append(rng.choice(rows, min(PER_LABEL, len(rows)), replace=False))
    return np.sort(np.concatenate(chosen))


def ours(values: NDArray[np.float32], structure_of: NDArray[np.int64], seed: int) -> dict[str, NDArray[np.int64]]:
    """Labels by our model: default clustering, untrained and trained, and the published components."""
    config = PipelineConfig(seed=seed)
    points = unit_columns(values)
    condensed = condense(points, budget=config.budget)
    offsets = np.concatenate([[0], np.flatnonzero(np.diff(structure_of)) + 1, [len(values)]])
    graph = similarity_graph(points, condensed, config.graph)
    model = new_model(ModelConfig(points.shape[1], config.widths, config.kernels), seed=seed)
    found = {}
    for state in ("untrained", "trained"):
        if state == "trained":
            for _ in train(model, points, condensed, offsets, config.graph, config.training):
                pass
        embedding = embed(model, graph, rate=config.pooling_rate)
        near = nearest_neighbours(embedding.values, config.clustering.neighbours)
        found[f"MEAGraph, hierarchy (default), {state}"] = cluster(embedding, near, condensed, config.clustering).labels
        if state == "trained":
            others = {"leiden": "Leiden", "hdbscan": "HDBSCAN", "components": "components (published)"}
            for method, name in others.items():
                settings = replace(config.clustering, method=method)
                found[f"MEAGraph, {name}, trained"] = cluster(embedding, near, condensed, settings).labels
    for name, rows in (("unit columns", points), ("standardised", StandardScaler().fit_transform(points))):
        joined = fuzzy_graph(_unscaled(rows[condensed.representatives], config.clustering.neighbours))
        labels = communities(joined, resolution=config.clustering.resolution, seed=seed)
        found[f"Leiden on descriptors, {name}"] = labels[condensed.assignment]
    return found


def _unscaled(rows: NDArray[np.float64], count: int) -> Neighbours:
    """Nearest neighbours by plain distance, as befits descriptors."""
    distance, index = KDTree(rows).query(rows, k=count)
    return Neighbours(rows.astype(np.float32), index.astype(np.int32), distance.astype(np.float32))


def baselines(scaled: NDArray[np.float64], seed: int) -> dict[str, NDArray[np.int64]]:
    """Labels by general methods on standardised descriptors (n, D)."""
    usual = ClusteringConfig()
    density = HDBSCAN(min_cluster_size=usual.min_cluster_size, min_samples=usual.min_samples, copy=True)
    birch = Birch(threshold=0.1, n_clusters=12)
    return {
        "k-means on descriptors, k = 8": KMeans(8, n_init=10, random_state=seed).fit_predict(scaled),
        "k-means on descriptors, k = 12": KMeans(12, n_init=10, random_state=seed).fit_predict(scaled),
        "BIRCH on principal components, k = 12": birch.fit_predict(PCA(0.99).fit_transform(scaled)),
        "HDBSCAN on descriptors, default sizes": density.fit(scaled).labels_,
    }


def main() -> None:
    """Measure and print; write the figures beside this script."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", help="Nb_bcc2020.extxyz")
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    dataset = read_dataset(options.data)
    values = describe(dataset).values
    groups = dataset.groups[dataset.structure_of]
    figures: dict[str, list[tuple[float, float, int]]] = {}
    for seed in range(options.seeds):
        rows = draw(groups, seed)
        truth = [LABELS[group] for group in groups[rows]]
        part = np.asarray(values[rows])
        scaled = StandardScaler().fit_transform(part)
        started = time.perf_counter()
        found = ours(part, dataset.structure_of[rows], seed)
        found |= baselines(scaled, seed)
        for name, labels in found.items():
            figures.setdefault(name, []).append(
                (adjusted_mutual_info_score(truth, labels), float((labels < 0).mean()), int(labels.max()) + 1)
            )
        print(f"seed {seed}: {time.perf_counter() - started:.0f} s", flush=True)
    table = ["| clustering | AMI, median (range) | noise | clusters |", "| --- | --- | --- | --- |"]
    for name, runs in figures.items():
        scores = [run[0] for run in runs]
        noise, count = (statistics.median(run[i] for run in runs) for i in (1, 2))
        spread = f"{statistics.median(scores):.3f} ({min(scores):.3f}-{max(scores):.3f})"
        table.append(f"| {name} | {spread} | {noise:.2f} | {count:.0f} |")
    print("\n".join(table))
    write_json(RESULTS / "labelled.json", figures)


if __name__ == "__main__":
    main()

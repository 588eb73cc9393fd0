"""Planted faults: how surely each kind is found, against general outlier detectors and the published singletons.

``python benchmarks/outliers.py Nb_bcc2020.extxyz Fe_NPJ2021.extxyz``: of each dataset 1 % of the structures are spoilt,
in equal shares by eight kinds of fault, with five seeds. A structure's score is the largest of its environments'.
Reported is the area under the receiver operating characteristic (AUROC) of the spoilt structures against all others,
overall and for each kind, and the precision among as many of the first structures as are spoilt. Our score sees what a
model trained on the spoilt dataset by the pipeline's defaults says. The baselines see
standardised descriptors and the logarithm of the force; the published singletons are environments without a
neighbour. Below each signal of ours stands alone.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from ase import Atoms
from numpy.typing import NDArray
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import LocalOutlierFactor, NearestNeighbors
from sklearn.preprocessing import StandardScaler

from meagraph.datasets import AtomicDataset, dataset_from_structures, read_dataset
from meagraph.descriptors import compute_descriptors
from meagraph.files import write_json
from meagraph.graph.condensation import condense, unit_columns
from meagraph.graph.similarity import similarity_graph
from meagraph.latent.clustering import Clusters
from meagraph.model.autoencoder import embed, reconstruction_errors
from meagraph.model.settings import ModelConfig
from meagraph.model.training import new_model, train
from meagraph.outliers import linked_environments, score_outliers
from meagraph.pipeline.run import PipelineConfig

SHARE = 0.01  # of the structures
RESULTS = Path(__file__).parent / "results"
Labels = tuple[Atoms, float, NDArray[np.float64]]  # structure, energy in eV, forces (n, 3) in eV/Å


def _close(atoms: Atoms, rng: np.random.Generator) -> Atoms:
    """Two atoms at half of their distance."""
    moved = atoms.copy()
    i = int(rng.integers(len(atoms)))
    others = [j for j in range(len(atoms)) if j != i]
    apart = atoms.get_distances(i, others, mic=True)
    j = others[int(apart.argmin())]
    moved.positions[i] += 0.5 * atoms.get_distance(i, j, mic=True, vector=True)
    return moved


def _strained(atoms: Atoms) -> Atoms:
    """Compressed by 4 % along each axis; the labels stay."""
    scaled = atoms.copy()
    scaled.set_cell(0.96 * atoms.cell.array, scale_atoms=True)
    return scaled


def _one_force(forces: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """One atom's force turned around and 2 eV/Å longer."""
    changed = forces.copy()
    row = changed[int(rng.integers(len(changed)))]
    row *= -(1.0 + 2.0 / max(float(np.linalg.norm(row)), 1e-6))
    return changed


# each kind: (atoms, energy, forces, rng) -> the spoilt structure
KINDS: dict[str, Callable[[Atoms, float, NDArray[np.float64], np.random.Generator], Labels]] = {
    "energy shifted by 0.2 eV/atom": lambda a, e, f, r: (a, e + 0.2 * len(a), f),
    "energy in Hartree": lambda a, e, f, r: (a, e / 27.2114, f),
    "one force wrong": lambda a, e, f, r: (a, e, _one_force(f, r)),
    "forces with the wrong sign": lambda a, e, f, r: (a, e, -f),
    "forces in Hartree/bohr": lambda a, e, f, r: (a, e, f / 51.4221),
    "forces in another order": lambda a, e, f, r: (a, e, np.roll(f, 1, axis=0)),
    "two atoms too close": lambda a, e, f, r: (_close(a, r), e, f),
    "cell compressed by 4 %": lambda a, e, f, r: (_strained(a), e, f),
}


def spoil(dataset: AtomicDataset, seed: int) -> tuple[AtomicDataset, NDArray[np.str_]]:
    """A copy with planted faults, and the kind of each structure's fault, empty for none.

    Only structures of at least four atoms with forces above 0.1 eV/Å are spoilt: where all forces vanish by symmetry
    a wrong sign is no fault.
    """
    rng = np.random.default_rng(seed)
    largest = np.maximum.reduceat(np.nan_to_num(np.linalg.norm(dataset.forces, axis=1)), dataset.offsets[:-1])
    fit = np.flatnonzero((np.diff(dataset.offsets) >= 4) & (largest > 0.1) & np.isfinite(dataset.energy))
    count = max(len(KINDS), round(SHARE * dataset.n_structures))
    chosen = rng.choice(fit, count, replace=False)
    kinds = np.full(dataset.n_structures, "", dtype="U40")
    kinds[chosen] = np.resize(list(KINDS), count)
    structures, energy, forces = list(dataset.structures), dataset.energy.copy(), dataset.forces.copy()
    for index in chosen:
        part = slice(dataset.offsets[index], dataset.offsets[index + 1])
        make = KINDS[str(kinds[index])]
        structures[index], energy[index], forces[part] = make(structures[index], energy[index], forces[part], rng)
    moved = dataset_from_structures(structures, name=dataset.name, allow_unlabelled=True)
    return replace(moved, energy=energy, forces=forces, groups=dataset.groups), kinds


def scores(dataset: AtomicDataset, seed: int) -> dict[str, NDArray[np.float64]]:
    """A score (S,) of every structure by each method."""
    points = unit_columns(compute_descriptors(dataset).values)
    condensed = condense(points)
    nobody = Clusters(np.zeros(dataset.n_environments, dtype=np.int64), np.array([dataset.n_environments]), "one")
    config = PipelineConfig(seed=seed)
    model = new_model(ModelConfig(points.shape[1], config.widths, config.kernels), seed=seed)
    for _ in train(model, points, condensed, dataset.offsets, config.graph, config.training):
        pass
    graph = similarity_graph(points, condensed, config.graph)
    started = time.perf_counter()
    ours = score_outliers(
        points,
        condensed,
        nobody,
        dataset,
        error=reconstruction_errors(model, graph, rate=config.pooling_rate)[condensed.assignment],
        linked=linked_environments(embed(model, graph, rate=config.pooling_rate), condensed),
    )
    print(f"scored in {time.perf_counter() - started:.1f} s", flush=True)
    alone = ~graph.connected[condensed.assignment]
    force = np.log10(np.nan_to_num(np.linalg.norm(dataset.forces, axis=1)) + 1e-3)
    rows = StandardScaler().fit_transform(np.column_stack([points, force]))
    found = {
        "MEAGraph outlier score": ours.score,
        "IsolationForest": -IsolationForest(random_state=seed).fit(rows).score_samples(rows),
        "LOF": -LocalOutlierFactor(20).fit(rows).negative_outlier_factor_,
        "k-NN distance": NearestNeighbors(n_neighbors=6).fit(rows).kneighbors(rows)[0][:, -1],
        "published singletons": alone.astype(float),
    }
    by_signal = {f"  {signal.name}": signal.rarity for signal in ours.signals}
    return {name: np.maximum.reduceat(value, dataset.offsets[:-1]) for name, value in {**found, **by_signal}.items()}


def main() -> None:
    """Measure and print; write the figures beside this script."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", nargs="+")
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    everything = {}
    for path in options.data:
        dataset = read_dataset(path)
        figures: dict[str, dict[str, list[float]]] = {}
        for seed in range(options.seeds):
            started = time.perf_counter()
            spoilt, kinds = spoil(dataset, seed)
            bad = kinds != ""
            for method, score in scores(spoilt, seed).items():
                of = figures.setdefault(method, {})
                of.setdefault("AUROC", []).append(float(roc_auc_score(bad, score)))
                first = np.argsort(-score, kind="stable")[: bad.sum()]
                of.setdefault("precision", []).append(float(bad[first].mean()))
                for kind in KINDS:
                    part = (kinds == kind) | ~bad
                    of.setdefault(kind, []).append(float(roc_auc_score(bad[part], score[part])))
            print(f"{dataset.name}, seed {seed}: {time.perf_counter() - started:.0f} s", flush=True)
        columns = list(next(iter(figures.values())))
        print(f"\n{dataset.name}: {dataset.n_structures} structures, {int(bad.sum())} spoilt")
        print("| method | " + " | ".join(columns) + " |\n| --- " + "| ---: " * len(columns) + "|")
        for method, values in figures.items():
            print(f"| {method} | " + " | ".join(f"{statistics.median(values[c]):.3f}" for c in columns) + " |")
        everything[dataset.name] = figures
    write_json(RESULTS / "outliers.json", everything)


if __name__ == "__main__":
    main()

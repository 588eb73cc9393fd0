"""Faults that whole families share: how surely they are found, and what sound datasets raise.

``python benchmarks/outlier_families.py demo metal Nb_bcc2020.extxyz``: of each dataset one group of at least five
structures and at most half of the dataset is spoilt at a time: 20 to 100 % of it with energies shifted by 0.05 to
2 eV/atom, all of it by another constant for each element (as another functional or reference), its energies or its
forces in another unit, or its second half in another calculation (energies 0.1 eV/atom off, forces 1.1 times as
large). Groups are drawn by seed, the same for all methods. A structure's score is the largest of its environments';
reported are the area under the receiver operating characteristic (AUROC) of the spoilt structures against all others,
and the precision among as many of the first as are spoilt. ``signals alone`` is our score without families and without
the energy at large. Scores are those without a trained model, which says nothing of labels. The baselines see one row a
structure: mean descriptors, energy per atom, logarithm of the largest force. What the demo's README calls planted is
left out of the figures. At the end: what the sound dataset raises.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from ase.units import Bohr, Hartree
from numpy.typing import NDArray
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import LocalOutlierFactor, NearestNeighbors
from sklearn.preprocessing import StandardScaler

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from meagraph.datasets import AtomicDataset, read_dataset
from meagraph.descriptors import compute_descriptors
from meagraph.files import write_json
from meagraph.force_field.observing import Observed, observe
from meagraph.graph.condensation import condense, unit_columns
from meagraph.latent.clustering import Clusters
from meagraph.outliers import ALARM, Outliers, novelty, places, scoring
from meagraph.outliers.fitting import left_out
from meagraph.outliers.means import structure_means
from meagraph.outliers.scoring import score_seen
from meaviz.demo import demo_path
from tests.support.made_sets import SETS, made_set

RESULTS = Path(__file__).parent / "results"
SHIFTS, PARTS = (0.05, 0.2, 1.0, 2.0), (0.2, 0.5, 0.8, 1.0)  # eV/atom; of a group
SMALLEST, MOST = 5, 0.5  # structures of a group; of the dataset
NEW = "energy at large"
BASELINES = ("robust fit alone", "IsolationForest", "LOF", "k-NN distance", "largest force")
Spoilt = tuple[AtomicDataset, NDArray[np.int64]]
Fault = Callable[[AtomicDataset, np.random.Generator], Spoilt]


def _group(dataset: AtomicDataset, rng: np.random.Generator) -> NDArray[np.int64]:
    """The structures of a group that may be spoilt, those with forces and energies."""
    names, sizes = np.unique(dataset.groups, return_counts=True)
    fit = names[(sizes >= SMALLEST) & (sizes <= MOST * dataset.n_structures)]
    return np.flatnonzero((dataset.groups == rng.choice(fit)) & np.isfinite(dataset.energy))


def shifted(by: float, part: float) -> Fault:
    """Energies of a part of a group up or down."""

    def make(dataset: AtomicDataset, rng: np.random.Generator) -> Spoilt:
        group = _group(dataset, rng)
        rows = rng.choice(group, max(1, round(part * len(group))), replace=False)
        energy = dataset.energy.copy()
        energy[rows] += rng.choice([-1, 1]) * by * dataset.sizes[rows]
        return replace(dataset, energy=energy), rows

    return make


def functional(dataset: AtomicDataset, rng: np.random.Generator) -> Spoilt:
    """Another constant for each element, of 0.1 to 0.5 eV."""
    rows, energy = _group(dataset, rng), dataset.energy.copy()
    constant = rng.uniform(0.1, 0.5, 119) * rng.choice([-1, 1], 119)
    energy[rows] += [constant[dataset.structures[row].numbers].sum() for row in rows]
    return replace(dataset, energy=energy), rows


def energy_unit(dataset: AtomicDataset, rng: np.random.Generator) -> Spoilt:
    """Energies in Hartree."""
    rows, energy = _group(dataset, rng), dataset.energy.copy()
    energy[rows] /= Hartree
    return replace(dataset, energy=energy), rows


def force_unit(dataset: AtomicDataset, rng: np.random.Generator) -> Spoilt:
    """Forces in Hartree/bohr; structures without forces are left as they are, and are not counted as spoilt."""
    largest = largest_force(dataset)
    while True:
        group = _group(dataset, rng)
        rows = group[largest[group] > 0.1]
        if len(rows) >= SMALLEST:
            break
    forces = dataset.forces.copy()
    forces[np.isin(dataset.structure_of, rows)] *= Bohr / Hartree
    return replace(dataset, forces=forces), rows


def half_trajectory(dataset: AtomicDataset, rng: np.random.Generator) -> Spoilt:
    """The second half of a group from another calculation."""
    group = _group(dataset, rng)
    rows, energy, forces = group[len(group) // 2 :], dataset.energy.copy(), dataset.forces.copy()
    energy[rows] += rng.choice([-1, 1]) * 0.1 * dataset.sizes[rows]
    forces[np.isin(dataset.structure_of, rows)] *= 1.1
    return replace(dataset, energy=energy, forces=forces), rows


FAULTS: dict[str, Fault] = {
    **{f"{by} eV/atom, {part:.0%}": shifted(by, part) for by in SHIFTS for part in PARTS},
    "another functional": functional,
    "energies in Hartree": energy_unit,
    "forces in Hartree/bohr": force_unit,
    "half a trajectory": half_trajectory,
}


def largest_force(dataset: AtomicDataset) -> NDArray[np.float64]:
    """Of each structure (S,), eV/Å."""
    size = np.nan_to_num(np.linalg.norm(dataset.forces, axis=1))
    return np.asarray(np.maximum.reduceat(size, dataset.offsets[:-1]))


def baselines(dataset: AtomicDataset, mean: NDArray[np.float64], seed: int) -> dict[str, NDArray[np.float64]]:
    """A score (S,) of every structure by general detectors; ``mean`` (S, D) are descriptors."""
    energy, force = dataset.energy / dataset.sizes, largest_force(dataset)
    energy = np.where(np.isfinite(energy), energy, np.nanmedian(energy))
    shares = [np.add.reduceat(dataset.numbers == z, dataset.offsets[:-1]) / dataset.sizes for z in dataset.species]
    features = np.column_stack([*shares, mean])
    rows = StandardScaler().fit_transform(np.column_stack([mean, energy, np.log10(force + 1e-3)]))
    return {
        "robust fit alone": np.abs(left_out(features / (np.abs(features).max(axis=0) + 1e-300), energy).away),
        "IsolationForest": -IsolationForest(random_state=seed).fit(rows).score_samples(rows),
        "LOF": -LocalOutlierFactor(20).fit(rows).negative_outlier_factor_,
        "k-NN distance": NearestNeighbors(n_neighbors=6).fit(rows).kneighbors(rows)[0][:, -1],
        "largest force": force,
    }


def without_families(found: Outliers) -> NDArray[np.float64]:
    """The score (N,) by the signals of each structure alone."""
    return np.asarray(np.max([one.rarity for one in found.signals if one.name != NEW], axis=0) / ALARM)


def opened(name: str, folder: str) -> tuple[AtomicDataset, NDArray[np.bool_]]:
    """The dataset, and which structures (S,) are not known to be wrong already."""
    path = demo_path() if name == "demo" else made_set(name, folder) if name in SETS else Path(name)
    dataset = read_dataset(str(path))
    sound = np.ones(dataset.n_structures, dtype=bool)
    if name == "demo":
        text = (demo_path().parent / "README.md").read_text(encoding="utf-8")
        table = text[text.index("## Planted faults") :].splitlines()
        cells = [line.split("|")[1] for line in table if line.startswith("| ") and line[2].isdigit()]
        sound[[int(number) for cell in cells for number in cell.replace(",", " ").replace("and", " ").split()]] = False
    return dataset, sound


def figures(name: str, folder: str, seeds: int, known: dict[str, Any] | None = None) -> dict[str, Any]:
    """Everything that is measured on one dataset; baselines are those ``known`` of the same draws where given."""
    dataset, sound = opened(name, folder)
    points = unit_columns(compute_descriptors(dataset).values)
    condensed, mean, plain = condense(points), structure_means(points, dataset).descriptors, observe(dataset)
    size = dataset.n_environments
    nobody = Clusters(np.zeros(size, dtype=np.int64), np.array([size]), "one")
    alone = novelty.isolation(points, condensed, dataset)
    scoring.novelty = SimpleNamespace(isolation=lambda *_: alone)  # type: ignore[assignment]  # no label changes it

    def score(spoilt: AtomicDataset, seen: Observed) -> Outliers:
        return score_seen(points, condensed, nobody, spoilt, seen)

    found: dict[str, dict[str, dict[str, list[float]]]] = {}
    for fault, make in FAULTS.items():
        for seed in range(seeds):
            spoilt, rows = make(dataset, np.random.default_rng(seed))
            bad = np.isin(np.arange(dataset.n_structures), rows)
            seen = plain if spoilt.forces is dataset.forces else observe(spoilt)
            ours = score(spoilt, seen)
            by_method = {
                "ours": np.maximum.reduceat(ours.score, dataset.offsets[:-1]),
                "signals alone": np.maximum.reduceat(without_families(ours), dataset.offsets[:-1]),
                **({} if known else baselines(spoilt, mean, seed)),
            }
            counted = sound | bad
            for method, values in by_method.items():
                of = found.setdefault(fault, {}).setdefault(method, {"AUROC": [], "precision": []})
                wrong, these = bad[counted], values[counted]
                first = np.argsort(-these, kind="stable")[: wrong.sum()]
                of["AUROC"].append(float(roc_auc_score(wrong, these)))
                of["precision"].append(float(wrong[first].mean()))
            named = [one for one in ours.off_together if bad[one.members].mean() > 0.5]
            found[fault].setdefault("named", {}).setdefault("as a family", []).append(float(bool(named)))
        for method, of in (known or {}).get("faults", {}).get(fault, {}).items():
            if method in BASELINES:
                found[fault][method] = {name: values[:seeds] for name, values in of.items()}
        line = ", ".join(
            f"{method} {np.mean(of['AUROC']):.3f} / {np.mean(of['precision']):.2f}"
            for method, of in found[fault].items()
            if "AUROC" in of
        )
        print(f"{dataset.name}, {fault}: {line}; named {np.mean(found[fault]['named']['as a family']):.2f}", flush=True)
    plainly = score(dataset, plain)
    raised = {
        "structures": dataset.n_structures,
        "items": len(np.unique(places(plainly, dataset)[plainly.candidates])),
        "signals alone": int((np.maximum.reduceat(without_families(plainly), dataset.offsets[:-1]) >= 1.0).sum()),
        "families": [one.words for one in plainly.off_together],
    }
    print(f"{dataset.name}, as it is: {raised}", flush=True)
    return {"faults": found, "as it is": raised}


def main() -> None:
    """Measure, print, and write the figures beside this script."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", nargs="+", help="files, 'demo', or a made set's name")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--ours", action="store_true", help="measure ours alone; keep the baselines of the last run")
    options = parser.parse_args()
    folder = str(Path(tempfile.gettempdir()) / "meaviz-made-sets")
    for name in options.data:
        path = RESULTS / f"outlier-families-{Path(name).stem}.json"
        known = json.loads(path.read_text()) if options.ours else None
        write_json(path, figures(name, folder, options.seeds, known))


if __name__ == "__main__":
    main()

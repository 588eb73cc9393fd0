"""How many candidates sound datasets raise, how many single faults are found, and where the alarm should lie.

``python benchmarks/outlier_protocol.py demo metal Ta_JCP2014.extxyz`` scores each dataset as it is and with the single
faults of ``benchmarks/outliers.py`` planted, without a trained model, and adds what it finds to
``results/outlier-protocol.json``: the items to judge that are not known to be wrong, the share of planted structures
that are candidates, both along the decades of improbability that raise the alarm; AUROC and precision, which hang on
no alarm. Then it prints them for all sets measured so far, and leaves one dataset out: the least alarm at which all
others together raise at most one item a thousand structures, and what it gives on the one left out. Without names it
only prints.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from outlier_families import opened
from outliers import spoil

from meagraph.datasets import AtomicDataset
from meagraph.descriptors import compute_descriptors
from meagraph.files import write_json
from meagraph.graph.condensation import condense, unit_columns
from meagraph.latent.clustering import Clusters
from meagraph.outliers import ALARM, Outliers, score_outliers
from meagraph.outliers.each import stand_out
from meagraph.outliers.families import off

FILE = Path(__file__).parent / "results" / "outlier-protocol.json"
ALARMS = (4.0, 5.0, 6.0, 7.0, 8.0, 9.0)  # decades
GOAL = 1.0  # items a thousand structures


def scored(dataset: AtomicDataset) -> Outliers:
    """The score without a trained model and without clusters."""
    points = unit_columns(compute_descriptors(dataset).values)
    size = dataset.n_environments
    nobody = Clusters(np.zeros(size, dtype=np.int64), np.array([size]), "one")
    return score_outliers(points, condense(points), nobody, dataset)


def at(alarm: float, found: Outliers, dataset: AtomicDataset) -> tuple[NDArray[np.bool_], int]:
    """Which structures (S,) would be candidates at another ``alarm``, and how many items to judge they are."""
    first = dataset.offsets[:-1]
    together = tuple(one for one in found.off_together if one.label != "each")
    inside = np.isin(np.arange(dataset.n_structures), off(together))
    signals = [(one.name, np.maximum.reduceat(one.rarity, first)) for one in found.signals]
    score = np.max([rarity for _, rarity in signals], axis=0) / alarm
    each = stand_out(score, signals, together, dataset)
    candidate = (score >= 1.0) | inside
    alone = candidate & ~inside & ~np.isin(np.arange(len(score)), off(each))
    return candidate, len(together) + len(each) + int(alone.sum())


def measured(name: str, seeds: int) -> dict[str, Any]:
    """Everything of one dataset."""
    dataset, sound = opened(name, str(Path(tempfile.gettempdir()) / "meaviz-made-sets"))
    found = scored(dataset)
    items = {}
    for alarm in ALARMS:
        candidate, number = at(alarm, found, dataset)
        items[f"{alarm:g}"] = number - int((candidate & ~sound).sum())
    result: dict[str, Any] = {"structures": dataset.n_structures, "items": items, "AUROC": [], "precision": []}
    result["found"] = {f"{alarm:g}": [] for alarm in ALARMS}
    for seed in range(seeds):
        spoilt, kinds = spoil(dataset, seed)
        bad = kinds != ""
        found, counted = scored(spoilt), sound | bad
        score = np.maximum.reduceat(found.score, spoilt.offsets[:-1])[counted]
        wrong = bad[counted]
        result["AUROC"].append(float(roc_auc_score(wrong, score)))
        result["precision"].append(float(wrong[np.argsort(-score, kind="stable")[: wrong.sum()]].mean()))
        for alarm in ALARMS:
            result["found"][f"{alarm:g}"].append(float(at(alarm, found, spoilt)[0][bad].mean()))
    return result


def rate(sets: list[dict[str, Any]], alarm: float) -> float:
    """Items a thousand structures of all ``sets`` together."""
    return 1000.0 * sum(one["items"][f"{alarm:g}"] for one in sets) / sum(one["structures"] for one in sets)


def report(everything: dict[str, dict[str, Any]]) -> None:
    """Print the tables."""
    head = " | ".join(f"{alarm:g}" for alarm in ALARMS)
    print(f"| dataset | structures | AUROC | precision | items at an alarm of {head} |")
    for name, one in everything.items():
        cells = " | ".join(f"{one['items'][f'{a:g}']} ({np.mean(one['found'][f'{a:g}']):.2f})" for a in ALARMS)
        figures = f"{np.mean(one['AUROC']):.3f} | {np.mean(one['precision']):.2f}"
        print(f"| {name} | {one['structures']:,} | {figures} | {cells} |")
    print(f"\n| left out | alarm by the others | items a thousand there | found there | by {ALARM:g} |")
    for name, one in everything.items():
        others = [other for key, other in everything.items() if key != name]
        fit = [alarm for alarm in ALARMS if others and rate(others, alarm) <= GOAL] or [ALARMS[-1]]
        chosen, usual = fit[0], f"{ALARM:g}"
        share = np.mean(one["found"][f"{chosen:g}"])
        default = f"{rate([one], ALARM):.2f}, {np.mean(one['found'][usual]):.2f}"
        print(f"| {name} | {chosen:g} | {rate([one], chosen):.2f} | {share:.2f} | {default} |")


def main() -> None:
    """Measure what is named, print all."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", nargs="*", help="files, 'demo', or a made set's name")
    parser.add_argument("--seeds", type=int, default=2)
    options = parser.parse_args()
    for name in options.data:
        one = measured(name, options.seeds)
        everything = json.loads(FILE.read_text()) if FILE.exists() else {}
        write_json(FILE, {**everything, Path(name).stem: one})
        print(f"{Path(name).stem}: {one}", flush=True)
    report(json.loads(FILE.read_text()))


if __name__ == "__main__":
    main()

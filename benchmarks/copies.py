"""Do clusters stay what they are when a dataset is there ten times, exactly or nearly?

``python benchmarks/copies.py [--set demo ta] [--copies 10] [--noise 0.01] [--seeds 0]``. A set of
``benchmarks/clusters.py`` is clustered by the defaults at the level that is shown first: once, as so many exact copies,
and as so many copies in which every coordinate is moved by a normal random number (standard deviation in Å). The steps
up to the clusters are those of the library, descriptors anew for each. Figures: clusters, and the adjusted Rand index
between the labels of the one dataset and those of all its copies, and of the first copy alone. They go to
``results/copies.json`` after each seed.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from clusters import SETS, latent_of, space_of
from numpy.typing import NDArray
from sklearn.metrics import adjusted_rand_score

import meagraph as mg
from meagraph.files import write_json
from meagraph.model import agreement as networks
from meagraph.pipeline.describing import describe_for
from meagraph.pipeline.learning import condense_for

RESULTS = Path(__file__).parent / "results" / "copies.json"


def labels_of(dataset: mg.AtomicDataset, seed: int) -> NDArray[np.integer]:
    """The cluster of each environment (N,), as a user sees it first; nothing comes from the cache."""
    config = mg.PipelineConfig(seed=seed)
    descriptors = describe_for(dataset, config, None, cache=False)
    condensed = condense_for(dataset, descriptors, config, cache=False)
    latent = latent_of(descriptors, condensed, config, networks.STEPS)
    return space_of(latent, condensed, config).clusters.labels


def copies_of(dataset: mg.AtomicDataset, copies: int, noise: float, seed: int) -> mg.AtomicDataset:
    """The structures ``copies`` times, one whole dataset after the other, every coordinate moved by ``noise`` Å."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(copies):
        for structure in dataset.structures:
            atoms = structure.copy()
            atoms.positions = atoms.positions + rng.normal(scale=noise, size=(len(atoms), 3))
            found.append(atoms)
    return mg.from_atoms(found, allow_unlabelled=True)


def compared(once: NDArray[np.integer], copied: NDArray[np.integer], copies: int) -> dict[str, float]:
    """How the labels (copies x N,) agree with those (N,) of the dataset itself."""
    return {
        "clusters": int(copied.max()) + 1,
        "ari": float(adjusted_rand_score(np.tile(once, copies), copied)),
        "ari_of_the_first_copy": float(adjusted_rand_score(once, copied[: len(once)])),
    }


def measure(name: str, copies: int, noise: float, seed: int) -> dict[str, Any]:
    """All figures of one set and seed."""
    began = time.perf_counter()
    dataset = SETS[name](seed).dataset
    once = labels_of(dataset, seed)
    found: dict[str, Any] = {
        "set": name,
        "seed": seed,
        "copies": copies,
        "noise": noise,
        "environments": len(once),
        "clusters": int(once.max()) + 1,
    }
    for kind, moved in (("exact", 0.0), ("moved", noise)):
        found[kind] = compared(once, labels_of(copies_of(dataset, copies, moved, seed), seed), copies)
        print(name, seed, kind, found["clusters"], found[kind], flush=True)
    return found | {"seconds": round(time.perf_counter() - began, 1)}


def main() -> None:
    """Measure, write and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--set", nargs="+", choices=tuple(SETS), default=["demo", "ta"])
    parser.add_argument("--copies", type=int, default=10)
    parser.add_argument("--noise", type=float, default=0.01, help="Å, standard deviation of each coordinate")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--write", type=Path, default=RESULTS, help="file of the figures (default: %(default)s)")
    options = parser.parse_args()
    kept = ("set", "seed", "copies", "noise")
    known = json.loads(options.write.read_text()) if options.write.is_file() else []
    records = {tuple(one[key] for key in kept): one for one in known}
    for name in options.set:
        for seed in options.seeds:
            record = measure(name, options.copies, options.noise, seed)
            records[tuple(record[key] for key in kept)] = record
            write_json(options.write, list(records.values()))
    print("| set | seed | clusters | exact copies: clusters | adjusted Rand | moved: clusters | adjusted Rand |")
    print("| --- |" + " ---: |" * 6)
    for one in records.values():
        exact, moved = one["exact"], one["moved"]
        print(
            f"| {one['set']} | {one['seed']} | {one['clusters']} | {exact['clusters']} | {exact['ari']:.2f} | "
            f"{moved['clusters']} | {moved['ari']:.2f} |"
        )


if __name__ == "__main__":
    main()

"""How time and memory grow: 10^4, 10^5, 10^6 environments from an extended XYZ file on disk to clusters and map.

``python benchmarks/scaling.py Nb_bcc2020.extxyz [--sizes 10000 100000 1000000] [--copies 10]``. The files are made of
the given dataset: its structures in turn, every atom displaced at random (0.03 Å a coordinate), so that no two
environments are equal. Each size runs in a process of its own without any cached result; making the file is not
counted. With ``--copies`` each file holds everything so many times: what must cost the reading only.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import resource
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

import ase.io
import numpy as np

from meagraph.datasets import read_dataset
from meagraph.files import write_json

DISPLACEMENT = 0.03  # Å
RESULTS = Path(__file__).parent / "results"
# the message that begins each stage, in their order
STAGES = {
    "read": "",
    "descriptors": "descriptors",
    "condense": "representatives",
    "import": "loading",
    "train": "epoch",
    "graph": "similarity graph",
    "clusters": "clusters",
    "map": "map (UMAP)",
    "outliers": "outliers",
    "ranking": "ranking",
}


def make_file(source: str, size: int, target: Path) -> None:
    """Write at least ``size`` environments."""
    dataset = read_dataset(source)
    rng = np.random.default_rng(0)
    written = 0
    with open(target, "w", encoding="utf-8") as stream:
        while written < size:
            for structure in dataset.structures:
                atoms = structure.copy()
                atoms.calc = structure.calc
                atoms.positions = atoms.positions + rng.normal(scale=DISPLACEMENT, size=(len(atoms), 3))
                ase.io.write(stream, atoms, format="extxyz")
                written += len(atoms)
                if written >= size:
                    break


def measure(path: str) -> None:
    """Run everything up to the map in this process, and print the seconds of every stage as JSON."""
    began: dict[str, float] = {"read": time.perf_counter()}

    def progress(done: int, total: int, message: str) -> None:
        for stage, mark in STAGES.items():
            if mark and mark in message and stage not in began:
                began[stage] = time.perf_counter()

    from meagraph.pipeline.run import run

    result = run(path, cache=False, progress=progress)
    end = time.perf_counter()
    times = sorted(began.items(), key=lambda item: item[1])
    seconds = {stage: after - at for (stage, at), (_, after) in pairwise([*times, ("end", end)])}
    figures = {
        "environments": result.dataset.n_environments,
        "structures": result.dataset.n_structures,
        "representatives": result.learned.condensed.size,
        "epsilon_of_diameter": result.learned.condensed.epsilon / result.learned.condensed.diameter,
        "clusters": result.survey.clusters.n_clusters,
        "seconds": {stage: round(value, 2) for stage, value in seconds.items()},
        "total_seconds": round(end - began["read"], 1),
        "peak_memory_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 2),
    }
    print(json.dumps(figures))


def main() -> None:
    """Measure and print; write the figures beside this script."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data")
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--copies", type=int, default=1, help="of everything in a file (default: %(default)s)")
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        measure(options.data)
        return
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for size in options.sizes:
            file = Path(folder) / f"{size}.extxyz"
            make_file(options.data, size, file)
            once = file.read_bytes()
            with open(file, "ab") as stream:
                for _ in range(options.copies - 1):
                    stream.write(once)
            done = subprocess.run(
                [sys.executable, __file__, str(file), "--measure"],
                stdout=subprocess.PIPE,
                check=True,
                text=True,
                env={**os.environ, "MEAVIZ_CACHE": str(Path(folder) / "cache")},
            )
            found.append(json.loads(done.stdout.splitlines()[-1]))
            print(found[-1], flush=True)
            file.unlink()
    print("| environments | " + " | ".join(STAGES) + " | total / s | peak memory / GB |")
    for row in found:
        stages = " | ".join(f"{row['seconds'].get(stage, 0.0):.1f}" for stage in STAGES)
        print(f"| {row['environments']:,} | {stages} | {row['total_seconds']} | {row['peak_memory_gb']} |")
    for one, two in pairwise(found):
        growth = math.log(two["total_seconds"] / one["total_seconds"]) / math.log(
            two["environments"] / one["environments"]
        )
        print(f"growth exponent from {one['environments']:,} to {two['environments']:,}: {growth:.2f}")
    name = "scaling" if options.copies == 1 else f"copies-{options.copies}"
    write_json(RESULTS / f"{name}.json", found)


if __name__ == "__main__":
    main()

"""How fast extended XYZ is read: this reader beside ASE's, and beside that of another checkout.

``python benchmarks/reading.py DATA ... [--before CHECKOUT]`` reads each file in processes of their own, one core,
median of ``--runs``; figures are environments a second of processor time, and ratios in the same run.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve()
RESULTS = HERE.parent / "results"
OURS = """
import sys, time
from meagraph.datasets import read_dataset
begun = time.process_time()
dataset = read_dataset(sys.argv[1])
print(dataset.n_environments, time.process_time() - begun)
"""
FRAMES = """
import sys, time
from meagraph.datasets.frames import read_frames
text = open(sys.argv[1], "rb").read()
begun = time.process_time()
count = sum(len(atoms) for _, atoms in read_frames(text, path=sys.argv[1], max_atoms=10**6))
print(count, time.process_time() - begun)
"""
ASE = """
import sys, time
from ase.io.extxyz import read_xyz
begun = time.process_time()
count = sum(len(atoms) for atoms in read_xyz(open(sys.argv[1]), slice(None)))
print(count, time.process_time() - begun)
"""


def rate(code: str, file: str, root: Path, runs: int) -> float:
    """Environments a second of processor time, median of ``runs`` processes."""
    single = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    found = []
    for _ in range(runs):
        command = [sys.executable, "-W", "ignore", "-c", code, file]
        environment = {**os.environ, **single, "PYTHONPATH": str(root)}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        count, seconds = done.stdout.split()
        found.append(int(count) / float(seconds))
    return statistics.median(found)


def main() -> None:
    """Measure, print, and write the figures beside this script."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", nargs="+", help="files of extended XYZ")
    parser.add_argument("--before", type=Path, help="another checkout, to compare with")
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    sys.path.insert(0, str(HERE.parent.parent))
    from meagraph.files import write_json

    result: dict[str, object] = {"machine": f"{platform.machine()}, {os.cpu_count()} cores"}
    for path in options.data:
        file = str(Path(path).resolve())
        rates = {
            "frames": rate(FRAMES, file, HERE.parent.parent, options.runs),
            "dataset": rate(OURS, file, HERE.parent.parent, options.runs),
            "ase": rate(ASE, file, HERE.parent.parent, options.runs),
        }
        if options.before:
            rates["dataset before"] = rate(OURS, file, options.before.resolve(), options.runs)
        entry: dict[str, float] = {name: round(value) for name, value in rates.items()}
        entry["frames over ase"] = round(rates["frames"] / rates["ase"], 2)
        if options.before:
            entry["dataset over before"] = round(rates["dataset"] / rates["dataset before"], 2)
        result[Path(path).stem] = entry
        print(Path(path).stem, json.dumps(entry), flush=True)
    write_json(RESULTS / "reading.json", result)


if __name__ == "__main__":
    main()

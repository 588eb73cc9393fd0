"""How time and memory grow: 10^4, 10^5, 10^6 environments from an extended XYZ file on disk to clusters and map.

``python benchmarks/scaling.py Nb_bcc2020.extxyz [--sizes 10000 100000 1000000] [--copies 10] [--before CHECKOUT]
[--files FOLDER]``. The files are made of the given dataset: its structures in turn, every atom displaced at random
(0.03 Å a coordinate), so that no two environments are equal. Each size runs in a process of its own without any cached
result; making the file is not counted. With ``--copies`` each file holds everything so many times: what must cost the
reading only. With ``--before`` another checkout of the project runs each size first, on the same file. Beside the
seconds stand those of the processors, which other work on the machine hardly changes. Files in FOLDER stay there and
serve again.
"""

from __future__ import annotations

import argparse
import io
import itertools
import json
import math
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import ase.io
import numpy as np
from ase import Atoms
from numpy.typing import NDArray
from used import processor_seconds

from meagraph.datasets import read_dataset
from meagraph.files import write_json

DISPLACEMENT = 0.03  # Å
RESULTS = Path(__file__).parent / "results"
# the message that begins each stage, in their order
STAGES = {
    "read": "",
    "descriptors": "descriptors",
    "condense": "representatives$",
    "import": "^loading",
    "agreement": "^agreement",
    "train": "^epoch",
    "graph": "^similarity graph",
    "clusters": "^clusters",
    "map": r"^map \(UMAP\)",
    "outliers": "^outliers",
    "ranking": "^ranking",
    "shares": "^quick force field",
}
AFTER_MAP = ("outliers", "ranking", "shares")


class Moment(NamedTuple):
    """What a process has used up to now."""

    wall: float  # s
    processor: float  # s, of its children too
    peak: float  # GB

    @staticmethod
    def now() -> Moment:
        """The present."""
        peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        return Moment(time.perf_counter(), processor_seconds(), peak / 1e6)


def make_file(source: str, size: int, target: Path, copies: int) -> None:
    """Write at least ``size`` environments, ``copies`` times."""
    dataset = read_dataset(source)
    rng = np.random.default_rng(0)
    frames = [_as_written(atoms) for atoms in dataset.structures]
    written = 0
    with open(target, "w", encoding="utf-8") as stream:
        for head, lines, positions in itertools.cycle(frames):
            moved = positions + rng.normal(scale=DISPLACEMENT, size=positions.shape)
            stream.write(head + lines % tuple(moved.ravel().tolist()))
            written += len(positions)
            if written >= size:
                break
    once = target.read_bytes() if copies > 1 else b""
    with open(target, "ab") as more:
        for _ in range(copies - 1):
            more.write(once)


def _as_written(atoms: Atoms) -> tuple[str, str, NDArray[np.float64]]:
    """What ASE writes of a structure before its atoms, its atoms with places for their positions, and these."""
    text = io.StringIO()
    ase.io.write(text, atoms, format="extxyz")
    count, comment, *rows = text.getvalue().splitlines()
    lines = (re.sub(r"^(\S+\s*?)( +-?[\d.]+){3}(?= |$)", r"\1 %16.8f %16.8f %16.8f", row) for row in rows)
    return f"{count}\n{comment}\n", "".join(f"{line}\n" for line in lines), atoms.positions


def measure(path: str) -> None:
    """Run everything up to the plan in this process, and print what every stage took as JSON."""
    began: dict[str, Moment] = {"read": Moment.now()}

    def progress(done: int, total: int, message: str) -> None:
        for stage, mark in STAGES.items():
            if mark and stage not in began and re.search(mark, message):
                began[stage] = Moment.now()

    try:
        from meagraph.pipeline.run import run
    except ModuleNotFoundError:  # in ad9ef98 the pipeline is a file
        from meagraph.pipeline import run

    result = run(path, cache=False, progress=progress)
    end = Moment.now()
    stages = pairwise([*sorted(began.items(), key=lambda item: item[1]), ("end", end)])
    used = {
        stage: (after.wall - at.wall, after.processor - at.processor, after.peak) for (stage, at), (_, after) in stages
    }
    walls, processors = ([value[at] for stage, value in used.items() if stage not in AFTER_MAP] for at in (0, 1))
    figures = {
        "environments": result.dataset.n_environments,
        "structures": result.dataset.n_structures,
        "representatives": result.learned.condensed.size,
        "epsilon_of_diameter": result.learned.condensed.epsilon / result.learned.condensed.diameter,
        "clusters": result.survey.clusters.n_clusters,
        "seconds": {stage: round(value[0], 2) for stage, value in used.items()},
        "processor_seconds": {stage: round(value[1], 2) for stage, value in used.items()},
        "peak_gb_so_far": {stage: round(value[2], 2) for stage, value in used.items()},
        "seconds_to_map": round(sum(walls), 1),
        "processor_seconds_to_map": round(sum(processors), 1),
        "total_seconds": round(end.wall - began["read"].wall, 1),
        "total_processor_seconds": round(end.processor - began["read"].processor, 1),
        "peak_memory_gb": round(end.peak, 2),
    }
    print(json.dumps(figures))


def measured(file: Path, checkout: Path | None) -> dict[str, Any]:
    """The figures of a file, by this code or another checkout's."""
    with tempfile.TemporaryDirectory() as cache:
        environment = {**os.environ, "MEAVIZ_CACHE": cache}
        if checkout is not None:
            environment["PYTHONPATH"] = str(checkout)
        done = subprocess.run(
            [sys.executable, __file__, str(file), "--measure"],
            stdout=subprocess.PIPE,
            check=True,
            text=True,
            env=environment,
        )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return {"code": "now" if checkout is None else "before", **found}


def table(found: list[dict[str, Any]]) -> str:
    """A row a run: wall seconds, and processor seconds in brackets."""
    lines = [
        f"| environments | code | {' | '.join(STAGES)} | to the map / s | total / s | peak memory / GB | clusters |",
        f"| ---: | --- | {' | '.join(['---:'] * (len(STAGES) + 4))} |",
    ]
    for row in found:
        both = [(row["seconds"].get(stage, 0.0), row["processor_seconds"].get(stage, 0.0)) for stage in STAGES]
        both += [
            (row["seconds_to_map"], row["processor_seconds_to_map"]),
            (row["total_seconds"], row["total_processor_seconds"]),
        ]
        cells = [f"{wall:.1f} ({processor:.1f})" if wall else "" for wall, processor in both]
        ends = (f"{row['environments']:,}", row["code"], *cells, f"{row['peak_memory_gb']}", f"{row['clusters']}")
        lines.append(f"| {' | '.join(ends)} |")
    return "\n".join(lines)


def main() -> None:
    """Measure and print; write the figures beside this script."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data")
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--copies", type=int, default=1, help="of everything in a file (default: %(default)s)")
    parser.add_argument("--before", type=Path, metavar="CHECKOUT", help="another checkout of the project")
    parser.add_argument("--files", type=Path, metavar="FOLDER", help="where the files are kept")
    parser.add_argument("--write", type=Path, help="file of the figures (default: in results)")
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        measure(options.data)
        return
    name = "scaling" if options.copies == 1 else f"copies-{options.copies}"
    found: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.files or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        for size in options.sizes:
            file = folder / f"{Path(options.data).stem}-{size}-{options.copies}.extxyz"
            if not file.is_file():
                made = file.with_suffix(".part")
                make_file(options.data, size, made, options.copies)
                made.rename(file)
            for checkout in dict.fromkeys([options.before, None]):
                found.append(measured(file, checkout))
                print(found[-1], flush=True)
                write_json(options.write or RESULTS / f"{name}.json", found)
    print(table(found))
    now = [row for row in found if row["code"] == "now"]
    for one, two in pairwise(now):
        growth = math.log(two["total_processor_seconds"] / one["total_processor_seconds"]) / math.log(
            two["environments"] / one["environments"]
        )
        print(f"growth exponent from {one['environments']:,} to {two['environments']:,}: {growth:.2f}")


if __name__ == "__main__":
    main()

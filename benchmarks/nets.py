"""One farthest-first traversal against nets of chunks that are merged: how far representatives reach, and seconds.

``python benchmarks/nets.py FILE ... [--budgets 2000 20000] [--chunks 4 16]``: the descriptors of each dataset
condensed in one go and by so many chunks. Epsilon is the largest distance of an environment to its representative,
mean that of all, both over the diameter. Descriptors come from the cache where they are there.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np

from meagraph.descriptors import DescriptorConfig
from meagraph.files import write_json
from meagraph.graph import nets
from meagraph.graph.condensation import condense, scaled_rows
from meagraph.pipeline.describing import describe
from meagraph.pipeline.opening import open_data

RESULTS = Path(__file__).parent / "results"
WHOLE = nets.ROWS


def main() -> None:
    """Measure, print, and write the figures beside this script."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", nargs="+")
    parser.add_argument("--budgets", type=int, nargs="+", default=[2000, 20_000])
    parser.add_argument("--chunks", type=int, nargs="+", default=[4, 16])
    parser.add_argument("--write", type=Path, default=RESULTS / "nets.json")
    options = parser.parse_args()
    found: list[dict[str, Any]] = []
    for path in options.data:
        points = scaled_rows(describe(open_data(path), DescriptorConfig(), context=True).own)
        for budget in options.budgets:
            for chunks in (1, *options.chunks):
                nets.ROWS = WHOLE if chunks == 1 else -(-len(points) // chunks)
                began = time.process_time()
                net = condense(points, budget=budget)
                found.append(
                    {"data": Path(path).stem, "environments": len(points), "budget": budget, "chunks": chunks}
                    | {"representatives": net.size, "epsilon": float(f"{net.distance.max() / net.diameter:.4g}")}
                    | {"mean": float(f"{np.mean(net.distance) / net.diameter:.4g}"), "diameter": net.diameter}
                    | {"processor_seconds": round(time.process_time() - began, 1)}
                )
                print(found[-1], flush=True)
                write_json(options.write, found)


if __name__ == "__main__":
    main()

"""What the stability curve of the pooling rate costs at 20,000 representatives, and how fast it then answers.

``python benchmarks/stability.py Nb_bcc2020.extxyz``. The dataset is condensed to its 20,000 most different
environments and a model is trained as by default; then the curve is computed without any cached result, and read again
from the cache, as when the rate is moved: the file, and the label of every environment.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from meagraph.datasets import read_dataset
from meagraph.files import write_json
from meagraph.pipeline.analysis import look_along_rates
from meagraph.pipeline.config import PipelineConfig
from meagraph.pipeline.describing import describe
from meagraph.pipeline.learning import learn

RESULTS = Path(__file__).parent / "results"


def main() -> None:
    """Measure and print; write the figures beside this script."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data")
    options = parser.parse_args()
    config = PipelineConfig()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["MEAVIZ_CACHE"] = folder
        dataset = read_dataset(options.data)
        learned = learn(dataset, describe(dataset, config.descriptors), config)
        began = time.perf_counter()
        curve = look_along_rates(learned, config)
        computed = time.perf_counter() - began
        answers = []
        for rate in (0.11, 0.3, 0.5, 0.72, 0.93):
            began = time.perf_counter()
            look_along_rates(learned, config).at(rate, learned.condensed)
            answers.append(1000 * (time.perf_counter() - began))
    figures = {
        "dataset": dataset.name,
        "environments": dataset.n_environments,
        "representatives": learned.condensed.size,
        "rates": len(curve.values),
        "compute_seconds": round(computed, 1),
        "answer_milliseconds": [round(value, 1) for value in answers],
        "peak_memory_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 2),
        "plateau": curve.plateau,
        "curve": {
            name: [round(float(value), 4) for value in getattr(curve, name)]
            for name in ("values", "clusters", "alone", "largest", "agreement")
        },
    }
    print({name: value for name, value in figures.items() if name != "curve"})
    print(f"| {dataset.name} | {learned.condensed.size:,} | {computed:.0f} | {statistics.median(answers):.0f} |")
    write_json(RESULTS / f"stability-{dataset.name}.json", figures)


if __name__ == "__main__":
    main()

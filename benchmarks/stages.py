"""A dataset too large for one go: each stage in a process of its own, through the cache, with what it took.

``python benchmarks/stages.py FILE --cache FOLDER [--limit 12] [--representatives 20000] [--stages read learn ...]``.
Stages that are done come from the cache, so that a failure costs one stage. Each process may hold ``--limit`` GB of
memory of its own; maps of files do not count there, and stand apart in the figures: their pages are the system's to
take back. Processor seconds are those of the process and its children; ``children_gb`` is what these hold together.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from used import children_gb, processor_seconds

from meagraph.files import read_json, write_json
from meagraph.pipeline.analysis import Analysis, look, recall_analysis
from meagraph.pipeline.config import PipelineConfig
from meagraph.pipeline.describing import describe_for
from meagraph.pipeline.learning import condense_for, learn
from meagraph.pipeline.opening import open_data
from meagraph.pipeline.phasing import phases
from meagraph.pipeline.planning import export, prune
from meagraph.progress import Progress

RESULTS = Path(__file__).parent / "results"
LOOK_EVERY = 0.2  # s, between two looks at the memory
PARTS = {  # what begins within a stage, by the beginning of its message
    "representatives beside": "assign",
    "chunks assigned": "assign",
    "chunks with": "nets",
    "loading PyTorch": "import",
    "agreement": "agreement",
    "epoch": "train",
    "similarity graph": "graph",
    "environments among": "nearest drawn",
    "clusters": "clusters",
    "map (UMAP)": "map",
    "outliers: quick": "outliers: quick field",
    "outliers: ": "outliers: signals",
    "ranking": "ranking",
    "shares": "shares",
}


class Watched:
    """What a process uses while parts of its work follow each other."""

    def __init__(self) -> None:
        self.parts: dict[str, dict[str, float]] = {}
        self.name = "begin"
        self.began = (time.perf_counter(), processor_seconds())
        self.peak = {"own": 0.0, "maps": 0.0, "all": 0.0, "children": 0.0}
        self.largest = dict(self.peak)
        self.ends = threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.thread.start()

    def _watch(self) -> None:
        while not self.ends.wait(LOOK_EVERY):
            self._look()

    def _look(self) -> None:
        text = Path("/proc/self/status").read_text().splitlines()
        found = {line.split(":")[0]: int(line.split()[1]) / 1e6 for line in text if line.startswith("Rss")}
        now = {"own": found["RssAnon"], "maps": found["RssFile"] + found["RssShmem"]}
        now["all"] = now["own"] + now["maps"]
        now["children"] = children_gb()
        for name, value in now.items():
            self.peak[name] = max(self.peak[name], value)
            self.largest[name] = max(self.largest[name], value)

    def told(self, done: int, total: int, message: str) -> None:
        """A report of progress: the next part may begin."""
        part = next((name for begin, name in PARTS.items() if message.startswith(begin)), None)
        if part is not None and part != self.name:
            self.next(part)

    def next(self, name: str) -> None:
        """The part ``name`` begins."""
        self._look()
        now = (time.perf_counter(), processor_seconds())
        before = self.parts.setdefault(self.name, {"seconds": 0.0, "processor": 0.0, "own_gb": 0.0, "all_gb": 0.0})
        before["seconds"] = round(before["seconds"] + now[0] - self.began[0], 1)
        before["processor"] = round(before["processor"] + now[1] - self.began[1], 1)
        before["own_gb"] = round(max(before["own_gb"], self.peak["own"]), 2)
        before["all_gb"] = round(max(before["all_gb"], self.peak["all"]), 2)
        print(time.strftime("%H:%M:%S"), self.name, before, flush=True, file=sys.stderr)
        self.name, self.began, self.peak = name, now, dict.fromkeys(self.peak, 0.0)


@contextmanager
def watched() -> Iterator[tuple[Watched, dict[str, Any]]]:
    """Figures of what is done within."""
    began = (time.perf_counter(), processor_seconds())
    watch, figures = Watched(), dict[str, Any]()
    yield watch, figures
    watch.next("end")
    watch.ends.set()
    watch.thread.join()
    figures |= {
        "seconds": round(time.perf_counter() - began[0], 1),
        "processor": round(processor_seconds() - began[1], 1),
        **{f"{name}_gb": round(value, 2) for name, value in watch.largest.items()},
        "parts": watch.parts,
    }


def stage(name: str, path: str, config: PipelineConfig) -> dict[str, Any]:
    """Do one stage; the ones before must be done."""
    with watched() as (watch, figures):
        progress: Progress = watch.told
        dataset = open_data(path, progress=progress)
        watch.next(name if name != "export" else "recall")
        figures |= {"environments": dataset.n_environments, "structures": dataset.n_structures}
        steps: dict[str, Callable[[], dict[str, Any]]] = {
            "read": dict,
            "again": lambda: _again(dataset, config),
            "describe": lambda: {"columns": describe_for(dataset, config, None, progress=progress).values.shape[1]},
            "condense": lambda: _condense(dataset, config, progress),
            "learn": lambda: _learn(dataset, config, progress),
            "look": lambda: _look(dataset, config, progress),
            "phases": lambda: {"phases": len(np.unique(phases(dataset, progress=progress).phase))},
            "export": lambda: _export(dataset, config, watch),
        }
        figures |= steps[name]()
    return figures


def _condense(dataset: Any, config: PipelineConfig, progress: Progress) -> dict[str, Any]:
    found = condense_for(dataset, describe_for(dataset, config, None), config, progress=progress)
    return {"representatives": found.size, "epsilon": found.epsilon / found.diameter}


def _learn(dataset: Any, config: PipelineConfig, progress: Progress) -> dict[str, Any]:
    learned = learn(dataset, describe_for(dataset, config, None), config, progress=progress)
    return {"epochs": len(learned.history)}


def _analysis(dataset: Any, config: PipelineConfig, progress: Progress) -> Analysis:
    descriptors = describe_for(dataset, config, None)
    learned = learn(dataset, descriptors, config)
    return Analysis(dataset, descriptors, learned, look(dataset, learned, config, progress=progress))


def _look(dataset: Any, config: PipelineConfig, progress: Progress) -> dict[str, Any]:
    found = _analysis(dataset, config, progress).survey
    return {"clusters": found.clusters.n_clusters, "candidates": len(found.outliers.candidates)}


def _export(dataset: Any, config: PipelineConfig, watch: Watched) -> dict[str, Any]:
    found = recall_analysis(dataset, config)
    if found is None:
        raise SystemExit("The stages before are not in the cache.")
    plan = prune(found, progress=watch.told)
    watch.next("export")
    with tempfile.TemporaryDirectory(dir=os.environ["MEAVIZ_CACHE"]) as folder:
        files = export(found, plan, folder)
        return {"kept": plan.n_structures, "bytes": files.structures.stat().st_size}


def _again(dataset: Any, config: PipelineConfig) -> dict[str, Any]:
    began = (time.perf_counter(), processor_seconds())
    found = recall_analysis(dataset, config)
    took = (time.perf_counter() - began[0], processor_seconds() - began[1])
    return {"there": found is not None, "recalled_seconds": round(took[0], 2), "recalled_processor": round(took[1], 2)}


STAGES = ("read", "describe", "condense", "learn", "look", "phases", "export", "again")


def main() -> None:
    """Run the stages one after the other; print and keep what each took."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data")
    parser.add_argument("--cache", required=True, metavar="FOLDER", help="in which stages leave what they made")
    parser.add_argument("--limit", type=float, default=12.0, metavar="GB", help="of memory of each process")
    parser.add_argument("--representatives", type=int, default=PipelineConfig().budget)
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=list(STAGES))
    parser.add_argument("--write", type=Path, help="file of the figures (default: in results)")
    parser.add_argument("--one", choices=STAGES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    config = replace(PipelineConfig(), budget=options.representatives)
    if options.one:
        most = int(options.limit * 1e9)
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))
        print(json.dumps(stage(options.one, options.data, config)))
        return
    target = options.write or RESULTS / f"stages-{Path(options.data).stem}-{options.representatives}.json"
    found: dict[str, Any] = read_json(target) if target.is_file() else {}
    environment = {**os.environ, "MEAVIZ_CACHE": options.cache}
    common = ["--cache", options.cache, "--limit", str(options.limit)]
    for name in options.stages:
        command = [sys.executable, __file__, options.data, *common, "--one", name]
        command += ["--representatives", str(options.representatives)]
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True, env=environment)
        found[name] = json.loads(done.stdout.splitlines()[-1])
        print(name, found[name], flush=True)
        write_json(target, found)


if __name__ == "__main__":
    main()

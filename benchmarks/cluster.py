"""Chunks as tasks of a Dask cluster on this machine: how much two workers gain on one, and what killed workers cost.

``python benchmarks/cluster.py speed FILE [--workers 1 2]``: describing and condensing by so many workers, each time
into an empty cache, with the dataset read before; the workers have loaded and compiled what they need, which is told
apart. Memory is that of each worker at its highest. ``python benchmarks/cluster.py outliers FILE [--workers 0 1 2]``:
outlier scores, pairs of atoms before, in processor seconds of the command and of its workers, which a busy machine
hardly changes. ``python benchmarks/cluster.py kills FILE [--kills 20] [--every 6]``: describe, condense, look at all
pairs and score, run after run into an empty cache, while one of two workers, at work or still starting, is killed at
random moments, every 6 seconds in the mean, until so many are dead; what comes out must equal what one process makes
without them to the last bit. ``python benchmarks/cluster.py deadly``: one of 40 chunks
kills every worker that takes it; it alone must be named. Seconds of a busy machine tell little; ratios of one run do.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import signal
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

from meagraph.datasets import AtomicDataset
from meagraph.descriptors import filling
from meagraph.errors import MEAGraphError
from meagraph.files import write_json
from meagraph.force_field import observing
from meagraph.force_field.observing import Observed, observe
from meagraph.graph import distinct, nets
from meagraph.graph.condensation import Condensed, Points, scaled_rows
from meagraph.latent.clustering import Clusters
from meagraph.outliers import alike, means
from meagraph.outliers.scoring import score_seen
from meagraph.pipeline.config import PipelineConfig
from meagraph.pipeline.describing import describe
from meagraph.pipeline.learning import condense_for
from meagraph.pipeline.opening import open_data
from meagraph.progress import Progress, silent
from meagraph.workers import HERE, ChunkError, Workers, map_chunks
from meagraph.workers.clients import connected, workers_of

RESULTS = Path(__file__).parent / "results"
CONFIG = PipelineConfig()
DEADLY = 20  # the chunk that kills
SMALL = (  # chunks of a small dataset, so that there are many at every stage
    (filling, "CHUNK", 64),
    (filling, "TOGETHER", 1),
    (observing, "CHUNK", 64),
    (observing, "REPORT", 64),
    (distinct, "CHUNK", 200),
    (nets, "ROWS", 200),
    (means, "CHUNK", 200),
    (alike, "CHUNK", 16),
)


def peak() -> float:
    """GB of this process at its highest."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def stages(
    dataset: AtomicDataset, crew: Workers, *, pairs: bool, progress: Progress = silent
) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """What the stages give and the seconds that they take."""
    taken, began = {}, time.perf_counter()
    descriptors = describe(dataset, CONFIG.descriptors, context=True, workers=crew, progress=progress)
    taken["describe"] = time.perf_counter() - began
    began = time.perf_counter()
    condensed = condense_for(dataset, descriptors, CONFIG, workers=crew, progress=progress)
    taken["condense"] = time.perf_counter() - began
    found = {
        "descriptors": np.array(descriptors.values),
        "representatives": condensed.representatives,
        "assignment": condensed.assignment,
        "distance": condensed.distance,
    }
    if pairs:
        began = time.perf_counter()
        with crew.within("survey", {"of": "a benchmark", "at": began}) as here:
            seen = observe(dataset, workers=here, progress=progress)
        taken["pairs"] = time.perf_counter() - began
        found |= {"nearest": seen.nearest, "forces": seen.forces, "features": seen.features}
        began = time.perf_counter()
        found |= scores(dataset, scaled_rows(descriptors.own), condensed, seen, crew, progress)
        taken["scores"] = time.perf_counter() - began
    return found, taken


def scores(
    dataset: AtomicDataset, points: Points, condensed: Condensed, seen: Observed, crew: Workers, progress: Progress
) -> dict[str, np.ndarray]:
    """Score and rarities of all signals but those of a trained model; everything is one cluster."""
    one = Clusters(np.zeros(len(points), dtype=np.int64), np.array([len(points)]), "")
    with crew.within("survey", {"of": "a benchmark", "at": time.perf_counter()}) as here:
        outliers = score_seen(points, condensed, one, dataset, seen, workers=here, progress=progress)
    return {"score": outliers.score, **{signal.name: np.asarray(signal.rarity) for signal in outliers.signals}}


def equal(one: dict[str, np.ndarray], two: dict[str, np.ndarray]) -> bool:
    """Whether all is the same to the last bit."""
    return all(np.array_equal(one[name], two[name], equal_nan=True) for name in one)


def warm(client: Any, small: AtomicDataset) -> float:
    """Seconds until every worker has loaded and compiled what it needs."""
    began = time.perf_counter()
    client.run(_warmed)
    with tempfile.TemporaryDirectory() as cache:
        os.environ["MEAVIZ_CACHE"] = cache
        stages(small, workers_of(client), pairs=True)
    return time.perf_counter() - began


def _warmed() -> None:
    import meagraph.force_field.field
    import meagraph.graph.loops

    meagraph.force_field.field.warm()
    meagraph.graph.loops.warm()


def speed(path: str, counts: list[int], *, pairs: bool) -> list[dict[str, Any]]:
    """The figures of each number of workers; 0 is this process alone, with its own threads and processes."""
    found, results, first = [], [], None
    with tempfile.TemporaryDirectory() as reading:
        os.environ["MEAVIZ_CACHE"] = reading
        dataset = open_data(path)
        small = small_part(dataset)
        for count in counts:
            with connected(workers=count or None) as client, tempfile.TemporaryDirectory() as cache:
                start = 0.0 if client is None else warm(client, small)
                os.environ["MEAVIZ_CACHE"] = cache
                values, taken = stages(dataset, workers_of(client), pairs=pairs)
                peaks = {} if client is None else {"worker_gb": [round(gb, 2) for gb in client.run(peak).values()]}
            first = first or values
            row = {"environments": dataset.n_environments, "workers": count, "same": equal(first, values)}
            row |= {"start_seconds": round(start, 1), **{name: round(one, 2) for name, one in taken.items()}, **peaks}
            found.append(row)
            print(row, flush=True)
            results.append(sum(taken.values()))
    if 1 in counts:
        one = results[counts.index(1)]
        print({count: round(one / total, 2) for count, total in zip(counts, results, strict=True) if count})
    return found


def scoring(path: str, counts: list[int]) -> list[dict[str, Any]]:
    """The figures of outlier scores with each number of workers; 0 is this process alone."""
    rows, first = [], None
    with tempfile.TemporaryDirectory() as folder:
        os.environ.setdefault("MEAVIZ_CACHE", folder)
        dataset = open_data(path)
        descriptors = describe(dataset, CONFIG.descriptors, context=True)
        condensed, points = condense_for(dataset, descriptors, CONFIG), scaled_rows(descriptors.own)
        seen = observe(dataset)
        for count in counts:
            with connected(workers=count or None) as client:
                crew = workers_of(client)
                before = {} if client is None else client.run(_cpu)
                began, own, wall = Watched(), _cpu(), time.perf_counter()
                found = scores(dataset, points, condensed, seen, crew, silent)
                row = {"environments": len(points), "workers": count, "command_cpu": round(_cpu() - own, 2)}
                row |= {"seconds": round(time.perf_counter() - wall, 1), "command_gb_more": round(began.end(), 3)}
                if client is not None:
                    row["workers_cpu"] = [round(cpu - before[at], 2) for at, cpu in client.run(_cpu).items()]
                    row["workers_gb"] = [round(gb, 2) for gb in client.run(peak).values()]
            first = first or found
            rows.append(row | {"same": equal(first, found)})
            print(rows[-1], flush=True)
    return rows


def _cpu() -> float:
    """Processor seconds of this process alone."""
    return time.process_time()


class Watched:
    """Memory of this process alone, without maps of files, at its highest above where it began."""

    def __init__(self) -> None:
        self.began = self.most = self._now()
        self.ends = threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.thread.start()

    def end(self) -> float:
        """GB more than when it began."""
        self.ends.set()
        self.thread.join()
        return self.most - self.began

    def _watch(self) -> None:
        while not self.ends.wait(0.02):
            self.most = max(self.most, self._now())

    def _now(self) -> float:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) / 1e6 for line in lines if line.startswith("RssAnon"))


def small_part(dataset: AtomicDataset) -> AtomicDataset:
    """A few structures, to warm up on."""
    from meagraph.datasets import from_atoms

    return from_atoms([dataset.structures[row] for row in range(min(60, dataset.n_structures))], allow_unlabelled=True)


def kills(path: str, wanted: int, *, every: float, seed: int = 0) -> dict[str, Any]:
    """Kill workers at random moments until ``wanted`` are dead; how many runs went through it with the right result."""
    rng = random.Random(seed)
    for room, name, value in SMALL:
        setattr(room, name, value)
    with tempfile.TemporaryDirectory() as reading, connected(workers=2) as client:
        os.environ["MEAVIZ_CACHE"] = reading
        dataset = open_data(path)
        began = time.perf_counter()
        expected, _ = stages(dataset, HERE, pairs=True)
        alone = time.perf_counter() - began
        print({"environments": dataset.n_environments, "seconds_without": round(alone, 1)}, flush=True)
        dead, working, runs, right, seconds, told = 0, 0, 0, 0, 0.0, list[str]()
        while dead < wanted:
            with tempfile.TemporaryDirectory() as cache:
                os.environ["MEAVIZ_CACHE"] = cache
                stop = threading.Event()
                hit: list[bool] = []

                def kill(
                    stop: threading.Event = stop, hit: list[bool] = hit, left: int = wanted - dead, cache: str = cache
                ) -> None:
                    while len(hit) < left and not stop.wait(rng.uniform(0.0, 2.0 * every)):
                        pids = [nanny.pid for nanny in client.cluster.workers.values() if nanny.pid]
                        if pids:
                            pid = rng.choice(pids)
                            os.kill(pid, signal.SIGKILL)
                            hit.append(any(Path(cache).glob(f"tasks/*/*-{pid}.*.begun")))

                killer = threading.Thread(target=kill)
                killer.start()
                began = time.perf_counter()
                try:
                    found, _ = stages(dataset, workers_of(client), pairs=True)
                    right += equal(expected, found)
                except MEAGraphError as error:
                    told.append(str(error))
                finally:
                    stop.set()
                    killer.join()
            runs, dead, working = runs + 1, dead + len(hit), working + sum(hit)
            seconds += time.perf_counter() - began
            row = {"runs": runs, "right": right, "killed": dead, "while_working": working, "told": told}
            print(row | {"seconds": round(seconds, 1)}, flush=True)
    return {"environments": dataset.n_environments, **row, "seconds": round(seconds, 1), "here": round(alone, 1)}


def deadly(chunks: int = 40) -> dict[str, Any]:
    """One chunk in the middle kills every worker that takes it: is it named, and nothing else."""
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder, connected(workers=2) as client:
        crew = workers_of(client)
        here = Workers(crew.executor, crew.count, Path(folder))
        began, done = time.perf_counter(), 0
        try:
            for _ in map_chunks(_dying, range(chunks), here, told="chunk {}".format):
                done += 1
        except ChunkError as error:
            found = {"named": error.chunk, "said": str(error)}
        found |= {"done_before": done, "seconds": round(time.perf_counter() - began, 1)}
    print(found)
    return found


def _dying(number: int) -> np.ndarray:
    time.sleep(0.2)
    if number == DEADLY:
        os.kill(os.getpid(), signal.SIGKILL)
    return np.array([number])


def main() -> None:
    """Measure, print, and write the figures beside this script."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("what", choices=("speed", "outliers", "kills", "deadly"))
    parser.add_argument("data", nargs="?", default="")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--pairs", action="store_true", help="also look at all pairs of atoms, as outliers need it")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--every", type=float, default=6.0, metavar="SECONDS", help="between two kills, in the mean")
    parser.add_argument("--write", type=Path, help="file of the figures (default: in results)")
    options = parser.parse_args()
    if options.what == "speed":
        found: Any = speed(options.data, options.workers, pairs=options.pairs)
    elif options.what == "outliers":
        found = scoring(options.data, options.workers)
    elif options.what == "deadly":
        found = deadly()
    else:
        found = kills(options.data, options.kills, every=options.every)
    write_json(options.write or RESULTS / f"cluster-{options.what}.json", found)


if __name__ == "__main__":
    main()

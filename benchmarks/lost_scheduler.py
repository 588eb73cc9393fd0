"""A Dask scheduler killed in the middle of ``meagraph run``: how soon the command ends, and what the next one saves.

``python benchmarks/lost_scheduler.py FILE [run's options]``: a scheduler and two workers of this machine, as processes
of their own, and the command into an empty cache. The scheduler is killed (SIGKILL) as soon as descriptors have been
kept; the same command with a new scheduler, which is killed as soon as some pairs of atoms have been looked at; and the
command a third time. The exported bytes are compared with those of the command without workers and faults.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from meagraph.files import write_json

SMALL = """
from meagraph.cli import main
from meagraph.descriptors import filling
from meagraph.force_field import observing
filling.CHUNK, filling.TOGETHER, observing.CHUNK = 128, 1, 128
raise SystemExit(main())
"""
RESULTS = Path(__file__).parent / "results" / "cluster-lost-scheduler.json"


@contextlib.contextmanager
def cluster(folder: Path, cache: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A scheduler of its own with two workers, and its address."""
    found = folder / "scheduler.json"
    found.unlink(missing_ok=True)
    known = {**os.environ, "MEAVIZ_CACHE": str(cache)}
    told = {"cwd": folder, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "env": known}
    into = ("--scheduler-file", str(found), "--no-dashboard")
    start = (sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0")
    scheduler = subprocess.Popen([*start, *into], **told)
    work = (sys.executable, "-m", "distributed.cli.dask_worker", "--nthreads", "1")
    workers = [subprocess.Popen([*work, *into], **told) for _ in range(2)]
    try:
        while not found.is_file():
            time.sleep(0.1)
        yield scheduler, json.loads(found.read_text())["address"]
    finally:
        for process in (*workers, scheduler):
            process.terminate()
        for process in (*workers, scheduler):
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()


def command(data: str, out: Path, cache: Path, more: list[str]) -> subprocess.Popen[str]:
    """``meagraph run`` as a person gives it, but for chunks so small that there are many."""
    return subprocess.Popen(
        [sys.executable, "-c", SMALL, "run", data, "--out", str(out), *more],
        env={**os.environ, "MEAVIZ_CACHE": str(cache)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def described(cache: Path) -> dict[str, int]:
    """Environments or chunks that lie in the cache."""
    records = [json.loads(path.read_text())["structures"] for path in cache.glob("descriptors/*.partial.json")]
    seen = list(cache.glob("tasks/survey-*/seen-*.npz"))
    return {"structures_described": sum(records), "chunks_seen": len(seen)}


def killed(data: str, out: Path, cache: Path, folder: Path, more: list[str], when: Callable[[], bool]) -> Any:
    """The command, its scheduler killed as soon as it is time."""
    with cluster(folder, cache) as (scheduler, address):
        process = command(data, out, cache, ["--scheduler", address, *more])
        while not when() and process.poll() is None:
            time.sleep(0.05)
        scheduler.send_signal(signal.SIGKILL)
        began = time.perf_counter()
        said, _ = process.communicate(timeout=300)
        ended = time.perf_counter() - began
    return {
        "status": process.returncode,
        "seconds_to_the_end": round(ended, 1),
        "said": said[-400:],
        **described(cache),
    }


def main() -> None:
    """Measure, print, and write the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data")
    parser.add_argument("--known", type=Path, help="folder that the command without workers has written before")
    options, more = parser.parse_known_args()
    data = str(Path(options.data).absolute())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        at, outs = folder / "cache", [folder / "without", folder / "out"]
        found: dict[str, Any] = {"data": Path(data).name}
        if options.known is None:
            began = time.perf_counter()
            process = command(data, outs[0], folder / "other", more)
            print(process.communicate()[0][-300:])
            found["seconds_without_workers"] = round(time.perf_counter() - began, 1)
        else:
            outs[0] = options.known
        for name, when in (
            ("killed_while_describing", lambda: described(at)["structures_described"] > 0),
            ("killed_while_looking_at_pairs", lambda: described(at)["chunks_seen"] > 0),
        ):
            found[name] = killed(data, outs[1], at, folder, more, when)
            print(name, found[name], flush=True)
        with cluster(folder, at) as (_, address):
            began = time.perf_counter()
            process = command(data, outs[1], at, ["--scheduler", address, *more])
            print(process.communicate()[0][-300:])
            found["seconds_of_the_last"] = round(time.perf_counter() - began, 1)
            found["status_of_the_last"] = process.returncode
        names = sorted(path.name for path in outs[0].iterdir())
        found["same_bytes"] = {name: (outs[0] / name).read_bytes() == (outs[1] / name).read_bytes() for name in names}
    print(json.dumps(found, indent=1))
    write_json(RESULTS, found)


if __name__ == "__main__":
    main()

"""Do the tests notice faults in what decides and writes? ``python -m tests.mutation.by_hand``, needs ``coverage``.

    python -m tests.mutation.by_hand GROUP [--count 100] [--seed 0] [--out found.json] [--again found.json]

Everything is imported once. Each fault (:mod:`tests.support.mutating`) is put into a copy of the process, which runs
the tests of its room that reach the line, quickest first, and then all others of the files in which these stand. What
came of each is printed: noticed by a test that fails, timed out (a test takes over three times as long and
PROCESSOR more), survived, or not reached by any test. ``--again`` tries those of an earlier run that no test noticed.
Compiled loops run as Python.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import random
import resource
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from types import FunctionType
from typing import Any

from tests.support import ROOT
from tests.support.mutating import Mutant, functions_of, leave, mutants, put_in

PROCESSOR = 10  # s that a test may take beyond three times what it takes without a fault
WALL = 600.0  # s
ROOM = 8 * 2**30  # bytes
UNSEEN = ("survived", "not reached")

GROUPS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "pruning": (("meagraph/pruning/*.py",), ("tests/meagraph/pruning",)),
    "condensation": (
        ("meagraph/graph/condensation.py", "meagraph/graph/nets.py", "meagraph/graph/distinct.py"),
        ("tests/meagraph/graph/test_condensation.py", "tests/meagraph/graph/test_nets.py"),
    ),
    "loops": (
        ("meagraph/graph/loops.py", "meagraph/pruning/loops.py"),
        ("tests/meagraph/graph", "tests/meagraph/pruning"),
    ),
    "exports": (("meagraph/exports/*.py", "meagraph/exports/formats/*.py"), ("tests/meagraph/exports",)),
    "labels": (
        (
            "meagraph/datasets/labels.py",
            "meagraph/datasets/label_table.py",
            "meagraph/datasets/stress.py",
            "meagraph/datasets/names.py",
        ),
        (
            "tests/meagraph/datasets/test_labels.py",
            "tests/meagraph/datasets/test_label_table.py",
            "tests/meagraph/datasets/test_datasets.py",
            "tests/meagraph/datasets/test_frames.py",
        ),
    ),
}


class _Tests:
    """A plug-in: which test is at work and how long it takes; or in which order they come, and how long each may."""

    def __init__(self, first: Sequence[str] = (), cover: Any = None, usual: dict[str, float] | None = None) -> None:
        self.place = {name: number for number, name in enumerate(first)}
        self.cover = cover
        self.usual = usual
        self.seconds: dict[str, float] = {}

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        items.sort(key=lambda item: self.place.get(item.nodeid, len(self.place)))

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self.seconds[nodeid] = time.process_time()
        if self.cover is not None:
            self.cover.switch_context(nodeid)
        if self.usual is not None:
            _may_take(PROCESSOR + 3 * self.usual.get(nodeid, 0.0))

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        self.seconds[nodeid] = time.process_time() - self.seconds[nodeid]


def main() -> int:
    """Try a sample of the faults of a group and print what no test noticed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("group", choices=GROUPS)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--again", type=Path, help="the survivors of this earlier run alone")
    options = parser.parse_args()
    if options.group == "loops" and not os.environ.get("NUMBA_DISABLE_JIT"):
        os.execve(sys.executable, [sys.executable, "-m", "tests.mutation.by_hand", *sys.argv[1:]], _as_python())
    patterns, tests = GROUPS[options.group]
    paths = sorted(path for pattern in patterns for path in ROOT.glob(pattern))
    every = [
        mutant
        for path in paths
        if options.group == "loops" or path.name != "loops.py"
        for mutant in mutants(path, ROOT)
    ]
    chosen = random.Random(options.seed).sample(every, min(options.count, len(every)))
    if options.again:
        earlier = [one for one in json.loads(options.again.read_text("utf-8")) if one["came"] in UNSEEN]
        again = {(one["path"], one["line"], one["before"], one["after"]) for one in earlier}
        chosen = [one for one in every if (one.path, one.line, one.before, one.after) in again]
    with tempfile.TemporaryDirectory(prefix="mutation-") as folder:
        os.environ |= {"PYTEST_XDIST_WORKER": "gw0", "OMP_NUM_THREADS": "1", "MUTATION": folder}
        _pytest(Path(folder, "collected"), ["--collect-only", *tests])  # imports all
        known = functions_of(ROOT)
        reached, seconds = _without_fault(Path(folder), tests, paths)
        found = []
        for mutant in chosen:
            begun = time.monotonic()
            came = _try(Path(folder), mutant, known, reached, seconds)
            print(f"{time.monotonic() - begun:6.1f} s {came:12} {mutant}", flush=True)
            found.append(asdict(mutant) | {"came": came})
            if options.out:
                options.out.write_text(json.dumps(found, indent=1), encoding="utf-8")
    print(f"\n{options.group}: {len(chosen)} of {len(every)} faults,", dict(Counter(one["came"] for one in found)))
    return 0


def _as_python() -> dict[str, str]:
    return os.environ | {"NUMBA_DISABLE_JIT": "1"}


def _pytest(base: Path, arguments: Sequence[str], plugin: _Tests | None = None) -> int:
    import pytest

    fixed = ["-q", "-x", "-o", "addopts=", "-p", "no:cacheprovider", "-n", "0", f"--basetemp={base}"]
    with _quiet():
        return int(pytest.main([*fixed, *arguments], plugins=[plugin] if plugin else []))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """What is printed goes nowhere."""
    sys.stdout.flush()
    kept, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)


def _without_fault(
    folder: Path, tests: Sequence[str], paths: Sequence[Path]
) -> tuple[dict[str, dict[str, list[str]]], dict[str, float]]:
    """Which tests reach each line of each file, and the processor seconds that each test takes; in a copy."""
    table = folder / "reached.json"
    if not os.fork():
        import coverage

        cover = coverage.Coverage(data_file=None, config_file=False, include=[str(path) for path in paths])
        plugin = _Tests(cover=cover)
        with cover.collect():
            status = _pytest(folder / "none", list(tests), plugin)
        lines = {
            str(path.relative_to(ROOT)): {
                str(line): [name for name in names if name]
                for line, names in cover.get_data().contexts_by_lineno(str(path)).items()
            }
            for path in paths
        }
        if status == 0:
            table.write_text(json.dumps([lines, plugin.seconds]))
        leave(status)
    _, status = os.wait()
    if status:
        raise SystemExit("The tests fail without any fault.")
    reached, seconds = json.loads(table.read_text())
    print(f"{len(seconds)} tests, {sum(seconds.values()):.0f} s", flush=True)
    return reached, seconds


def _try(
    folder: Path,
    mutant: Mutant,
    known: Sequence[FunctionType],
    reached: dict[str, dict[str, list[str]]],
    seconds: dict[str, float],
) -> str:
    """What became of a fault: noticed, timed out, survived, or not reached by any test."""
    lines = reached[mutant.path]
    first = sorted(lines.get(str(mutant.line), []), key=lambda name: seconds[name])
    if not first:
        return "not reached"
    files = sorted({name.split("::")[0] for name in first})
    process = os.fork()
    if not process:
        status = 2
        try:
            _may_take(PROCESSOR)  # before the first test
            resource.setrlimit(resource.RLIMIT_AS, (ROOM, ROOM))
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            if put_in(mutant, ROOT, known):
                status = 1 if _pytest(folder / "fault", files, _Tests(first, usual=seconds)) else 0
        finally:
            leave(status)
    deadline = time.monotonic() + WALL
    while time.monotonic() < deadline:
        done, status = os.waitpid(process, os.WNOHANG)
        if done:
            code = os.waitstatus_to_exitcode(status)
            if code in (-signal.SIGXCPU, -signal.SIGKILL):
                return "timed out"
            return {0: "survived", 1: "noticed", 2: "broken"}.get(code, "noticed")
        time.sleep(0.02)
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    return "timed out"


def _may_take(seconds: float) -> None:
    """End this process when it has worked for so much longer."""
    _, most = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(time.process_time() + seconds), most))


if __name__ == "__main__":
    sys.exit(main())

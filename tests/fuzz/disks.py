"""Outputs on disks that are full, read-only or gone, and clocks that jump: ``python -m tests.fuzz.disks`` (as root).

Each command writes into a file system of its own in memory, of one size after the other, until it has room. Whatever
happens there is a result that is whole, or one clear message and nothing half-written.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import ase.io

from meagraph.errors import MEAGraphError
from meagraph.exports import verify
from meaviz.projects.project import Project
from tests.support.finished import finish
from tests.support.fuzzing.killing import LOADED, SMALL, Starter, leftovers, starter
from tests.support.fuzzing.of_projects import home, worked
from tests.support.fuzzing.trial import unclear
from tests.support.steps import DESCRIBE, TRAIN
from tests.support.structures import niobium_structures

SIZES = (4, 16, 32, 64, 128, 256, 512, 1024, 2048, 8192)  # KiB


class Trials:
    """Commands in a folder, with a disk ``out`` and what came of each."""

    def __init__(self, folder: Path, ready: Starter) -> None:
        self.folder, self.ready, self.out = folder, ready, folder / "disk"
        self.tally: Counter[str] = Counter()
        self.wrong: list[str] = []

    def commands(self) -> dict[str, list[str]]:
        """By name; each writes to the disk."""
        data, out = str(self.folder / "niobium.extxyz"), self.out
        return {
            "run": ["run", data, "--out", str(out / "kept"), *SMALL, "--to", "mace", "--to", "deepmd"],
            "replay": ["replay", str(self.folder / "made" / "recipe.yaml"), "--out", str(out / "kept")],
            "share": ["share", data, "-o", str(out / "page.html"), *SMALL],
            "plot svg": ["plot", "map", data, "-o", str(out / "map.svg"), *SMALL],
            "plot pdf": ["plot", "histogram", data, "-o", str(out / "map.pdf"), *SMALL],
            "plot png": ["plot", "composition", data, "-o", str(out / "map.png"), *SMALL],
            "convert": ["convert", data, str(out / "a.meadata")],
            "split": ["split", data, "--out", str(out / "parts")],
            "describe": ["describe", data, *DESCRIBE, "--out", str(out / "d.npy")],
            "train": ["train", str(self.folder / "d.npy"), *TRAIN, "--out", str(out / "m.safetensors")],
        }

    def run(self, what: str, name: str, *, until: Callable[[], bool] | None = None) -> int:
        """One command; what is wrong with what it said or left is noted."""
        before = self.ready.said.read_text()
        status = self.ready.run(self.commands()[name], until=until)
        said = self.ready.said.read_text().removeprefix(before)
        messages = [line for line in said.splitlines() if line.startswith("meagraph: error: ")]
        problem = ""
        if "Traceback" in said or status not in (0, 1):
            problem = f"status {status}: {said[-400:]}"
        elif status and (len(messages) != 1 or unclear(messages[0])):
            problem = f"messages {messages}"
        elif self.out.is_dir() and (left := leftovers(self.out)):
            problem = f"left behind {left}"
        elif not status and what != "gone" and (self.out / "kept").is_dir():
            problem = "; ".join(verify(self.out / "kept")[:1])
        elif status and what == "full" and (there := self.half()):
            problem = f"half-written {there}"
        self.note(what, name, ("done", "refused")[bool(status)], problem)
        if status and self.tally[f"{what}, {name}: refused"] == 1:
            print(f"{what}, {name}: {messages[0][:230]}", flush=True)
        return status

    def half(self) -> list[str]:
        """Files that are neither whole nor gone: an export has its manifest last."""
        there = [path for path in self.out.rglob("*") if path.is_file()]
        return [] if (self.out / "kept" / "manifest.json").is_file() else [str(path) for path in there]

    def note(self, what: str, name: str, came: str, problem: str) -> None:
        self.tally[f"{what}, {name}: {'WRONG' if problem else came}"] += 1
        if problem:
            self.wrong.append(f"{what}, {name}: {problem}")
            print(self.wrong[-1], flush=True)


@contextlib.contextmanager
def disk(place: Path, kilobytes: int, *, readonly: bool = False) -> Iterator[None]:
    """A file system in memory of so many KiB at ``place``."""
    place.mkdir(exist_ok=True)
    options = f"size={kilobytes}k,mode=777{',ro' if readonly else ''}"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "fuzz", str(place)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)
        shutil.rmtree(place, ignore_errors=True)


def full(trials: Trials) -> None:
    """Disks of rising size."""
    for name in trials.commands():
        for size in SIZES:
            with disk(trials.out, size):
                if trials.run("full", name) == 0:
                    break
    cache, aside = trials.folder / "cache", trials.folder / "cache-aside"
    cache.rename(aside)
    for size in SIZES:
        with disk(cache, size), disk(trials.out, 100_000):
            if trials.run("full cache", "run") == 0:
                break
    aside.rename(cache)


def readonly(trials: Trials) -> None:
    """A disk on which nothing is written; and a cache on one."""
    for name in trials.commands():
        with disk(trials.out, 1024, readonly=True):
            trials.run("read-only", name)
    cache, aside = trials.folder / "cache", trials.folder / "cache-aside"
    for name in ("run", "share", "plot svg"):
        cache.rename(aside)
        with disk(cache, 1024, readonly=True), disk(trials.out, 100_000):
            trials.run("read-only cache", name)
        aside.rename(cache)


def gone(trials: Trials) -> None:
    """Folders that vanish while a command runs: of outputs, of the cache, of the data."""
    for what, wanted in (("out", ("run", "replay", "share", "convert", "describe")), ("cache", ("run", "share"))):
        folder = trials.out if what == "out" else trials.folder / "cache"
        for name in wanted:
            for after in (0.0, 0.05, 0.3, 1.0):
                begin = time.monotonic()
                shutil.rmtree(trials.out, ignore_errors=True)
                trials.out.mkdir()
                if what == "cache":
                    shutil.rmtree(folder)
                    folder.mkdir()

                def remove(folder: Path = folder, begin: float = begin, after: float = after) -> bool:
                    if time.monotonic() - begin > after:
                        shutil.rmtree(folder, ignore_errors=True)
                    return False

                trials.run("gone", name, until=remove)
                (trials.folder / "cache").mkdir(exist_ok=True)
                trials.out.mkdir(exist_ok=True)
    data, aside = trials.folder / "niobium.extxyz", trials.folder / "aside.extxyz"
    for name in ("run", "share", "convert"):
        for after in (0.0, 0.02, 0.1, 0.5):
            shutil.rmtree(trials.out, ignore_errors=True)
            trials.out.mkdir()
            begin = time.monotonic()

            def remove_data(begin: float = begin, after: float = after) -> bool:
                if time.monotonic() - begin > after and data.exists():
                    data.rename(aside)
                return False

            trials.run("gone data", name, until=remove_data)
            if aside.exists():
                aside.rename(data)
    shutil.rmtree(trials.out, ignore_errors=True)


def clocks(trials: Trials) -> None:
    """Times of files in the future and long ago change nothing: what was computed counts by its content."""
    reference: dict[str, bytes] = {}
    for when in (None, time.time() + 30 * 365 * 86_400, 0.0):
        shutil.rmtree(trials.out, ignore_errors=True)
        trials.out.mkdir()
        if when is not None:
            for path in [trials.folder / "niobium.extxyz", *(trials.folder / "cache").rglob("*")]:
                os.utime(path, (when, when))
        begin = time.monotonic()
        trials.run("clock", "run")
        seconds = time.monotonic() - begin
        found = {path.name: path.read_bytes() for path in (trials.out / "kept").iterdir() if path.suffix == ".extxyz"}
        reference = reference or found
        trials.note("clock", f"same files ({seconds:.1f} s)", "done", "" if found == reference else "other files")
    shutil.rmtree(trials.out, ignore_errors=True)


def projects(trials: Trials) -> None:
    """A project that is saved where there is no room, nothing may be written, or the folder is gone."""
    finished = finish(trials.folder / "finished", niobium_structures())
    data = trials.folder / "niobium.extxyz"
    with home(trials.folder):
        shot = worked(finished, data)
        for what, size in [("full", size) for size in SIZES] + [("read-only", 0), ("gone", 100_000)]:
            with disk(trials.out, size or 1024, readonly=what == "read-only"):
                place = trials.out / "a.meaviz"
                problem, came = "", "done"
                project = None
                try:
                    project = Project(place, write=True)
                    if what == "gone":
                        project.save(shot)
                        shutil.rmtree(place)
                    project.save(shot)
                except MEAGraphError as error:
                    came, problem = "refused", unclear(str(error))
                    if trials.tally[f"{what}, project: refused"] == 0:
                        print(f"{what}, project: {str(error)[:230]}", flush=True)
                except Exception as error:
                    problem = f"{type(error).__name__}: {error}"
                finally:
                    if project is not None:
                        project.close()
                if not problem and (came == "done" or (place / "project.json").exists()):
                    Project(place).read()  # whole, whatever was refused after it
                trials.note(what, "project", came, problem)


def main() -> int:
    """All faults, or those named; the exit status is 1 where anything was not as it should be."""
    faults = {fault.__name__: fault for fault in (full, readonly, clocks, projects, gone)}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("faults", nargs="*", default=list(faults), help=", ".join(faults))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ase.io.write(folder / "niobium.extxyz", niobium_structures(6, 6), format="extxyz")
        with starter(folder, *LOADED) as ready:
            made = ["run", str(folder / "niobium.extxyz"), "--out", str(folder / "made"), *SMALL]
            assert ready.run([*made, "--to", "mace", "--to", "deepmd"]) == 0, ready.said.read_text()
            assert ready.run(["describe", made[1], *DESCRIBE, "--out", str(folder / "d.npy")]) == 0
            trials = Trials(folder, ready)
            for fault in options.faults:
                faults[fault](trials)
                print(json.dumps(dict(sorted(trials.tally.items())), indent=1), flush=True)
    return int(bool(trials.wrong))


if __name__ == "__main__":
    raise SystemExit(main())

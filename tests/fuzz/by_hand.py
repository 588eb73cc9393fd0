"""Thousands of damaged inputs, in processes with little memory and 20 s each: ``python -m tests.fuzz.by_hand``.

    python -m tests.fuzz.by_hand --count 20000 --seed 1 --out fuzz.json [--only NAME ...] [--of data steps texts work]

Every outcome that is neither a result nor one clear error is printed with the seed that makes it again:
``python -m tests.fuzz.by_hand --only extxyz --seed 17 --count 1 --here`` runs that one in this process.
"""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import io
import json
import os
import select
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict
from pathlib import Path

PATIENCE = 20.0  # s of the processor an input
ASLEEP = 120.0  # s that one which does nothing is waited for
ROOM = 2 * 2**30  # bytes that a worker may take beyond what it has when it begins
LARGE = 400 * 2**20  # more than this for one input is too much, even where it comes to an end


def main() -> int:
    """Run, print a table of outcomes by subject; the exit status is 1 where one was bad."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1000, help="inputs, of all subjects together")
    parser.add_argument("--seed", type=int, default=0, help="of the first; each next one is one more")
    parser.add_argument("--only", nargs="*", default=[], help="subjects whose names begin so")
    parser.add_argument(
        "--of", nargs="+", choices=("data", "steps", "texts", "work", "commands"),
        default=["data", "steps", "texts", "work"], help="groups of subjects; commands, on step files, take longer",
    )  # fmt: skip
    parser.add_argument("--out", help="JSON of all outcomes")
    parser.add_argument("--here", action="store_true", help="in this process, with the whole traceback")
    parser.add_argument("--work", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        return _work(options)
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        os.environ |= {"MEAVIZ_CACHE": f"{folder}/cache", "MEAVIZ_DATA_HOME": f"{folder}/home", "TMPDIR": folder}
        options.work = folder
        if options.here:
            return _work(options)
        return _lead(options)


def _subjects(options: argparse.Namespace) -> list:  # type: ignore[type-arg]
    from tests.support.fuzzing.of_data import of_data
    from tests.support.fuzzing.of_steps import of_commands, of_steps
    from tests.support.fuzzing.of_texts import of_texts

    def of_work() -> list:  # type: ignore[type-arg]
        from tests.support.finished import finish
        from tests.support.fuzzing.of_projects import of_projects
        from tests.support.fuzzing.of_uploads import of_uploads
        from tests.support.structures import niobium_structures

        return [
            *of_uploads(),
            *of_projects(folder / "work", finish(Path(options.work, "finished"), niobium_structures())),
        ]

    folder = Path(tempfile.mkdtemp(dir=options.work))
    groups = {
        "data": lambda: of_data(folder / "data"),
        "steps": lambda: of_steps(folder / "steps"),
        "texts": lambda: of_texts(folder / "texts"),
        "work": of_work,
        "commands": lambda: of_commands(folder / "steps"),
    }
    found = [one for name in options.of for one in groups[name]()]
    return [one for one in found if not options.only or one.name.startswith(tuple(options.only))]


def _work(options: argparse.Namespace) -> int:
    """Try the seeds that come on the standard input, one a line, and say what came of each, one a line."""

    from tests.support.fuzzing.trial import limit_memory, peak, try_one

    with contextlib.redirect_stdout(io.StringIO()):
        subjects = _subjects(options)
    if options.here:
        from tests.support.fuzzing import trial

        trial.SHOW = True
        for number in range(options.seed, options.seed + options.count):
            faulthandler.dump_traceback_later(ASLEEP, exit=True)
            print(subjects[number % len(subjects)].name, number, try_one(subjects[number % len(subjects)], number))
        return 0
    limit_memory(ROOM)
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what libraries print is no answer
    print(json.dumps([subject.name for subject in subjects]), file=answers)
    for line in sys.stdin:
        number = int(line)
        subject, before, begin = subjects[number % len(subjects)], peak(), time.process_time()
        found = try_one(subject, number)
        more = peak() - before
        if found.good and more > LARGE:
            found = type(found)("memory", f"took {more >> 20} MiB")
        took = round(time.process_time() - begin, 3)
        print(json.dumps({"subject": subject.name, "seed": number, **asdict(found), "seconds": took}), file=answers)
    return 0


class _Worker:
    """A process that tries inputs; it is started anew when it hangs or dies."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.command = [sys.executable, "-m", "tests.fuzz.by_hand", "--work", options.work]
        self.command += ["--of", *options.of, *(["--only", *options.only] if options.only else [])]
        self.folder = options.work
        self.start()

    def start(self) -> None:
        """Begin, and wait until its subjects are made."""
        self.said = open(Path(self.folder, "said.txt"), "w", encoding="utf-8")  # noqa: SIM115 -- as long as the process
        self.process = subprocess.Popen(
            self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.said, text=True
        )
        names = self._answer(3600, 3600)
        if not names:
            raise SystemExit(f"no worker: {Path(self.folder, 'said.txt').read_text()[-3000:]}")
        self.names: list[str] = json.loads(names)

    def _answer(self, patience: float, asleep: float) -> str:
        """The next line; empty where none comes."""
        assert self.process.stdout is not None
        used, begin = self._used(), time.monotonic()
        while self._used() - used < patience and time.monotonic() - begin < asleep:
            if select.select([self.process.stdout], [], [], 1.0)[0]:
                return self.process.stdout.readline()
        return ""

    def _used(self) -> float:
        """Seconds of the processor that it has taken."""
        try:
            fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return float("inf")
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def ask(self, seed: int) -> dict[str, object]:
        """What comes of this seed."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{seed}\n")
        self.process.stdin.flush()
        answer = self._answer(PATIENCE, ASLEEP)
        if answer:
            return dict(json.loads(answer))
        kind = "hang" if self.process.poll() is None else f"died ({self.process.returncode})"
        self.process.kill()
        self.process.wait()
        self.start()
        return {"subject": self.names[seed % len(self.names)], "seed": seed, "kind": kind, "where": ""}


def _lead(options: argparse.Namespace) -> int:
    worker = _Worker(options)
    outcomes: list[dict[str, object]] = []
    bad: Counter[str] = Counter()
    for seed in range(options.seed, options.seed + options.count):
        outcome = worker.ask(seed)
        outcomes.append(outcome)
        if outcome["kind"] not in ("result", "error"):
            key = f"{outcome['kind']} {str(outcome['where']).split(': ')[0]}"
            bad[key] += 1
            if bad[key] <= 3:
                print(json.dumps(outcome), flush=True)
        if options.out and len(outcomes) % 50 == 0:
            Path(options.out).write_text(json.dumps(outcomes))
    worker.process.kill()
    if options.out:
        Path(options.out).write_text(json.dumps(outcomes))
    table: dict[str, Counter[str]] = {}
    seconds: Counter[str] = Counter()
    for outcome in outcomes:
        table.setdefault(str(outcome["subject"]), Counter())[str(outcome["kind"])] += 1
        seconds[str(outcome["subject"])] += outcome.get("seconds", PATIENCE)  # type: ignore[arg-type]
    for name, counts in sorted(table.items()):
        print(
            f"{name:<40} {sum(counts.values()):>6} {1000 * seconds[name] / sum(counts.values()):>6.0f} ms  "
            + ", ".join(f"{kind} {count}" for kind, count in sorted(counts.items()))
        )
    print("all:", dict(Counter(str(one["kind"]) for one in outcomes)), "bad kinds:", len(bad))
    for key, count in bad.most_common():
        print(f"{count:>6}  {key}")
    return int(bool(bad))


if __name__ == "__main__":
    raise SystemExit(main())

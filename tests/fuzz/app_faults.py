"""The disk of a project fills, or becomes read-only, while the app saves: ``python -m tests.fuzz.app_faults DATA``.

The real command ``meaviz`` serves a project on a file system of its own (tmpfs: for root), somebody uses its page, and
the disk fails at random. The page must say so, what it had shown as saved must be whole on the disk, and once the disk
works again all that was done must be saved; where the server is killed meanwhile, what was saved must be shown again.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.support.browser import ALL_TEXT
from tests.support.fuzzing.app import Rounds, opened_browser
from tests.support.fuzzing.done import found_again, on_disk
from tests.support.fuzzing.person import READ, Person

ROOM = 96  # MB of the file system
SOON = 15.0  # s until the page says that it cannot save, or can again
WORDS = {"full": "No space left on device", "read-only": "Read-only file system"}


class Disk:
    """A file system that fails when it is told to."""

    def __init__(self, place: Path) -> None:
        self.place = place
        place.mkdir()
        self._mount(f"size={ROOM}m")

    def _mount(self, options: str) -> None:
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(self.place)], check=True)

    def fail(self, kind: str) -> None:
        """Be full, or read-only."""
        if kind == "full":
            with contextlib.suppress(OSError), open(self.place / "filler", "wb", buffering=0) as stream:
                while True:
                    stream.write(b"0" * 65536)
            with contextlib.suppress(OSError), open(self.place / "rest", "wb", buffering=0) as stream:
                while True:
                    stream.write(b"0")
        else:
            self._remount("ro")

    def work(self) -> None:
        """Work again."""
        self._remount("rw")
        for name in ("filler", "rest"):
            (self.place / name).unlink(missing_ok=True)

    def _remount(self, how: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{how},size={ROOM}m", str(self.place)], check=True)

    def end(self) -> None:
        """Be gone."""
        subprocess.run(["umount", "-l", str(self.place)], check=True)


@contextlib.contextmanager
def disk_at(place: Path) -> Iterator[Disk]:
    """The file system at ``place``, for as long as it is wanted."""
    disk = Disk(place)
    try:
        yield disk
    finally:
        disk.end()


def fault(rounds: Rounds, disk: Disk, kind: str, *, kill: bool) -> str:
    """What came of one fault: nothing but its kind where all is as it must be."""
    page, wrong = rounds.page, []
    server = rounds.starter.start(rounds.arguments)
    person = Person(page, server.alive, rounds.sizes)
    try:
        page.goto(server.address())
        rounds.open(page, server, person)
        rounds.do(page, person, save=True)
        disk.fail(kind)
        try:
            for _ in range(rounds.draw.randint(1, 3)):
                rounds.do(page, person, save=False)
            end = time.monotonic() + SOON
            while not page.evaluate(READ)["said"].endswith("NOT SAVED") and time.monotonic() < end:
                page.wait_for_timeout(50)
            said, text = page.evaluate(READ)["said"], page.evaluate(ALL_TEXT)
            if not said.endswith("NOT SAVED"):
                wrong.append(f"the page says {said!r}")
            if WORDS[kind] not in text or "cannot be written" not in text:
                wrong.append("the page does not say why")
            if found_again(on_disk(rounds.project(), rounds.home), rounds.allowed, rounds.base) is None:
                wrong.append("what was saved is not on the disk")
            if kill:
                server.kill()
        finally:
            disk.work()
        if not kill:
            end = time.monotonic() + SOON
            while not page.evaluate(READ)["said"].endswith(" saved") and time.monotonic() < end:
                page.wait_for_timeout(50)
            rounds.allowed = rounds.allowed[-1:]
            if found_again(on_disk(rounds.project(), rounds.home), rounds.allowed, rounds.base) is None:
                wrong.append(f"not saved though the disk works: {page.evaluate(READ)['said']}")
    finally:
        server.end()
    return ", ".join(wrong or [f"{kind}, {'killed' if kill else 'went on'}: nothing lost, and said"]) + rounds.settle()


def main() -> int:
    """Let the disk fail so many times; the exit status is 1 where anything was lost or not said."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--count", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # what was started is ended
    found = Counter[str]()
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright, disk_at(Path(name) / "disk") as disk:
        folder = Path(name)
        (folder / "home").mkdir()
        data = Path(shutil.copy(options.data, folder / options.data.name))
        with opened_browser(playwright) as page:
            draw = random.Random(options.seed)
            rounds = Rounds(page, folder, data, disk.place / "work.meaviz", draw)
            rounds.begin()
            for number in range(options.count):
                came = fault(rounds, disk, ("full", "read-only")[number % 2], kill=draw.random() < 0.5)
                found[came] += 1
                print(number, came, flush=True)
            rounds.starter.end()
    print(dict(found))
    return int(any("nothing lost, and said" not in came for came in found))


if __name__ == "__main__":
    raise SystemExit(main())

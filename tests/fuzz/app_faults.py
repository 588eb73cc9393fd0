"""The disk of a project fills while the app saves, or is read-only: ``python -m tests.fuzz.app_faults DATA``.

The real command ``meaviz`` serves a project on a file system of its own (tmpfs: for root), and somebody uses its page.
Where the disk fills, the page must say so, what it had shown as saved must be whole on the disk, and once there is room
all that was done must be saved; where the server is killed meanwhile, what was saved must be shown again. A project
that cannot be written is shown, and it is said that nothing of what is done is saved in it.
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

from playwright.sync_api import Page, sync_playwright

from tests.support.browser import ALL_TEXT
from tests.support.fuzzing.app import Rounds, opened_browser
from tests.support.fuzzing.done import found_again, on_disk
from tests.support.fuzzing.person import READ, Person

ROOM = 96  # MB of the file system
GOOD = "nothing lost, and said"
SOON = 15.0  # s until the page says that it cannot save, or can again
FULL, LOCKED = "No space left on device", "Read-only file system"


class Disk:
    """A file system that fails when it is told to."""

    def __init__(self, place: Path) -> None:
        self.place = place
        place.mkdir()
        self._mount(f"size={ROOM}m")

    def _mount(self, options: str) -> None:
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(self.place)], check=True)

    def fill(self) -> None:
        """Have no room any more."""
        for name, piece in (("filler", b"0" * 65536), ("rest", b"0")):
            with contextlib.suppress(OSError), open(self.place / name, "wb", buffering=0) as stream:
                while True:
                    stream.write(piece)

    def lock(self) -> None:
        """Be read-only; nobody may have a file open."""
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


def filled(rounds: Rounds, disk: Disk, *, kill: bool) -> str:
    """What came of a disk that was full for a while."""
    page, wrong = rounds.page, []
    server = rounds.starter.start(rounds.arguments)
    person = Person(page, server.alive, rounds.sizes)
    try:
        page.goto(server.address())
        rounds.open(page, server, person)
        rounds.do(page, person, save=True)
        disk.fill()
        try:
            for _ in range(rounds.draw.randint(1, 3)):
                rounds.do(page, person, save=False)
            wrong += _unlike(page, "NOT SAVED", FULL)
            if found_again(on_disk(rounds.project(), rounds.home), rounds.allowed, rounds.base) is None:
                wrong.append("what was saved is not on the disk")
            if kill:
                server.kill()
        finally:
            disk.work()
        if not kill:
            wrong += _unlike(page, " saved", "")
            rounds.allowed = rounds.allowed[-1:]
    finally:
        server.end()
    return _words("full, " + ("killed" if kill else "room again"), [*wrong, rounds.settle()])


def locked(rounds: Rounds, disk: Disk) -> str:
    """What came of a project that cannot be written."""
    page, wrong = rounds.page, []
    disk.lock()
    server = rounds.starter.start(rounds.arguments)
    person = Person(page, server.alive, rounds.sizes)
    try:
        page.goto(server.address())
        rounds.open(page, server, person)
        wrong += _unlike(page, "only to look at", LOCKED)
        rounds.do(page, person, save=False)
        wrong += _unlike(page, "only to look at", LOCKED)
    finally:
        server.end()
        disk.work()
    return _words("read-only", [*wrong, rounds.settle()])


def _unlike(page: Page, state: str, why: str) -> list[str]:
    """What the page says otherwise than this state, and ``why``, though it had some time."""
    end = time.monotonic() + SOON
    while not page.evaluate(READ)["said"].endswith(state) and time.monotonic() < end:
        page.wait_for_timeout(150)
    said, text = page.evaluate(READ)["said"], page.evaluate(ALL_TEXT)
    wrong = [] if said.endswith(state) else [f"the page says {said!r}, not {state!r}"]
    return wrong if why in text else [*wrong, f"the page does not say {why!r}"]


def _words(kind: str, wrong: list[str]) -> str:
    return f"{kind}: " + (", ".join(filter(None, wrong)) or GOOD)


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
                came = locked(rounds, disk) if number % 3 == 2 else filled(rounds, disk, kill=number % 2 == 1)
                found[came] += 1
                print(number, came, flush=True)
            rounds.starter.end()
    print(dict(found))
    return int(any(not came.endswith(GOOD) for came in found))


if __name__ == "__main__":
    raise SystemExit(main())

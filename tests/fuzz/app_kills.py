"""The app's server killed at random moments while somebody uses its page.

    python -m tests.fuzz.app_kills DATA --count 50 --seed 1

The real command ``meaviz`` serves ``DATA`` (or a project of it) to a real browser, in which somebody selects, flags,
changes shares, keeps plans and selections under names, undoes and does again, loads the page anew and loses the
connection. At a random moment, be it while the page is opened, the server is killed with SIGKILL. Then the project on
the disk must be whole and hold what the page had shown as saved, and the server that is started again must show it.
With ``--named`` the work has a name; else it is kept as it comes. An analysis in the cache is used.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import numpy as np
from playwright.sync_api import Error, Page, TimeoutError, sync_playwright

from meaviz.projects.project import Project
from tests.support import ROOT
from tests.support.browser import ALL_TEXT, CHROMIUM_ARGUMENTS, DRAWN_DIRECTLY, find_chromium, free_port
from tests.support.fuzzing.done import OnDisk, Steps, found_again, on_disk, opened_again
from tests.support.fuzzing.killing import leftovers
from tests.support.fuzzing.person import DROP, READ, SOCKETS, Gone, Person

LONGEST = 14.0  # s of use until the kill
OPENING = 0.15  # share of kills while the server starts and the page is opened
ANEW, DROPPED = 0.06, 0.08  # chances of an action to be a page loaded anew, a connection lost
READY = 120.0  # s


SERVER = """
import json, os, sys
for name in ("meaviz.cli", "meaviz.app", "meaviz.jobs.opening", "meaviz.projects.keeper", "torch", "umap"):
    __import__(name)
from meaviz.cli import main
print("ready", flush=True)
for line in sys.stdin:
    asked = json.loads(line)
    child = os.fork()
    if not child:
        os.setsid()
        said = os.open(asked["said"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        null = os.open(os.devnull, os.O_RDWR)
        for target, source in ((0, null), (1, null), (2, said)):
            os.dup2(source, target)
        os._exit(main(asked["arguments"]))
    print(child, flush=True)
    os.waitpid(child, 0)
    print("ended", flush=True)
"""


class Starter:
    """A process that has loaded everything, and forks one for each server: that starts at once."""

    def __init__(self, folder: Path) -> None:
        self.said, self.port = folder / "said.txt", free_port()
        environment = {**os.environ, "MEAVIZ_DATA_HOME": str(folder / "home"), "OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            [sys.executable, "-c", SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
            env=environment,
        )  # fmt: skip
        assert self.line() == "ready"

    def line(self) -> str:
        """What the process says next."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def start(self, arguments: list[str]) -> Server:
        """The command ``meaviz`` with these arguments."""
        assert self.process.stdin is not None
        self.said.unlink(missing_ok=True)
        whole = [*arguments, "--no-browser", "--port", str(self.port)]
        self.process.stdin.write(json.dumps({"arguments": whole, "said": str(self.said)}) + "\n")
        self.process.stdin.flush()
        return Server(self, int(self.line()))

    def end(self) -> None:
        """No more servers."""
        self.process.kill()
        self.process.wait()


class Server:
    """The command ``meaviz``, its address, and whether it still runs."""

    def __init__(self, starter: Starter, pid: int) -> None:
        self.starter, self.pid = starter, pid

    def alive(self) -> bool:
        """It runs."""
        return Path(f"/proc/{self.pid}").exists()

    def address(self) -> str:
        """Where it is. Raises Gone where it was killed before it said so."""
        end = time.monotonic() + READY
        while time.monotonic() < end:
            if self.starter.said.exists():
                said = self.starter.said.read_text(encoding="utf-8")
                if found := re.search(r"at (http\S+)\n", said):
                    return found[1]
            if not self.alive():
                raise Gone
            time.sleep(0.02)
        raise AssertionError("the server does not start")

    def kill(self) -> None:
        """As a crash does."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)

    def end(self) -> None:
        """Kill it, and wait until it is gone."""
        self.kill()
        assert self.starter.line() == "ended"


class Rounds:
    """One kill after the other on the same work."""

    def __init__(self, page: Page, folder: Path, data: Path, named: bool, draw: random.Random) -> None:
        self.page, self.folder, self.draw = page, folder, draw
        self.starter = Starter(folder)
        self.home, self.data = folder / "home", data
        self.path = folder / "work.meaviz" if named else None
        self.arguments = [str(data)]
        self.named = named
        self.number = self.done = 0
        self.base: frozenset[int] = frozenset()
        self.allowed: tuple[Steps, ...] = ()
        self.sizes: list[int] = []
        self.tally: Counter[str] = Counter()
        self.shown_after = 6.0  # s from the start to the page

    def said(self) -> str:
        """What the server said last."""
        return (self.folder / "said.txt").read_text(encoding="utf-8")[-3000:]

    def project(self) -> Path:
        """Where the work is kept."""
        if self.path is not None:
            return self.path
        (found,) = (self.home / "unnamed").glob("*.meaviz")
        return found

    def begin(self) -> None:
        """Open the data for the first time, and have it kept."""
        server, page = self.starter.start(self.arguments), self.page
        try:
            page.goto(server.address())
            self._wait_shown(page, server)
            page.wait_for_timeout(2000)
            if self.path is not None:
                page.get_by_role("button", name=re.compile("^no name")).click()
                page.get_by_role("textbox", name=re.compile("^Save as")).fill(str(self.path))
                page.get_by_role("button", name="Save", exact=True).click()
                page.get_by_text("It is saved in").wait_for()
                page.keyboard.press("Escape")
                self.arguments = [str(self.path)]
            page.wait_for_timeout(2000)
            while not page.evaluate(READ)["said"].endswith("saved"):
                page.wait_for_timeout(50)
        finally:
            server.end()
        survey = Project(self.project()).read().shot.results["survey"]
        self.sizes = np.bincount(survey.clusters.labels[survey.clusters.labels >= 0]).tolist()
        disk = on_disk(self.project(), self.home)
        assert disk.shape == (disk.shape[1] + 1, disk.shape[1]), disk
        self.allowed = (Steps((disk.facts,), 0, below=disk.shape[1]),)

    def round(self) -> str:
        """Start, use, kill, look; what came of it."""
        self.number += 1
        server, page = self.starter.start(self.arguments), self.page
        opening = self.draw.random() < OPENING
        timer: threading.Timer | None = None
        sent = saved = 0
        where = "while it starts" if opening else "in use"
        try:
            if opening:
                timer = threading.Timer(self.draw.uniform(0.0, self.shown_after), server.kill)
                timer.start()
            person = Person(page, server.alive, self.sizes)
            begin = time.monotonic()
            page.goto(server.address())
            self._open(page, server, person)
            self.shown_after = time.monotonic() - begin
            if timer is None:
                timer = threading.Timer(self.draw.uniform(0.0, LONGEST), server.kill)
                timer.start()
            for sent in range(1, 10_000):  # noqa: B007 - how many were begun
                self._one_thing(page, server, person)
                saved = self.done
        except (Gone, Error) as error:  # Error: of the browser, in the middle of something
            if server.alive():
                raise AssertionError(f"the page failed though the server runs: {error}\n{self.said()}") from error
        finally:
            if timer is not None:
                timer.cancel()
            server.end()
        self.tally["actions"] += max(sent - 1, 0)
        left = leftovers(self.project())
        disk = on_disk(self.project(), self.home)
        one = found_again(disk, self.allowed, self.base)
        if one is None:
            return f"LOST {where}: allowed {self.allowed}, on disk {disk}, saved {saved}"
        self._go_on(one, disk)
        return f"nothing lost, killed {where}" + (", half a file left until the next start" if left else "")

    def _go_on(self, one: Steps, disk: OnDisk) -> None:
        one, self.base = opened_again(one, disk, self.base)
        self.allowed, self.inspected = (one,), disk.inspected

    def _one_thing(self, page: Page, server: Server, person: Person) -> None:
        steps, chance = self.allowed[-1], self.draw.random()
        if chance < ANEW:
            page.reload()
            self._open(page, server, person)
            self.tally["page loaded anew"] += 1
            return
        if chance < ANEW + DROPPED:
            page.evaluate(DROP)
            page.wait_for_timeout(300)
            while page.evaluate(READ)["banner"] and not self._back(page):
                if not server.alive():
                    raise Gone
                page.wait_for_timeout(50)
            self.tally["connection lost"] += 1
            return
        self.tally["sent"] += 1
        what, after = person.choose(steps, self.draw, self.tally["sent"])
        self.allowed = (*self.allowed, after)
        person.act(what, after.now)
        person.wait_for(after.now, self.base)
        self.tally[what] += 1
        if self.draw.random() < 0.6:
            person.wait_saved()
            self.done += 1
            self.allowed = (after,)
        else:
            page.wait_for_timeout(100)

    def _back(self, page: Page) -> bool:
        return "The server is back, and this page goes on" in page.evaluate(ALL_TEXT)

    def _open(self, page: Page, server: Server, person: Person) -> None:
        """Wait for what was there, and open what the person uses. Raises AssertionError where something is missing."""
        self._wait_shown(page, server)
        for press, field in (
            (lambda: page.keyboard.press("8"), "Name of the plan"),
            (page.get_by_role("button", name="Kept", exact=True).click, "Name of the selection"),
        ):
            wanted = page.get_by_role("textbox", name=field)
            while not wanted.is_visible():
                press()
                with contextlib.suppress(TimeoutError):
                    wanted.wait_for(timeout=3000)
                if not server.alive():
                    raise Gone
        person.last = ""
        disk = on_disk(self.project(), self.home)
        person.inspected, person.flagged = disk.inspected, disk.flagged
        person.wait_for(self.allowed[-1].now, self.base)
        self.allowed = self.allowed[-1:]

    def _wait_shown(self, page: Page, server: Server) -> None:
        end = time.monotonic() + READY
        while not (" selected" in (seen := page.evaluate(READ))["count"] and " flagged" in seen["count"]):
            if not server.alive():
                raise Gone
            if time.monotonic() > end:
                raise AssertionError(f"the page does not show the map: {seen}")
            page.wait_for_timeout(50)


def main() -> int:
    """Kill and look, so many times; the exit status is 1 where anything was lost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--count", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=60.0, help="no further kill after these")
    parser.add_argument("--named", action="store_true", help="under a name; else in the unnamed project")
    options = parser.parse_args()
    found, wrong = Counter[str](), []
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name)
        (folder / "home").mkdir()
        data = Path(shutil.copy(options.data, folder / options.data.name))
        browser = playwright.chromium.launch(
            executable_path=find_chromium(), args=[*CHROMIUM_ARGUMENTS, *DRAWN_DIRECTLY]
        )
        context = browser.new_context(viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
        context.set_default_timeout(30_000)
        context.add_init_script("try { localStorage['meaviz.tour'] ??= 'test' } catch {}")
        context.add_init_script(SOCKETS)
        rounds = Rounds(context.new_page(), folder, data, options.named, random.Random(options.seed))
        rounds.begin()
        begin = time.monotonic()
        for number in range(options.count):
            if time.monotonic() - begin > 60 * options.minutes:
                break
            came = rounds.round()
            found[came.split(":")[0]] += 1
            print(f"{number} {time.monotonic() - begin:.0f} s {came}", flush=True)
            if came.startswith("LOST"):
                wrong.append(came)
                break
        print(dict(sorted(found.items())), dict(sorted(rounds.tally.items())), f"shown as saved {rounds.done}")
        browser.close()
        rounds.starter.end()
    return int(bool(wrong))


if __name__ == "__main__":
    raise SystemExit(main())

"""The app as somebody uses it: the real command, a real browser, and a server that is killed at random moments."""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from playwright.sync_api import Error, Page, Playwright, TimeoutError

from meaviz.projects.project import Project
from tests.support import ROOT
from tests.support.browser import ALL_TEXT, CHROMIUM_ARGUMENTS, DRAWN_DIRECTLY, find_chromium, free_port, wait_idle
from tests.support.fuzzing.done import Base, Steps, anew, found_again, on_disk, opened_again
from tests.support.fuzzing.person import DROP, READ, SOCKETS, WATCH, Gone, Person

LONGEST = 10.0  # s of use until the kill
OPENING = 0.15  # share of kills while the server starts and the page is opened
ANEW, DROPPED = 0.06, 0.08  # chances of an action to be a page loaded anew, a connection lost
LOCAL = ("colour", "leave out")  # what the browser shows before the server has heard of it
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

    def __init__(self, page: Page, folder: Path, data: Path, path: Path | None, draw: random.Random) -> None:
        self.page, self.folder, self.draw = page, folder, draw
        self.starter = Starter(folder)
        self.home, self.data = folder / "home", data
        self.path = path  # of a project with a name
        self.arguments = [str(data)]
        self.number = self.done = 0
        self.base = Base()
        self.allowed: tuple[Steps, ...] = ()
        self.sizes: list[int] = []
        self.twins: frozenset[int] = frozenset()
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
                page.get_by_label(re.compile("^Save as")).fill(str(self.path))
                page.get_by_role("button", name="Save", exact=True).click()
                page.get_by_text(re.compile("^It is saved in")).wait_for()
                page.keyboard.press("Escape")
                self.arguments = [str(self.path)]
            page.wait_for_timeout(2000)
            Person(page, server.alive, []).wait_saved(0)
        finally:
            server.end()
        shot = Project(self.project()).read().shot
        labels, dataset = shot.results["survey"].clusters.labels, shot.dataset
        assert dataset is not None
        self.sizes = np.bincount(labels[labels >= 0]).tolist()
        often = [dataset.structure_keys.count(key) > 1 for key in dataset.structure_keys]
        self.twins = frozenset(np.flatnonzero(np.array(often)[dataset.structure_of]).tolist())
        one, self.base = anew(on_disk(self.project(), self.home))
        self.allowed = (one,)

    def round(self) -> str:
        """Start, use, kill, look; what came of it."""
        self.number += 1
        server, page = self.starter.start(self.arguments), self.page
        opening = self.draw.random() < OPENING
        timer: threading.Timer | None = None
        sent = 0
        where, wrong = "while it starts" if opening else "in use", ""
        try:
            if opening:
                timer = threading.Timer(self.draw.uniform(0.0, self.shown_after), server.kill)
                timer.start()
            person = Person(page, server.alive, self.sizes)
            begin = time.monotonic()
            page.goto(server.address())
            self.open(page, server, person)
            self.shown_after = time.monotonic() - begin
            if timer is None:
                timer = threading.Timer(self.draw.uniform(0.0, LONGEST), server.kill)
                timer.start()
            for sent in range(1, 10_000):  # noqa: B007 - how many were begun
                self._one_thing(page, server, person)
        except AssertionError as error:
            wrong = str(error)
        except (Gone, Error) as error:  # Error: of the browser, in the middle of something
            if server.alive():
                wrong = f"the page failed though the server runs: {error} {self.said()}"
        finally:
            if timer is not None:
                timer.cancel()
            server.end()
        self.tally["actions"] += max(sent - 1, 0)
        lost = self.settle()
        if lost or wrong:
            return f"WRONG {where}: {lost} {wrong}"
        return f"nothing lost, killed {where}"

    def settle(self) -> str:
        """What the disk holds is where all goes on; what of it is not as it must be, in words."""
        disk = on_disk(self.project(), self.home)
        one = found_again(disk, self.allowed, self.base)
        if one is None:
            lost = f" LOST: allowed {self.allowed}, on disk {disk}, base {self.base}"
            one, self.base = anew(disk)
        else:
            lost = ""
            one, self.base = opened_again(one, disk, self.base)
        self.allowed = (one,)
        return lost

    def _one_thing(self, page: Page, server: Server, person: Person) -> None:
        chance = self.draw.random()
        if chance < ANEW:
            page.reload()
            self.open(page, server, person)
            self.tally["page loaded anew"] += 1
            return
        if chance < ANEW + DROPPED:
            page.evaluate(DROP)
            page.wait_for_timeout(300)
            while page.evaluate(READ)["banner"] and not self._back(page):
                if not server.alive():
                    raise Gone
                page.wait_for_timeout(150)
            self.tally["connection lost"] += 1
            return
        self.do(page, person, save=self.draw.random() < 0.6)

    def do(self, page: Page, person: Person, *, save: bool) -> None:
        """One act of the person, shown on the page; with ``save`` until the page says that it is saved."""
        self.tally["sent"] += 1
        what, after = person.choose(self.allowed[-1], self.draw, self.tally["sent"])
        if save and what in LOCAL:
            person.wait_saved(-1)  # what came before it, or "saved" might be said of that
        self.allowed = (*self.allowed, after)
        before = person.saved()
        person.act(what, after.now)
        person.wait_for(after.now, self.base)
        self.tally[what] += 1
        if save:
            person.wait_saved(before)
            self.done += 1
            self.allowed = (after,)
        else:
            page.wait_for_timeout(100)

    def _back(self, page: Page) -> bool:
        return "The server is back, and this page goes on" in page.evaluate(ALL_TEXT)

    def open(self, page: Page, server: Server, person: Person) -> None:
        """Wait for what was there, and open what the person uses. Raises AssertionError where something is missing."""
        self._wait_shown(page, server)
        wait_idle(page)
        for press, field in (
            (lambda: page.get_by_role("tab", name="Pruning", exact=True).click(), "Name of the plan"),
            (page.get_by_role("button", name="Kept", exact=True).click, "Name of the selection"),
        ):
            wanted, end = page.get_by_label(field), time.monotonic() + READY
            while not wanted.is_visible():
                press()
                with contextlib.suppress(TimeoutError):
                    wanted.wait_for(timeout=5000)
                if not server.alive():
                    raise Gone
                if time.monotonic() > end:
                    raise AssertionError(f"the field {field!r} does not appear")
        person.last, person.twins = "", self.twins
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
            page.wait_for_timeout(150)


@contextlib.contextmanager
def opened_browser(playwright: Playwright) -> Iterator[Page]:
    """A page of a browser that keeps its sockets where they can be closed."""
    browser = playwright.chromium.launch(executable_path=find_chromium(), args=[*CHROMIUM_ARGUMENTS, *DRAWN_DIRECTLY])
    context = browser.new_context(viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
    context.set_default_timeout(30_000)
    context.add_init_script("try { localStorage['meaviz.tour'] ??= 'test' } catch {}")
    context.add_init_script(SOCKETS)
    context.add_init_script(WATCH)
    try:
        yield context.new_page()
    finally:
        browser.close()

"""Many users on one server at once: memory of a session, time of a lasso while somebody trains, what comes and goes.

``python benchmarks/load.py FILE [--cache DIR] [--parts ...]`` starts ``meaviz --serve`` with a user for each session in
a process of its own and brings them in by name and password: two pages in a real browser, all others as web sockets
that speak as a page does (to the server they are the same). Then, in this order:

- *sessions*: memory with one session that shows the map, and with all of them;
- *lasso*: one user trains, all others draw a lasso every ``--pace`` seconds; the time from letting go to the new
  picture in the browser, and to the answer at the web sockets;
- *back*: all leave, and come again, to what was kept of their work;
- *connects*: pages come and go, half of them before their map is there; memory and what is alive after some of them,
  once none is left and memory was handed back.

Without ``--cache`` the first session computes everything.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from playwright.sync_api import Browser, Page, sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from latency import NEXT_PICTURE, WATCH

from meagraph.files import write_json
from meaviz.serving.passwords import add_user
from tests.support.browser import (
    CHROMIUM_ARGUMENTS,
    DRAWN_DIRECTLY,
    FIND_FIGURE,
    data_to_page,
    drag,
    find_chromium,
    free_port,
    wait_figure,
)
from tests.support.sockets import PageSocket, log_in

HERE = Path(__file__).resolve().parent
PASSWORD = "for a measurement only"
PARTS = ("sessions", "lasso", "back", "connects")
PAGES = 2  # in a real browser
PATIENCE = 1800.0  # s for all to see their map
COUNTED = (20, 40, 60, 80, 100, 150, 200)  # connects after which what is alive is counted
T = TypeVar("T")


class Server:
    """``meaviz --serve`` on one file, and what it says of itself."""

    def __init__(self, data: Path, users: Sequence[str], folder: Path, options: Sequence[str]) -> None:
        passwords = folder / "users.txt"
        for name in users:
            add_user(passwords, name, PASSWORD)
        port = free_port()
        self.url = f"http://127.0.0.1:{port}/"
        given = ["--serve", "--passwords", passwords, "--root", data.parent, "--results", folder / "results"]
        given += ["--cookie-secret", folder / "secret", "--log", folder / "log", "--verbose", "--port", port]
        given += [*options, data]
        self._said = open(folder / "said", "w")  # noqa: SIM115
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "load_server.py"), *map(str, given)],
            env={**os.environ, "MEAVIZ_DATA_HOME": str(folder / "home"), "PYTHONPATH": str(HERE.parent)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            text=True,
        )
        while " at http" not in (folder / "said").read_text():
            if self.process.poll() is not None:
                raise RuntimeError((folder / "said").read_text())
            time.sleep(0.2)

    def ask(self, question: str) -> dict[str, Any]:
        """What it answers."""
        assert self.process.stdin
        assert self.process.stdout
        print(question, file=self.process.stdin, flush=True)
        found: dict[str, Any] = json.loads(self.process.stdout.readline())
        if "error" in found:
            raise RuntimeError(f"{question}: {found['error']}")
        return found

    @property
    def seconds(self) -> float:
        """Processor time so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def wait(self, count: int) -> None:
        """Wait until so many sessions show their map and nobody computes."""
        deadline, quiet = time.monotonic() + PATIENCE, 0
        while quiet < 3:  # a job that ends may be followed by another
            found = self.ask("ready")
            quiet = quiet + 1 if found["with_map"] >= count and not found["jobs"] else 0
            if time.monotonic() > deadline:
                raise RuntimeError(f"after {PATIENCE:.0f} s: {found}")
            time.sleep(1.0)

    def stop(self) -> None:
        """End it."""
        self.process.terminate()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self._said.close()


class Crowd:
    """The pages: some in a browser, the others as web sockets, which live on a loop of their own."""

    def __init__(self, server: Server, browser: Browser) -> None:
        self._server, self._browser = server, browser
        self.pages: list[Page] = []
        self.sockets: list[PageSocket] = []
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()

    def run(self, work: Coroutine[Any, Any, T], patience: float = PATIENCE) -> T:
        """What ``work`` on the sockets' loop returns."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(patience)

    def enter(self, user: str, *, browser: bool = False) -> None:
        """One more page."""
        cookie = self.run(log_in(self._server.url, user, PASSWORD))
        if not browser:
            self.sockets.append(self.run(PageSocket.open(self._server.url, cookie)))
            return
        context = self._browser.new_context(viewport={"width": 1440, "height": 900}, reduced_motion="reduce")
        name, _, value = cookie.partition("=")
        context.add_cookies([{"name": name, "value": value, "url": self._server.url}])
        context.set_default_timeout(600_000)
        page = context.new_page()
        page.add_init_script(WATCH)
        page.goto(self._server.url)
        wait_figure(page, "map", 600)
        self.pages.append(page)

    def leave(self) -> None:
        """Close them all."""
        for page in self.pages:
            page.context.close()
        for socket in self.sockets:
            self._loop.call_soon_threadsafe(socket.drop)
        self.pages, self.sockets = [], []

    def draw(self, place: dict[str, Any], pace: float) -> tuple[threading.Event, list[float]]:
        """Let each socket draw a lasso every ``pace`` seconds until the event is set; seconds of each."""
        end, took = threading.Event(), []

        async def one(socket: PageSocket, number: int) -> None:
            choose = random.Random(number)
            await asyncio.sleep(choose.uniform(0, pace))
            while not end.is_set():
                xs, ys = ring(place, choose.uniform(0.1, 0.3))
                spent = await socket.lasso(xs, ys)
                took.append(spent)
                await asyncio.sleep(max(0.0, pace * choose.uniform(0.7, 1.3) - spent))

        for number, socket in enumerate(self.sockets):
            asyncio.run_coroutine_threadsafe(one(socket, number), self._loop)
        return end, took


def ring(place: dict[str, Any], radius: float) -> tuple[list[float], list[float]]:
    """A lasso of 60 corners around the place, whose radius is that part of the map's extent."""
    angles = np.linspace(0, 2 * np.pi, 60)
    centre, extent = np.array(place["centre"]), np.array(place["extent"])
    points = centre + radius / 2 * extent * np.column_stack([np.cos(angles), np.sin(angles)])
    return points[:, 0].tolist(), points[:, 1].tolist()


def fill(server: Server, crowd: Crowd, users: Sequence[str], *, pages: int) -> dict[str, Any]:
    """All users enter, the first alone; memory with one and with all."""
    empty = server.ask("settle")
    begun, spent = time.monotonic(), server.seconds
    crowd.enter(users[0])
    server.wait(1)
    one = server.ask("memory")
    spent, first = server.seconds, server.seconds - spent
    for number, user in enumerate(users[1:], 1):
        crowd.enter(user, browser=number >= len(users) - pages)
    server.wait(len(users))
    time.sleep(5.0)  # work is kept a moment later
    full = server.ask("memory")
    others = len(users) - 1
    found = {
        "without": empty,
        "one": one,
        "all": full,
        "mb_a_session": round((full["rss"] - one["rss"]) / others, 1),
        "anonymous_mb_a_session": round((full["anon"] - one["anon"]) / others, 1),
        "processor_seconds": {"first": round(first, 1), "each": round((server.seconds - spent) / others, 2)},
        "seconds": round(time.monotonic() - begun),
    }
    print(json.dumps(found), flush=True)
    return found


def lassos(server: Server, crowd: Crowd, users: Sequence[str], repeats: int, pace: float) -> dict[str, Any]:
    """Time of a lasso in both browser pages, while the first user trains and all sockets draw; before that, without."""
    place = server.ask(f"where {users[0]}")
    found: dict[str, Any] = {"environments": place["environments"], "pace": pace}
    for name, training in (("idle", False), ("training", True)):
        end, took = crowd.draw(place, pace)
        drawn, busy = [], 0
        for step in range(repeats + len(crowd.pages)):
            if training:
                busy += not server.ask(f"train {users[0]}")["began"]
            page = crowd.pages[step % len(crowd.pages)]
            page.bring_to_front()
            page.evaluate(NEXT_PICTURE.replace("FIND", FIND_FIGURE), ["map", ["image", "fill"]])
            points = list(zip(*ring(place, 0.1 + 0.02 * (step % 10)), strict=True))
            drag(page, data_to_page(page, "map", points), steps=1)
            _, shown = page.evaluate("() => window.picture")
            if step >= len(crowd.pages):  # the first in each page warms it up
                drawn.append(shown / 1000)
            page.wait_for_timeout(500)
        end.set()
        found[name] = {
            "browser": spread(drawn),
            "sockets": spread(took),
            "load": round(os.getloadavg()[0], 1),
            **({"already_training": f"{busy} of {repeats + len(crowd.pages)}"} if training else {}),
        }
        print(name, json.dumps(found[name]), flush=True)
        time.sleep(pace)
    return found


def spread(seconds: Sequence[float]) -> dict[str, Any]:
    """Count, median, 95th percentile and longest, in seconds."""
    if not seconds:
        return {"count": 0}
    return {
        "count": len(seconds),
        "median": round(statistics.median(seconds), 3),
        "p95": round(float(np.percentile(seconds, 95)), 3),
        "longest": round(max(seconds), 3),
    }


def connects(server: Server, crowd: Crowd, users: Sequence[str], count: int) -> dict[str, Any]:
    """Pages come and go; what is left after some of them."""
    left: dict[str, Any] = {"0": server.ask("settle")}
    print("connects", 0, left["0"], flush=True)
    for number in range(1, count + 1):
        crowd.enter(users[number % len(users)])
        if number % 2:
            server.wait(1)
        crowd.leave()
        if number in COUNTED or number == count:
            left[str(number)] = server.ask("settle")
            print("connects", number, left[str(number)], flush=True)
    return left


def main() -> None:
    """Measure, print, and write the figures beside this script."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--cache", help="cache of results (default: an empty one)")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--users", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=40, help="lassos in the browser, with and without training")
    parser.add_argument("--pace", type=float, default=10.0, help="seconds between two lassos of one user")
    parser.add_argument("--connects", type=int, default=200)
    parser.add_argument("--pages", type=int, default=PAGES, help="in a real browser")
    parser.add_argument("--jobs", default="2", help="long jobs at once")
    parser.add_argument("--look", action="store_true", help="print what there is most of")
    options = parser.parse_args()
    users = [f"user{number:02}" for number in range(options.users)]
    result: dict[str, Any] = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "data": options.data.name,
        "users": options.users,
    }
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        os.environ["MEAVIZ_CACHE"] = options.cache or str(Path(folder, "cache"))
        arguments = [*CHROMIUM_ARGUMENTS, *DRAWN_DIRECTLY]
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=arguments)
        server = Server(options.data.resolve(), users, Path(folder), ["--jobs", options.jobs])
        crowd = Crowd(server, browser)
        try:
            if {"sessions", "lasso", "back"} & set(options.parts):
                result["sessions"] = fill(server, crowd, users, pages=options.pages)
                if options.look:
                    print(json.dumps(server.ask("sizes 40"), indent=1))
                if "lasso" in options.parts:
                    result["lasso"] = lassos(server, crowd, users, options.repeats, options.pace)
                crowd.leave()
            if "back" in options.parts:
                result["back"] = fill(server, crowd, users, pages=0)
                if options.look:
                    print(json.dumps(server.ask("sizes 40"), indent=1))
                crowd.leave()
            if "connects" in options.parts:
                result["connects"] = connects(server, crowd, users, options.connects)
        except BaseException:
            print(Path(folder, "said").read_text()[-5000:], Path(folder, "log").read_text()[-5000:], sep="\n")
            raise
        finally:
            server.stop()
        browser.close()
    file = HERE / "results" / "load.json"
    known = json.loads(file.read_text()) if file.exists() else {}
    write_json(file, known | result)


if __name__ == "__main__":
    main()

"""What page views leave behind on the server, and what each of them costs.

``python benchmarks/page_views.py [DATA ...]`` (default: the demo) starts the app in a process of its own, asks for the
page again and again as a plain GET, visits it in a real browser until the map is there, and measures memory and counts
what is alive once all of them have ended. ``--before CHECKOUT`` does the same with another checkout first. Results come
from a cache, which the first visit fills. Bokeh drops a session some 15 s after its page is gone; for a count all are
dropped that have no page, and memory is handed back before it is read.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve()
RESULTS = HERE.parent / "results"
CHECK = 250  # ms between two looks at which sessions have ended
SETTLED = 8.0  # s after the end of the last session and its job: by then their memory has been handed back
COUNTED = (1, 20, 50, 100, 150, 200)  # after so many views what is alive is counted
WARM = 20  # views that load what only a page loads, and are not timed
READY = "of\\s+[\\d,]+ selected"  # said once the map is there
ALIVE = ("Session", "Document", "Model")


def serve(data: list[str]) -> None:
    """The server: prints its port, then answers each line of input with what is alive when no session is left."""
    import panel as pn
    from bokeh.document import Document
    from bokeh.model import Model

    from meaviz.app import build
    from meaviz.session import Session

    thread = pn.serve(
        lambda: build(data),
        port=0,
        address="127.0.0.1",
        threaded=True,
        show=False,
        verbose=False,
        check_unused_sessions_milliseconds=CHECK,
    )
    while not (known := pn.state._servers.get(thread.server_id)) or not getattr(known[0], "port", 0):
        time.sleep(0.05)
    server = known[0]
    print(server.port, flush=True)
    for _ in sys.stdin:
        while sessions := server.get_sessions():
            for session in sessions:
                session.request_expiration()  # heeded where no page is connected
            time.sleep(CHECK / 1000)
        while any(one.name == "job" for one in threading.enumerate()):
            time.sleep(CHECK / 1000)
        time.sleep(SETTLED)
        gc.collect()
        kinds = dict(zip(ALIVE, (Session, Document, Model), strict=True))
        counts = dict.fromkeys(ALIVE, 0)
        for thing in gc.get_objects():
            for name, kind in kinds.items():
                if issubclass(type(thing), kind):
                    counts[name] += 1
        print(json.dumps(counts), flush=True)
    os._exit(0)


class Server:
    """The app of a checkout, in a process of its own."""

    def __init__(self, root: Path, data: list[str], folder: Path) -> None:
        if not (root / "meaviz" / "app.py").is_file():  # else the installed package would be measured in its name
            raise SystemExit(f"{root}: expected a checkout of MEAViz, but there is no meaviz/app.py in it.")
        caches = {"MEAVIZ_CACHE": str(folder / "results"), "MEAVIZ_DATA_HOME": str(folder / "judgements")}
        self._process = subprocess.Popen(
            [sys.executable, str(HERE), "--serve", *data],
            env={**os.environ, **caches, "PYTHONPATH": str(root)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.url = f"http://127.0.0.1:{int(self._line())}/"

    def _line(self) -> str:
        assert self._process.stdout
        return self._process.stdout.readline()

    @property
    def seconds(self) -> float:
        """Processor time so far."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    @property
    def memory(self) -> float:
        """Resident memory in MB."""
        pages = int(Path(f"/proc/{self._process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

    def alive(self) -> dict[str, Any]:
        """Wait until every session has ended; what is left."""
        assert self._process.stdin
        print(file=self._process.stdin, flush=True)
        while not (line := self._line()).startswith("{"):  # Panel may print what it logs
            if not line:
                raise RuntimeError("the server ended before it had counted what is alive")
        counts = json.loads(line)
        return {"memory_mb": round(self.memory, 1), **counts}

    def get(self) -> float:
        """Ask for the page without opening a session's web socket; processor time that this took."""
        begun = self.seconds
        with urllib.request.urlopen(self.url) as answer:
            answer.read()
        while True:  # the work that the page begins in a thread is part of it
            before = self.seconds
            time.sleep(0.2)
            if self.seconds - before < 0.03:
                return self.seconds - begun

    def visit(self, page: Any, text: str) -> float:
        """Open the page in a browser, wait for the map, leave; processor time of the server."""
        begun = self.seconds
        page.goto(self.url)
        page.wait_for_function(f"() => new RegExp({json.dumps(READY)}).test(({text})())", timeout=600_000)
        spent = self.seconds - begun
        page.goto("about:blank")
        return spent

    def stop(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()


def measure(server: Server, page: Any, text: str, views: int, visits: int) -> dict[str, Any]:
    """The first page, then views and visits, counting what they leave."""
    server.visit(page, text)  # computes what the cache does not hold
    left = {"0": server.alive()}
    print(0, left["0"], flush=True)
    spent = []
    for number in range(1, views + 1):
        spent.append(server.get())
        if number in COUNTED or number == views:
            left[str(number)] = server.alive()
            print(number, left[str(number)], f"{statistics.median(spent):.2f} s", flush=True)
    timed = spent[WARM:] or spent
    result = {
        "processor_seconds": {"median": round(statistics.median(timed), 3), "all": [round(one, 2) for one in spent]},
        "after_views": left,
        "grown_mb": {since: round(left[str(views)]["memory_mb"] - of["memory_mb"], 1) for since, of in left.items()},
    }
    opened = [server.visit(page, text)]
    first = server.alive()
    opened += [server.visit(page, text) for _ in range(visits - 1)]
    last = server.alive()
    print("visits", first, last, flush=True)
    return result | {
        "visit_processor_seconds": round(statistics.median(opened), 3),
        "after_visits": {"1": first, str(visits): last},
        "grown_by_visits_mb": round(last["memory_mb"] - first["memory_mb"], 1),
    }


def main() -> None:
    """Measure and print; write the figures beside this script."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", nargs="*", help="files to open together (default: the demo)")
    parser.add_argument("--views", type=int, default=200)
    parser.add_argument("--visits", type=int, default=20, help="in a real browser")
    parser.add_argument("--before", type=Path, help="another checkout, to compare with")
    parser.add_argument("--before-views", type=int, default=30, help="fewer where each of them keeps its memory")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.data)
        return
    sys.path.insert(0, str(HERE.parent.parent))
    from playwright.sync_api import sync_playwright

    from meagraph.files import write_json
    from tests.support.browser import ALL_TEXT, CHROMIUM_ARGUMENTS, find_chromium

    data = [str(Path(path).resolve()) for path in options.data]
    result: dict[str, Any] = {"machine": f"{platform.machine()}, {os.cpu_count()} cores", "data": data or "demo"}
    checkouts = [("now", HERE.parent.parent, options.views, options.visits)]
    if options.before:
        checkouts.insert(0, ("before", options.before.resolve(), options.before_views, 3))
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=list(CHROMIUM_ARGUMENTS))
        for name, root, views, visits in checkouts:
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            server = Server(root, data, Path(folder, name))
            load = os.getloadavg()[0]
            try:
                result[name] = {"load": round(load, 1), **measure(server, page, ALL_TEXT, views, visits)}
            finally:
                server.stop()
            page.close()
        browser.close()
    if options.before:
        ratio = result["now"]["processor_seconds"]["median"] / result["before"]["processor_seconds"]["median"]
        result["ratio_of_processor_seconds"] = round(ratio, 3)
    write_json(RESULTS / "page_views.json", result)
    print(json.dumps({key: value for key, value in result.items() if key not in ("before", "now")}, indent=2))


if __name__ == "__main__":
    main()

"""From the command to the dataset, the quick map and the learned map: wall time cold and warm, memory, clusters.

``python benchmarks/start.py [DATA ...]`` starts ``meaviz DATA`` as a user would, opens the page in a real browser and
waits until the page shows the dataset's size, a map (the quick one, where it is still to be trained) and the learned
map. Cold: no cached result and no compiled kernel (both caches are new folders); the installed packages' own byte code
is there, as after a first ``import``. Warm: the same command again. Without DATA it measures the embedded demo.
With ``--results FOLDER``, a cache that has the results, all starts are warm.
``--before CHECKOUT`` runs the code of another checkout before each run, and gives the times as shares of its time to
the map.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from meagraph.files import write_json
from tests.support.browser import ALL_TEXT, CHROMIUM_ARGUMENTS, find_chromium, free_port

RESULTS = Path(__file__).parent / "results"
LIMIT = 1800.0  # s
MAP = r"of\s+[\d,]+ selected"
CLUSTERS = r"([\d,]+) clusters"
TOKEN = "benchmark"
POLL = 300  # ms; more often, and the watching browser would take the processor from the server


ROOT = Path(__file__).resolve().parent.parent
SEEN = ("dataset", "map", "learned_map")


def seen(text: str, before: dict[str, float]) -> list[str]:
    """Which of SEEN the ``text`` of the page shows, with what was seen ``before`` it.

    A quick map says so beside it, perhaps a moment later than its points are counted; a map that was never called
    quick is the learned one once there are clusters.
    """
    found = ["dataset"] if re.search(r"[\d,]+ structures, [\d,]+ environments", text) else []
    if re.search(MAP, text):
        found.append("map")
        quick = "Quick map" in text
        if quick:
            found.append("quick")
        elif "quick" in before or re.search(CLUSTERS, text):
            found.append("learned_map")
    return found


def start_to_map(root: Path, data: list[str], caches: Path, page: Page) -> dict[str, Any]:
    """Run the command of the checkout ``root`` once; seconds until each of SEEN, peak memory in GB, clusters."""
    port = free_port()
    environment = {
        **os.environ,
        "PYTHONPATH": str(root),
        "MEAVIZ_CACHE": str(caches / "results"),
        "MEAVIZ_DATA_HOME": str(caches / "judgements"),
        "NUMBA_CACHE_DIR": str(caches / "kernels"),
        "MEAVIZ_TOKEN": TOKEN,
    }
    command = [sys.executable, "-m", "meaviz.cli", *data, "--no-browser", "--port", str(port)]
    begun = time.perf_counter()
    server = subprocess.Popen(command, env=environment, cwd=caches, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    seconds: dict[str, float] = {}
    clusters = None
    try:
        _wait_for(port, server, begun)
        page.goto(f"http://127.0.0.1:{port}/?token={TOKEN}")
        while not (set(SEEN) <= set(seconds) and clusters):  # the side bar, with the clusters, follows the map
            text = page.evaluate(ALL_TEXT)
            for name in seen(text, seconds):
                seconds.setdefault(name, round(time.perf_counter() - begun, 2))
            clusters = re.search(CLUSTERS, text)
            if time.perf_counter() - begun > LIMIT:
                raise TimeoutError(f"after {LIMIT:.0f} s only {seconds}; the page says: {text[:500]}")
            page.wait_for_timeout(POLL)
        page.goto("about:blank")
    finally:
        server.terminate()
        _, _, usage = os.wait4(server.pid, 0)
    return {
        **{name: seconds[name] for name in SEEN},
        "peak_memory_gb": round(usage.ru_maxrss / 1e6, 3),
        "clusters": int(clusters[1].replace(",", "")),
    }


def _wait_for(port: int, server: subprocess.Popen[bytes], begun: float) -> None:
    """Wait until the server listens, which is when the command opens the browser."""
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            if server.poll() is not None or time.perf_counter() - begun > LIMIT:
                raise
            time.sleep(0.05)


def shares(now: dict[str, dict[str, float]], before: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
    """Times of this code as shares of the other's time to its (only) map, cold and warm."""
    return {state: {name: round(now[state][name] / before[state]["map"], 3) for name in SEEN} for state in now}


def main() -> None:
    """Measure and print; write the figures beside this script."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", nargs="*", help="files to open together (default: the demo)")
    parser.add_argument("--runs", type=int, default=3, help="cold starts, each followed by a warm one")
    parser.add_argument("--before", type=Path, help="another checkout, to compare with")
    parser.add_argument("--results", type=Path, metavar="FOLDER", help="a cache that has the results already")
    options = parser.parse_args()
    name = Path(options.data[0]).name.split(".")[0] if options.data else "demo"
    data = [str(Path(path).resolve()) for path in options.data]
    roots = {"before": options.before.resolve()} if options.before else {}
    roots["now"] = ROOT
    states = ("warm",) if options.results else ("cold", "warm")
    runs: dict[str, dict[str, list[dict[str, Any]]]] = {code: {state: [] for state in states} for code in roots}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=list(CHROMIUM_ARGUMENTS))
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        for _ in range(options.runs):
            for code, root in roots.items():
                with tempfile.TemporaryDirectory() as folder:
                    if options.results:
                        Path(folder, "results").symlink_to(options.results.resolve())
                        Path(folder, "kernels").symlink_to(Path(os.environ["NUMBA_CACHE_DIR"]).resolve())
                    for state in states:
                        runs[code][state].append(start_to_map(root, data, Path(folder), page))
                        print(name, code, state, runs[code][state][-1], flush=True)
        browser.close()
    median = {
        code: {
            state: {key: statistics.median(run[key] for run in found) for key in (*SEEN, "peak_memory_gb", "clusters")}
            for state, found in by_state.items()
        }
        for code, by_state in runs.items()
    }
    result: dict[str, Any] = {"machine": f"{platform.machine()}, {os.cpu_count()} cores"}
    if "before" in median:
        result["shares_of_before"] = shares(median["now"], median["before"])
    result |= {"median": median, "runs": runs}
    write_json(RESULTS / f"start-{name}.json", result)
    print(json.dumps({key: value for key, value in result.items() if key != "runs"}, indent=2))


if __name__ == "__main__":
    main()

"""Five hundred structure switches in the 3D view: memory of browser and server, live WebGL contexts, time of a switch.

``python benchmarks/switches.py [DATA ...]`` shows random environments of the data (default: the demo) in a real
browser, going through environment, structure with repeated cells, and comparison, through all representations, colours
and arrows, and waits each time until it is drawn. After every hundred, and after the garbage collection of both sides,
it measures.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import platform
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import panel as pn
from playwright.sync_api import Page, sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from meagraph.datasets import AtomicDataset, read_dataset
from meagraph.files import write_json
from meaviz.components.viewer.scene import Environment
from meaviz.components.viewer.structure_viewer import REPRESENTATIONS, StructureViewer
from meaviz.demo import demo_path
from tests.support.browser import CHROMIUM_ARGUMENTS, Served, find_chromium, open_page

RESULTS = Path(__file__).parent / "results"
CUTOFF = 5.0  # Å
WATCH = """globalThis.__meaviz_debug = []; globalThis.__contexts = new Set();
const get = HTMLCanvasElement.prototype.getContext;
HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {
  const context = get.call(this, kind, ...rest);
  if (/webgl/.test(kind) && context) __contexts.add(context);
  return context;
};"""
DRAWN = """(id) => {
  const view = __meaviz_debug.at(-1);
  return !!view && view.idle() && (view.scene()?.id ?? 0) === id && !view.stage.viewer.renderPending;
}"""


def switch(viewer: StructureViewer, data: AtomicDataset, number: int, rng: np.random.Generator) -> None:
    """Show something else."""

    def environment(row: int) -> dict[str, Any]:
        structure = int(data.structure_of[row])
        span = slice(data.offsets[structure], data.offsets[structure + 1])
        colors = rng.integers(0, 1 << 24, span.stop - span.start, dtype=np.uint32) if number % 2 else None
        return {
            "atoms": data.structures[structure],
            "focus": int(data.atom_of[row]),
            "cutoff": CUTOFF,
            "colors": colors,
            "vectors": data.forces[span],
        }

    first, second = (environment(int(row)) for row in rng.integers(0, data.n_environments, 2))
    viewer.param.update(representation=list(REPRESENTATIONS.values())[number % 4], arrows=number % 3 != 0)
    if number % 5 == 4:
        viewer.compare(Environment(**first), Environment(**second), overlaid=bool(number % 2))
    else:
        whole = number % 5 == 3
        viewer.show(**first, whole=whole, repeats=(2, 1, 1) if whole else (1, 1, 1))


def measure(page: Page, session: Any) -> dict[str, Any]:
    """Memory of both sides in MB, and WebGL contexts that are alive."""
    session.send("HeapProfiler.collectGarbage")
    metrics = {item["name"]: item["value"] for item in session.send("Performance.getMetrics")["metrics"]}
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return {
        "heap_mb": round(metrics["JSHeapUsedSize"] / 1e6, 1),
        "server_mb": round(pages * os.sysconf("SC_PAGE_SIZE") / 1e6, 1),
        "contexts": page.evaluate("() => [...__contexts].filter((context) => !context.isContextLost()).length"),
        "canvases": page.locator(".viewer canvas").count(),
    }


def main() -> None:
    """Measure and print; write the figures beside this script."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", nargs="*", help="files to open together (default: the demo)")
    parser.add_argument("--switches", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    data = read_dataset(options.data or [demo_path()])
    rng = np.random.default_rng(options.seed)
    viewers: list[StructureViewer] = []

    def app() -> Any:
        viewers.append(StructureViewer(width=600, height=450))
        return pn.Column(viewers[-1])

    served, errors, times, states = Served(app), [], [], {}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=list(CHROMIUM_ARGUMENTS))
        page = browser.new_page(viewport={"width": 800, "height": 600})
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.add_init_script(WATCH)
        open_page(page, served)
        session = page.context.new_cdp_session(page)
        session.send("Performance.enable")
        for number in range(options.switches + 20):
            begun = time.perf_counter()
            served.run(lambda number=number: switch(viewers[-1], data, number, rng))
            page.wait_for_function(DRAWN, arg=viewers[-1].scene["id"])
            times.append(time.perf_counter() - begun)
            done = number + 1 - 20  # the first twenty warm both sides up
            if done >= 0 and done % 100 == 0:
                states[str(done)] = measure(page, session)
                print(done, states[str(done)], flush=True)
        browser.close()
    served.stop()
    result = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "data": data.name,
        "median_seconds": round(statistics.median(times[20:]), 3),
        "after": states,
        "errors": errors,
    }
    write_json(RESULTS / "switches.json", result)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()

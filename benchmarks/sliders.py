"""From the keep slider of the tab Pruning to the new plan and its error, on a real dataset in a real browser.

``python benchmarks/sliders.py [Nb_bcc2020] [--steps 8]``: the whole app with the dataset (``$MEAVIZ_DATA``, or a path),
its analysis from the cache where it is there. The map is computed and the cost measured once; then the slider is moved
by single presses of a key. Milliseconds from letting the key go to the first frame that shows the new plan (figures and
both bar charts), and to the first that shows the error of the new fit. One press before warms up.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import sys
import time
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from latency import NO_CARD, WATCH

from meagraph.files import write_json
from meaviz.app import build
from meaviz.demo import demo_path
from tests.support.browser import ALL_TEXT, CHROMIUM_ARGUMENTS, DRAWN_DIRECTLY, Served, find_chromium

RESULTS = Path(__file__).parent / "results"
DATA = Path(os.environ.get("MEAVIZ_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
SLIDER = "Keep fraction of environments"
# Both charts have a column of what is chosen; the figures are text in the shadow of their pane.
MOVED = """() => {
  const rootOf = (root) => {
    if (root.querySelector(".figures")) return root
    for (const element of root.querySelectorAll("*")) {
      const found = element.shadowRoot && rootOf(element.shadowRoot)
      if (found) return found
    }
    return null
  }
  const shadow = rootOf(document)
  const figures = () => shadow.querySelector(".figures")?.innerText ?? ""
  const sources = [...Bokeh.documents[0]._all_models.values()].filter(
    (model) => model.type === "ColumnDataSource" && Object.keys(model.data).some((name) => name.startsWith("chosen")))
  const waiting = new Set(sources.filter((source) => source.get_length() > 1))
  for (const source of [...waiting]) {
    const seen = () => { waiting.delete(source); source.properties.data.change.disconnect(seen) }
    source.properties.data.change.connect(seen)
  }
  const before = figures()
  const old = window.gestureEnd
  window.moved = new Promise((resolve, reject) => {
    const limit = setTimeout(() => reject(new Error("no new plan within a minute")), 60_000)
    let plan = null
    const look = () => {
      const text = figures(), now = performance.now()
      if (window.gestureEnd > old) {
        if (plan === null && text !== before && waiting.size === 0) plan = now - window.gestureEnd
        if (plan !== null && text.includes("meV")) {
          clearTimeout(limit)
          resolve([plan, now - window.gestureEnd])
          return
        }
      }
      requestAnimationFrame(look)
    }
    requestAnimationFrame(look)
  })
}"""


def wait_for_text(page: Page, pattern: str, seconds: float) -> None:
    """Until the page says it. Raises TimeoutError where it does not."""
    end = time.monotonic() + seconds
    while not re.search(pattern, str(page.evaluate(ALL_TEXT))):
        if time.monotonic() > end:
            raise TimeoutError(f"The page did not say {pattern!r} within {seconds:g} s.")
        page.wait_for_timeout(500)


def measure(page: Page, steps: int) -> list[tuple[float, float]]:
    """Milliseconds to the plan and to its error, of each step."""
    wait_for_text(page, r"of\s+[\d,]+ selected", 1200)
    page.get_by_role("tab", name="Cost").click()
    page.wait_for_timeout(3000)
    page.get_by_role("button", name="Measure", exact=True).click()
    wait_for_text(page, "Worst group of the kept structures", 300)
    page.get_by_role("tab", name="Pruning").click()
    wait_for_text(page, "force RMSE", 60)
    page.wait_for_timeout(3000)
    page.get_by_role("slider", name=SLIDER).focus()
    found = []
    for _ in range(steps + 1):
        page.evaluate(MOVED)
        page.keyboard.press("ArrowRight")
        found.append(tuple(page.evaluate("() => window.moved")))
        page.wait_for_timeout(1000)
    return found[1:]


def main() -> None:
    """Measure and write ``results/sliders-NAME.json``."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", nargs="?", default="Nb_bcc2020")
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--no-card", action="store_true", help=NO_CARD)
    options = parser.parse_args()
    arguments = (*CHROMIUM_ARGUMENTS, *(DRAWN_DIRECTLY if options.no_card else ()))
    named = DATA / f"{options.data}.extxyz"
    path = demo_path() if options.data == "demo" else named if named.is_file() else Path(options.data)
    served = Served(lambda: build([path]), timeout=300)
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=find_chromium(), args=list(arguments))
            page = browser.new_page(viewport={"width": 1440, "height": 900}, reduced_motion="reduce")
            page.set_default_timeout(300_000)
            page.add_init_script(WATCH)
            page.goto(served.url)
            found = measure(page, options.steps)
            browser.close()
    finally:
        served.stop()
    kinds = {"plan": [round(plan) for plan, _ in found], "error": [round(error) for _, error in found]}
    medians = {name: statistics.median(values) for name, values in kinds.items()}
    print(path.name, medians, kinds)
    name = path.name.split(".")[0]
    write_json(
        RESULTS / f"sliders-{name}{'-no-card' * options.no_card}.json", {"milliseconds": kinds, "median": medians}
    )


if __name__ == "__main__":
    main()

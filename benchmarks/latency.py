"""From a gesture to its picture in the browser, on maps of 10^4, 10^5 and 10^6 environments.

``python benchmarks/latency.py [SIZE ...] [--data FILE ...] [--gestures level]`` shows the whole app with a made-up
dataset of that many environments (blobs in the plane with clusters, groups, energies and forces; nothing is computed),
drives a real browser, and measures the time from the end of the gesture (the button let go, the last turn of the wheel,
the click, the key let go) to the first frame that shows the new picture: lasso, box, recolouring, zoom by the wheel,
another level of the clusters. Beside it stands the time until the page had the new data: what is left is drawing, which
a browser without graphics card does in software, and which other work on the machine delays most. Median of several.

Files are analysed first, or recalled from the cache, and are shown as they are. Each gesture is printed when it is
measured; ``results/latency.json`` keeps what is not measured again.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Page, sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from meagraph.files import write_json
from meagraph.pipeline.analysis import analyse
from meaviz.app import build
from meaviz.components.map import environment_map
from meaviz.session import Session
from tests.support.browser import (
    CHROMIUM_ARGUMENTS,
    DRAWN_DIRECTLY,
    FIND_FIGURE,
    Served,
    data_to_page,
    drag,
    find_chromium,
    wait_figure,
)
from tests.support.made_up import session_of

NO_CARD = "a browser as it starts without a graphics card; else one whose card is played by software, pages and all"
RESULTS = Path(__file__).parent / "results"
SIZES = (10_000, 100_000, 1_000_000)
GESTURES = ("lasso", "box", "recolour", "zoom", "level")
COLOURS = ("energy", "group", "force", "cluster")
# When the gesture ends, and when the first frame after new data of the map is there.
WATCH = """
try { localStorage["meaviz.tour"] ??= "seen" } catch {}
window.gestureEnd = 0
for (const type of ["pointerup", "wheel", "keyup"])
  window.addEventListener(type, () => { window.gestureEnd = performance.now() }, {capture: true})
"""
NEXT_PICTURE = """([name, fields]) => {
  const find = FIND
  const view = find(name)
  window.picture = new Promise((resolve, reject) => {
    setTimeout(() => reject(new Error("no new picture within a minute")), 60_000)
    for (const renderer of view.model.renderers) {
      const source = renderer.data_source
      if (source == null || !fields.some((field) => field in source.data)) continue
      const stop = () => source.properties.data.change.disconnect(seen)
      const seen = () => {
        stop()
        const there = performance.now() - window.gestureEnd
        const shown = () => resolve([there, performance.now() - window.gestureEnd])
        requestAnimationFrame(() => requestAnimationFrame(shown))
      }
      source.properties.data.change.connect(seen)
    }
  })
}"""


def measure(page: Page, session: Session, gestures: list[str], repeats: int) -> dict[str, list[tuple[float, float]]]:
    """Milliseconds of each of ``gestures``, ``repeats`` times: until the page has the new data, and has drawn it."""
    xy = session.data.survey.projection.xy
    centre = np.median(xy[session.data.survey.clusters.labels == 0], axis=0)
    angles = np.linspace(0, 2 * np.pi, 150)

    def ring(radius: float) -> list[tuple[float, float]]:
        return data_to_page(page, "map", centre + radius * np.column_stack([np.cos(angles), np.sin(angles)]))

    def box(radius: float) -> list[tuple[float, float]]:
        return data_to_page(page, "map", [centre - radius, centre + radius])

    def recolour(step: int) -> None:
        page.get_by_role("combobox", name="Colour by").click()
        title = session.data.properties.title_of(COLOURS[step % len(COLOURS)])
        page.wait_for_timeout(300)
        page.get_by_role("menuitem", name=title, exact=True).or_(
            page.get_by_role("option", name=title, exact=True)
        ).first.click()

    def zoom(step: int) -> None:
        page.mouse.move(*data_to_page(page, "map", [centre])[0])
        page.mouse.wheel(0, -240 if step % 2 == 0 else 240)

    def take_box() -> None:
        page.locator('[title="Box Select"]').first.click()

    def take_slider() -> None:
        recolour(COLOURS.index("cluster"))
        page.wait_for_timeout(700)
        page.get_by_role("tab", name="Clusters").click()
        page.get_by_role("slider", name="from coarse to fine").focus()

    ways: dict[str, tuple[Callable[[], None], Callable[[int], None]]] = {
        "lasso": (lambda: None, lambda step: drag(page, ring(1.0 + 0.2 * step), steps=1)),
        "box": (take_box, lambda step: drag(page, box(1.0 + 0.2 * step), steps=5)),
        "recolour": (lambda: None, recolour),
        "zoom": (lambda: None, zoom),
        "level": (take_slider, lambda step: page.keyboard.press("ArrowRight")),
    }
    figures: dict[str, list[tuple[float, float]]] = {}
    for name, (prepare, act) in ways.items():
        if name not in gestures or (name == "zoom" and len(xy) <= environment_map.map_layers.SCATTER_MAX):
            continue  # so few points the browser has all at once, and a zoom sends nothing
        prepare()
        figures[name] = timed(page, act, repeats)
        print(
            f"{len(xy):,} {name}: {', '.join(f'{there:.0f}-{drawn:.0f}' for there, drawn in figures[name])} ms",
            flush=True,
        )
    return figures


def timed(page: Page, act: Callable[[int], None], repeats: int) -> list[tuple[float, float]]:
    """Milliseconds from the end of ``act(step)`` to new data and new picture; the first warms up and does not count."""
    found = []
    for step in range(repeats + 1):
        page.evaluate(NEXT_PICTURE.replace("FIND", FIND_FIGURE), ["map", ["image", "fill"]])
        act(step)
        there, drawn = page.evaluate("() => window.picture")
        found.append((float(there), float(drawn)))
        page.wait_for_timeout(700)
    return found[1:]


def session_with(path: str) -> Session:
    """A session that shows the dataset in the file."""
    found = analyse(path)
    session = Session()
    session.set_dataset(found.dataset)
    session.set_descriptors(found.descriptors)
    session.set_learned(found.learned)
    session.set_survey(found.survey)
    return session


def run(
    name: str, make: Callable[[], Session], gestures: list[str], repeats: int, arguments: Sequence[str]
) -> dict[str, Any]:
    """Serve, open, measure."""
    began = time.monotonic()
    session = make()
    n = session.data.dataset.n_environments
    environment_map.warm(n)
    served = Served(lambda: build(session=session), timeout=300)
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=find_chromium(), args=list(arguments))
            context = browser.new_context(viewport={"width": 1440, "height": 900}, reduced_motion="reduce")
            page = context.new_page()
            page.set_default_timeout(300_000)
            page.add_init_script(WATCH)
            page.goto(served.url)
            wait_figure(page, "map", 300)
            print(f"{name}, {n:,} environments: shown after {time.monotonic() - began:.0f} s", flush=True)
            page.wait_for_timeout(3000)
            figures = measure(page, session, gestures, repeats)
            browser.close()
    finally:
        served.stop()
    return {
        "data": name,
        "environments": n,
        "arrived": {name: [round(there) for there, _ in pairs] for name, pairs in figures.items()},
        "milliseconds": {name: [round(drawn) for _, drawn in pairs] for name, pairs in figures.items()},
        "median": {name: round(statistics.median(drawn for _, drawn in pairs)) for name, pairs in figures.items()},
    }


def main() -> None:
    """Measure each size and write ``results/latency.json``."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("sizes", nargs="*", type=int, help=f"made up (default: {', '.join(map(str, SIZES))}, or DATA)")
    parser.add_argument("--data", nargs="*", default=[], metavar="FILE", help="datasets, after the made-up ones if any")
    parser.add_argument("--gestures", nargs="+", choices=GESTURES, default=list(GESTURES))
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--no-card", action="store_true", help=NO_CARD)
    options = parser.parse_args()
    arguments = (*CHROMIUM_ARGUMENTS, *(DRAWN_DIRECTLY if options.no_card else ()))
    sizes = options.sizes or ([] if options.data else SIZES)
    shown = [("made up", partial(session_of, n)) for n in sizes]
    shown += [(Path(path).stem, partial(session_with, path)) for path in options.data]
    file = RESULTS / "latency.json"
    known = {(one["data"], one["environments"], one.get("no_card", False)): one for one in json.loads(file.read_text())}
    for name, make in shown:
        found = run(name, make, options.gestures, options.repeats, arguments) | {"no_card": options.no_card}
        one = known.setdefault((name, found["environments"], options.no_card), found)
        for kind in ("arrived", "milliseconds", "median"):
            one[kind] = one.get(kind, {}) | found[kind]
        write_json(file, list(known.values()))
        print(name, found["environments"], found["median"])


if __name__ == "__main__":
    main()

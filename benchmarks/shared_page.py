"""How large a page to show others becomes, and how long it takes to write, to open and to draw anew: by hand.

    python benchmarks/shared_page.py            # made-up data: the largest pages there can be
    python benchmarks/shared_page.py FILE ...   # datasets, analysed with the usual settings

The page is opened from the disk in Chromium without network, 1440 x 900 pixels.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import meagraph as mg
from tests.support.browser import CHROMIUM_ARGUMENTS, find_chromium
from tests.support.made_up import session_of

if TYPE_CHECKING:
    from playwright.sync_api import Browser

MADE_UP = ((50_000, 100), (50_000, 1), (200_000, 100))
REPAINT = """() => new Promise((done) => {
  const begin = performance.now();
  document.getElementById("closer").click();
  requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now() - begin)));
})"""


def measure(browser: Browser, name: str, found: mg.Analysis, folder: Path) -> None:
    """Print a row of the table."""
    plan = mg.prune(found, keep=0.2, alpha=0.5)
    found.cluster_names  # noqa: B018, phases are looked for once, whatever is done with them
    begin = time.perf_counter()
    page = mg.share(found, folder / "page.html", plan=plan)
    written = time.perf_counter() - begin
    context = browser.new_context(viewport={"width": 1440, "height": 900}, offline=True)
    tab = context.new_page()
    begin = time.perf_counter()
    tab.goto(page.path.as_uri())
    tab.wait_for_function("document.documentElement.dataset.ready")
    opened = time.perf_counter() - begin
    tab.wait_for_timeout(500)
    repaints = sorted(tab.evaluate(REPAINT) for _ in range(5))
    context.close()
    print(
        f"{name:<28}{found.dataset.n_environments:>10,}{page.points:>8,}{page.structures:>8,}"
        f"{page.size / 1e6:>8.1f}{written:>9.1f}{opened:>8.1f}{repaints[2]:>9.0f}",
        flush=True,
    )


def main() -> None:
    """Measure what is named, or what is made up."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=list(CHROMIUM_ARGUMENTS))
        print(f"{'':<28}{'environm.':>10}{'points':>8}{'3D':>8}{'MB':>8}{'write/s':>9}{'open/s':>8}{'zoom/ms':>9}")
        for path in sys.argv[1:]:
            measure(browser, Path(path).name, mg.analyse(path), Path(folder))
        for count, each in () if sys.argv[1:] else MADE_UP:
            found = session_of(count, each).data.found
            measure(browser, f"made up, {each} atoms each", found, Path(folder))
        browser.close()


if __name__ == "__main__":
    main()

"""Take the pictures of the documentation: python docs/building/screenshots.py [NAME...]

Serves the demo, drives Chromium through it as the tutorial does, and writes `docs/pictures/NAME.png` and the README's
`assets/*.png` in 256 colours. Run it from the root of a checkout with the extras `test` installed. With a cache
(`MEAVIZ_CACHE`) that knows the demo it takes about a minute; judgements go to a temporary folder.
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from PIL import Image
from playwright.sync_api import Error, Locator, Page, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
from tests.support.browser import ALL_TEXT, CHROMIUM_ARGUMENTS, DRAWN_DIRECTLY, find_chromium, free_port  # noqa: E402

PICTURES = ROOT / "docs" / "pictures"
SIZE = {"width": 1600, "height": 1040}
PATIENCE = 300.0  # s for the demo to be computed where no cache knows it


class Camera:
    """A page of the app, and the pictures that are asked for."""

    def __init__(self, page: Page, wanted: Sequence[str]) -> None:
        self.page, self.wanted = page, set(wanted)

    def wait_for(self, pattern: str) -> None:
        """Until the text of the page matches."""
        begun = time.monotonic()
        while not re.search(pattern, self.page.evaluate(ALL_TEXT)):
            if time.monotonic() - begun > PATIENCE:
                sys.exit(f"The page never showed {pattern!r}.")
            self.page.wait_for_timeout(300)

    def click_until(self, what: Locator, pattern: str) -> None:
        """Click until something on the page says so: a busy page loses a click now and then."""
        begun = time.monotonic()
        while not self.page.get_by_text(re.compile(pattern)).count():
            if time.monotonic() - begun > PATIENCE:
                sys.exit(f"The page never showed {pattern!r}.")
            what.click()
            self.page.wait_for_timeout(5000)

    def wants(self, name: str) -> bool:
        """Whether a picture was asked for: all are where none was named."""
        return not self.wanted or name in self.wanted

    def tab(self, name: str) -> None:
        """Go to a tab, and let it be drawn."""
        self.page.get_by_role("tab", name=name, exact=True).click()
        self.page.wait_for_timeout(3000)

    def take(self, name: str, file: Path | None = None, top: int = 0) -> None:
        """The window from ``top`` px down, in few colours."""
        if not self.wants(name):
            return
        clip = {"x": 0, "y": top, "width": SIZE["width"], "height": SIZE["height"] - top}
        picture = Image.open(io.BytesIO(self.page.screenshot(clip=clip))).convert("RGB")
        file = file or PICTURES / f"{name}.png"
        few = picture.quantize(256, method=Image.Quantize.MAXCOVERAGE, kmeans=3, dither=Image.Dither.NONE)
        few.save(file, optimize=True)
        print(f"{file.relative_to(ROOT)}: {file.stat().st_size // 1000} kB")


def through_the_demo(camera: Camera) -> None:
    """What the tutorial does, step by step."""
    page = camera.page
    camera.wait_for(r"Map\s+·\s+\d+ clusters")
    page.keyboard.press("Escape")
    page.wait_for_timeout(8000)
    camera.tab("Data")
    camera.click_until(page.get_by_text("two atoms are very close").first, r"54\s+of\s+12,483 selected")
    page.wait_for_timeout(8000)
    camera.take("data")
    camera.tab("Clusters")
    camera.click_until(page.locator(".tabulator-row", has_text="liquid").first, r"1,080\s+of\s+12,483 selected")
    page.wait_for_timeout(4000)
    camera.take("clusters")
    page.get_by_role("button", name="Select nothing").click()
    camera.tab("Outliers")
    page.keyboard.press("j")
    page.wait_for_timeout(15_000)  # the 3D view is slow where no graphics card draws it
    camera.take("light", ROOT / "assets" / "screenshot.png")
    camera.tab("Pruning")
    page.wait_for_timeout(3000)
    camera.take("pruning")
    camera.tab("Cost")
    if camera.wants("cost"):
        page.get_by_role("button", name="Measure", exact=True).click()
        camera.wait_for("fitted to")
        page.get_by_role("button", name="Along the keep fraction").click()
        page.wait_for_timeout(3000)
        page.get_by_role("button", name="Measure", exact=True).click(trial=True)  # once nothing runs
        page.wait_for_timeout(5000)
        camera.take("cost")
    camera.tab("Export")
    camera.take("export")
    page.keyboard.press("t")
    page.wait_for_timeout(4000)
    camera.tab("Pruning")
    page.wait_for_timeout(2000)
    camera.take("dark", ROOT / "assets" / "pruning.png")


def main(wanted: Sequence[str]) -> None:
    """Serve the demo and take the ``wanted`` pictures, or all."""
    PICTURES.mkdir(exist_ok=True)
    port = free_port()
    with tempfile.TemporaryDirectory() as home, sync_playwright() as driver:
        environment = {**os.environ, "MEAVIZ_DATA_HOME": home, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-m", "meaviz.cli", "--no-browser", "--no-token", "--port", str(port)]
        server = subprocess.Popen(command, env=environment, cwd=home, stdout=subprocess.PIPE, text=True)
        try:
            browser = driver.chromium.launch(
                executable_path=find_chromium(), args=[*CHROMIUM_ARGUMENTS, *DRAWN_DIRECTLY]
            )
            page = browser.new_page(viewport=SIZE)
            page.set_default_timeout(PATIENCE * 1000)
            for _ in range(100):
                try:
                    page.goto(f"http://127.0.0.1:{port}/")
                    break
                except Error:  # not there yet
                    time.sleep(1)
            page.evaluate("localStorage['meaviz.tour'] = 'seen'")
            through_the_demo(Camera(page, wanted))
            browser.close()
        finally:
            server.terminate()


if __name__ == "__main__":
    main(sys.argv[1:])

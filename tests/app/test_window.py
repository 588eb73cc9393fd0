"""``meaviz --desktop`` in a real window, on a screen in memory."""

from __future__ import annotations

import base64
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ase import Atoms
from browser import free_port, wait_figure

ROOT = Path(__file__).resolve().parents[2]
MAP_TIMEOUT = 900_000  # ms
COLOURS = """(png) => new Promise((resolve) => {
  const image = new Image();
  image.onload = () => {
    const canvas = new OffscreenCanvas(image.width, image.height), context = canvas.getContext("2d");
    context.drawImage(image, 0, 0);
    const {data} = context.getImageData(0, 0, image.width, image.height);
    resolve(new Set(new Uint32Array(data.buffer)).size);
  };
  image.src = "data:image/png;base64," + png;
})"""


@pytest.fixture
def display() -> Iterator[str]:
    """A screen in memory."""
    if shutil.which("Xvfb") is None:
        pytest.skip("Xvfb is not installed (apt-get install xvfb)")
    read, write = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(write), "-screen", "0", "1600x1000x24"], pass_fds=[write], stderr=subprocess.DEVNULL
    )
    os.close(write)
    with os.fdopen(read) as pipe:
        number = pipe.readline().strip()
    assert number, "Xvfb did not start"
    yield f":{number}"
    server.terminate()
    server.wait(20)


def test_the_window_shows_map_and_structure(
    display: str, tmp_path: Path, structures: tuple[Atoms, ...], write_dataset: Callable[..., Path]
) -> None:
    """The map and the 3D view are drawn; Ctrl-C closes the window and ends with status 0."""
    for module, package in (("webview", "pywebview"), ("PySide6.QtWebEngineCore", "PySide6"), ("playwright", "")):
        try:
            there = importlib.util.find_spec(module) is not None
        except ModuleNotFoundError:
            there = False
        if not there:
            pytest.skip(f'{package or module} is not installed (pip install "meaviz[desktop,test]")')
    from playwright.sync_api import sync_playwright

    debugging = free_port()
    surroundings = {
        **os.environ,
        "DISPLAY": display,
        "QT_QPA_PLATFORM": "xcb",
        "QTWEBENGINE_REMOTE_DEBUGGING": f"127.0.0.1:{debugging}",
        "PYTHONPATH": str(ROOT),
        "XDG_DATA_HOME": str(tmp_path / "data"),
        "MEAVIZ_DATA_HOME": str(tmp_path / "judgements"),
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "meaviz.cli", "--desktop", "--port", "0", str(write_dataset(structures))],
        env=surroundings,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        with sync_playwright() as playwright:
            deadline = time.monotonic() + 120
            while True:
                try:
                    browser = playwright.chromium.connect_over_cdp(f"http://127.0.0.1:{debugging}")
                    page = browser.contexts[0].pages[0]
                    break
                except Exception:
                    assert process.poll() is None, process.communicate()[1]
                    assert time.monotonic() < deadline, "no window"
                    time.sleep(1.0)
            page.set_default_timeout(60_000)
            page.get_by_role("button", name="Skip").click()
            page.get_by_text("of 145 selected").wait_for(timeout=MAP_TIMEOUT)
            wait_figure(page, "map")
            page.keyboard.press("ArrowRight")
            page.get_by_text("0 (frame 0 of", exact=False).wait_for()
            page.wait_for_timeout(3000)  # for the software renderer
            if picture := os.environ.get("MEAVIZ_SCREENSHOT"):
                page.screenshot(path=picture)
            canvas = page.locator("[role=application] canvas").first
            colours = page.evaluate(COLOURS, base64.b64encode(canvas.screenshot()).decode())
            assert colours > 50, "the 3D view is blank"
    finally:
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors

"""``meaviz --desktop`` in a real window, on a screen in memory."""

from __future__ import annotations

import asyncio
import base64
import importlib.util
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ase import Atoms
from tornado.httpclient import AsyncHTTPClient
from tornado.websocket import websocket_connect

from tests.support import ROOT
from tests.support.browser import free_port
from tests.support.loops import run
from tests.support.required import unavailable

TIMEOUT = 180.0  # s: a busy machine draws the page by software slowly; what holds sooner costs nothing
MAP_TIMEOUT = 900.0  # s: a cold start compiles kernels, trains and projects
PANES = (".pane-map", "[role=application]")
# pixels, half of what is drawn at least; what else is drawn on a canvas, such as the names of axes, has a few hundred
ENOUGH = (1_500, 10_000)
HELPERS = """
function* everywhere(root) {
  for (const node of root.querySelectorAll("*")) {
    yield node;
    if (node.shadowRoot) yield* everywhere(node.shadowRoot);
  }
}
window.find = (selector, start = "") =>
  [...everywhere(document)].find((node) => node.matches(selector) && node.textContent.trim().startsWith(start));
window.text = () => [...everywhere(document)].filter((node) => node.shadowRoot)
  .flatMap((node) => [...node.shadowRoot.children].map((child) => child.textContent)).join(" ").replace(/\\s+/g, " ");
window.pixels = async (png, selector) => {
  const image = new Image();
  image.src = "data:image/png;base64," + png;
  await image.decode();
  const {left, top, width, height} = find(selector).getBoundingClientRect(), scale = image.width / innerWidth;
  const canvas = new OffscreenCanvas(width, height), context = canvas.getContext("2d");
  context.drawImage(image, left * scale, top * scale, width * scale, height * scale, 0, 0, width, height);
  return new Uint32Array(context.getImageData(0, 0, width, height).data.buffer);
};
window.changed = async (before, after, selector) => {
  const [one, two] = [await pixels(before, selector), await pixels(after, selector)];
  return one.filter((pixel, index) => pixel !== two[index]).length;
};
window.show = (visibility) => {
  for (const node of everywhere(document)) if (node.matches("canvas")) node.style.visibility = visibility;
};
"""


@pytest.fixture
def display() -> Iterator[str]:
    """A screen in memory."""
    if shutil.which("Xvfb") is None:
        unavailable("Xvfb is not installed (apt-get install xvfb)")
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


class Tools:
    """The developer tools of a web engine: its protocol, as far as this test needs it (Playwright wants more)."""

    def __init__(self, port: int) -> None:
        self._port, self._number = port, 0

    async def page(self) -> str:
        """Address of the only page."""
        answer = await AsyncHTTPClient().fetch(f"http://127.0.0.1:{self._port}/json/list")
        return next(entry["webSocketDebuggerUrl"] for entry in json.loads(answer.body) if entry["type"] == "page")

    async def open(self, alive: Callable[[], bool], timeout: float = TIMEOUT) -> None:
        """Connect as soon as the window is there."""
        deadline = time.monotonic() + timeout
        while True:
            try:
                self._socket = await websocket_connect(await self.page())
                return
            except (OSError, StopIteration):
                assert alive()
                assert time.monotonic() < deadline, "no window"
                await asyncio.sleep(0.5)

    async def call(self, method: str, **parameters: Any) -> Any:
        """Result of one command."""
        self._number += 1
        await self._socket.write_message(json.dumps({"id": self._number, "method": method, "params": parameters}))
        while True:
            message = json.loads(await self._socket.read_message() or "{}")
            if message.get("id") == self._number:
                assert "error" not in message, message
                return message["result"]

    async def evaluate(self, script: str) -> Any:
        """Value of a script of the page; promises are waited for."""
        found = await self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    async def picture(self) -> str:
        """The page as it looks now, a PNG file in base64."""
        return (await self.call("Page.captureScreenshot"))["data"]

    async def wait(self, script: str, timeout: float = TIMEOUT) -> None:
        """Wait until a script is true."""
        deadline = time.monotonic() + timeout
        while not await self.evaluate(script):
            assert time.monotonic() < deadline, f"still not true: {script}"
            await asyncio.sleep(0.5)


async def look(port: int, alive: Callable[[], bool], picture: str | None) -> tuple[int, int]:
    """How many pixels of map and 3D view are drawn on a canvas, once both are or after a while."""
    tools = Tools(port)
    await tools.open(alive)
    await tools.wait("window.Bokeh?.documents?.length > 0 && Bokeh.documents.every((d) => d.is_idle)")
    await tools.evaluate(HELPERS)
    await tools.wait("!!find('button', 'Skip')")
    await tools.evaluate("find('button', 'Skip').click()")
    await tools.wait("!!find('b', '0') && text().includes('of 145 selected')", MAP_TIMEOUT)
    await tools.evaluate("""find('button[aria-label^="Next environment"]').click()""")
    await tools.wait("text().includes('eV/atom')")
    deadline = time.monotonic() + TIMEOUT
    while True:
        shot = await tools.picture()
        await tools.evaluate("show('hidden')")
        without = await tools.picture()
        await tools.evaluate("show('')")
        of_map, of_atoms = [await tools.evaluate(f"changed('{shot}', '{without}', '{pane}')") for pane in PANES]
        if (of_map > ENOUGH[0] and of_atoms > ENOUGH[1]) or time.monotonic() > deadline:
            break
        await asyncio.sleep(0.5)
    if picture:
        Path(picture).write_bytes(base64.b64decode(shot))
    assert not await tools.evaluate("text().includes('needs WebGL')")
    return of_map, of_atoms


@dataclass(eq=False)
class Opened:
    """``meaviz --desktop`` at work."""

    process: subprocess.Popen[str]
    port: int  # of the app
    debugging: int  # of the web engine's developer tools

    def alive(self) -> bool:
        """It has not ended."""
        return self.process.poll() is None

    def serves(self) -> bool:
        """Somebody listens on the app's port."""
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


@pytest.fixture
def opened(
    display: str, tmp_path: Path, structures: tuple[Atoms, ...], write_dataset: Callable[..., Path]
) -> Iterator[Opened]:
    """The app in its window; it has to be ended by the test."""
    for module, package in (("webview", "pywebview"), ("PySide6.QtWebEngineCore", "PySide6")):
        try:
            there = importlib.util.find_spec(module) is not None
        except ModuleNotFoundError:
            there = False
        if not there:
            pytest.skip(f'{package} is not installed (pip install "meaviz[desktop]")')
    port, debugging = free_port(), free_port()
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
        [sys.executable, "-m", "meaviz.cli", "--desktop", "--port", str(port), str(write_dataset(structures))],
        env=surroundings,
        stderr=subprocess.PIPE,
        text=True,
    )
    yield Opened(process, port, debugging)
    if process.poll() is None:
        process.kill()
        process.communicate()


def test_the_window_shows_map_and_structure(opened: Opened) -> None:
    """The map and the 3D view are drawn; Ctrl-C closes the window and ends with status 0."""
    try:
        of_map, of_atoms = run(look(opened.debugging, opened.alive, os.environ.get("MEAVIZ_SCREENSHOT")))
    finally:
        opened.process.send_signal(signal.SIGINT)
        _, errors = opened.process.communicate(timeout=TIMEOUT)
    assert opened.process.returncode == 0, errors
    assert of_map > ENOUGH[0], "the map is blank"
    assert of_atoms > ENOUGH[1], "the 3D view is blank"


def test_closing_the_window_ends_the_server(opened: Opened, display: str) -> None:
    """As the button of its title bar does: the window manager asks it to close; everything ends with status 0."""
    for tool in ("openbox", "wmctrl"):
        if shutil.which(tool) is None:
            unavailable(f"{tool} is not installed (apt-get install {tool})")
    surroundings = {**os.environ, "DISPLAY": display}
    manager = subprocess.Popen(["openbox"], env=surroundings, stderr=subprocess.DEVNULL)
    try:
        run(Tools(opened.debugging).open(opened.alive))
        assert opened.serves()
        deadline = time.monotonic() + TIMEOUT
        while subprocess.run(["wmctrl", "-c", "MEAViz"], env=surroundings, check=False).returncode:
            assert time.monotonic() < deadline, "no window has this title"
            time.sleep(0.5)
        _, errors = opened.process.communicate(timeout=TIMEOUT)
    finally:
        manager.terminate()
        manager.wait(20)
    assert opened.process.returncode == 0, errors
    assert not opened.serves()

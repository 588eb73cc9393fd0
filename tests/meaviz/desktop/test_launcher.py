"""The native window: it closes the server, is closed with it, and gives way to the browser where it cannot be had."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from meaviz import cli
from meaviz.desktop import launcher as desktop
from meaviz.serving.server import ADDRESS
from tests.support import ROOT

FAKE_WEBVIEW = '''
"""Stands in for pywebview: writes down what it is asked for, and shows the page by fetching it."""
import os, threading, urllib.request
from pathlib import Path

settings = {}
closed = threading.Event()


class Window:
    def __init__(self, title, url):
        self.title, self.url = title, url

    def destroy(self):
        closed.set()


def create_window(title, url, **options):
    global window
    window = Window(title, url)
    return window


def start(**options):
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())  # the token is exchanged for a cookie
    status = opener.open(window.url).status
    note = Path(os.environ["NOTE"])
    note.write_text(f"{window.title} {window.url} {status} {settings} {sorted(options)} {os.environ['QT_API']}")
    if os.environ.get("STAY"):
        closed.wait(120)
        note.write_text("closed")
'''


@pytest.fixture
def surroundings(tmp_path: Path) -> dict[str, str]:
    """An environment in which the fake takes the place of pywebview."""
    folder = tmp_path / "fake"
    folder.mkdir()
    (folder / "webview.py").write_text(FAKE_WEBVIEW)
    return {
        **os.environ,
        "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}",
        "NOTE": str(tmp_path / "note"),
        "DISPLAY": ":0",
        "XDG_DATA_HOME": str(tmp_path / "data"),
        "MEAVIZ_CACHE": str(tmp_path / "cache"),
    }


APP = """
import sys
import panel as pn
from meaviz.desktop import launcher as desktop
sys.exit(desktop.run(lambda: pn.Column("hello"), title="MEAViz", port=int(sys.argv[1]), browser=False))
"""


def run(surroundings: dict[str, str], port: int) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", APP, str(port)], env=surroundings, stderr=subprocess.PIPE, text=True)


def read(note: Path, holds: Callable[[str], bool] = bool, timeout: float = 120.0) -> str:
    """What the fake wrote, once it ``holds``."""
    deadline = time.monotonic() + timeout
    while not (note.exists() and holds(note.read_text())):
        assert time.monotonic() < deadline, "the window wrote nothing"
        time.sleep(0.05)
    return note.read_text()


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((ADDRESS, port)) == 0


def test_the_server_closes_with_the_window(surroundings: dict[str, str]) -> None:
    """The window opens on a page that answers; once it is closed, the server is gone and the status is 0."""
    with socket.socket() as other:  # somebody has the usual port
        other.bind((ADDRESS, 0))
        other.listen()
        taken = other.getsockname()[1]
        process = run(surroundings, taken)
        _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    title, url, status, *rest = read(Path(surroundings["NOTE"])).split(maxsplit=3)
    port = int(url.partition("/?token=")[0].rpartition(":")[2])
    assert (title, status) == ("MEAViz", "200")
    assert port != taken
    assert not listens(port)
    assert "'ALLOW_DOWNLOADS': True" in rest[0]
    assert rest[0].endswith("pyside6")


@pytest.mark.skipif(os.name != "posix", reason="needs signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_the_window_closes_with_the_server(surroundings: dict[str, str], number: signal.Signals) -> None:
    """Ctrl-C ends both in good order; even where the server is killed no window is left."""
    note = Path(surroundings["NOTE"])
    process = run({**surroundings, "STAY": "1"}, 0)
    read(note)
    process.send_signal(number)
    assert read(note, lambda text: text == "closed") == "closed"
    process.communicate(timeout=60)
    assert process.returncode == (0 if number == signal.SIGINT else -signal.SIGKILL)


def test_a_window_that_fails_says_why() -> None:
    closed = desktop.show_window(
        "http://localhost:1/", "MEAViz", command=(sys.executable, "-c", "raise SystemExit('no engine here')")
    )
    assert closed == desktop.Closed(1, "no engine here")
    message = desktop.failure(closed, "http://localhost:1/")
    assert "no engine here" in message
    assert desktop.INSTALL in message
    assert "http://localhost:1/" in message


def test_obstacles_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desktop.importlib.util, "find_spec", lambda name: None)
    assert 'pip install "meaviz[desktop]"' in desktop.why_no_window()
    monkeypatch.setattr(desktop.importlib.util, "find_spec", lambda name: object())
    monkeypatch.setattr(sys, "platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    assert "no display" in desktop.why_no_window()
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    assert desktop.why_no_window() == ""


def test_without_pywebview_the_browser_is_used(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    served: list[dict[str, object]] = []
    monkeypatch.setattr(desktop, "why_no_window", lambda: f"pywebview is not installed. {desktop.INSTALL}")
    loop = SimpleNamespace(add_callback=lambda call, url: served.append({"opened": url}), start=lambda: None)
    monkeypatch.setattr(cli, "make", lambda app, guard, **options: SimpleNamespace(io_loop=loop, start=lambda: None))
    monkeypatch.setattr("meagraph.compiling.begin", lambda *names: None)
    assert cli.main(["--desktop"]) == 0
    assert "token=" in str(served[0]["opened"])
    assert desktop.INSTALL in capsys.readouterr().err


def test_a_window_is_of_this_machine_only(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["--desktop", "--address", "0.0.0.0"])
    assert "--address" in capsys.readouterr().err

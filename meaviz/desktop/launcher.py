"""``meaviz --desktop``: the app in a native window, or in the browser where no window can be had."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from meaviz.serving.private import open_browser
from meaviz.serving.server import serve

INSTALL = 'pip install "meaviz[desktop]"'
WINDOW = (sys.executable, "-m", "meaviz.desktop.window")
STOP = 10.0  # s to wait for the window to end
LAST_LINES = 5  # of what a window said that failed


@dataclass(frozen=True)
class Closed:
    """How a window ended."""

    status: int  # 0: the user closed it
    said: str  # the last lines of its standard error


def why_no_window() -> str:
    """Why no window can be opened here, with the remedy; empty where nothing speaks against one."""
    if importlib.util.find_spec("webview") is None:
        return f"pywebview is not installed. Install it with: {INSTALL}"
    displays = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    if sys.platform.startswith("linux") and not any(map(os.environ.get, displays)):
        return "there is no display (neither DISPLAY nor WAYLAND_DISPLAY is set)"
    return ""


def run(app: Callable[[], Any], *, title: str, port: int, browser: bool = True) -> int:
    """Serve ``app`` and show it in a window until that is closed; return the exit status.

    ``port`` is taken if it is free, any other if not. A window that fails is replaced by a tab of the ``browser``, and
    the app served on until it is interrupted.
    """
    server = serve(app, title=title, port=port)
    try:
        server.wait()
        closed = show_window(server.url, title)
        if closed.status != 0:
            print(failure(closed, server.url), file=sys.stderr)
            if browser:
                open_browser(server.url)
            while server.thread.is_alive():
                server.thread.join(1.0)
    except KeyboardInterrupt:
        pass
    finally:
        server.stop()
    return 0


def show_window(url: str, title: str, *, command: Sequence[str] = WINDOW) -> Closed:
    """Open the window in a process of its own and wait until it is closed; an interrupt closes it first."""
    said: deque[str] = deque(maxlen=LAST_LINES)
    process = subprocess.Popen(
        [*command, title], stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace"
    )
    assert process.stdin is not None
    assert process.stderr is not None
    reader = threading.Thread(target=said.extend, args=(process.stderr,), daemon=True)
    reader.start()
    with contextlib.suppress(BrokenPipeError):  # it has ended already, and says why
        process.stdin.write(f"{url}\n")
        process.stdin.flush()
    try:
        process.wait()
    except KeyboardInterrupt:
        process.stdin.close()
        try:
            process.wait(STOP)
        except subprocess.TimeoutExpired:
            process.kill()
        raise
    reader.join(STOP)
    return Closed(process.returncode, "".join(said).strip())


def failure(closed: Closed, url: str) -> str:
    """Why a window could not stay, what it needs, and that the app is at ``url`` meanwhile."""
    said = "".join(f"\n    {line}" for line in closed.said.splitlines())
    return (
        f"meaviz: the window ended with status {closed.status}:{said}\n"
        f"meaviz: a web engine is needed: {INSTALL}; docs/desktop.md lists the system's packages.\n"
        f"meaviz: the app is at {url} in the browser instead; Ctrl-C ends it."
    )

"""The native window, in a process of its own: a web engine that cannot start takes nothing else down with it.

Run by :mod:`meaviz.desktop.launcher` as ``python -m meaviz.desktop.window TITLE``. The first line of its standard input
is the address, which holds a token: every user of the machine sees command lines. The window closes when standard input
ends, so it never outlives the process that opened it.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

import platformdirs

SIZE, SMALLEST = (1440, 900), (1024, 640)  # pixels of the desktop, width and height
NO_SANDBOX, FLAGS = "QTWEBENGINE_DISABLE_SANDBOX", "QTWEBENGINE_CHROMIUM_FLAGS"
BY_SOFTWARE = "--ignore-gpu-blocklist --disable-gpu-compositing"  # else there is no WebGL, or it is not seen


def main(title: str) -> int:
    """Show the page of the address on standard input until the window is closed."""
    url = sys.stdin.readline().strip()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server, which then ends our standard input
    _prepare_engine()
    import webview

    webview.settings["ALLOW_DOWNLOADS"] = True  # the engine asks where to
    width, height = SIZE
    window = webview.create_window(title, url, width=width, height=height, min_size=SMALLEST, text_select=True)
    threading.Thread(target=_close_at_end, args=(window,), daemon=True).start()
    storage = Path(platformdirs.user_data_dir("meaviz")) / "window"  # sizes of panes and the like
    storage.mkdir(parents=True, exist_ok=True)
    webview.start(gui=_toolkit(), private_mode=False, storage_path=str(storage))
    return 0


def _toolkit() -> str | None:
    """Qt on Linux unless ``$PYWEBVIEW_GUI`` names another; elsewhere the engine of the system."""
    return os.environ.get("PYWEBVIEW_GUI") or ("qt" if sys.platform.startswith("linux") else None)


def _prepare_engine() -> None:
    os.environ.setdefault("QT_API", "pyside6")  # LGPL; qtpy would take PyQt5 first, which is under the GPL
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        os.environ.setdefault(NO_SANDBOX, "1")  # Chromium has none for root, and would refuse to start
    if sys.platform.startswith("linux") and not _graphics_processor():
        os.environ.setdefault(FLAGS, BY_SOFTWARE)


def _graphics_processor() -> bool:
    return any(Path("/dev/dri").glob("renderD*")) or Path("/dev/nvidia0").exists()


def _close_at_end(window: Any) -> None:
    sys.stdin.read()
    window.destroy()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))

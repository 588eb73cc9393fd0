"""A server for this machine alone, on a thread of its own."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

ADDRESS = "127.0.0.1"
START, STOP = 60.0, 10.0  # s to wait for the server to listen, and to end


@dataclass(frozen=True, eq=False)
class Server:
    """What serves, and where."""

    port: int
    thread: Any  # Panel's, with a ``stop``

    @property
    def url(self) -> str:
        """The address for a browser of this machine."""
        return f"http://localhost:{self.port}/"

    def wait(self) -> None:
        """Wait until it answers. Raises OSError where it does not."""
        _wait_until_listening(self.port, self.thread)

    def stop(self) -> None:
        """End it, and wait for that."""
        self.thread.stop()
        self.thread.join(STOP)


def serve(app: Callable[[], Any], *, title: str, port: int) -> Server:
    """Serve ``app`` on ``port`` if it is free, on any other if not; the thread runs from then on."""
    import panel as pn

    port = free_port(port)
    thread = pn.serve(
        app, title=title, location=False, port=port, address=ADDRESS, show=False, threaded=True, verbose=False
    )
    return Server(port, thread)


def free_port(preferred: int) -> int:
    """``preferred`` where nobody listens on it, else a free one: what the page remembers is bound to its port."""
    for port in (preferred, 0):
        with socket.socket() as probe:
            if os.name == "posix":  # a port whose last connections are still winding down is free
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((ADDRESS, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise OSError(f"no port of {ADDRESS} is free")


def _wait_until_listening(port: int, thread: threading.Thread) -> None:
    deadline = time.monotonic() + START
    while True:
        with socket.socket() as probe:
            if probe.connect_ex((ADDRESS, port)) == 0:
                return
        if not thread.is_alive() or time.monotonic() > deadline:
            raise OSError(f"the server does not answer on port {port} of {ADDRESS}")
        time.sleep(0.05)

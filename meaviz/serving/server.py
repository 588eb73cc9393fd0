"""A server that asks who comes: on the main thread, or on one of its own."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any
from urllib.parse import quote

from meaviz.serving.guard import TOKEN, Guard, new_token

ADDRESS = "127.0.0.1"
START, STOP = 60.0, 10.0  # s to wait for the server to listen, and to end
EXPIRY = 30 * 24 * 3600  # s that a page may take its session up again with what it was given; the guard asks each time
REMEMBERED = 60_000  # ms that a session outlives its page: a web socket that breaks is back within seconds
LARGEST = 1_000_000  # bytes that one request may send; files come in parts over the web socket

log = logging.getLogger("meaviz.access")


@dataclass(frozen=True, eq=False)
class Server:
    """What serves, and where."""

    port: int
    thread: Any  # Panel's, with a ``stop``
    url: str = field(repr=False)  # the address for a browser of this machine, its secret included

    def wait(self) -> None:
        """Wait until it answers. Raises OSError where it does not."""
        _wait_until_listening(self.port, self.thread)

    def stop(self) -> None:
        """End it, and wait for that."""
        self.thread.stop()
        self.thread.join(STOP)


def address_of(port: int, guard: Guard, *, address: str = ADDRESS, prefix: str = "", secure: bool = False) -> str:
    """What to type into a browser, the token included."""
    host = address
    if not host or host in ("0.0.0.0", "::"):
        host = socket.getfqdn()
    if ":" in host:
        host = f"[{host}]"
    return f"http{'s' * secure}://{host}:{port}{prefix}/" + (f"?{TOKEN}={quote(guard.token)}" if guard.token else "")


def make(
    app: Callable[[], Any],
    guard: Guard,
    *,
    title: str,
    port: int,
    address: str = ADDRESS,
    prefix: str = "",
    framed: bool = False,
    **options: Any,
) -> Any:
    """A server of Bokeh's that listens, and answers once it is started; ``options`` go to Panel.

    Raises OSError where the port is taken. With ``framed`` pages of others may show it in a frame.
    """
    import panel as pn

    from meaviz.serving.alive import PATTERNS
    from meaviz.serving.entrance import set_guard
    from meaviz.serving.headers import Headers

    logging.getLogger("bokeh.server.util").setLevel(logging.ERROR)  # it warns of the "*" below
    server = pn.serve(
        app,
        title=title,
        location=False,  # Panel's would drop the style sheets that the page has, and send them anew
        port=port,
        address=address,
        websocket_origin="*",  # the guard asks for the page's own origin, whatever the port is called outside
        prefix=prefix,
        show=False,
        start=False,
        verbose=False,
        transforms=[partial(Headers, framed=framed)],
        log_function=_note,
        http_server_kwargs={"max_body_size": LARGEST},
        extra_patterns=PATTERNS,
        session_token_expiration=EXPIRY,
        unused_session_lifetime_milliseconds=REMEMBERED,
        exclude_headers=["Cookie", "Authorization"],  # of what the page is told of its own request
        **({} if guard.accounts else {"include_cookies": []}),
        **options,
    )
    set_guard(server._tornado, guard, prefix)
    return server


def named_for(guard: Guard, port: int) -> Guard:
    """The guard with a cookie of its own: a browser gives cookies of one port to all others, too."""
    return replace(guard, cookie=f"{guard.cookie}-{port}")


def serve(app: Callable[[], Any], *, title: str, port: int, hidden: bool = False, guard: Guard | None = None) -> Server:
    """Serve ``app`` to this machine on ``port`` if it is free, on any other if not; the thread runs from then on.

    Its address carries a token, unless the ``guard`` is another one. With ``hidden`` it is a part of the path instead,
    and pages of others may show it in a frame: browsers keep no cookie for what is in one.
    """
    from panel.io.threads import StoppableThread
    from tornado.ioloop import IOLoop

    port = free_port(port)
    prefix = f"/{new_token()}" if hidden else ""
    guard = named_for(guard or Guard(token="" if hidden else new_token()), port)
    loop = IOLoop(make_current=False)

    def run(**options: Any) -> Any:
        server = make(app, guard, title=title, port=port, prefix=prefix, framed=hidden, loop=loop, **options)
        server.start()
        loop.start()
        return server

    thread = StoppableThread(target=run, io_loop=loop, kwargs={"server_id": uuid.uuid4().hex}, owns_loop=True)
    thread.start()
    return Server(port, thread, address_of(port, guard, prefix=prefix))


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


def open_more_files() -> None:
    """Let this process have as many files open as it may: each session keeps the arrays of its project open."""
    with contextlib.suppress(ImportError, OSError, ValueError):  # another system, which counts otherwise
        import resource

        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _note(handler: Any) -> None:
    """What was asked for goes to the log without what comes after the path: that may be a token."""
    request = handler.request
    level = logging.DEBUG if handler.get_status() < 400 else logging.INFO
    path = request.path if not handler.application.prefix else request.path.removeprefix(handler.application.prefix)
    log.log(level, "%s %s %s from %s", handler.get_status(), request.method, path[:200], request.remote_ip)


def _wait_until_listening(port: int, thread: threading.Thread) -> None:
    deadline = time.monotonic() + START
    while True:
        with socket.socket() as probe:
            if probe.connect_ex((ADDRESS, port)) == 0:
                return
        if not thread.is_alive() or time.monotonic() > deadline:
            raise OSError(f"the server does not answer on port {port} of {ADDRESS}")
        time.sleep(0.05)

"""Driving the app in a real Chromium: start, serve, wait, find, point and drag.

The fixtures that use this are in ``conftest.py``; tests import the helpers from here.
Coordinates called "page pixels" are CSS pixels from the top left of the viewport, what ``page.mouse`` takes.
"""

from __future__ import annotations

import contextlib
import faulthandler
import logging
import os
import shutil
import socket
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import bokeh.io.doc
import panel as pn

from meaviz.serving.headers import Headers
from tests.support.threads import wait_for_jobs

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Locator, Page

Result = TypeVar("Result")
Point = tuple[float, float]
PATIENCE = 180.0  # s: what holds sooner costs nothing, and a page loads in 5 s of a processor that others share

ALL_TEXT = """() => {
  let text = ""
  const walk = (root) => {
    for (const element of root.querySelectorAll("*")) {
      if (element.shadowRoot) walk(element.shadowRoot)
      for (const node of element.childNodes) if (node.nodeType === 3) text += node.textContent + "\\n"
    }
  }
  walk(document)
  return text
}"""

CHROMIUM_ARGUMENTS = (
    "--no-sandbox",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    # nothing but the test server can be reached, even by mistake
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
# for tests, at half the work: only WebGL goes through a graphics card that software plays, all else is drawn directly
DRAWN_DIRECTLY = ("--disable-gpu-compositing", "--disable-accelerated-2d-canvas")
LOOK = 50  # ms between two looks at Python's side
POLL = 100  # and at the page: without, it is looked at, and drawn, at each frame
IDLE = "() => window.Bokeh?.documents?.length > 0 && Bokeh.documents.every((d) => d.is_idle)"
STILL = """() => {
  const walk = (root) => root.getAnimations().every((one) =>
    one.playState !== "running" || one.effect.getComputedTiming().iterations === Infinity) &&
    [...root.querySelectorAll("*")].every((node) => !node.shadowRoot || walk(node.shadowRoot));
  return walk(document);
}"""
FIND_FIGURE = """(name) => {
  for (const root of Bokeh.index.roots) {
    const stack = [root], seen = new Set();
    while (stack.length) {
      const view = stack.pop();
      if (!view || seen.has(view)) continue;
      seen.add(view);
      if (view.model?.name === name && view.frame) return view;
      stack.push(...(view.children?.() ?? view.child_views ?? []));
    }
  }
  return null;
}"""


def find_chromium() -> str | None:
    """Path of the Chromium to drive (``$MEAVIZ_CHROMIUM`` first), or None."""
    chosen = os.environ.get("MEAVIZ_CHROMIUM")
    if chosen:
        return chosen if Path(chosen).is_file() else None
    if Path("/usr/bin/chromium").is_file():
        return "/usr/bin/chromium"
    names = ("chromium", "chromium-browser", "google-chrome")
    return next((path for path in map(shutil.which, names) if path), None)


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that nobody uses at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(eq=False)
class BrowserLog:
    """What the page did: requests, errors, console messages; ``servers`` are the hosts it may talk to."""

    servers: set[str] = field(default_factory=set)  # "127.0.0.1:port"
    requests: list[str] = field(default_factory=list)  # URLs, web sockets included
    errors: list[str] = field(default_factory=list)  # uncaught exceptions of the page
    console: list[str] = field(default_factory=list)  # "type: text"

    def watch(self, context: BrowserContext) -> None:
        """Record everything that happens in ``context``, pop-ups and workers included."""
        context.on("request", lambda request: self.requests.append(request.url))
        context.on("weberror", lambda error: self.errors.append(str(error.error)))
        context.on("console", lambda message: self.console.append(f"{message.type}: {message.text}"))
        context.on("page", lambda page: page.on("websocket", lambda ws: self.requests.append(ws.url)))

    def external(self) -> list[str]:
        """List the requests that left the test server; data: and blob: URLs stay inside the browser."""
        remote = [url for url in self.requests if urlsplit(url).scheme not in ("data", "blob", "about")]
        return [url for url in remote if urlsplit(url).netloc not in self.servers]


class _ErrorList(logging.Handler):
    """Collects what a server logs as an error."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.messages: list[str] = []
        self.setFormatter(logging.Formatter("%(name)s: %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(self.format(record))


class Served:
    """A Panel server on its own thread, ``options`` go to it; make it with the ``serve`` fixture."""

    loggers = ("bokeh", "tornado", "panel")

    def __init__(self, app: Callable[[], Any], timeout: float = PATIENCE, **options: Any) -> None:
        self.port = free_port()
        self.host = f"127.0.0.1:{self.port}"
        self.url = f"http://{self.host}/"
        self._log = _ErrorList()
        for name in self.loggers:
            logging.getLogger(name).addHandler(self._log)

        def session() -> Any:
            try:
                return app()
            except Exception as error:  # Panel prints it and answers with an empty page
                self.errors.append(f"the app raised {error!r}")
                raise

        self._thread = pn.serve(
            session,
            location=False,
            port=self.port,
            address="127.0.0.1",
            websocket_origin=self.host,
            threaded=True,
            show=False,
            verbose=False,
            transforms=[Headers],  # what a page may load and run, as the app's own server says it
            **options,
        )
        deadline = time.monotonic() + timeout
        while not self._listens():
            if not self._thread.is_alive() or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(f"the Panel server did not start on {self.host}: {self.errors}")
            time.sleep(0.02)

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    @property
    def errors(self) -> list[str]:
        """What the server logged as errors so far; clear it in a test that provokes one."""
        return self._log.messages

    @property
    def sessions(self) -> list[Any]:
        """The sessions that Bokeh has not dropped yet, the newest last."""
        found: list[Any] = pn.state._servers[self._thread.server_id][0].get_sessions()
        return found

    def run(self, function: Callable[[], Result], timeout: float = PATIENCE) -> Result:
        """Call ``function`` on the server's thread, within the newest session; return its result."""
        document = self.sessions[-1].document
        future: Future[Result] = Future()

        def call() -> None:
            if not pn.state.loaded:  # Panel drops changes made between sending the page and hearing it is ready
                document.add_timeout_callback(call, 20)
                return
            try:
                future.set_result(function())
            except BaseException as error:
                future.set_exception(error)

        document.add_next_tick_callback(call)
        return future.result(timeout)

    def stop(self) -> None:
        """Stop the server, cancel what its sessions are computing, and wait for both."""
        for name in self.loggers:
            logging.getLogger(name).removeHandler(self._log)
        served = [session.document for session in self.sessions]
        self._thread.stop()
        self._thread.join(20)
        wait_for_jobs(cancel=True)  # nothing begins any more
        # where a callback raised, Bokeh before 3.10 leaves its document as the current one of the whole process
        patched = bokeh.io.doc._PATCHED_CURDOCS
        if isinstance(patched, list):
            current = [(entry, entry()) for entry in patched]
            patched[:] = [
                entry for entry, document in current if getattr(document, "_doc", document) not in [None, *served]
            ]


@contextlib.contextmanager
def fresh_page(chromium: Browser, log: BrowserLog) -> Iterator[Page]:
    """A page of 1280 x 900 pixels that nobody has visited before; ``log`` records what it does."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
    context.set_default_timeout(PATIENCE * 1000)
    context.add_init_script(  # no tour by itself, but on the first visit that a test asks for
        "try { if (top.location.hash !== '#first-visit') localStorage['meaviz.tour'] ??= 'test' } catch {}"
    )
    log.watch(context)
    yield context.new_page()
    context.close()


def open_page(page: Page, served: Served, timeout: float = PATIENCE) -> None:
    """Load the served app and wait until Bokeh has drawn it and the server knows."""
    page.goto(served.url)
    wait_idle(page, timeout)
    served.run(lambda: None, timeout)


def wait_idle(page: Page, timeout: float = PATIENCE) -> None:
    """Wait until every Bokeh document on the page is idle."""
    page.wait_for_function(IDLE, timeout=timeout * 1000, polling=POLL)


def wait_still(page: Page, timeout: float = PATIENCE) -> None:
    """Wait until every document is idle and nothing on the page fades, unfolds or moves any more."""
    wait_idle(page, timeout)
    page.wait_for_function(STILL, timeout=timeout * 1000, polling=POLL)


def wait_until(page: Page, condition: Callable[[], object], timeout: float = PATIENCE, what: str = "") -> None:
    """Wait until ``condition()`` (of Python's side) holds, while the browser's events keep being handled."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            faulthandler.dump_traceback(sys.__stderr__)  # where the server and its jobs are
            raise AssertionError(f"still not true after {timeout} s: {what or condition}")
        page.wait_for_timeout(LOOK)


def click_until(page: Page, place: Locator, condition: Callable[[], object], what: str = "") -> None:
    """Click, and after 15 s again, as a person does: a table that is being laid out takes no click."""
    for _ in range(3):
        place.click()
        again = time.monotonic() + 15.0
        while not condition() and time.monotonic() < again:
            page.wait_for_timeout(LOOK)
        if condition():
            return
    wait_until(page, condition, what=what)


def wait_figure(page: Page, name: str, timeout: float = PATIENCE) -> None:
    """Wait until the Bokeh figure whose model has this name is laid out."""
    wait_idle(page, timeout)
    page.wait_for_function(
        f"(name) => {{ const view = ({FIND_FIGURE})(name); return !!view && view.frame.bbox.width > 20; }}",
        arg=name,
        timeout=timeout * 1000,
        polling=POLL,
    )


def figure_eval(page: Page, name: str, expression: str, arg: Any = None) -> Any:
    """Evaluate a JavaScript ``expression`` of ``view`` (the named figure's view) and ``arg``."""
    script = f"""([name, arg]) => {{
      const view = ({FIND_FIGURE})(name);
      if (!view) throw new Error("no figure named " + name);
      return {expression};
    }}"""
    return page.evaluate(script, [name, arg])


def data_to_page(page: Page, name: str, points: Iterable[Sequence[float]]) -> list[Point]:
    """Page pixels of data coordinates ``(x, y)`` in the named figure, by the figure's own scales."""
    rows = [[float(x), float(y)] for x, y in points]
    expression = """(() => {
        const box = view.el.getBoundingClientRect(), {x_scale, y_scale} = view.frame;
        return arg.map(([x, y]) => [box.x + x_scale.compute(x), box.y + y_scale.compute(y)]);
      })()"""
    return [(x, y) for x, y in figure_eval(page, name, expression, rows)]


def drag(page: Page, points: Sequence[Point], steps: int = 3, modifiers: Sequence[str] = ()) -> None:
    """Drag the left mouse button along ``points`` (page pixels), holding ``modifiers`` such as "Shift"."""
    for key in modifiers:
        page.keyboard.down(key)
    page.mouse.move(*points[0])
    page.mouse.down()
    for point in points[1:]:
        page.mouse.move(*point, steps=steps)
    page.mouse.up()
    for key in modifiers:
        page.keyboard.up(key)


def choose(page: Page, label: str, option: str) -> None:
    """Open the drop-down list of this label and take the option of exactly this text, unit included."""
    page.get_by_role("combobox", name=label).click()
    page.get_by_role("menuitem", name=option, exact=True).first.click()


def tool(page: Page, title: str, within: Locator | None = None) -> None:
    """Press the Bokeh toolbar button with this title, for example "Lasso Select"."""
    (within or page).locator(f'[title="{title}"]').first.click()

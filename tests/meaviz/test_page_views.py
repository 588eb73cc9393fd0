"""A page view leaves nothing behind, whether a browser takes it up or not."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from bokeh.document import Document
from panel.viewable import Viewer

from meagraph.errors import Cancelled
from meagraph.progress import Progress
from meaviz import app
from meaviz.app import build
from meaviz.components.scripted import SCRIPTED
from meaviz.jobs import ending, opening
from meaviz.session import Session
from meaviz.views import TABS
from tests.support import ROOT
from tests.support.browser import Served
from tests.support.made_up import session_of
from tests.support.sockets import PageSocket

SOON = {"unused_session_lifetime_milliseconds": 100, "check_unused_sessions_milliseconds": 50}
VIEWS = 3
WAIT = ("holoviews", "matplotlib", "pandas", "pyarrow", "sklearn", "torch", "umap")  # for a tab or a job


@contextmanager
def served(app: Callable[[], Any]) -> Iterator[Served]:
    """A server that drops sessions soon."""
    server = Served(app, **SOON)
    try:
        yield server
    finally:
        server.stop()
    assert not server.errors


def get(server: Served) -> None:
    """Ask for the page, as who never opens the session's web socket."""
    with urllib.request.urlopen(server.url) as answer:
        assert answer.status == 200


def wait(condition: Callable[[], object], what: str) -> None:
    """Wait until ``condition()`` holds."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def alive() -> Counter[str]:
    """How many sessions and documents there are."""
    gc.collect()
    return Counter(type(one).__name__ for one in gc.get_objects() if issubclass(type(one), Session | Document))


def test_page_views_leave_no_session_and_no_document(monkeypatch: pytest.MonkeyPatch) -> None:
    handed_back = threading.Event()
    monkeypatch.setattr(ending, "AFTER", 0.1)
    monkeypatch.setattr(ending, "hand_back", handed_back.set)
    with served(lambda: build(session=session_of(200, 20))) as server:
        for _ in range(VIEWS):  # one stays, however many there were
            get(server)
        wait(lambda: not server.sessions, "the first sessions have ended")
        before = alive()
        for _ in range(VIEWS):
            get(server)
        wait(lambda: not server.sessions, "all sessions have ended")
        wait(lambda: not alive() - before, f"more is left than {before}")
    assert handed_back.wait(60)


def test_what_a_page_view_began_ends_with_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A file that takes long to read is not read for a page that nobody looks at."""
    began, ended = threading.Event(), threading.Event()

    def read(paths: Any, *, progress: Progress) -> None:
        began.set()
        try:
            while True:
                progress(1, 2, "reading")
                time.sleep(0.01)
        except Cancelled:
            ended.set()
            raise

    monkeypatch.setattr(opening, "open_dataset", read)
    with served(lambda: build([tmp_path / "large.extxyz"])) as server:
        get(server)
        assert began.wait(60)
        wait(lambda: not server.sessions, "the session has ended")
        assert ended.wait(60)


def test_a_page_comes_without_what_only_its_tabs_and_jobs_need() -> None:
    """These take longer to load than the page to be made; the careful look at the data would bring torch."""
    script = (
        "import sys, panel as pn, meaviz.cli, meaviz.jobs.opening, meaviz.projects.keeper\n"
        "from meaviz.jobs.examiner import Examiner; Examiner.look = lambda self, *events: None\n"
        "from meaviz.app import build\n"
        "from tests.support.made_up import session_of\n"
        "build(session=session_of(60_000, 1000)).get_root()\n"
        f"print(*[name for name in {WAIT!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []


def test_a_page_is_told_of_all_components_before_their_tabs_are_loaded() -> None:
    """Bokeh tells a page of them when it is served; what it is not told of then it cannot show. One of HoloViews, of
    rasters that are looked up on the server, is used nowhere here.
    """
    script = (
        "import meaviz.app\n"
        "from bokeh.model import DataModel, Model\n"
        "from meaviz.views import load_tabs\n"
        "def known():\n"
        "    kinds = Model.model_class_reverse_map.items()\n"
        "    return {name for name, kind in kinds if issubclass(kind, DataModel) and 'holoviews' not in name}\n"
        "before = known()\n"
        "load_tabs()\n"
        "print(len(before), *(known() - before))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    count, *late = done.stdout.split()
    assert int(count) >= len(SCRIPTED)
    assert late == []


def test_tabs_are_loaded_soon_after_a_page(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Or the first to be opened would wait; and not before, or the page would."""
    monkeypatch.setattr(app, "DRAWN", 10)
    loaded = threading.Event()
    monkeypatch.setattr(app, "load_tabs", loaded.set)

    async def view(url: str) -> None:
        page = await PageSocket.open(url)
        for _ in range(600):
            if loaded.is_set():
                break
            await asyncio.sleep(0.1)
        page.drop()

    with served(lambda: build(session=session_of(200, 20))) as server:
        get(server)
        assert not loaded.is_set()
        with ThreadPoolExecutor(1) as apart:  # this thread may have a loop of a browser test before
            apart.submit(asyncio.run, view(server.url)).result()
    assert loaded.is_set()


def test_every_tab_names_a_view_that_is_there() -> None:
    views = {title: view.load() for title, view in TABS}
    assert all(issubclass(view, Viewer) for view in views.values())
    assert len(set(views.values())) == len(TABS)

"""A page view leaves nothing behind, whether a browser takes it up or not."""

from __future__ import annotations

import gc
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from bokeh.document import Document

from meagraph.errors import Cancelled
from meagraph.progress import Progress
from meaviz.app import build
from meaviz.jobs import ending, opening
from meaviz.session import Session
from tests.support.browser import Served
from tests.support.made_up import session_of

SOON = {"unused_session_lifetime_milliseconds": 100, "check_unused_sessions_milliseconds": 50}
VIEWS = 3


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
        get(server)
        wait(lambda: not server.sessions, "the first session has ended")
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

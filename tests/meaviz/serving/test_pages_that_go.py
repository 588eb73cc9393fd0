"""Pages that lose their web socket, are closed in the middle of a job, or live while the clock is set."""

from __future__ import annotations

import asyncio
import gc
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from weakref import WeakSet

import pytest
from tornado.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine

from meagraph.progress import Progress
from meaviz import app as pages
from meaviz.jobs import workflow
from meaviz.jobs.workflow import Workflow
from meaviz.serving.guard import Guard
from meaviz.serving.passwords import Passwords, add_user
from meaviz.session import Session
from meaviz.session.queue import Queues
from tests.support.browser import Served
from tests.support.loops import run
from tests.support.made_up import session_of
from tests.support.sockets import PageSocket
from tests.support.threads import wait_for_jobs

DAY = 86_400.0


@pytest.fixture
def flows(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[WeakSet[Workflow]]:
    """The workflows of the pages."""
    monkeypatch.setenv("MEAVIZ_DATA_HOME", str(tmp_path))
    known: WeakSet[Workflow] = WeakSet()

    def noted(*arguments: Any, **options: Any) -> Workflow:
        known.add(flow := Workflow(*arguments, **options))
        return flow

    monkeypatch.setattr(pages, "Workflow", noted)
    yield known
    wait_for_jobs(cancel=True)


def test_a_socket_that_drops_and_a_tab_that_is_closed_in_the_middle_of_a_job(
    flows: WeakSet[Workflow], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The job goes on while the page may come back; once it is given up it is cancelled, and nothing is left of it."""
    queues, sessions, at_work = Queues.of(total=1), WeakSet[Session](), threading.Event()

    made = session_of(400, 20).data

    def show() -> Any:
        session = Session(user="ana", queues=queues)
        session.set_dataset(made.dataset)
        session.set_analysis(made.found, made.evidence)
        sessions.add(session)
        return pages.build(session=session)

    def work(*given: object, progress: Progress) -> None:
        at_work.set()
        while True:
            progress(1, 2, "at work")
            time.sleep(0.01)

    def begin() -> None:
        (flow,) = flows
        flow.measure_stability()

    monkeypatch.setattr(workflow, "look_along_rates", work)
    served = Served(show, check_unused_sessions_milliseconds=100, unused_session_lifetime_milliseconds=1000)
    try:

        async def visit() -> None:
            page = await PageSocket.open(served.url)
            await asyncio.to_thread(served.run, begin)
            assert await asyncio.to_thread(at_work.wait, 30)
            page.drop()
            await asyncio.sleep(0.2)
            await page.connect()
            (session,) = sessions
            assert session.activity.running == workflow.STABILITY
            assert queues.long.at_work == ("ana",)
            page.drop()

        run(visit())
        deadline = time.monotonic() + 60
        while served.sessions or queues.long.at_work:
            assert time.monotonic() < deadline, (served.sessions, queues.long.at_work)
            time.sleep(0.05)
        wait_for_jobs()
        with queues.long.turn("bo", lambda words: None):  # the turn was given back
            pass
        while sessions:
            assert time.monotonic() < deadline, gc.get_referrers(*sessions)
            gc.collect()
            time.sleep(0.05)
    finally:
        served.stop()


@pytest.mark.parametrize(("days", "known"), [(-20.0, True), (0.1, True), (8.0, False)])
def test_a_clock_that_is_set(days: float, known: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cookies hold a week by the clock; who has to wait after a wrong password does not wait longer or shorter."""
    guard = Guard(passwords=Passwords(add_user(tmp_path / "users", "ana", "long enough")))
    cookie = HTTPHeaders({"Host": "localhost", "Cookie": f"{guard.cookie}={guard.cookie_for('ana')}"})
    line = RequestStartLine("GET", "/", "HTTP/1.1")
    assert not guard.passwords.right("ana", "wrong")
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + days * DAY)
    assert (guard.user(HTTPServerRequest(headers=cookie, start_line=line)) == "ana") == known
    assert 0 < guard.passwords.wait("ana") <= 1.0


def test_a_page_socket_names_the_figure_that_came_last() -> None:
    page = PageSocket("", "", document={"args": ["gesture", {"id": "first"}]})
    assert page.named("gesture") == "first"
    page.patches += [json.dumps(["gesture", {"type": "object", "id": "second"}]), '["no gesture"]']
    assert page.named("gesture") == "second"
    with pytest.raises(KeyError):
        page.named("nothing")

"""The ``meaviz`` command: whom it serves."""

from __future__ import annotations

import asyncio
import socket
import time
import urllib.request
from collections.abc import Iterator
from typing import Any

import panel as pn
import pytest
from bokeh.util.token import generate_jwt_token, generate_session_id
from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.websocket import websocket_connect

from meaviz import cli
from tests.support.browser import free_port
from tests.support.loops import run

ALLOWED = ("127.0.0.1", "localhost", "::1", "127.0.0.2")
OTHERS = ("0.0.0.0", "::", "", "192.168.0.1", "example.org", "127.0.0.1.example.org", "1270.0.1")


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, dict[str, Any]]]:
    """What the command would have served: apps and options."""
    calls: list[tuple[Any, dict[str, Any]]] = []
    monkeypatch.setattr("panel.serve", lambda app, **options: calls.append((app, options)))
    monkeypatch.setattr("meagraph.compiling.begin", lambda *names: None)
    return calls


@pytest.mark.parametrize("address", OTHERS)
def test_an_address_that_others_reach_is_refused(
    address: str, served: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        cli.main(["--address", address])
    assert stop.value.code == 2
    said = capsys.readouterr().err
    assert "usage: meaviz" in said
    assert f"--address {address}: expected an address of this machine alone" in said
    assert "no password" in said
    assert "--insecure" in said
    assert served == []


@pytest.mark.parametrize("address", OTHERS[:2])
def test_who_insists_gets_it_with_a_warning(
    address: str, served: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["--address", address, "--insecure"]) == 0
    assert f"warning: whoever reaches {address} can open, export and replace files" in capsys.readouterr().err
    [(_, options)] = served
    assert (options["address"], options["websocket_origin"]) == (address, "*")


@pytest.mark.parametrize("address", ALLOWED)
def test_addresses_of_this_machine_are_served_to_their_own_pages(
    address: str, served: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["--address", address, "--port", "5006"]) == 0
    assert "warning" not in capsys.readouterr().err
    [(_, options)] = served
    assert options["address"] == address
    assert set(options["websocket_origin"]) == {"localhost:5006", "127.0.0.1:5006", f"{address}:5006"}
    assert cli.main(["--address", address, "--port", "0"]) == 0
    assert served[1][1]["websocket_origin"] is None


@pytest.fixture
def running(served: list[Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[int, list[str]]]:
    """A server as the command starts it, on an app that notes the names it was asked by: port and notes."""
    notes: list[str] = []

    def build(*arguments: Any, **reading: Any) -> Any:
        notes.append(pn.state.curdoc.session_context.request.host_name)
        return pn.pane.Str("the app")

    port = free_port()
    monkeypatch.setattr("meaviz.app.build", build)
    assert cli.main(["--port", str(port), "--no-browser"]) == 0
    [(app, options)] = served
    monkeypatch.undo()
    thread = pn.serve(app, **{**options, "threaded": True, "verbose": False})
    try:
        deadline = time.monotonic() + 60
        with socket.socket() as probe:
            while probe.connect_ex(("127.0.0.1", port)) != 0:
                assert time.monotonic() < deadline, "the server does not listen"
                time.sleep(0.02)
        yield port, notes
    finally:
        thread.stop()
        thread.join(20)


def get(port: int, host: str) -> None:
    request = urllib.request.Request(f"http://127.0.0.1:{port}/", headers={"Host": host})
    urllib.request.urlopen(request, timeout=60).close()


def socket_opens(port: int, host: str, origin: str) -> bool:
    """Whether a page of ``origin`` that made up its own session gets a connection by the name ``host``."""
    token = generate_jwt_token(generate_session_id(), extra_payload={"headers": {"Host": f"localhost:{port}"}})
    headers = {"Host": host, "Origin": origin}
    request = HTTPRequest(f"ws://127.0.0.1:{port}/ws", headers=headers, request_timeout=60)

    async def connect() -> bool:
        connection = await websocket_connect(request, subprotocols=["bokeh", token])
        answer = await asyncio.wait_for(connection.read_message(), 60)
        connection.close()
        return answer is not None

    try:
        return run(connect())
    except HTTPClientError as error:
        return error.code != 403


def test_the_default_server_talks_to_its_own_pages_only(running: tuple[int, list[str]]) -> None:
    """A page of another site gets no connection, nor the app by a name of its own for this machine."""
    port, notes = running
    own = f"localhost:{port}"
    get(port, own)
    assert notes == ["localhost"]
    assert not socket_opens(port, own, "http://evil.example")
    assert not socket_opens(port, own, f"http://evil.example:{port}")
    evil = f"evil.example:{port}"  # a name of theirs that points at 127.0.0.1
    get(port, evil)
    socket_opens(port, evil, f"http://{evil}")
    assert notes == ["localhost"]
    get(port, f"127.0.0.1:{port}")
    assert notes == ["localhost", "127.0.0.1"]

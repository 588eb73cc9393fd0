"""Asking a server as anybody could: plain requests with any header, and web sockets."""

from __future__ import annotations

import asyncio
import http.client
from collections.abc import Mapping
from dataclasses import dataclass

from bokeh.util.token import generate_jwt_token, generate_session_id
from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.websocket import websocket_connect

from tests.support.loops import run


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def cookie(self) -> str:
        """Name and value of the cookie that was set; empty for none."""
        return self.headers.get("Set-Cookie", "").partition(";")[0]


def ask(
    port: int, path: str = "/", *, method: str = "GET", body: str | None = None, cookie: str = "", **headers: str
) -> Answer:
    """One request to this machine; a header's name is written with ``_`` for ``-``."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    if cookie:
        sent["Cookie"] = cookie
    if body is not None:
        sent.setdefault("Content-Type", "application/x-www-form-urlencoded")
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(method, path, body=body, headers=sent)
        answer = connection.getresponse()
        return Answer(answer.status, dict(answer.getheaders()), answer.read())
    finally:
        connection.close()


def socket_opens(port: int, *, path: str = "/ws", **headers: str) -> bool:
    """Whether a page that made up its own session gets a connection."""
    token = generate_jwt_token(generate_session_id(), extra_payload={"headers": {"Host": f"localhost:{port}"}})
    request = HTTPRequest(f"ws://127.0.0.1:{port}{path}", headers=headers, request_timeout=60)

    async def connect() -> bool:
        connection = await websocket_connect(request, subprotocols=["bokeh", token])
        answer = await asyncio.wait_for(connection.read_message(), 60)
        connection.close()
        return answer is not None

    try:
        return run(connect())
    except HTTPClientError as error:
        if error.code in (403, 404):
            return False
        raise

"""Pages without a browser: who logs in, opens the page and speaks to its web socket as Bokeh's script does."""

from __future__ import annotations

import asyncio
import json
import re
import time
from contextlib import suppress
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import urlencode, urlsplit

from tornado.httpclient import AsyncHTTPClient, HTTPRequest
from tornado.websocket import WebSocketClientConnection, websocket_connect

LARGEST = 2**28  # bytes of one message
TOKEN = re.compile(r'"token":\s*"([^"]+)"')
PATIENCE = 120.0  # s


async def log_in(url: str, name: str, password: str) -> str:
    """The cookie that a server for a group gives to who knows the password."""
    body = urlencode({"name": name, "password": password})
    request = HTTPRequest(f"{url}login", method="POST", body=body, follow_redirects=False)
    answer = await AsyncHTTPClient().fetch(request, raise_error=False)
    if "Set-Cookie" not in answer.headers:
        raise RuntimeError(f"{name} was not let in: {answer.code} {answer.reason}")
    (morsel,) = SimpleCookie(answer.headers["Set-Cookie"]).values()
    return f"{morsel.key}={morsel.value}"


@dataclass(eq=False)
class PageSocket:
    """One page of the app: its session token, its web socket, and what came of it."""

    url: str
    cookie: str
    token: str = ""
    document: dict[str, Any] = field(default_factory=dict, repr=False)
    bytes: int = 0  # that came
    patches: list[str] = field(default_factory=list, repr=False)  # that brought another map
    _socket: WebSocketClientConnection | None = None
    _reader: asyncio.Task[None] | None = None
    _said: dict[str, float] = field(default_factory=dict)  # when a text of _wanted came
    _wanted: re.Pattern[str] | None = None
    _seen: asyncio.Event = field(default_factory=asyncio.Event)

    @classmethod
    async def open(cls, url: str, cookie: str = "") -> PageSocket:
        """Ask for the page, take up its socket, pull its document, and say that it is there."""
        page = cls(url, cookie)
        request = HTTPRequest(url, headers={"Cookie": cookie}, request_timeout=PATIENCE)
        text = (await AsyncHTTPClient().fetch(request)).body.decode()
        found = TOKEN.search(text)
        if found is None:
            raise RuntimeError(f"no page of Bokeh: {text[:200]}")
        page.token = found[1]
        await page.connect()
        await page._send("PULL-DOC-REQ", {})
        page.document = await page._reply("PULL-DOC-REPLY")
        page._reader = asyncio.create_task(page._read())
        await page.event("document_ready")
        return page

    async def connect(self) -> None:
        """Take up the socket of the session, for the first time or again."""
        where = urlsplit(self.url)
        address = f"ws://{where.netloc}{where.path}ws"
        headers = {"Cookie": self.cookie, "Origin": f"{where.scheme}://{where.netloc}"}
        self._socket = await websocket_connect(
            HTTPRequest(address, headers=headers),
            subprotocols=["bokeh", self.token],
            max_message_size=LARGEST,
        )
        await self._reply("ACK")  # before it the server understands nothing

    def drop(self) -> None:
        """Let go of the socket without a word, as a tab that is closed does."""
        if self._reader is not None:
            self._reader.cancel()
        if self._socket is not None:
            self._socket.close()

    def named(self, name: str) -> str:
        """The id of the model that callbacks of the browser call ``name``: of a figure that was exchanged, the last."""
        for content in reversed(self.patches):
            with suppress(KeyError):
                return _argument(json.loads(content), name)
        return _argument(self.document, name)

    async def event(self, name: str) -> None:
        """Send an event of the document."""
        data = {"type": "event", "name": name, "values": {"type": "map", "entries": []}}
        await self._patch({"kind": "MessageSent", "msg_type": "bokeh_event", "msg_data": data})

    async def change(self, model: str, attribute: str, value: Any) -> None:
        """Change a property of the model with this id."""
        await self._patch({"kind": "ModelChanged", "model": {"id": model}, "attr": attribute, "new": value})

    async def lasso(self, xs: list[float], ys: list[float]) -> float:
        """Draw a lasso on the map, in its own units; seconds until the page is told how much is selected."""
        shape = _map(type="poly", x=xs, y=ys)
        now = time.monotonic()
        said = asyncio.create_task(self.hear(re.compile(r"of [\d,]+ selected")))
        await asyncio.sleep(0)
        await self.change(
            self.named("gesture"), "data", _map(shape=[shape], shift=[False], ctrl=[False], time=[now * 1000])
        )
        return await said - now

    async def hear(self, words: re.Pattern[str], patience: float = PATIENCE) -> float:
        """Wait until a message holds ``words``; when it came."""
        self._wanted, self._seen = words, asyncio.Event()
        await asyncio.wait_for(self._seen.wait(), patience)
        return self._said.pop("at")

    async def _patch(self, event: dict[str, Any]) -> None:
        await self._send("PATCH-DOC", {"events": [event]})

    async def _send(self, kind: str, content: dict[str, Any]) -> None:
        assert self._socket is not None
        header = {"msgid": f"{id(self)}-{time.monotonic_ns()}", "msgtype": kind}
        for part in (header, {}, content):
            await self._socket.write_message(json.dumps(part))

    async def _message(self) -> tuple[str, str]:
        """Kind and content of the next message; what comes with it as bytes is counted."""
        parts = [await self._frame() for _ in range(3)]
        header = json.loads(parts[0])
        for _ in range(2 * header.get("num_buffers", 0)):
            await self._frame()
        return header["msgtype"], parts[2]

    async def _frame(self) -> str:
        assert self._socket is not None
        frame = await self._socket.read_message()
        if frame is None:
            raise ConnectionError("the server has closed the web socket")
        self.bytes += len(frame)
        return frame if isinstance(frame, str) else ""

    async def _reply(self, kind: str) -> dict[str, Any]:
        while True:
            came, content = await self._message()
            if came == kind:
                found: dict[str, Any] = json.loads(content)
                return found

    async def _read(self) -> None:
        try:
            while True:
                kind, content = await self._message()
                if kind == "PATCH-DOC" and '"gesture"' in content:
                    self.patches.append(content)
                if self._wanted is not None and self._wanted.search(content):
                    self._said["at"], self._wanted = time.monotonic(), None
                    self._seen.set()
        except ConnectionError:
            return


def _map(**entries: Any) -> dict[str, Any]:
    return {"type": "map", "entries": [[name, value] for name, value in entries.items()]}


def _argument(tree: Any, name: str) -> str:
    """The id in the first pair [name, {"id": ...}] of a document's tree."""
    stack = [tree]
    while stack:
        one = stack.pop()
        if isinstance(one, dict):
            stack.extend(one.values())
        elif isinstance(one, list):
            if len(one) == 2 and one[0] == name and isinstance(one[1], dict) and "id" in one[1]:
                return str(one[1]["id"])
            stack.extend(one)
    raise KeyError(name)

"""The door: strangers are shown it, those who have the token or a password are let in, all others are sent away."""

from __future__ import annotations

import asyncio
import logging
from html import escape
from typing import Any
from urllib.parse import parse_qsl, urlencode

from tornado.httputil import HTTPServerRequest
from tornado.routing import Matcher, Rule
from tornado.web import Application, RequestHandler

from meaviz.serving.guard import OWNER, TOKEN, Guard

log = logging.getLogger("meaviz.access")

LOGIN, LOGOUT = "login", "logout"
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>MEAViz</title>
<style>
:root {{ color-scheme: light dark }}
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 28rem; margin: 18vh auto 0; padding: 0 1rem }}
h1 {{ font-size: 1.4rem }} label {{ display: block; margin: .8rem 0 .2rem }} code {{ overflow-wrap: anywhere }}
input, button {{ font: inherit; width: 100%; box-sizing: border-box; padding: .5rem }} button {{ margin-top: 1.2rem }}
[role=alert] {{ border: 1px solid; border-radius: 4px; padding: .5rem .8rem }}
</style></head><body><main><h1>MEAViz</h1>{said}{form}</main></body></html>
"""
BY_TOKEN = """<p>This server opens for its token: take the address that the command <code>meaviz</code> printed, or
give the token.</p><form method="post" action="{login}"><label for="token">Token</label>
<input id="token" name="token" type="password" autocomplete="off" required autofocus><button>Open</button></form>"""
BY_PASSWORD = """<form method="post" action="{login}"><label for="name">Name</label>
<input id="name" name="name" autocomplete="username" required autofocus>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required>
<button>Log in</button></form>"""
BY_ACCOUNT = """<p><a href="{login}">Log in with another account</a></p>"""


class Door(Matcher):
    """Matches what the app must not see: strangers, and what is meant for the door itself."""

    def __init__(self, guard: Guard, prefix: str) -> None:
        self._guard, self._prefix = guard, prefix

    def match(self, request: HTTPServerRequest) -> dict[str, Any] | None:
        """A dictionary where the door answers, None where the app may."""
        mine = request.path in (f"{self._prefix}/{LOGIN}", f"{self._prefix}/{LOGOUT}") and not self._guard.accounts
        exchange = bool(self._guard.token) and TOKEN in request.query_arguments
        if mine or exchange:
            return {}
        if self._guard.accounts and request.path in (f"{self._prefix}/{LOGIN}", f"{self._prefix}/{LOGOUT}"):
            return None if self._guard.own_name(request) and self._guard.own_page(request) else {}
        if not self._guard.admits(request):
            return {}
        request.meaviz_user = self._guard.user(request)  # type: ignore[attr-defined]  # for who builds the session
        return None


class Entrance(RequestHandler):
    """Answers in place of the app."""

    def initialize(self, guard: Guard, prefix: str) -> None:
        """Take the guard, and the path that the app is under."""
        self._guard, self._prefix = guard, prefix

    async def prepare(self) -> None:
        """Answer, whatever the method is."""
        guard, request = self._guard, self.request
        self.set_header("Cache-Control", "no-store")
        if not guard.own_name(request):
            self._say(403, f"{request.host_name} is no name of this machine. Open the address that meaviz printed.")
        elif not guard.own_page(request):
            self._say(403, "This page is of another server, and may not talk to this one.")
        elif request.path == f"{self._prefix}/{LOGOUT}":
            self.clear_cookie(guard.cookie, path=self._path)
            self._say(200, "You are logged out.", form=True)
        elif request.method == "POST" and request.path == f"{self._prefix}/{LOGIN}":
            await self._log_in()
        elif guard.token and guard.is_token(self.get_query_argument(TOKEN, "")):
            self._let_in(OWNER)
            self.redirect(self._here())
        elif guard.user(request) is not None:  # a token of another time, or who is known asks for the door
            self.redirect(self._here() if TOKEN in request.query_arguments else "./")
        elif guard.accounts and "user" in request.cookies:  # of the provider's, or of another time
            self._say(403, "This account is not among those that the server lets in.", form=True)
        elif guard.accounts and request.method == "GET" and request.path.rstrip("/") == self._prefix:
            login = f"./{LOGIN}" if request.path.endswith("/") else f"{self._prefix}/{LOGIN}"
            # the provider sends people back to the page itself, with what Panel asks for as ``next``
            self.redirect(f"{login}?{urlencode({'next': request.uri})}" if request.query else login)
        else:
            wrong = (
                "This is not the token of this server; it has a new one each time it starts."
                if TOKEN in request.query_arguments
                else ""
            )
            self._say(403, wrong, form=request.method == "GET" and "Upgrade" not in request.headers)

    async def _log_in(self) -> None:
        guard = self._guard
        if guard.passwords is None:
            if not guard.is_token(self.get_body_argument(TOKEN, "")):
                self._say(403, "This is not the token.", form=True)
                return
            name = OWNER
        else:
            name = self.get_body_argument("name", "")[:64]
            wait = guard.passwords.wait(name, self.request.remote_ip or "")
            if wait > 0:
                self.set_header("Retry-After", str(int(wait) + 1))
                self._say(429, f"Too many attempts. Try again in {int(wait) + 1} s.", form=True)
                return
            password = self.get_body_argument("password", "", strip=False)
            if not await asyncio.to_thread(guard.passwords.right, name, password, self.request.remote_ip or ""):
                log.warning("a wrong name or password from %s", self.request.remote_ip)
                self._say(403, "Name or password is wrong.", form=True)
                return
        self._let_in(name)
        self.redirect("./")

    def _let_in(self, name: str) -> None:
        log.info("%s was let in from %s", name or "the owner of the token", self.request.remote_ip)
        self.set_cookie(
            self._guard.cookie,
            self._guard.cookie_for(name),
            path=self._path,
            httponly=True,
            samesite="Lax",  # with Strict a link to the page, or the file that leads to it, would be a stranger's
            secure=self.request.protocol == "https",
        )

    @property
    def _path(self) -> str:
        return f"{self._prefix}/" if self._prefix else "/"

    def _here(self) -> str:
        """The address asked for, without the token: relative, for a proxy may have another path before it."""
        rest = [(key, value) for key, value in parse_qsl(self.request.query) if key != TOKEN]
        page = f"./{self.request.path.rpartition('/')[2]}"  # never a scheme, nor a host
        return page + (f"?{urlencode(rest)}" if rest else "")

    def _say(self, status: int, words: str, *, form: bool = False) -> None:
        """End with a page that says why, and asks for what is missing."""
        self.set_status(status)
        said = f"<p role=alert>{escape(words)}</p>" if words else ""
        asked = ""
        if form and not self._guard.open:
            kind = BY_ACCOUNT if self._guard.accounts else BY_PASSWORD if self._guard.passwords else BY_TOKEN
            asked = kind.format(login=self._login)
        self.finish(PAGE.format(said=said, form=asked))

    @property
    def _login(self) -> str:
        """The door's address, relative to the page that was asked for."""
        depth = self.request.path.removeprefix(self._prefix).strip("/").count("/")
        return "../" * depth + LOGIN if self.request.path != self._prefix else f"{self._prefix}/{LOGIN}"


def set_guard(application: Application, guard: Guard, prefix: str = "") -> None:
    """Let nothing come to the ``application`` that ``guard`` does not admit."""
    door = Rule(Door(guard, prefix), Entrance, {"guard": guard, "prefix": prefix})
    application.add_handlers(r".*", [door])

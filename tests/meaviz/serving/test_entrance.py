"""The door of a server: what a stranger gets on every route, and how one comes in."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import panel as pn
import pytest
from tornado.web import create_signed_value

from meagraph import logs
from meaviz.options import accounts_of
from meaviz.serving.guard import Guard, new_token
from meaviz.serving.passwords import Passwords, add_user
from meaviz.serving.server import Server, serve
from tests.support.asking import ask, socket_opens

ROUTES = (
    "/",
    "/ws",
    "/static/js/bokeh.min.js",
    "/static/extensions/panel/panel.min.js",
    "/components/panel.io.server/serve/_css/x",
    "/autoload.js?bokeh-autoload-element=1",
    "/metadata",
    "/favicon.ico",
    "/session/x",
    "/no/such/place",
    "/?bokeh-session-id=x",
    "//static/js/bokeh.min.js",
    "/static/../",
)


@dataclass(eq=False)
class Asked:
    """A server on a thread, and who came to its app."""

    server: Server
    users: list[str]

    @property
    def port(self) -> int:
        return self.server.port

    @property
    def token(self) -> str:
        return self.server.url.partition("token=")[2]


def start(guard: Guard | None = None, *, hidden: bool = False) -> Asked:
    users: list[str] = []

    def app() -> pn.Column:
        users.append(pn.state.curdoc.session_context.request.meaviz_user)
        return pn.Column("the app")

    server = serve(app, title="T", port=0, guard=guard, hidden=hidden)
    server.wait()
    return Asked(server, users)


@pytest.fixture(scope="module")
def by_token() -> Iterator[Asked]:
    asked = start()
    yield asked
    asked.server.stop()


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "HEAD", "DELETE", "OPTIONS"])
def test_a_stranger_gets_nothing_on_any_route(by_token: Asked, method: str) -> None:
    for path in ROUTES:
        answer = ask(by_token.port, path, method=method)
        assert answer.status == 403, path
        assert "Set-Cookie" not in answer.headers
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert not socket_opens(by_token.port)
    assert by_token.users == []


def test_the_token_is_exchanged_for_a_cookie(by_token: Asked) -> None:
    port, token = by_token.port, by_token.token
    assert len(token) == 43
    answer = ask(port, f"/?theme=dark&token={token}")
    assert (answer.status, answer.headers["Location"]) == (302, "./?theme=dark")  # out of the address, and the history
    said = answer.headers["Set-Cookie"]
    assert "HttpOnly" in said
    assert "SameSite=Lax" in said
    assert token not in said
    assert str(port) in answer.cookie.partition("=")[0]  # two servers of one machine keep theirs apart
    page = ask(port, "/", cookie=answer.cookie)
    assert page.status == 200
    assert answer.cookie.partition("=")[2].encode() not in page.body
    assert ask(port, "/static/js/bokeh.min.js", cookie=answer.cookie).status == 200
    assert ask(port, "/session/x", cookie=answer.cookie).status == 410
    own = f"http://localhost:{port}"
    assert socket_opens(port, Cookie=answer.cookie, Host=f"localhost:{port}", Origin=own)
    assert set(by_token.users) == {""}
    for elsewhere in ("/https:evil.example", "//evil.example", "/x/javascript:y"):
        led = ask(port, f"{elsewhere}?token=x", cookie=answer.cookie).headers["Location"]
        assert led.startswith("./")


@pytest.mark.parametrize("change", [lambda one: one[:-1], lambda one: one.replace("|8:", "|9:"), lambda one: "x=1"])
def test_a_cookie_that_was_made_up_is_none(by_token: Asked, change) -> None:
    cookie = ask(by_token.port, f"/?token={by_token.token}").cookie
    assert ask(by_token.port, "/", cookie=change(cookie)).status == 403


def test_a_wrong_token_says_so(by_token: Asked) -> None:
    for wrong in ("", "x", by_token.token[:-1], by_token.token + "x", "%00", "ä"):
        answer = ask(by_token.port, f"/?token={wrong.encode().hex() if wrong == 'ä' else wrong}")
        assert answer.status == 403
        assert "Set-Cookie" not in answer.headers
    assert b"not the token" in answer.body
    assert ask(by_token.port, "/login", method="POST", body="token=x").status == 403
    given = ask(by_token.port, "/login", method="POST", body=f"token={by_token.token}")
    assert (given.status, given.headers["Location"]) == (302, "./")
    assert ask(by_token.port, "/", cookie=given.cookie).status == 200


def test_pages_of_others_get_nothing_even_with_the_cookie(by_token: Asked) -> None:
    """A browser sends the cookie along to every port of the machine, and for a name of theirs that leads to us."""
    port = by_token.port
    cookie = ask(port, f"/?token={by_token.token}").cookie
    own = f"localhost:{port}"
    for origin in (
        "http://evil.example",
        f"http://evil.example:{port}",
        f"http://localhost:{port + 1}",
        "null",
        "http://[",
    ):
        assert not socket_opens(port, Cookie=cookie, Host=own, Origin=origin)
        assert ask(port, "/login", method="POST", body="token=x", cookie=cookie, Host=own, Origin=origin).status == 403
    evil = f"evil.example:{port}"
    assert ask(port, "/", cookie=cookie, Host=evil).status == 403
    assert not socket_opens(port, Cookie=cookie, Host=evil, Origin=f"http://{evil}")
    assert ask(port, "/", cookie=cookie, Host="[::1]:1").status == 200


def test_a_proxy_of_the_same_user_says_the_token_in_a_header(by_token: Asked) -> None:
    header = f"token {by_token.token}"
    page = ask(by_token.port, "/", Authorization=header, Host="hub.example.org", Origin="https://hub.example.org")
    assert page.status == 200
    assert by_token.token.encode() not in page.body
    assert ask(by_token.port, "/", Authorization="token x").status == 403


def test_a_large_body_is_not_taken(by_token: Asked) -> None:
    assert ask(by_token.port, "/login", method="POST", Content_Length="2000000").status in (400, 413)


def test_the_address_of_a_frame_is_the_secret() -> None:
    """In a frame of another page browsers keep no cookie: whoever knows the path is in, and nobody else."""
    asked = start(hidden=True)
    try:
        path = "/" + asked.server.url.split("/", 3)[3]
        assert len(path) == 45
        page = ask(asked.port, path)
        assert page.status == 200
        assert "X-Frame-Options" not in page.headers
        assert "frame-ancestors" not in page.headers["Content-Security-Policy"]
        assert ask(asked.port, path + "static/js/bokeh.min.js").status == 200
        assert ask(asked.port, path + "favicon.ico").status == 200
        assert socket_opens(asked.port, path=path + "ws")
        for other in ("/", "/ws", "/static/js/bokeh.min.js", path[:-2] + "/", "/" + new_token() + "/"):
            assert ask(asked.port, other).status == 404
    finally:
        asked.server.stop()


def test_people_are_known_by_their_passwords(tmp_path: Path) -> None:
    file = tmp_path / "users"
    add_user(file, "ana", "correct horse")
    add_user(file, "bo", "battery staple")
    asked = start(Guard(passwords=Passwords(file), secret="s" * 40))
    port = asked.port

    def log_in(name: str, password: str):
        return ask(port, "/login", method="POST", body=f"name={name}&password={password}".replace(" ", "%20"))

    try:
        assert b'name="password"' in ask(port).body
        ana = log_in("ana", "correct horse")
        assert (ana.status, ana.headers["Location"]) == (302, "./")
        assert ask(port, cookie=ana.cookie).status == 200
        assert ask(port, cookie=log_in("bo", "battery staple").cookie).status == 200
        assert asked.users == ["ana", "bo"]
        for name, password in (("ana", "battery staple"), ("nobody", "correct horse"), ("", "")):
            answer = log_in(name, password)
            assert (answer.status, answer.cookie) == (403, "")
            assert b"Name or password is wrong" in answer.body  # the same for a name that is there
        again = log_in("ana", "correct horse")  # too soon after a wrong one
        assert (again.status, again.cookie) == (429, "")
        assert ask(port, cookie=ana.cookie).status == 200
        add_user(file, "ana", "another password")
        assert ask(port, cookie=ana.cookie).status == 403  # a new password ends what the old one opened
        out = ask(port, "/logout", cookie=ana.cookie)
        assert out.headers["Set-Cookie"].startswith(f'meaviz-{port}=""; expires=')
    finally:
        asked.server.stop()


def test_no_secret_comes_into_the_log(by_token: Asked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "log"
    monkeypatch.setattr("sys.stderr", io.StringIO())
    logs.begin_log("meaviz", file, verbose=True)
    try:
        cookie = ask(by_token.port, f"/?token={by_token.token}").cookie
        ask(by_token.port, f"/nowhere?token={by_token.token}x")
        ask(by_token.port, "/", cookie=cookie)
        ask(by_token.port, "/nothing", cookie=cookie, Authorization=f"token {by_token.token}")
        logging.getLogger("meaviz").warning("asked for /?token=%s with Cookie: %s", by_token.token, cookie)
    finally:
        logs.end_log()
    text = file.read_text()
    assert "302 GET /" in text
    assert "403 GET /nowhere" in text
    assert by_token.token not in text
    assert cookie.partition("=")[2] not in text


def test_accounts_of_a_provider_are_let_in_by_name() -> None:
    """Whoever has an account there has a cookie that is signed; only those who are named come in."""
    secret = "s" * 40
    asked = start(Guard(accounts=accounts_of(secret, frozenset({"ana"})), secret=secret))
    port = asked.port

    def cookie(name: str, key: str = secret) -> str:
        return "user=" + create_signed_value(key, "user", name).decode()

    try:
        to_login = ask(port)
        assert (to_login.status, to_login.headers["Location"]) == (302, "./login")
        back = ask(port, "/?code=a&state=b%3D")  # from the provider: Panel finds both in ``next``
        assert (back.status, back.headers["Location"]) == (302, "./login?next=%2F%3Fcode%3Da%26state%3Db%253D")
        assert ask(port, "/static/js/bokeh.min.js").status == 403
        assert not socket_opens(port)
        assert ask(port, cookie=cookie("ana")).status == 200
        for other in (cookie("eve"), cookie("ana", "t" * 40), "user=ana"):
            refused = ask(port, cookie=other)
            assert refused.status == 403
            assert b"not among those" in refused.body
        assert asked.users == ["ana"]
    finally:
        asked.server.stop()

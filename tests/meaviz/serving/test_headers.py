"""What heads every answer."""

from __future__ import annotations

import re

import pytest
from tornado.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine

from meaviz.serving.headers import FIXED, Headers, policy

PAGE = b"<html><script>one()</script><script\n src='x.js'></script><script type='json'>{}</script><scripted></scripted>"


def answer(chunk: bytes, kind: str, *, framed: bool = False, protocol: str = "http") -> tuple[HTTPHeaders, bytes]:
    line = RequestStartLine("GET", "/", "HTTP/1.1")
    request = HTTPServerRequest(headers=HTTPHeaders({"Host": "localhost:5006"}), start_line=line)
    request.protocol = protocol
    headers = HTTPHeaders({"Content-Type": kind, "Content-Length": str(len(chunk)), "Server": "TornadoServer/6"})
    status, headers, chunk = Headers(request, framed=framed).transform_first_chunk(200, headers, chunk, True)
    assert status == 200
    return headers, chunk


def test_the_scripts_of_a_page_have_a_number_used_once() -> None:
    seen = set()
    for _ in range(3):
        headers, chunk = answer(PAGE, "text/html; charset=UTF-8")
        [nonce] = set(re.findall(rb'<script nonce="([\w-]{20,})"', chunk))
        assert chunk.count(nonce) == 3
        assert headers["Content-Length"] == str(len(chunk))
        assert f"'nonce-{nonce.decode()}'" in headers["Content-Security-Policy"]
        assert chunk.replace(b' nonce="%s"' % nonce, b"") == PAGE
        seen.add(nonce)
    assert len(seen) == 3


def test_what_is_no_page_stays_as_it_is() -> None:
    headers, chunk = answer(PAGE, "application/javascript")
    assert chunk == PAGE
    assert "nonce" not in headers["Content-Security-Policy"]
    assert FIXED.items() <= dict(headers.get_all()).items()
    assert headers["X-Frame-Options"] == "DENY"
    assert "Server" not in headers


def test_the_policy_names_no_other_host() -> None:
    rules = dict(rule.split(" ", 1) for rule in policy("localhost:5006").split("; "))
    assert rules["default-src"] == rules["frame-ancestors"] == "'none'"
    assert "unsafe-inline" not in rules["script-src"]
    hosts = {word for rule in rules.values() for word in rule.split() if "//" in word or "*" in word}
    assert hosts == {"ws://localhost:5006", "wss://localhost:5006"}
    for made_up in ("x; script-src *", "a b", "x'", "\r\n"):
        assert policy(made_up) == policy("")


def test_a_frame_of_another_page() -> None:
    headers, _ = answer(PAGE, "text/html", framed=True)
    assert "X-Frame-Options" not in headers
    assert "frame-ancestors" not in headers["Content-Security-Policy"]


@pytest.mark.parametrize(("protocol", "added"), [("http", ""), ("https", "; Secure")])
def test_cookies_of_a_page_by_https_travel_by_it_alone(protocol: str, added: str) -> None:
    headers, _ = answer(PAGE, "text/html", protocol=protocol)
    for cookie in ("a=1", "b=2; Path=/x; secure"):  # Tornado adds them last
        headers.add("Set-Cookie", cookie)
    headers.add("X-Other", "a=1")
    assert headers.get_list("Set-Cookie") == ["a=1" + added, "b=2; Path=/x; secure"]
    assert headers.get_list("X-Other") == ["a=1"]
    assert headers["Content-Type"] == "text/html"

"""What heads every answer: who may frame the page, and what it may load and run."""

from __future__ import annotations

import re
import secrets
from typing import Any

from tornado.httputil import HTTPHeaders, HTTPServerRequest
from tornado.web import OutputTransform

HOST = re.compile(r"[\w.:\[\]-]+")
SCRIPT = re.compile(rb"<script(?=[\s>])")
COOKIE_SECURE = re.compile(r";\s*secure\s*(;|$)", re.IGNORECASE)
FIXED = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # with none at all, the door's own form would come from nowhere
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=(), serial=(), hid=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class SecureCookies(HTTPHeaders):
    """Headers whose cookies travel by https alone, whoever sets them: those of an account come from Panel, without."""

    def add(self, name: str, value: str, **how: Any) -> None:
        """Add a header of this ``name``."""
        if name.lower() == "set-cookie" and not COOKIE_SECURE.search(value):
            value += "; Secure"
        super().add(name, value, **how)


class Headers(OutputTransform):
    """Adds the headers to an answer. ``framed``: pages of others may show it in a frame of theirs."""

    def __init__(self, request: HTTPServerRequest, *, framed: bool = False) -> None:
        self._host, self._framed, self._secure = request.host, framed, request.protocol == "https"

    def transform_first_chunk(
        self, status_code: int, headers: HTTPHeaders, chunk: bytes, finishing: bool
    ) -> tuple[int, HTTPHeaders, bytes]:
        """Add them; the scripts that a page comes with are marked by a number used once, so that no other runs."""
        for name, value in FIXED.items():
            headers[name] = value
        if not self._framed:
            headers["X-Frame-Options"] = "DENY"
        nonce = ""
        if headers.get("Content-Type", "").startswith("text/html") and SCRIPT.search(chunk):
            nonce = secrets.token_urlsafe(16)
            chunk = SCRIPT.sub(b'<script nonce="%s"' % nonce.encode(), chunk)
            if "Content-Length" in headers:
                headers["Content-Length"] = str(len(chunk))
        headers["Content-Security-Policy"] = policy(self._host, nonce=nonce, framed=self._framed)
        if "Server" in headers:
            del headers["Server"]
        return status_code, SecureCookies(headers) if self._secure else headers, chunk


def policy(host: str, *, nonce: str = "", framed: bool = False) -> str:
    """What a page of this server may load: what comes from it; and run: that, and the scripts with the ``nonce``.

    Bokeh makes functions of text that comes with its models (``CustomJS``, WebGL), so that eval has to be allowed; what
    gets into the page as markup does not run all the same.
    """
    sockets = f"ws://{host} wss://{host} " if HOST.fullmatch(host) else ""
    rules = {
        "default-src": "'none'",
        "script-src": "'self' blob: 'unsafe-eval'" + (f" 'nonce-{nonce}'" if nonce else ""),
        "style-src": "'self' 'unsafe-inline'",
        "img-src": "'self' data: blob:",
        "font-src": "'self' data:",
        "connect-src": f"'self' {sockets}data: blob:",
        "worker-src": "'self' blob:",
        "manifest-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'self'",
        "object-src": "'none'",
        **({} if framed else {"frame-ancestors": "'none'"}),
    }
    return "; ".join(f"{name} {value}" for name, value in rules.items())

"""What heads every answer: who may frame the page, and what it may load and run."""

from __future__ import annotations

import base64
import hashlib
import re

from tornado.httputil import HTTPHeaders, HTTPServerRequest
from tornado.web import OutputTransform

HOST = re.compile(r"[\w.:\[\]-]+")
INLINE = re.compile(rb"<script\b(?![^>]*\bsrc=)[^>]*>(.*?)</script>", re.S | re.I)
FIXED = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=(), serial=(), hid=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Headers(OutputTransform):
    """Adds the headers to an answer. ``framed``: pages of others may show it in a frame of theirs."""

    def __init__(self, request: HTTPServerRequest, *, framed: bool = False) -> None:
        self._host, self._framed = request.host, framed

    def transform_first_chunk(
        self, status_code: int, headers: HTTPHeaders, chunk: bytes, finishing: bool
    ) -> tuple[int, HTTPHeaders, bytes]:
        """Add them; a page's own scripts are named by their hashes, so that no other text on it runs."""
        for name, value in FIXED.items():
            headers[name] = value
        if not self._framed:
            headers["X-Frame-Options"] = "DENY"
        page = headers.get("Content-Type", "").startswith("text/html")
        headers["Content-Security-Policy"] = policy(
            self._host, scripts=INLINE.findall(chunk) if page else (), framed=self._framed
        )
        if "Server" in headers:
            del headers["Server"]
        return status_code, headers, chunk


def policy(host: str, *, scripts: tuple[bytes, ...] | list[bytes] = (), framed: bool = False) -> str:
    """What a page of this server may load: only what comes from it.

    ``scripts`` are those written in the page.
    """
    hashes = " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(one).digest()).decode()}'" for one in scripts)
    sockets = f"ws://{host} wss://{host} " if HOST.fullmatch(host) else ""
    rules = {
        "default-src": "'none'",
        "script-src": f"'self' blob: {hashes}".strip(),
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

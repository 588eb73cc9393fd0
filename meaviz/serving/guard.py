"""Who may come in: known by a token in the address, by a password, or by the proxy in front.

The token is exchanged for a signed cookie, as Jupyter does it. What is asked for without one never reaches the app: no
page, no web socket, no script, no picture.
"""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from hmac import compare_digest
from urllib.parse import urlsplit

from tornado.httputil import HTTPServerRequest
from tornado.web import create_signed_value, decode_signed_value

from meaviz.serving.passwords import Passwords

TOKEN = "token"  # in the address, and before the token in the header Authorization
TOKEN_VARIABLE = "MEAVIZ_TOKEN"  # gives one; not an option: every user of a machine sees command lines
OWNER = ""  # whose token it is: who started the server
DAYS = 7.0  # that a cookie holds; that of a token ends with the server, whose secret signs it
UNSEEN = ("GET", "HEAD")  # ask for something and change nothing


def new_token() -> str:
    """A token that nobody guesses: 256 random bits."""
    return secrets.token_urlsafe(32)


def of_this_machine(address: str) -> bool:
    """Whether nobody else can reach ``address``, a name or number without its port."""
    try:
        return ipaddress.ip_address(address.strip("[]")).is_loopback
    except ValueError:
        return address == "localhost"


@dataclass(frozen=True, eq=False)
class Guard:
    """What a server asks of those who come.

    With neither ``token`` nor ``passwords`` nor ``accounts`` it lets in everybody who reaches it.
    """

    token: str = field(default="", repr=False)
    passwords: Passwords | None = None
    accounts: Callable[[HTTPServerRequest], str | None] | None = None  # who an OAuth provider says it is
    secret: str = field(default_factory=new_token, repr=False)  # signs the cookies
    cookie: str = "meaviz"
    local: bool = True  # to be asked for by a name of this machine alone: no page makes its own name mean ours
    origins: tuple[str, ...] = ()  # HOST[:PORT] of other pages that may talk to it

    @property
    def open(self) -> bool:
        """Whether it lets in everybody."""
        return not (self.token or self.passwords or self.accounts)

    def user(self, request: HTTPServerRequest) -> str | None:
        """Who asks: a name, OWNER for who has the token, None for a stranger."""
        if self.open or self.by_proxy(request):
            return OWNER
        if self.accounts is not None:
            return self.accounts(request)
        morsel = request.cookies.get(self.cookie)
        if morsel is None:
            return None
        signed = decode_signed_value(self.secret, self.cookie, morsel.value, max_age_days=DAYS)
        name, _, mark = (signed or b"").decode("utf-8", "replace").rpartition(" ")
        if signed is None or not compare_digest(mark.encode(), self._mark(name).encode()):
            return None
        return name

    def by_proxy(self, request: HTTPServerRequest) -> bool:
        """Whether a proxy of the same user passes the request on, with the token in a header."""
        kind, _, given = request.headers.get("Authorization", "").partition(" ")
        return kind.lower() in (TOKEN, "bearer") and self.is_token(given.strip())

    def is_token(self, given: str) -> bool:
        """Whether it is the token; how long that takes tells nothing of it."""
        return bool(self.token) and compare_digest(given.encode("utf-8", "replace"), self.token.encode())

    def cookie_for(self, name: str) -> str:
        """The signed value of the cookie that ``name`` is known by from now on."""
        value = f"{name} {self._mark(name)}"
        return create_signed_value(self.secret, self.cookie, value).decode()

    def own_name(self, request: HTTPServerRequest) -> bool:
        """Whether the server is asked for by a name that is its own."""
        if not self.local or of_this_machine(_without_port(request.host)) or self.by_proxy(request):
            return True
        return request.host.lower() in (one.lower() for one in self.origins)

    def own_page(self, request: HTTPServerRequest) -> bool:
        """Whether the page that asks is one of ours: it matters where more than reading is asked for."""
        origin = request.headers.get("Origin")
        socket = request.headers.get("Upgrade", "").lower() == "websocket"
        if origin is None or (request.method in UNSEEN and not socket) or self.by_proxy(request):
            return True
        try:
            page = urlsplit(origin).netloc.lower()
        except ValueError:  # no address at all
            return False
        return page in (request.host.lower(), *(one.lower() for one in self.origins))

    def admits(self, request: HTTPServerRequest) -> bool:
        """Whether the app may answer."""
        return self.own_name(request) and self.own_page(request) and self.user(request) is not None

    def _mark(self, name: str) -> str:
        """What a cookie is worth no more without: the user and the password that it was given for."""
        return TOKEN if self.passwords is None else self.passwords.mark(name)


def _without_port(host: str) -> str:
    return host if host.endswith("]") or ":" not in host else host.rpartition(":")[0]

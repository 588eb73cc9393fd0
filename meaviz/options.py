"""Whom the ``meaviz`` command serves, and where: its options, and the guard that they ask for."""

from __future__ import annotations

import argparse
import getpass
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from meagraph.cache import data_home
from meagraph.errors import MEAGraphError
from meagraph.logs import state_folder
from meaviz.serving.guard import TOKEN_VARIABLE, Guard, new_token, of_this_machine
from meaviz.serving.passwords import NAME, Passwords, add_user
from meaviz.serving.private import kept_secret

REDIRECT = "PANEL_OAUTH_REDIRECT_URI"  # Panel's own; without it people come back to the root of the host
OAUTH = {"key": "MEAVIZ_OAUTH_KEY", "secret": "MEAVIZ_OAUTH_SECRET", "encryption_key": "MEAVIZ_OAUTH_ENCRYPTION"}


def add_serving_options(parser: argparse.ArgumentParser) -> None:
    """All of them."""
    one = parser.add_argument_group("whom it serves")
    one.add_argument("--port", type=int, default=5006, help="(default: %(default)s; 0: any free port)")
    one.add_argument(
        "--address", default="127.0.0.1", help="address of this machine to listen on (default: %(default)s)"
    )
    one.add_argument("--prefix", default="", metavar="PATH", help="path that a proxy in front serves the app under")
    one.add_argument(
        "--origin",
        action="append",
        default=[],
        metavar="HOST",
        help="name, with its port if that is none of the usual, by which a proxy in front is asked; may be repeated",
    )
    one.add_argument(
        "--no-token",
        action="store_true",
        help="ask for no token: every user of this machine can open the app, and with it your files",
    )
    one.add_argument(
        "--insecure",
        action="store_true",
        help="let --address be one that others reach, and what is sent be read on the way",
    )
    one.add_argument(
        "--root",
        metavar="DIR",
        help="folder that the app opens and writes files in, and none outside it (default: any, starting here)",
    )
    one.add_argument("--results", metavar="DIR", help="folder to write in, and nowhere else")
    one.add_argument("--read-only", action="store_true", help="write no results at all")
    group = parser.add_argument_group("a server for a group (docs/serving.md)")
    group.add_argument("--serve", action="store_true", help="serve several people, each known by a name of their own")
    group.add_argument("--passwords", metavar="FILE", help="file of the users and their passwords' hashes")
    group.add_argument("--add-user", metavar="NAME", help="ask for a password, write it into --passwords, and end")
    group.add_argument("--oauth", metavar="PROVIDER", help="let github, gitlab, google, azure ... say who it is")
    group.add_argument("--users", default="", metavar="NAMES", help="whom --oauth lets in, separated by commas")
    group.add_argument("--cookie-secret", metavar="FILE", help="file of the secret that signs cookies; made if missing")
    group.add_argument("--certificate", metavar="FILE", help="certificate for https, with --key")
    group.add_argument("--key", metavar="FILE", help="its private key")
    group.add_argument("--jobs", type=int, default=2, help="long jobs at once (default: %(default)s)")
    group.add_argument("--jobs-each", type=int, default=1, help="long jobs of one user (default: %(default)s)")
    group.add_argument("--memory", type=float, metavar="GB", help="memory above which no job begins")


@dataclass(frozen=True)
class Serving:
    """What the options ask for: the guard, and what goes to Panel."""

    guard: Guard
    panel: dict[str, Any]


def obstacle(options: argparse.Namespace) -> str:
    """Why the options cannot be served; empty where they can."""
    here = of_this_machine(options.address)
    if not here and not (options.serve or options.insecure):
        return (
            f"--address {options.address}: expected an address of this machine alone, such as 127.0.0.1. There is no "
            "password: whoever reaches another address and reads the token on its way reads and writes all files that "
            "you can. Leave it out and forward the port over ssh (ssh -L 5006:localhost:5006 HOST), serve a group "
            "(--serve), or insist with --insecure."
        )
    if options.serve:
        if bool(options.passwords) == bool(options.oauth):
            return (
                "--serve: expected to be told how people are known: --passwords FILE (made with meaviz --add-user NAME "
                "--passwords FILE), or --oauth PROVIDER."
            )
        if options.oauth and not _names(options.users):
            return "--oauth: expected --users NAME,NAME: whoever has an account of the provider would get in."
        if options.root is None:
            return "--serve: expected --root DIR: the folder of the data that people may open, and none outside it."
        if options.results is None and not options.read_only:
            return "--serve: expected --results DIR: each user writes in a folder of their own there; or --read-only."
        if not (here or options.certificate or options.insecure):
            return (
                f"--address {options.address}: passwords would be sent readably. Give --certificate and --key, leave "
                "--address out and put a proxy with https in front (docs/serving.md), or insist with --insecure."
            )
    elif options.passwords or options.oauth:
        return "--passwords and --oauth go with --serve."
    if bool(options.certificate) != bool(options.key):
        return "--certificate and --key go together."
    if options.desktop and (options.address != "127.0.0.1" or options.serve or options.prefix):
        return "--desktop serves this machine only; leave --address, --serve and --prefix out."
    if options.root is not None and not Path(options.root).expanduser().is_dir():
        return f"--root {options.root}: expected a folder, but there is none of this name."
    return ""


def serving(options: argparse.Namespace) -> Serving:
    """The guard for options without an obstacle. Raises MEAGraphError for a file that cannot be used."""
    here, prefix = of_this_machine(options.address), _prefix(options.prefix)
    proxied = here and bool(options.serve or prefix or options.origin)
    panel: dict[str, Any] = {"prefix": prefix, "use_xheaders": proxied}
    if options.certificate:
        panel |= {"ssl_certfile": options.certificate, "ssl_keyfile": options.key}
    common: dict[str, Any] = {
        "local": here and not options.serve,
        "origins": tuple(options.origin),
    }
    if not options.serve:
        token = "" if options.no_token else os.environ.pop(TOKEN_VARIABLE, "") or new_token()
        return Serving(Guard(token=token, **common), panel)
    secret = kept_secret(Path(options.cookie_secret or state_folder() / "cookie-secret").expanduser())
    if options.passwords:
        return Serving(Guard(passwords=Passwords(Path(options.passwords).expanduser()), secret=secret, **common), panel)
    given = {name: os.environ.pop(variable, "") for name, variable in OAUTH.items()}
    missing = [OAUTH[name] for name, value in given.items() if not value]
    if missing:
        raise MEAGraphError(
            f"--oauth: expected {' and '.join(missing)} in the environment, as the provider gave them (the last one: "
            "panel oauth-secret). Set them for this command alone."
        )
    if prefix and not os.environ.get(REDIRECT):
        raise MEAGraphError(
            f"--oauth with --prefix: expected {REDIRECT} in the environment, the address of the page as the provider "
            f"has it, for example https://lab.example.org{prefix}: there it sends people back."
        )
    panel |= {
        "oauth_provider": options.oauth,
        "oauth_key": given["key"],
        "oauth_secret": given["secret"],
        "oauth_encryption_key": given["encryption_key"],
        "cookie_secret": secret,
        "cookie_path": f"{prefix}/",
    }
    return Serving(Guard(accounts=accounts_of(secret, _names(options.users)), secret=secret, **common), panel)


def ask_for_user(name: str, passwords: str | None) -> str:
    """Ask for a password twice, and write it; return what was done. Raises MEAGraphError."""
    if not passwords:
        raise MEAGraphError("--add-user: expected --passwords FILE, the file to write the user into.")
    first = getpass.getpass(f"Password of {name}: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
    if sys.stdin.isatty() and getpass.getpass("Again: ") != first:
        raise MEAGraphError("The two are not alike. Try again.")
    return f"{name} can log in by {add_user(passwords, name, first)}."


def home_of(user: str) -> Path | None:
    """Where what a user of a shared server keeps between sessions lies; None for who started the server."""
    if not user:
        return None
    return data_home() / "users" / user


def _prefix(text: str) -> str:
    return f"/{text.strip('/')}" if text.strip("/") else ""


def _names(text: str) -> frozenset[str]:
    return frozenset(name.strip() for name in text.split(",") if name.strip())


def accounts_of(secret: str, names: frozenset[str]) -> Callable[[Any], str | None]:
    """Who Panel's own cookie says it is, if that is one of ``names``."""
    from tornado.web import decode_signed_value

    def account(request: Any) -> str | None:
        morsel = request.cookies.get("user")
        signed = None if morsel is None else decode_signed_value(secret, "user", morsel.value, max_age_days=1)
        name = None if signed is None else signed.decode("utf-8", "replace")
        return name if name in names else None

    return account


def folder_name(user: str) -> str:
    """A user's name as that of a folder: an account may be called as no folder should be."""
    if not user:
        return ""
    return user if NAME.fullmatch(user) else f"_{quote(user, safe='')}"  # no name begins with _: no two are one folder

"""``meaviz doctor``: what ``meagraph doctor`` finds, and what the app needs besides."""

from __future__ import annotations

import argparse
import importlib.util
import os
import socket
import sys
from collections.abc import Iterator, Sequence

from meagraph.cli.doctor import CHECKS, Finding, diagnose, doctor_options, versions
from meagraph.errors import MEAGraphError
from meaviz.desktop.launcher import why_no_window
from meaviz.serving.server import ADDRESS

APP = ("panel", "panel-material-ui", "bokeh", "holoviews", "nglview", "param", "tornado")
EXTRAS = ("argon2-cffi", "pywebview", "jupyter-server-proxy")
PORTS = {5006: "meaviz", 5007: "the app in a notebook"}


def main(arguments: Sequence[str]) -> int:
    """Look, print, and return 1 where something is wrong."""
    parser = argparse.ArgumentParser(
        prog="meaviz doctor",
        description="Print versions, devices, memory, disk, permissions, fonts, ports and the size of the cache. The "
        "status is 1 where something is wrong.",
    )
    doctor_options(parser, (*CHECKS, _app, _ports, _drawing))
    options = parser.parse_args(arguments)
    try:
        return diagnose(options, (*CHECKS, _app, _ports, _drawing))
    except MEAGraphError as error:
        print(f"meaviz: error: {error}", file=sys.stderr)
        return 1


def _app() -> Iterator[Finding]:
    yield from versions(APP, EXTRAS)
    if importlib.util.find_spec("argon2") is None:
        yield Finding("passwords", "note", 'meaviz --serve --passwords needs argon2-cffi: pip install "meaviz[serve]"')
    obstacle = why_no_window()
    yield Finding("window", "note" if obstacle else "fine", obstacle or "meaviz --desktop can open one")


def _ports() -> Iterator[Finding]:
    for port, use in PORTS.items():
        with socket.socket() as probe:
            if os.name == "posix":
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((ADDRESS, port))
                yield Finding("ports", "fine", f"{port} ({use}) is free")
            except OSError as error:
                yield Finding("ports", "note", f"{port} ({use}) is taken ({error.strerror}); another: --port 0")


def _drawing() -> Iterator[Finding]:
    yield Finding(
        "WebGL",
        "fine",
        "is your browser's, not this machine's: open chrome://gpu or about:support there; without it map and 3D view "
        "say so in place of a picture",
    )

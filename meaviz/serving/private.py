"""Files that nobody else reads: secrets, and the page that carries a token to the browser."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
import tempfile
import webbrowser
from html import escape
from pathlib import Path

from meagraph.errors import MEAGraphError
from meagraph.logs import state_folder

SECRET = 32  # random bytes


def write_private(path: Path, text: str) -> Path:
    """Write a file that only this user reads, at once or not at all. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".new-")  # of mode 0600
    try:
        with os.fdopen(handle, "w", newline="\n", encoding="utf-8") as stream:
            stream.write(text)
        os.replace(name, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)
    return path


def kept_secret(path: Path) -> str:
    """The secret in a file, made where there is none. Raises MEAGraphError where others can read it."""
    try:
        if not path.exists():
            write_private(path, secrets.token_urlsafe(SECRET) + "\n")
        text, mode = path.read_text(encoding="utf-8").strip(), path.stat().st_mode
    except (OSError, ValueError) as error:
        raise MEAGraphError(
            f"{path}: expected a file with the secret that signs cookies, but it cannot be read or written ({error}). "
            "Name another with --cookie-secret."
        ) from error
    if os.name == "posix" and mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise MEAGraphError(f"{path}: expected a secret that nobody else reads. Run: chmod 600 {path}")
    if len(text) < SECRET:
        raise MEAGraphError(
            f"{path}: expected a secret of {SECRET} characters or more, got {len(text)}. Remove the file, and meaviz "
            "makes another."
        )
    return text


def open_browser(url: str) -> None:
    """Open ``url`` in the user's browser, but not by its command line, which every user of the machine can read.

    The browser is given a file that only this user reads and that leads on. Where that cannot be written nothing is
    opened: the address was printed.
    """
    if os.name != "posix":
        webbrowser.open(url)
        return
    page = (
        f'<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="0;url={escape(url)}">'
        f'<meta name="referrer" content="no-referrer"><title>MEAViz</title><a href="{escape(url)}">MEAViz</a>\n'
    )
    with contextlib.suppress(OSError):
        webbrowser.open(write_private(state_folder() / f"open-{os.getpid()}.html", page).as_uri())


def forget_browser() -> None:
    """Remove what :func:`open_browser` wrote."""
    (state_folder() / f"open-{os.getpid()}.html").unlink(missing_ok=True)

"""The log: a file in the user's own state folder, or one that is named, with levels; secrets do not come into it."""

from __future__ import annotations

import argparse
import logging
import os
import re
import sys
from logging.handlers import RotatingFileHandler
from pathlib import Path

import platformdirs

from meagraph.errors import MEAGraphError

LARGEST, OLD = 10_000_000, 2  # bytes of a log before another is begun, and how many older ones stay
FORM = "%(asctime)s %(levelname)s %(name)s [%(process)d]: %(message)s"
OURS = ("meagraph", "meaviz")
SERVERS = ("bokeh", "panel", "tornado")  # of whose words only warnings are kept
SECRETS = (
    (re.compile(r"((?:token|password|secret|bokeh-session-id)[\"']?\s*[=:]\s*[\"']?)[^\s&\"'<>,;)]+", re.I), r"\1..."),
    (re.compile(r"((?:cookie|authorization)[\"']?\s*:).*", re.I), r"\1 ..."),
)


def state_folder() -> Path:
    """Where what only this user reads is kept; ``$MEAVIZ_STATE`` names another place."""
    return Path(os.environ.get("MEAVIZ_STATE") or platformdirs.user_state_dir("meaviz")).expanduser()


def log_path(program: str) -> Path:
    """The log of ``program`` where no other is named."""
    return state_folder() / f"{program}.log"


def add_log_options(parser: argparse.ArgumentParser) -> None:
    """``--log`` and ``--verbose``."""
    parser.add_argument("--log", metavar="FILE", help="write the log there (default: in the user's state folder)")
    parser.add_argument("--verbose", action="store_true", help="log more, and show it here")


class Lines(logging.Formatter):
    """Formats a record without what opens a door."""

    def format(self, record: logging.LogRecord) -> str:
        """The text of the record, its traceback included."""
        text = super().format(record)
        for pattern, instead in SECRETS:
            text = pattern.sub(instead, text)
        return text


class _Private(RotatingFileHandler):
    """A file that nobody else reads; what cannot be written, on a full disk, is said once and ends nothing."""

    def _open(self):  # type: ignore[no-untyped-def]  # the stream's type is not public
        Path(self.baseFilename).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        return open(self.baseFilename, "a", encoding="utf-8", errors="backslashreplace", opener=_opener)

    def handleError(self, record: logging.LogRecord) -> None:
        if not getattr(self, "_told", False):
            self._told = True
            print(f"the log {self.baseFilename} cannot be written: {sys.exc_info()[1]}", file=sys.stderr)


def _opener(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def begin_log(
    program: str, path: str | Path | None = None, *, verbose: bool = False, level: int = logging.INFO
) -> Path:
    """Write what is logged from now on to ``path``, or to the user's log of ``program``; return where.

    The file is made with the first line of ``level`` or above; ``verbose`` keeps more, and shows it on the standard
    error. Raises MEAGraphError for a named file that cannot be written.
    """
    file = log_path(program) if path is None else Path(path).expanduser()
    if path is not None:
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with open(file, "ab", opener=_opener):
                pass
        except OSError as error:
            raise MEAGraphError(
                f"{path}: the log cannot be written there ({error.strerror or error}). Name another file with --log."
            ) from error
    end_log()
    least = logging.DEBUG if verbose else level
    handlers: list[logging.Handler] = [_Private(file, maxBytes=LARGEST, backupCount=OLD, delay=True)]
    if verbose:
        handlers.append(logging.StreamHandler(sys.stderr))
    for handler in handlers:
        handler.setLevel(least)
        handler.setFormatter(Lines(FORM))
        handler.set_name("meaviz")
        logging.getLogger().addHandler(handler)
    for name in OURS:
        logging.getLogger(name).setLevel(least)
    for name in SERVERS:
        logging.getLogger(name).setLevel(logging.INFO if verbose else logging.WARNING)
    return file


def end_log() -> None:
    """Write no more to what :func:`begin_log` opened."""
    root = logging.getLogger()
    for handler in [one for one in root.handlers if one.get_name() == "meaviz"]:
        root.removeHandler(handler)
        handler.close()


def log_in_use() -> Path | None:
    """The file that is written to; None where none is."""
    for handler in logging.getLogger().handlers:
        if handler.get_name() == "meaviz" and isinstance(handler, _Private):
            return Path(handler.baseFilename)
    return None

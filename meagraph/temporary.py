"""Temporary files and folders that can be told as ours, so that the next start removes what a killed run has left."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import re
import shutil
import socket
import stat
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

DAY = 86_400.0
MINUTE = 60.0
_NAME = re.compile(r"\.meagraph-([0-9a-f]{8})-([0-9]+)-.*", re.DOTALL)
_EARLIER = re.compile(r"\.[a-z-]+-[0-9a-f]{20}-[a-z0-9_]{8}\.[a-z.]+")
"""Temporary files of the cache, as earlier versions called them."""
STEM = 40  # characters of the file's own name that a temporary one shows


@contextlib.contextmanager
def temporary_file(target: Path) -> Iterator[Path]:
    """An empty file beside ``target`` with its suffix; gone at the end unless it was moved.

    As long as the process lives it holds a lock on the file, where the file system has locks.
    """
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=_prefix(target.stem), suffix=target.suffix[:STEM])
    path = Path(name)
    if not _lock(handle):
        os.close(handle)
        handle = -1
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)
        if handle >= 0:
            os.close(handle)


class TemporaryFolder(tempfile.TemporaryDirectory[str]):
    """A folder that goes when it is closed, or with the process; in the system's place for such, or another."""

    def __init__(self, where: str | Path | None = None) -> None:
        super().__init__(prefix=_prefix("folder"), dir=where, ignore_cleanup_errors=True)
        self._handle = -1
        with contextlib.suppress(OSError):  # Windows opens no folder
            handle = os.open(self.name, os.O_RDONLY)
            if _lock(handle):
                self._handle = handle
            else:
                os.close(handle)

    def cleanup(self) -> None:
        """Remove the folder and what is in it."""
        super().cleanup()
        handle, self._handle = self._handle, -1
        if handle >= 0:
            os.close(handle)


@contextlib.contextmanager
def temporary_folder(where: str | Path | None = None) -> Iterator[Path]:
    """A :class:`TemporaryFolder` for a block."""
    with TemporaryFolder(where) as name:
        yield Path(name)


def tidy(folder: str | Path) -> list[Path]:
    """Remove what killed runs have left right in ``folder``, and say what that was.

    Only temporary files and folders of ours, of this user, whose process is dead; of other machines those that nobody
    has touched for a day. What cannot be removed stays.
    """
    found: list[Path] = []
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            with contextlib.suppress(OSError, ValueError):
                if entry.name.startswith(".") and _stale(entry):
                    if entry.is_dir(follow_symlinks=False):
                        shutil.rmtree(entry.path)
                    else:
                        os.unlink(entry.path)
                    found.append(Path(entry.path))
    return found


def _stale(entry: os.DirEntry[str]) -> bool:
    named = _NAME.fullmatch(entry.name)
    if named is None and not _EARLIER.fullmatch(entry.name):
        return False
    status = entry.stat(follow_symlinks=False)
    if hasattr(os, "getuid") and status.st_uid != os.getuid():
        return False
    if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
        return False
    age = time.time() - status.st_mtime
    if named is None or named[1] != _here():
        return age > DAY and _held(entry.path) is not True
    alive = _alive(int(named[2]))
    held = _held(entry.path)
    if held is None:  # no locks here
        return age > DAY if alive is None else not alive
    # a number of a process comes again; the owner takes the lock at once
    return not held and (not alive or age > MINUTE)


def _prefix(stem: str) -> str:
    short = re.sub(r"[^\w.+-]+", "_", stem, flags=re.ASCII)[:STEM]
    return f".meagraph-{_here()}-{os.getpid()}-{short}-"


@functools.cache
def _here() -> str:
    """A mark of this machine and, in a container, of its numbers of processes."""
    try:
        space = os.readlink("/proc/self/ns/pid")
    except OSError:
        space = ""
    return hashlib.sha256(f"{socket.gethostname()} {space}".encode()).hexdigest()[:8]


def _alive(process: int) -> bool | None:
    """Whether a process lives; None where that cannot be told."""
    if sys.platform == "win32":
        return None  # to ask there would end it
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return True


def _lock(handle: int) -> bool:
    """Whether the lock of an open file is ours now."""
    locks: Any = _locks()
    if locks is None:
        return False
    try:
        locks.flock(handle, locks.LOCK_EX | locks.LOCK_NB)
    except OSError:
        return False
    return True


def _held(path: str) -> bool | None:
    """Whether somebody holds the lock of a file or folder; None where that cannot be told."""
    locks: Any = _locks()
    if locks is None:
        return None
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
    try:
        locks.flock(handle, locks.LOCK_EX | locks.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return None
    finally:
        os.close(handle)
    return False


def _locks() -> Any:
    try:
        import fcntl
    except ImportError:
        return None
    return fcntl

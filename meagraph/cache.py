"""The cache on disk: what was computed before is read, what is new is kept, under a key of all that it depends on."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar
from zipfile import BadZipFile

import platformdirs

from meagraph.errors import MEAGraphError
from meagraph.temporary import tidy

T = TypeVar("T")


def remember(
    kind: str,
    depends: Mapping[str, Any],
    make: Callable[[], T],
    *,
    read: Callable[[Path], T],
    write: Callable[[Path, T], Any],
    suffix: str = ".npz",
    use: bool = True,
) -> T:
    """What the cache holds of ``kind`` under ``depends``, or else what ``make`` returns, which is then kept.

    ``depends`` (JSON-like) names everything that the result depends on, a version of the code that makes it included.
    ``use`` False computes anew and keeps nothing.
    """
    if not use:
        return make()
    path = place(kind, depends, suffix)
    known = read_cached(path, read)
    if known is None:
        known = make()
        write(path, known)
    return known


def recall(kind: str, depends: Mapping[str, Any], read: Callable[[Path], T], suffix: str = ".npz") -> T | None:
    """What :func:`remember` would find in the cache; None where that must be computed."""
    return read_cached(place(kind, depends, suffix), read)


def place(kind: str, depends: Mapping[str, Any], suffix: str = ".npz") -> Path:
    """The file in which the cache keeps what ``depends`` on these."""
    return cache_directory(kind) / f"{kind}-{content_key(depends)}{suffix}"


def read_cached(path: Path, read: Callable[[Path], T]) -> T | None:
    """What ``read`` makes of the cache's file at ``path``; None where there is none that can be read."""
    if not path.is_file():
        return None
    try:
        return read(path)
    except (
        OSError,
        EOFError,
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
        ArithmeticError,
        BadZipFile,
        MEAGraphError,
    ):
        return None


def tidy_cache() -> None:
    """Remove what killed runs have left: in the cache, and of ours in the system's place for temporary files.

    Nothing that a live process writes, see :func:`meagraph.temporary.tidy`; a cache that cannot be tidied stays as it
    is.
    """
    root = _root()
    with contextlib.suppress(OSError):
        for folder in (root, *(path for path in root.iterdir() if path.is_dir() and not path.is_symlink())):
            tidy(folder)
    with contextlib.suppress(OSError):  # where all disks are full there is no such place
        tidy(tempfile.gettempdir())


def content_key(content: Mapping[str, Any]) -> str:
    """A short stable key of a JSON-like dictionary: the name of a cache entry."""
    text = json.dumps(dict(content), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def cache_directory(*parts: str) -> Path:
    """Return (and create, private to the user) a folder of the cache.

    ``$MEAVIZ_CACHE`` names another place, for example a scratch file system. Raises MEAGraphError if the folder
    cannot be made.
    """
    folder = _root().joinpath(*parts)
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise MEAGraphError(
            f"{folder}: expected a folder for the cache, but it cannot be made ({error.strerror}). Name another place "
            "in the environment variable MEAVIZ_CACHE."
        ) from error
    return folder


def data_home(home: str | Path | None = None) -> Path:
    """Where what people did is kept: ``home``, or ``$MEAVIZ_DATA_HOME``, or the user's data folder."""
    return Path(home or os.environ.get("MEAVIZ_DATA_HOME") or platformdirs.user_data_dir("meaviz")).expanduser()


def _root() -> Path:
    """The folder of the cache."""
    root = os.environ.get("MEAVIZ_CACHE")
    return Path(root) if root else Path(platformdirs.user_cache_dir("meaviz"))

"""Where files go and how they are written: the cache folder, atomic writes, archives, hashes."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar
from zipfile import BadZipFile

import numpy as np
import platformdirs
from numpy.typing import NDArray

from meagraph.errors import MEAGraphError

T = TypeVar("T")


def cache_directory(*parts: str) -> Path:
    """Return (and create, private to the user) a folder of the cache.

    ``$MEAVIZ_CACHE`` names another place, for example a scratch file system. Raises MEAGraphError if the folder
    cannot be made.
    """
    root = os.environ.get("MEAVIZ_CACHE")
    folder = Path(root) if root else Path(platformdirs.user_cache_dir("meaviz"))
    folder = folder.joinpath(*parts)
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise MEAGraphError(
            f"{folder}: expected a folder for the cache, but it cannot be made ({error.strerror}). Name another place "
            "in the environment variable MEAVIZ_CACHE."
        ) from error
    return folder


@contextlib.contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; on success it replaces ``path``, on failure it vanishes.

    A reader sees the old file or the whole new one, never a part.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.stem}-", suffix=target.suffix)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)  # mkstemp's 0600 would surprise whoever shares the folder
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: str | Path, content: Any) -> None:
    """Write ``content`` as indented JSON, atomically; keys keep their order."""
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def write_arrays(path: str | Path, arrays: Mapping[str, Any]) -> None:
    """Write ``arrays`` as one NumPy archive without pickled objects, atomically."""
    with atomic_path(path) as temporary, open(temporary, "wb") as stream:
        np.savez(stream, allow_pickle=False, **arrays)


def read_arrays(path: str | Path) -> dict[str, NDArray[Any]]:
    """Read what :func:`write_arrays` wrote, by name."""
    with np.load(path, allow_pickle=False) as stored:
        return dict(stored)


def read_cached(path: Path, read: Callable[[Path], T]) -> T | None:
    """What ``read`` makes of the cache's file at ``path``; None where there is none that can be read."""
    if not path.is_file():
        return None
    try:
        return read(path)
    except (OSError, EOFError, ValueError, KeyError, BadZipFile, MEAGraphError):
        return None


def sha256_file(path: str | Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def content_key(content: dict[str, Any]) -> str:
    """A short stable key of a JSON-like dictionary: the name of a cache entry."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:20]

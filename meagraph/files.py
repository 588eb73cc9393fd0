"""Where files go and how they are written: the cache folder, atomic writes, hashes."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import platformdirs

from meagraph.errors import MEAGraphError


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


def sha256_file(path: str | Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def content_key(content: dict[str, Any]) -> str:
    """A short stable key of a JSON-like dictionary: the name of a cache entry."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:20]

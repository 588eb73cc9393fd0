"""Files of ours that stand alone, pages and pictures: what of a user's may be replaced, and how they are written."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from meagraph.errors import MEAGraphError
from meagraph.files import atomic_path, is_one_of


def claim_file(path: str | Path, mark: str, *, inputs: Iterable[str | Path] = (), overwrite: bool = False) -> None:
    """Whether a file may be written to ``path``, for commands to ask before they compute.

    What is there already is replaced where it holds ``mark``, by which a file of ours is known again, or with
    ``overwrite``; one of ``inputs`` never. Raises MEAGraphError.
    """
    target = Path(path)
    if is_one_of(target, inputs):
        raise MEAGraphError(f"{target}: expected a new file, but it is read here. Choose another name.")
    if not target.exists():
        return
    if not target.is_file():
        raise MEAGraphError(f"{target}: expected a file, but this is a folder or a device. Choose another name.")
    if not overwrite and mark.encode() not in target.read_bytes():
        raise MEAGraphError(f"{target}: expected a new file, but this is another one. Choose another name.")


def write_whole(path: str | Path, content: str | bytes) -> int:
    """Write a file at once, a text as UTF-8; its size in bytes. Raises MEAGraphError where that cannot be done."""
    data = content.encode("utf-8") if isinstance(content, str) else content
    try:
        with atomic_path(path) as temporary:
            temporary.write_bytes(data)
    except OSError as error:
        raise MEAGraphError(
            f"{path}: the file could not be written ({error.strerror}). Choose another folder."
        ) from error
    return len(data)

"""Files that a user brought with the browser: kept in a temporary folder that goes with the session."""

from __future__ import annotations

import os
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from meagraph.errors import MEAGraphError
from meagraph.files import leads_out
from meagraph.limits import UPLOAD, UPLOADED
from meagraph.temporary import TemporaryFolder

NAMED = 3  # files that a message names
LONGEST = 255  # bytes of a name


@dataclass
class Batch:
    """Files that come together, part by part, in order."""

    folder: Path
    paths: tuple[Path, ...]
    sizes: tuple[int, ...]  # bytes that each is to have
    file: int = 0  # that comes now
    done: int = 0  # bytes of it that are there

    @property
    def opened(self) -> tuple[Path, ...]:
        """What is opened of it: its files, but for those in folders, which are opened as folders."""
        return tuple(dict.fromkeys(self.folder / path.relative_to(self.folder).parts[0] for path in self.paths))

    @property
    def share(self) -> float:
        """The fraction that is there."""
        total = sum(self.sizes)
        return (sum(self.sizes[: self.file]) + self.done) / total if total else 1.0

    @property
    def complete(self) -> bool:
        """All of it is there."""
        return self.file == len(self.paths)

    def add(self, part: bytes) -> None:
        """Take the next part of the file that comes now. Raises MEAGraphError for more than was announced."""
        if self.complete or self.done + len(part) > self.sizes[self.file]:
            raise MEAGraphError("More came than the file's size. It may be changing; try again once it does not.")
        with open(self.paths[self.file], "ab") as stream:
            stream.write(part)
        self.done += len(part)
        self._advance()

    def _advance(self) -> None:
        while not self.complete and self.done == self.sizes[self.file]:
            self.paths[self.file].touch()
            self.file, self.done = self.file + 1, 0


class Uploads:
    """The folder of one session; made when the first file comes, removed with all in it by :meth:`close`."""

    def __init__(self, limit: int | None = None) -> None:
        self.limit = UPLOAD.value if limit is None else limit
        self._folder: TemporaryFolder | None = None
        self._batches = 0
        self._held = 0  # bytes

    def begin(self, files: Sequence[tuple[str, int]]) -> Batch:
        """Make room for files of these names and sizes; ``runs/a.xyz`` comes into a folder ``runs``.

        Raises MEAGraphError for what is too large, too many or has no name of its own.
        """
        names = [_inner(name) for name, _ in files]
        sizes = [int(size) for _, size in files]
        twice = _twice(names)
        if not names or twice or min(sizes) < 0:
            raise MEAGraphError(f"Expected files of different names, got {twice or 'none'} twice. Bring them apart.")
        most = UPLOADED.value
        if self._held + sum(sizes) > self.limit or len(names) > most:
            more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
            raise MEAGraphError(
                f"{', '.join(names[:NAMED])}{more}: {sum(sizes) / 1e6:,.1f} MB; at most {self.limit / 1e6:,.0f} MB may "
                f"be brought in a session, and {most:,} files at once. Copy the files to where meaviz runs and open "
                f"them by their path, or start it with other limits ({UPLOAD.variable}, {UPLOADED.variable})."
            )
        if self._folder is None:
            self._folder = TemporaryFolder()
        self._batches += 1
        folder = Path(self._folder.name) / str(self._batches)
        batch = Batch(folder, tuple(folder / name for name in names), tuple(sizes))
        try:
            folder.mkdir()
            for path in batch.paths:
                path.parent.mkdir(parents=True, exist_ok=True)
            batch._advance()
        except OSError as error:
            raise MEAGraphError(
                f"{', '.join(names[:NAMED])}: expected names that files may have here, and room for them, but that "
                f"failed ({error.strerror or error}). Rename the files, or free some space."
            ) from error
        self._held += sum(sizes)
        return batch

    def drop(self, batch: Batch) -> None:
        """Remove the files of a batch that is not wanted any more."""
        self._held -= sum(batch.sizes)
        for path in batch.paths:
            path.unlink(missing_ok=True)

    def holds(self, path: str) -> bool:
        """Whether ``path`` is one of the session's files."""
        return self._folder is not None and Path(path).is_relative_to(self._folder.name)

    def close(self) -> None:
        """Remove the folder and everything in it."""
        if self._folder is not None:
            self._folder.cleanup()
            self._folder, self._held = None, 0


def _inner(name: str) -> str:
    """A file's name within the folder that was brought; of a path that leads elsewhere only its last part.

    Raises MEAGraphError where nothing of it is left.
    """
    parts = [part.strip() for part in name.replace("\\", "/").split("/")]
    elsewhere = any(part in ("", ".", "..") for part in parts) or ":" in parts[0]
    inner = parts[-1] if elsewhere else "/".join(parts)
    try:
        longest = max(len(os.fsencode(part)) for part in inner.split("/"))
    except ValueError:  # no text
        longest = LONGEST + 1
    odd = longest > LONGEST or any(ord(letter) < 32 for letter in name)
    if parts[-1] in ("", ".", "..") or odd or leads_out(inner):
        raise MEAGraphError(f"Expected a file with a name that every system takes, got {name[:80]!r}. Rename it.")
    return inner


def _twice(names: Sequence[str]) -> str:
    """A name that stands for two files on some system, or for a file and a folder; empty where none does."""
    plain = [unicodedata.normalize("NFC", name).casefold() for name in names]
    folders = {name.rsplit("/", count)[0] for name in plain for count in range(1, name.count("/") + 1)}
    counts = Counter(plain)
    return next((name for name, one in zip(names, plain, strict=True) if counts[one] > 1 or one in folders), "")
